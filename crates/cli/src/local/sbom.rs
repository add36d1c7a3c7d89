//! `killick sbom`: what is in an image.

use clap::Args;
use killick_report::formats::Report;

use super::image::{self, ImageArgs};
use super::inspections::{self, InspectionArgs};
use super::output::{self, OutputArgs};
use crate::exit::Exit;

/// Arguments of `sbom`.
#[derive(Debug, Args)]
pub(crate) struct Sbom {
    #[command(flatten)]
    image: ImageArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: Sbom) -> anyhow::Result<Exit> {
    let inspections = inspections::compile(&args.inspections, None)?;
    let analysis = image::analyse(&args.image, inspections).await?;
    let report = Report {
        source: &args.image.source,
        analysis: &analysis,
        matches: None,
        evaluation: None,
        knowledge: None,
        tool_version: env!("CARGO_PKG_VERSION"),
        now: crate::clock::now(),
    };
    output::write(&args.output, &report)?;
    Ok(Exit::Success)
}
