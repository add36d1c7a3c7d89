//! For a terminal.

use std::fmt::Write as _;

use killick_model::printable::printable;

use super::{BaseReport, Counts};
use crate::formats::{Style, aligned};

/// What the base brought, what the application brought, and a row for each other base.
pub fn text(report: &BaseReport, style: Style) -> String {
    let mut text = String::new();
    match &report.base {
        Some(base) => {
            let _ = writeln!(text, "{} is based on {base}\n", report.image);
        }
        None => {
            let _ = writeln!(text, "{} is based on none of the given images\n", report.image);
        }
    }
    let row = |name: &str, packages: usize, counts: &Counts| vec![name.to_owned(), packages.to_string(), told(counts)];
    let mut rows = Vec::new();
    if report.base.is_some() {
        rows.push(row("base", report.packages_of_base, &report.of_base));
    }
    rows.push(row("application", report.packages_of_application, &report.of_application));
    if report.base.is_some() {
        let packages = report.packages_of_base + report.packages_of_application;
        rows.push(row("both", packages, &report.of_base.with(&report.of_application)));
    }
    let mut text = printable(&text).into_owned();
    text.push_str(&aligned(&["FROM", "PACKAGES", "VULNERABILITIES"], rows, style));
    if report.others.is_empty() {
        return text;
    }
    let rows = report
        .others
        .iter()
        .map(|other| vec![other.source.clone(), told(&other.then), told(&other.removed), told(&other.added)]);
    text.push('\n');
    text.push_str(&aligned(&["ON", "VULNERABILITIES", "REMOVED", "ADDED"], rows.collect(), style));
    let advice = match report.best() {
        Some(best) => format!("\n{} leaves the fewest of the worst\n", best.source),
        None => "\nnone of them is better than what there is\n".to_owned(),
    };
    text + &printable(&advice)
}

fn told(counts: &Counts) -> String {
    if counts.total() == 0 {
        return "none".to_owned();
    }
    let by_severity = counts.0.iter().rev().map(|(severity, count)| format!("{count} {severity}"));
    format!("{} ({})", counts.total(), by_severity.collect::<Vec<_>>().join(", "))
}
