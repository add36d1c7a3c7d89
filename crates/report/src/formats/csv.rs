//! Comma-separated values (RFC 4180): a row for each vulnerability; where none were asked for, for each finding of the
//! policy; else for each package.

use std::io::{self, Write};

use killick_model::evaluation::Evaluation;
use killick_model::matching::{FixState, Match, Matches};
use killick_model::package::Package;
use killick_model::purl::purl;

use super::{IndexReport, Report, Style, by_risk, one_line};
use crate::vex;

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let table = Table::of(report);
    row(out, table.header())?;
    table.write(report, report.source, out)
}

/// The rows of all images, each under its own name.
pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut reports = index.images.iter().filter_map(|image| Some((image, image.outcome.as_ref().ok()?))).peekable();
    let Some(table) = reports.peek().map(|(_, report)| Table::of(report)) else {
        return row(out, Table::Packages.header());
    };
    row(out, table.header())?;
    reports.try_for_each(|(image, report)| table.write(report, &index.name_of(image), out))
}

/// What the rows are about.
#[derive(Clone, Copy)]
enum Table {
    Vulnerabilities,
    Findings,
    Packages,
}

impl Table {
    const fn of(report: &Report<'_>) -> Self {
        match (report.matches, report.evaluation) {
            (Some(_), _) => Self::Vulnerabilities,
            (None, Some(_)) => Self::Findings,
            (None, None) => Self::Packages,
        }
    }

    const fn header(self) -> &'static [&'static str] {
        match self {
            Self::Vulnerabilities => &[
                "image",
                "vulnerability",
                "aliases",
                "severity",
                "risk",
                "cvss",
                "epss",
                "known_exploited",
                "status",
                "package",
                "version",
                "type",
                "purl",
                "location",
                "layer",
                "fix_state",
                "fixed_in",
                "url",
            ],
            Self::Findings => &[
                "image",
                "action",
                "gate",
                "trigger",
                "trigger_id",
                "message",
                "package",
                "version",
                "vulnerability",
                "path",
                "excused_by",
                "remedy",
            ],
            Self::Packages => {
                &["image", "package", "version", "type", "evidence", "purl", "location", "layer", "licenses", "origin"]
            }
        }
    }

    fn write(self, report: &Report<'_>, image: &str, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Vulnerabilities => vulnerabilities(report, report.matches, image, out),
            Self::Findings => findings(report.evaluation, image, out),
            Self::Packages => report.analysis.packages.iter().try_for_each(|found| package(report, found, image, out)),
        }
    }
}

fn vulnerabilities(report: &Report<'_>, matches: Option<&Matches>, image: &str, out: &mut dyn Write) -> io::Result<()> {
    let all = matches.map(by_risk).unwrap_or_default();
    all.into_iter().try_for_each(|found| vulnerability(report, found, image, out))
}

fn vulnerability(report: &Report<'_>, found: &Match, image: &str, out: &mut dyn Write) -> io::Result<()> {
    let package = report.analysis.package(found.package);
    let state = match found.fix.state {
        FixState::Unknown => "unknown",
        FixState::Fixed => "fixed",
        FixState::NotFixed => "not-fixed",
        FixState::Deferred => "deferred",
        FixState::WontFix => "wont-fix",
    };
    row(
        out,
        &[
            image,
            &found.vulnerability,
            &found.aliases.join(" "),
            found.severity.title(),
            &format!("{:.1}", found.risk),
            &found.cvss.first().map(|cvss| format!("{:.1}", cvss.base)).unwrap_or_default(),
            &found.epss.map(|epss| epss.to_string()).unwrap_or_default(),
            if found.known_exploited { "true" } else { "false" },
            vex::matched(report.analysis, found).status.name(),
            &package.name,
            &package.version,
            package.kind.name(),
            &purl(package, report.analysis.distribution.as_ref()),
            &package.virtual_path(),
            &package.layer.to_string(),
            state,
            &found.fix.versions.join(" "),
            found.url.as_deref().unwrap_or_default(),
        ],
    )
}

fn findings(evaluation: Option<&Evaluation>, image: &str, out: &mut dyn Write) -> io::Result<()> {
    evaluation.into_iter().flat_map(|evaluation| &evaluation.findings).try_for_each(|finding| {
        let (package, vulnerability) = (finding.subject.package.as_ref(), finding.subject.vulnerability.as_ref());
        let allowed = finding.allowlisted.as_ref().map(|allowed| format!("allowlist {}", allowed.allowlist_id));
        let excused = allowed.or_else(|| finding.exception.as_ref().map(|id| format!("exception {id}")));
        row(
            out,
            &[
                image,
                &finding.action.to_string(),
                &finding.gate,
                &finding.trigger,
                &finding.trigger_id,
                &finding.message,
                package.map_or("", |package| package.name.as_str()),
                package.map_or("", |package| package.version.as_str()),
                vulnerability.map_or("", |vulnerability| vulnerability.id.as_str()),
                finding.subject.path.as_deref().unwrap_or_default(),
                &excused.unwrap_or_default(),
                finding.remedy.as_deref().unwrap_or_default(),
            ],
        )
    })
}

fn package(report: &Report<'_>, package: &Package, image: &str, out: &mut dyn Write) -> io::Result<()> {
    row(
        out,
        &[
            image,
            &package.name,
            &package.version,
            package.kind.name(),
            package.evidence.name(),
            &purl(package, report.analysis.distribution.as_ref()),
            &package.virtual_path(),
            &package.layer.to_string(),
            &package.licenses.join(" AND "),
            package.origin.as_deref().unwrap_or_default(),
        ],
    )
}

pub(crate) fn row(out: &mut dyn Write, cells: &[&str]) -> io::Result<()> {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// A cell in one line, quoted where it must be. What a spreadsheet would compute is marked as text, which it is:
/// `=` and `+` and `-` begin formulas, and so does `@` where something is called.
fn cell(text: &str) -> String {
    let mut text = one_line(text);
    let is_number = text.parse::<f64>().is_ok();
    let is_formula = text.starts_with(['=', '+', '-']) || (text.starts_with('@') && text.contains('('));
    if is_formula && !is_number {
        text.insert(0, '\'');
    }
    if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text() {
        for (text, want) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"so\"", "\"say \"\"so\"\"\""),
            ("two\r\nlines", "two lines"),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@SUM(1+1)*cmd|' /C calc'!A0", "'@SUM(1+1)*cmd|' /C calc'!A0"),
            ("@babel/core", "@babel/core"),
            ("-1", "-1"),
            ("-x", "'-x"),
        ] {
            assert_eq!(cell(text), want);
        }
    }
}
