//! The document that an analysis was read from, in one line: what it is, and how much it tells.

use std::fmt::Write as _;

use killick_model::analysis::Analysis;

use super::Style;
use super::layout::{Colour, paint, plain};

/// Fidelity below which much may be missed.
const LOW: u8 = 70;

pub(super) fn write(text: &mut String, analysis: &Analysis, style: Style) {
    let Some(origin) = &analysis.sbom else { return };
    let fidelity = &origin.fidelity;
    let missing = fidelity.deductions.iter().map(|missing| format!("{} -{}", missing.lack, missing.points));
    let missing: Vec<String> = missing.collect();
    let missing = match missing.as_slice() {
        [] => String::new(),
        missing => format!(" ({}); `-o json` has the reasons", missing.join(", ")),
    };
    let line = format!("read from {}: fidelity {} of 100{missing}", plain(&origin.title()), fidelity.score);
    let line = if fidelity.score < LOW { paint(&line, Colour::Yellow, style) } else { line };
    let _ = writeln!(text, "{line}");
}
