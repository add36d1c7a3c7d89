//! `killick scan`: what is in an image, what is known to be wrong with it, and the verdict.

use std::path::PathBuf;

use clap::Args;
use killick_model::severity::Severity;

use super::check::{Judged, Judgement, JudgingArgs};
use super::decisions::DecisionArgs;
use super::image::ImageArgs;
use super::inspections::InspectionArgs;
use super::knowledge::KnowledgeArgs;
use super::output::{self, OutputArgs};
use crate::exit::Exit;

/// Arguments of `scan`.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    /// Policy bundle to judge by
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    judging: JudgingArgs,
    /// Exit with 1 if a vulnerability is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    decisions: DecisionArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: Scan) -> anyhow::Result<Exit> {
    let policy = args.policy.as_deref().map(|path| (path, &args.judging));
    let judgement = Judgement::of(&args.image, &args.inspections, &args.knowledge, &args.decisions, policy).await?;
    output::write(&args.output, &judgement.document(&args.image.source))?;
    let is_too_severe = |image: &Judged| {
        args.fail_on.is_some_and(|limit| image.matches.matches.iter().any(|found| found.severity >= limit))
    };
    Ok(judgement.subject.exit(|image| is_too_severe(image) || image.is_stopped()))
}
