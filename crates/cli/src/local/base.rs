//! `killick base`: what an image has from its base, and what another base would change.

use clap::Args;
use killick_analysis::inspectors::Inspections;
use killick_report::base;

use super::image::ReadingArgs;
use super::knowledge::KnowledgeArgs;
use super::output::{TextOrJson, print, terminal_style};
use super::several;
use crate::exit::Exit;

/// Arguments of `base`.
#[derive(Debug, Args)]
pub(crate) struct Base {
    /// The image: any source, or a report of `scan -o json`
    #[arg(value_name = "IMAGE")]
    source: String,
    /// An image that it is, or could be, based on; may be repeated. The one whose layers it has is its base, the others are
    /// told as what they would change
    #[arg(long = "base", value_name = "IMAGE", required = true)]
    bases: Vec<String>,
    /// Form of the result
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: TextOrJson,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

pub(super) async fn run(args: Base) -> anyhow::Result<Exit> {
    let now = crate::clock::now();
    let mut sources = vec![args.source.clone()];
    sources.extend(args.bases.iter().cloned());
    let images = several::read(&sources, &args.reading, Inspections::none(), &args.knowledge, now).await?;
    let Some((image, bases)) = images.split_first() else { anyhow::bail!("no image was given") };
    let bases: Vec<_> = bases.iter().map(several::Facts::side).collect();
    let report = base::report(&image.side(), &bases);
    print(&match args.output {
        TextOrJson::Json => serde_json::to_string_pretty(&report)? + "\n",
        TextOrJson::Text => base::text(&report, terminal_style()),
    })?;
    Ok(Exit::Success)
}
