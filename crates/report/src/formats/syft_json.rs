//! Syft's JSON, for pipelines that read it: see [`crate::syft`].
//!
//! Syft has no document of several images: there is one on each line.

use std::io::{self, Write};

use super::{IndexReport, Report, Style};
use crate::syft::{self, Image};

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let tags = [report.source.to_owned()];
    let image = Image { analysis: report.analysis, tags: &tags, manifest: b"", is_whole: true };
    syft::write(&image, report.tool_version, out)?;
    out.write_all(b"\n")
}

pub(super) fn render_index(index: &IndexReport<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    index
        .images
        .iter()
        .filter_map(|image| image.outcome.as_ref().ok())
        .try_for_each(|report| render(report, style, out))
}
