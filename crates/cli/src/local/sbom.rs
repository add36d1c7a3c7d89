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
    let (subject, now) = (image::analyse(&args.image, inspections).await?, crate::clock::now());
    let report = |analysis| Report {
        source: &args.image.source,
        analysis,
        matches: None,
        evaluation: None,
        unsupported: &[],
        knowledge: None,
        author: None,
        tool_version: env!("CARGO_PKG_VERSION"),
        now,
    };
    output::write(&args.output, &subject.document(&args.image.source, now, report))?;
    Ok(subject.exit(|_| false))
}
