//! `killick check`: the verdict of a policy bundle.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::evaluation::Evaluation;
use killick_model::matching::Matches;
use killick_policy::{Bundle, Evidence, ProblemSeverity};
use killick_report::formats::{Knowledge, Report};
use killick_vulns::{MatchOptions, Subject};

use super::image::{self, ImageArgs};
use super::inspections::{self, InspectionArgs};
use super::knowledge::{self, KnowledgeArgs};
use super::output::{self, OutputArgs};
use crate::exit::Exit;
use crate::report_error::{hinted, with_hint};

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
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: Check) -> anyhow::Result<Exit> {
    let judgement = Judgement::of(&args.image, &args.inspections, &args.knowledge, Some(&args.policy)).await?;
    let report = judgement.report(&args.image.source);
    // The verdict alone: the vulnerabilities are its evidence, and `scan` shows them.
    output::write(&args.output, &Report { matches: None, ..report })?;
    Ok(if stops(judgement.evaluation.as_ref()) { Exit::Refused } else { Exit::Success })
}

/// Whether the policy does not let the image through.
pub(super) fn stops(evaluation: Option<&Evaluation>) -> bool {
    evaluation.is_some_and(|evaluation| !evaluation.passes())
}

/// Facts, knowledge and verdict on one image.
pub(super) struct Judgement {
    pub(super) analysis: Analysis,
    pub(super) matches: Matches,
    pub(super) evaluation: Option<Evaluation>,
    knowledge: Knowledge,
    now: Timestamp,
}

impl Judgement {
    /// Reads the bundle first, so that a mistake in it is told before an image is pulled.
    pub(super) async fn of(
        image: &ImageArgs,
        inspections: &InspectionArgs,
        knowledge: &KnowledgeArgs,
        policy: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let bundle = policy.map(read_bundle).transpose()?;
        let needs = bundle.as_ref().map(Bundle::needs);
        let inspections = inspections::compile(inspections, needs.as_ref())?;
        let index = knowledge::open(knowledge)?;
        let now = crate::clock::now();
        let status = killick_vulns::status(&index, now);
        let analysis = image::analyse(image, inspections).await?;
        let matches = killick_vulns::match_packages(&index, Subject::from(&analysis), &MatchOptions::default())
            .map_err(hinted)?;
        let feeds = knowledge::feed_groups(&status);
        let evaluation = bundle.map(|bundle| {
            let evidence = Evidence {
                feeds: &feeds,
                image_size_bytes: Some(analysis.size_bytes()),
                declared_packages: is_folder(&image.source),
                ..Evidence::new(&analysis, &matches, now)
            };
            killick_policy::evaluate(&bundle, &evidence, &reference(&image.source), &killick_policy::Options::default())
        });
        Ok(Self { matches, evaluation, knowledge: knowledge::describe(&status, now), now, analysis })
    }

    pub(super) fn report<'a>(&'a self, source: &'a str) -> Report<'a> {
        Report {
            source,
            analysis: &self.analysis,
            matches: Some(&self.matches),
            evaluation: self.evaluation.as_ref(),
            knowledge: Some(&self.knowledge),
            tool_version: env!("CARGO_PKG_VERSION"),
            now: self.now,
        }
    }
}

/// The reference policy mappings see: the image's own, completed, or for files and folders the source as typed.
fn reference(source: &str) -> String {
    match killick_fetch::Source::parse(source) {
        Ok(killick_fetch::Source::Registry(reference)) => reference.to_string(),
        _ => source.to_owned(),
    }
}

/// Whether the source is a folder: of an application nobody has built yet, the lock files are what there is.
fn is_folder(source: &str) -> bool {
    matches!(killick_fetch::Source::parse(source), Ok(killick_fetch::Source::Directory(_)))
}

fn read_bundle(path: &Path) -> anyhow::Result<Bundle> {
    let text = fs_err::read_to_string(path)?;
    let document =
        serde_json::from_str(&text).with_context(|| format!("the policy bundle `{}` is not JSON", path.display()))?;
    let bundle = Bundle::parse(&document).map_err(|error| anyhow::anyhow!("{error}"))?;
    let problems = bundle.validate();
    if let Some(first) = problems.iter().find(|problem| problem.severity == ProblemSeverity::Error) {
        let text = format!(
            "the policy bundle `{}` is not valid: {}{}",
            path.display(),
            if first.path.is_empty() { String::new() } else { format!("`{}`: ", first.path) },
            first.reason
        );
        return Err(with_hint(text, first.remedy.clone().unwrap_or_default()));
    }
    Ok(bundle)
}
