//! Tables for people: packages, or vulnerabilities with a summary, and the verdict.

use std::fmt::Write as _;
use std::io;

use killick_model::analysis::Analysis;
use killick_model::matching::{Confidence, Match, Matches};
use killick_model::severity::Severity;

use super::{IndexReport, Knowledge, Report, Style, by_risk, fix_text, severity_counts};
use layout::{Colour, paint, plain, table};

mod attached;
mod decided;
mod inspected;
pub(crate) mod layout;
mod problems;
mod sbom;
mod support;
mod verdict;

pub(super) fn render(report: &Report<'_>, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(rendered(report, style).as_bytes())
}

/// The tables of each image below its platform, and a summary.
pub(super) fn render_index(index: &IndexReport<'_>, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut rows = Vec::new();
    for child in &index.images {
        let platform = plain(&child.platform);
        let mut text = format!("{} {}\n", paint(&platform, Colour::Bold, style), child.digest);
        let mut row = vec![platform, child.digest.to_string()];
        match &child.outcome {
            Ok(report) => {
                text.push_str(&rendered(report, style));
                row.push(report.analysis.packages.len().to_string());
                row.push(report.matches.map(|matches| matches.matches.len().to_string()).unwrap_or_default());
                row.push(report.evaluation.map(|evaluation| verdict::word(evaluation).to_owned()).unwrap_or_default());
            }
            Err(error) => {
                let _ = writeln!(text, "{}", paint(&plain(error), Colour::Red, style));
                row.extend([String::new(), String::new(), "not analyzed".to_owned()]);
            }
        }
        text.push('\n');
        out.write_all(text.as_bytes())?;
        rows.push(row);
    }
    let header = ["PLATFORM", "IMAGE", "PACKAGES", "VULNERABILITIES", "VERDICT"];
    // Columns of what nobody asked for are left out.
    let used: Vec<usize> = (0..header.len())
        .filter(|column| rows.iter().any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty())))
        .collect();
    let pick = |row: Vec<String>| used.iter().filter_map(|column| row.get(*column).cloned()).collect();
    let names: Vec<&str> = used.iter().filter_map(|column| header.get(*column).copied()).collect();
    let mut text = table(&names, &header, rows.into_iter().map(pick).collect(), style);
    let of = index.digest.map(|digest| format!(" of the index {digest}")).unwrap_or_default();
    let _ = writeln!(text, "\n{}{of}", counted(index.images.len(), "image"));
    out.write_all(text.as_bytes())
}

fn rendered(report: &Report<'_>, style: Style) -> String {
    let mut text = String::new();
    match (report.matches, report.evaluation) {
        (Some(matches), _) => vulnerabilities(&mut text, report, matches, style),
        (None, None) => packages(&mut text, report.analysis, style),
        (None, Some(_)) => {}
    }
    if report.matches.is_some() || report.evaluation.is_none() {
        inspected::write(&mut text, report.analysis, style);
        attached::write(&mut text, report.analysis);
    }
    if let Some(evaluation) = report.evaluation {
        if !text.is_empty() {
            text.push('\n');
        }
        verdict::write(&mut text, evaluation, style);
    }
    sbom::write(&mut text, report.analysis, style);
    problems::write(&mut text, report, style);
    text
}

fn packages(text: &mut String, analysis: &Analysis, style: Style) {
    let rows = analysis.packages.iter().map(|package| {
        [package.name.as_str(), &package.version, &package.described_kind(), &package.virtual_path()]
            .map(plain)
            .to_vec()
    });
    if !analysis.packages.is_empty() {
        text.push_str(&table(&["NAME", "VERSION", "TYPE", "LOCATION"], &["VERSION", "TYPE"], rows.collect(), style));
        text.push('\n');
    }
    let _ = writeln!(text, "{}", counted(analysis.packages.len(), "package"));
    inspected::privileged(text, analysis);
}

fn vulnerabilities(text: &mut String, report: &Report<'_>, matches: &Matches, style: Style) {
    support::write(text, report, style);
    let sorted = by_risk(matches);
    if !sorted.is_empty() {
        let rows = sorted.iter().map(|found| row(report.analysis, found)).collect();
        let header = ["ID", "SEVERITY", "PACKAGE", "INSTALLED", "FIXED IN", "TYPE", "RISK"];
        let rendered = table(&header, &["ID", "SEVERITY", "TYPE"], rows, style);
        for line in rendered.lines() {
            text.push_str(&coloured(line, style));
            text.push('\n');
        }
        text.push('\n');
    }
    text.push_str(&summary(report, matches));
    decided::write(text, matches);
    text.push_str(&age(report));
}

fn row(analysis: &Analysis, found: &Match) -> Vec<String> {
    let package = analysis.package(found.package);
    [
        found.anchore_id(package),
        found.severity.title(),
        &package.name,
        &package.version,
        &fix_text(&found.fix),
        &package.described_kind(),
        &risk(found),
    ]
    .map(plain)
    .to_vec()
}

/// The risk, `exploited` for what is known to be used, and the chance of exploitation where it is at least one in a
/// hundred; `guess` for what was found by CPE.
fn risk(found: &Match) -> String {
    let mut marks = vec![format!("{:.0}", found.risk)];
    if found.evidence.first().is_some_and(|evidence| evidence.confidence == Confidence::Cpe) {
        marks.push("guess".to_owned());
    }
    if found.malicious {
        marks.push("malicious".to_owned());
    }
    if found.known_exploited {
        marks.push("exploited".to_owned());
    }
    marks.extend(found.epss.filter(|epss| *epss >= 0.01).map(|epss| format!("EPSS {:.0}%", epss * 100.0)));
    marks.join(", ")
}

/// Paints the severity, which is the second word of a row; continued rows begin with a blank.
fn coloured(line: &str, style: Style) -> String {
    let Some((id, rest)) = line.split_once(' ').filter(|(id, _)| !id.is_empty()) else { return line.to_owned() };
    let word = rest.trim_start();
    let gap = &rest[..rest.len() - word.len()];
    let severity = Severity::ALL.into_iter().find(|severity| word.starts_with(severity.title()));
    let Some((severity, after)) = severity.and_then(|severity| Some((severity, word.strip_prefix(severity.title())?)))
    else {
        return line.to_owned();
    };
    let colour = match severity {
        Severity::Critical | Severity::High => Colour::Red,
        Severity::Medium => Colour::Yellow,
        Severity::Low | Severity::Negligible | Severity::Unknown => Colour::Dim,
    };
    format!("{id} {gap}{}{after}", paint(severity.title(), colour, style))
}

/// `3 vulnerabilities in 2 of 14 packages: 1 critical, 2 low; 2 fixable, 1 known to be exploited`.
fn summary(report: &Report<'_>, matches: &Matches) -> String {
    let all = report.analysis.packages.len();
    if matches.matches.is_empty() {
        return format!("no known vulnerabilities in {}\n", counted(all, "package"));
    }
    let mut packages: Vec<_> = matches.matches.iter().map(|found| found.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let counts = severity_counts(matches).into_iter();
    let by_severity: Vec<String> =
        counts.map(|(severity, count)| format!("{count} {}", severity.title().to_lowercase())).collect();
    let fixable = matches.matches.iter().filter(|found| !found.fix.versions.is_empty()).count();
    let exploited = matches.matches.iter().filter(|found| found.known_exploited).count();
    let mut text = format!(
        "{} in {} of {}: {}; {fixable} fixable",
        counted_as(matches.matches.len(), "vulnerability", "vulnerabilities"),
        packages.len(),
        counted(all, "package"),
        by_severity.join(", "),
    );
    if exploited > 0 {
        let _ = write!(text, ", {exploited} known to be exploited");
    }
    text.push('\n');
    text
}

/// How old the newest data is, whenever the index was built. Old data finds little, which must not look like good news.
fn age(report: &Report<'_>) -> String {
    let Some(Knowledge { newest_data, sources }) = report.knowledge else {
        return "vulnerability data of unknown age\n".to_owned();
    };
    let advisories: u64 = sources.iter().map(|source| source.advisories).sum();
    let Some(newest) = newest_data else {
        return format!("vulnerability data of unknown age, {advisories} advisories\n");
    };
    let days = report.now.duration_since(*newest).as_hours() / 24;
    let age = match days {
        i64::MIN..=0 => "today".to_owned(),
        1 => "1 day old".to_owned(),
        days => format!("{days} days old"),
    };
    let mut text = format!("vulnerability data of {} ({age}), {advisories} advisories", newest.strftime("%Y-%m-%d"));
    if days > OLD_DAYS {
        text.push_str("; `killick db update` fetches newer data");
    }
    text.push('\n');
    text
}

/// Age from which data is called old.
const OLD_DAYS: i64 = 7;

fn counted(count: usize, noun: &str) -> String {
    counted_as(count, noun, &format!("{noun}s"))
}

fn counted_as(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
