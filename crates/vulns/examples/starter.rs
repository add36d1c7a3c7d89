//! Rebuilds the starter index: `cargo run --release -p killick-vulns --example starter -- FEEDS OUT`.
//!
//! `FEEDS` lies like the upstreams. Only sources whose licence allows passing them on get in, and what
//! `data/starter.exclude` names stays out. The same inputs give the same bytes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use killick_vulns::{Audience, BuildOptions, build};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let usage = "usage: starter FEEDS OUT";
    let (feeds, out) = (arguments.next().context(usage)?, arguments.next().context(usage)?);
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/starter.exclude");
    let text = fs_err::read_to_string(list)?;
    let exclude: Vec<String> =
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect();
    let options = BuildOptions { audience: Audience::Public, exclude: &exclude, ..BuildOptions::default() };
    let report = build(&[feeds], &out, &options)?;
    let mut lines = Vec::new();
    for segment in &report.segments {
        lines.push(format!(
            "{:<26} {:>7} advisories {:>7} statements {:>9} bytes  {}",
            segment.label(),
            segment.advisories,
            segment.statements,
            segment.blocks_bytes + segment.directory_bytes,
            segment.attribution,
        ));
    }
    for input in report.inputs.iter().filter(|input| input.skipped > 0 || !input.problems.is_empty()) {
        let first = input.problems.first().map_or("", |problem| problem.message.as_str());
        lines.push(format!("{}: {} records skipped, the first: {first}", input.path, input.skipped));
    }
    lines.push(format!("{} bytes", report.size_bytes));
    writeln!(std::io::stdout(), "{}", lines.join("\n"))?;
    Ok(())
}
