//! `killick sbom`: what is in an image, or in several.

use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use killick_analysis::inspectors::Inspections;
use killick_model::analysis::Analysis;
use killick_report::formats::{IndexReport, IndexedReport, Needs, Report};

use super::image::{self, ImageArgs};
use super::inspections::{self, InspectionArgs};
use super::output::{self, Document, OutputArgs};
use super::subject::Subject;
use crate::exit::Exit;

/// Letters of the names of several images, as a name of all of them.
const NAME: usize = 200;

/// Arguments of `sbom`.
#[derive(Debug, Args)]
pub(crate) struct Sbom {
    #[command(flatten)]
    image: ImageArgs,
    /// Further images, told in the same document
    #[arg(value_name = "IMAGE")]
    others: Vec<String>,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: Sbom) -> anyhow::Result<Exit> {
    args.output.check(Needs::Nothing)?;
    let inspections = inspections::compile(&args.inspections, None)?;
    if !args.others.is_empty() {
        return side_by_side(&args, &inspections).await;
    }
    let (subject, now) = (image::analyse(&args.image, inspections).await?, crate::clock::now());
    let report = |analysis| report(&args.image.source, analysis, now);
    output::write(&args.output, &subject.document(&args.image.source, now, report))?;
    Ok(subject.exit(|_| false))
}

/// Several images in one document. One that cannot be read ends it: nobody would miss it in what was written.
async fn side_by_side(args: &Sbom, inspections: &Arc<Inspections>) -> anyhow::Result<Exit> {
    let mut read: Vec<(&str, Analysis)> = Vec::new();
    for source in std::iter::once(&args.image.source).chain(&args.others) {
        if read.iter().any(|(known, _)| known == source) {
            continue;
        }
        match image::analyse_source(source, &args.image.reading, Arc::clone(inspections)).await? {
            Subject::Image(analysis) => read.push((source, *analysis)),
            Subject::Index { images, .. } => {
                for image in images {
                    read.push((source, image.outcome?));
                }
            }
        }
    }
    let now = crate::clock::now();
    let images = read.iter().map(|(source, analysis)| IndexedReport {
        platform: format!("{source} {}/{}", analysis.config.os, analysis.config.architecture),
        digest: &analysis.manifest_digest,
        outcome: Ok(report(source, analysis, now)),
    });
    let mut names: Vec<&str> = read.iter().map(|(source, _)| *source).collect();
    names.dedup();
    let name: String = names.join(", ").chars().take(NAME).collect();
    let (images, tool_version) = (images.collect(), env!("CARGO_PKG_VERSION"));
    let report = IndexReport { source: &name, digest: None, images, tool_version, now };
    output::write(&args.output, &Document::Index(report))?;
    Ok(Exit::Success)
}

fn report<'a>(source: &'a str, analysis: &'a Analysis, now: Timestamp) -> Report<'a> {
    Report {
        source,
        analysis,
        matches: None,
        evaluation: None,
        unsupported: &[],
        knowledge: None,
        author: None,
        tool_version: env!("CARGO_PKG_VERSION"),
        now,
    }
}
