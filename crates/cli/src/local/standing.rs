//! Judging images for as long as a process lives, one after the other, as others name them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use killick_model::evaluation::Evaluation;
use killick_model::reference::Reference;
use killick_policy::Bundle;
use killick_policy::lint::{Level, LintOptions, lint};

use super::bundles::read_bundle;
use super::check::{Judge, JudgingArgs};
use super::decisions::{DecisionArgs, Decisions};
use super::image::{ReadingArgs, is_at_fault};
use super::inspections::InspectionArgs;
use super::knowledge::KnowledgeArgs;
use crate::report_error::with_hint;

/// How images are read and judged: all of `scan` that goes with any image.
#[derive(Debug, Args)]
pub(crate) struct StandingArgs {
    #[command(flatten)]
    judging: JudgingArgs,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    decisions: DecisionArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// A judge by a bundle in a file. Bundle, advisory index, exceptions, VEX documents and logins of registries are those that
/// there are when an image is judged.
pub(crate) struct Standing {
    args: StandingArgs,
    path: PathBuf,
    bundle: Mutex<Arc<Bundle>>,
}

/// Why there is no verdict.
pub(crate) struct Unjudged {
    /// What went wrong.
    pub(crate) error: anyhow::Error,
    /// Whether it is the image's own fault, which no second try will mend.
    pub(crate) is_of_the_image: bool,
}

impl Standing {
    /// Reads everything once, so that mistakes are told before anybody asks.
    pub(crate) fn new(mut args: StandingArgs, path: PathBuf) -> anyhow::Result<Self> {
        if args.reading.registry().has_password_for_all() {
            return Err(with_hint(
                "`--registry-user` would be shown to every registry that somebody names an image of",
                "give logins by registry: in the `config.json` of docker, in the folder that DOCKER_CONFIG names",
            ));
        }
        if args.judging.grant {
            return Err(with_hint(
                "`--grant` is for one image",
                "grant exceptions with `killick check IMAGE … --grant`",
            ));
        }
        args.reading.quiet = true;
        let bundle = Arc::new(read_bundle(&path)?);
        let now = crate::clock::now();
        let options = LintOptions { now, notice_days: args.judging.exceptions.exceptions_notice, against: &[] };
        for remark in lint(&bundle, &options).iter().filter(|remark| remark.level >= Level::Warning) {
            tracing::warn!("`{}` {}: {}; {}", path.display(), remark.path, remark.reason, remark.remedy);
        }
        let standing = Self { args, path, bundle: Mutex::new(bundle) };
        standing.judge()?;
        Decisions::about(&standing.args.decisions, None, now)?;
        Ok(standing)
    }

    /// The file of the bundle.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The verdict on the image of a registry, for each platform that is wanted, as if it was called `tag` there.
    ///
    /// Judging takes one thread for a while, so that whoever waits with others should not wait here.
    pub(crate) async fn verdicts(&self, image: &Reference, tag: &str) -> Result<Vec<Evaluation>, Unjudged> {
        self.evaluations(image, tag).await.map_err(|error| Unjudged { is_of_the_image: is_at_fault(&error), error })
    }

    async fn evaluations(&self, image: &Reference, tag: &str) -> anyhow::Result<Vec<Evaluation>> {
        let judge = self.judge()?;
        let decisions = Decisions::about(&self.args.decisions, Some(image.clone()), judge.now())?;
        let source = format!("registry:{image}");
        let judgement = judge.judge_as(Some(tag), &source, &self.args.reading, decisions).await?;
        judgement.subject.into_all().map(|image| Ok(image?.evaluation)).filter_map(Result::transpose).collect()
    }

    /// Knows what there is to know now.
    fn judge(&self) -> anyhow::Result<Judge> {
        let policy = Some((self.bundle(), &self.args.judging));
        Judge::of(&self.args.inspections, &self.args.knowledge, policy, crate::clock::now())
    }

    /// The bundle as the file has it. While that is no good, what was good counts.
    fn bundle(&self) -> Arc<Bundle> {
        let read = read_bundle(&self.path);
        let mut bundle = self.bundle.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(read) => *bundle = Arc::new(read),
            Err(error) => tracing::error!("the bundle stays as it was: {}", crate::report_error::in_one_line(&error)),
        }
        Arc::clone(&bundle)
    }
}
