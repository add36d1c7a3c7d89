//! What could not be read or judged: all kinds of it, of each kind the first few.

use std::fmt::Write as _;

use killick_model::problem::Problem;

use super::layout::{Colour, paint, plain};
use super::{Style, counted};
use crate::formats::Report;

/// Problems of one kind that are shown, so that many of one do not hide another; documents for machines have all.
const MAX_OF_KIND: usize = 5;

/// Letters of a subject or message that are shown. Paths may be long, and are not ours.
const MAX_LETTERS: usize = 200;

pub(super) fn write(text: &mut String, report: &Report<'_>, style: Style) {
    let mut problems: Vec<&Problem> = report.problems().collect();
    if problems.is_empty() {
        return;
    }
    problems.sort();
    problems.dedup();
    let _ = writeln!(text, "\n{}", paint(&counted(problems.len(), "problem"), Colour::Yellow, style));
    let mut is_shortened = false;
    for of_kind in problems.chunk_by(|a, b| a.kind == b.kind) {
        // One more is told in the line that would say so.
        let shown = if of_kind.len() == MAX_OF_KIND + 1 { of_kind.len() } else { MAX_OF_KIND };
        for problem in of_kind.iter().take(shown) {
            let _ = writeln!(text, "  {}: {}", shortened(&problem.subject), shortened(&problem.message));
        }
        if let Some(problem) = of_kind.get(shown) {
            let _ = writeln!(text, "  and {} more of the kind `{}`", of_kind.len() - shown, plain(&problem.kind));
            is_shortened = true;
        }
    }
    if is_shortened {
        let _ = writeln!(text, "  `-o json` has all of them");
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_LETTERS) {
        Some((end, _)) => plain(&text[..end]) + "…",
        None => plain(text),
    }
}
