//! What is past the end of its support, above everything else: few vulnerabilities of it are no good news.

use std::fmt::Write as _;

use super::layout::{Colour, paint, plain};
use super::{Report, Style};
use crate::support;

pub(super) fn write(text: &mut String, report: &Report<'_>, style: Style) {
    for ended in report.unsupported {
        let line = support::line(report, ended);
        let _ = writeln!(text, "{}", paint(&plain(&line), Colour::Red, style));
    }
    if !report.unsupported.is_empty() {
        text.push('\n');
    }
}
