//! `killick check`: the verdict of a policy bundle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use killick_analysis::inspectors::Inspections;
use killick_model::analysis::Analysis;
use killick_model::evaluation::{Evaluation, FinalActionReason};
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_model::reference::Reference;
use killick_policy::{Bundle, Compatibility, Evidence, FeedGroup, Options};
use killick_report::formats::{Knowledge, Needs, Report};
use killick_vulns::{Index, Status, Subject};

use super::bundles::read_bundle;
use super::decisions::{DecisionArgs, Decisions};
use super::exceptions::{self, ExceptionArgs, Granting};
use super::image::{self, ImageArgs, ReadingArgs};
use super::inspections::{self, InspectionArgs};
use super::knowledge::{self, KnowledgeArgs};
use super::output::{self, Document, OutputArgs};
use crate::exit::Exit;
use crate::report_error::hinted;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    /// Policy bundle to judge by
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Name under which the image is judged: what mappings of the bundle and its lists of images see (default: that in its
    /// registry, or the one that its archive gives it)
    #[arg(long, value_name = "NAME")]
    reference: Option<Reference>,
    #[command(flatten)]
    judging: JudgingArgs,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    decisions: DecisionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// How to judge.
#[derive(Debug, Args)]
pub(super) struct JudgingArgs {
    /// Where Anchore Engine 1.1 has a defect that changes a verdict: `repaired` is right and warns, `engine-1.1` does as it did
    #[arg(long, value_name = "PROFILE", default_value_t)]
    pub(super) compatibility: Compatibility,
    #[command(flatten)]
    pub(super) exceptions: ExceptionArgs,
    /// Write into the file of --exceptions what those that do not say it yet are granted for: the findings of this image
    /// that they select, as they are now. From then on they clear these alone, and only while nothing of them changes.
    /// YAML keeps its comments and its form; JSON is written anew
    #[arg(long, requires = "exceptions")]
    pub(super) grant: bool,
}

pub(super) async fn run(args: Check) -> anyhow::Result<Exit> {
    args.output.check(Needs::Findings)?;
    let policy = Some((args.policy.as_path(), &args.judging));
    let judge = Judge::new(&args.inspections, &args.knowledge, policy, crate::clock::now())?;
    let source = &args.image.source;
    let judgement = judge.judge(source, args.reference.as_ref(), &args.image.reading, &args.decisions).await?;
    // The verdict alone: the vulnerabilities are its evidence, and `scan` shows them.
    let verdict = |image| Report { matches: None, ..judgement.report(source, image) };
    output::write(&args.output, &judgement.subject.document(source, judgement.now, verdict))?;
    Ok(judgement.subject.exit(Judged::is_stopped))
}

/// Facts and verdict on one image.
pub(super) struct Judged {
    pub(super) analysis: Analysis,
    pub(super) matches: Matches,
    pub(super) evaluation: Option<Evaluation>,
    unsupported: Vec<Unsupported>,
}

impl Judged {
    /// Whether the policy does not let the image through.
    pub(super) fn is_stopped(&self) -> bool {
        self.evaluation.as_ref().is_some_and(|evaluation| !evaluation.passes())
    }
}

/// All that was judged, and what it was judged by.
pub(super) struct Judgement {
    pub(super) subject: super::subject::Subject<Judged>,
    /// The name it was judged under.
    pub(super) reference: String,
    pub(super) knowledge: Knowledge,
    author: Option<String>,
    now: Timestamp,
}

/// What images are judged by.
pub(super) struct Judge {
    bundle: Option<Arc<Bundle>>,
    options: Options,
    exceptions: Granting,
    inspections: Arc<Inspections>,
    index: Index,
    status: Status,
    feeds: Vec<FeedGroup>,
    now: Timestamp,
}

impl Judge {
    /// Reads the bundle first, so that a mistake in it is told before an image is pulled.
    pub(super) fn new(
        inspections: &InspectionArgs,
        knowledge: &KnowledgeArgs,
        policy: Option<(&Path, &JudgingArgs)>,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let read = |(path, judging)| anyhow::Ok((Arc::new(read_bundle(path)?), judging));
        Self::of(inspections, knowledge, policy.map(read).transpose()?, now)
    }

    /// The same with a bundle that was read already.
    pub(super) fn of(
        inspections: &InspectionArgs,
        knowledge: &KnowledgeArgs,
        policy: Option<(Arc<Bundle>, &JudgingArgs)>,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let (bundle, judging) = policy.unzip();
        let options = judging.map(|judging| Options { compatibility: judging.compatibility }).unwrap_or_default();
        let exceptions = judging.map(|judging| exceptions::read(&judging.exceptions, judging.grant));
        let exceptions = exceptions.transpose()?.unwrap_or_default();
        let needs = bundle.as_deref().map(Bundle::needs);
        let inspections = inspections::compile(inspections, needs.as_ref())?;
        let index = knowledge::open(knowledge)?;
        let status = killick_vulns::status(&index, now);
        let feeds = knowledge::feed_groups(&status);
        Ok(Self { bundle, options, exceptions, inspections, index, status, feeds, now })
    }

    /// The index it judges by.
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// What it looks for in images, besides packages.
    pub(super) fn inspections(&self) -> &Arc<Inspections> {
        &self.inspections
    }

    /// The instant it speaks for.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Id of the bundle, if there is one.
    pub(super) fn bundle_id(&self) -> Option<&str> {
        self.bundle.as_ref().map(|bundle| bundle.id.as_str())
    }

    /// Reads the image, or those images of the index that are wanted, and judges what there is: as `reference`, or under its
    /// own name.
    pub(super) async fn judge(
        &self,
        source: &str,
        reference: Option<&Reference>,
        reading: &ReadingArgs,
        decisions: &DecisionArgs,
    ) -> anyhow::Result<Judgement> {
        let decisions = Decisions::of(decisions, source, self.now)?;
        let reference = reference.map(Reference::to_string);
        let judgement = self.judge_as(reference.as_deref(), source, reading, decisions).await?;
        judgement.warn_if_unmapped();
        Ok(judgement)
    }

    /// The same of what is known as `reference`, whatever it is called where it is read from.
    pub(super) async fn judge_as(
        &self,
        reference: Option<&str>,
        source: &str,
        reading: &ReadingArgs,
        decisions: Decisions,
    ) -> anyhow::Result<Judgement> {
        let declared_packages = is_folder(source);
        let (subject, own_name) = image::analyse_named(source, reading, Arc::clone(&self.inspections)).await?;
        let reference = reference.map_or(own_name, str::to_owned);
        let subject = subject.try_map(|analysis| self.judged(&reference, declared_packages, &decisions, analysis))?;
        self.exceptions.remember(subject.all().filter_map(|image| image.evaluation.as_ref()))?;
        let knowledge = knowledge::describe(&self.status);
        Ok(Judgement { subject, reference, knowledge, author: decisions.author, now: self.now })
    }

    fn judged(
        &self,
        reference: &str,
        declared_packages: bool,
        decisions: &Decisions,
        analysis: Analysis,
    ) -> anyhow::Result<Judged> {
        let Self { index, now, .. } = self;
        let matches = decisions.judge(index, &analysis)?;
        let subject = Subject::from(&analysis);
        let unsupported = killick_vulns::lifecycle::unsupported(index, subject, (*now).into()).map_err(hinted)?;
        let evaluation = self.bundle.as_ref().map(|bundle| {
            let sources = knowledge::judging_sources(index, &analysis);
            let evidence = Evidence {
                feeds: &self.feeds,
                sources: &sources,
                unsupported: &unsupported,
                image_size_bytes: size(&analysis),
                declared_packages,
                ..Evidence::new(&analysis, &matches, *now)
            };
            let mut evaluation = killick_policy::evaluate(bundle, &evidence, reference, &self.options);
            self.exceptions.apply(&mut evaluation);
            evaluation
        });
        Ok(Judged { analysis, matches, evaluation, unsupported })
    }
}

impl Judgement {
    /// An image that no mapping speaks of passes: mostly it is called otherwise than was thought.
    pub(super) fn warn_if_unmapped(&self) {
        let is_unmapped = |found: &&Evaluation| {
            let is_by_policy = found.final_action_reason == FinalActionReason::PolicyEvaluation;
            is_by_policy && found.passes() && found.matched_mapping.is_none()
        };
        if let Some(found) = self.subject.all().filter_map(|image| image.evaluation.as_ref()).find(is_unmapped) {
            tracing::warn!(
                "no mapping of the bundle `{}` matches `{}`, so that it passes without being judged; if it has another name, \
                 give that to `scan` or `check` as `--reference NAME`",
                found.bundle_id,
                found.reference
            );
        }
    }

    /// The document with everything.
    pub(super) fn document<'a>(&'a self, source: &'a str) -> Document<'a> {
        self.subject.document(source, self.now, |image| self.report(source, image))
    }

    pub(super) fn report<'a>(&'a self, source: &'a str, image: &'a Judged) -> Report<'a> {
        Report {
            source,
            analysis: &image.analysis,
            matches: Some(&image.matches),
            evaluation: image.evaluation.as_ref(),
            unsupported: &image.unsupported,
            knowledge: Some(&self.knowledge),
            author: self.author.as_deref(),
            tool_version: env!("CARGO_PKG_VERSION"),
            now: self.now,
        }
    }
}

/// The reference policy mappings see of an image in a registry, completed; for others the source as typed.
pub(super) fn reference(source: &str) -> String {
    match killick_fetch::Source::parse(source) {
        Ok(killick_fetch::Source::Registry(reference)) => reference.to_string(),
        _ => source.to_owned(),
    }
}

/// Bytes of the image, if its files are known.
pub(super) fn size(analysis: &Analysis) -> Option<u64> {
    analysis.sbom.is_none().then(|| analysis.size_bytes())
}

/// Whether the source is a folder: of an application nobody has built yet, the lock files are what there is.
pub(super) fn is_folder(source: &str) -> bool {
    matches!(killick_fetch::Source::parse(source), Ok(killick_fetch::Source::Directory(_)))
}
