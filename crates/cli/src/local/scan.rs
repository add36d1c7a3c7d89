//! `killick scan`: what is in an image, what is known to be wrong with it, and the verdict.

use std::path::PathBuf;

use clap::Args;
use killick_model::severity::Severity;

use super::check::{self, Judgement};
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
    /// Exit with 1 if a vulnerability is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: Scan) -> anyhow::Result<Exit> {
    let judgement = Judgement::of(&args.image, &args.inspections, &args.knowledge, args.policy.as_deref()).await?;
    output::write(&args.output, &judgement.report(&args.image.source))?;
    let too_severe =
        args.fail_on.is_some_and(|limit| judgement.matches.matches.iter().any(|found| found.severity >= limit));
    let stopped = check::stops(judgement.evaluation.as_ref());
    Ok(if too_severe || stopped { Exit::Refused } else { Exit::Success })
}
