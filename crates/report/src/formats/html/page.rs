//! What the page shows.

use std::collections::BTreeMap;

use killick_model::evaluation::{Action, Evaluation, Finding};
use killick_model::matching::{Confidence, Match, Matches};
use killick_model::package::Package;
use killick_model::severity::Severity;
use serde::Serialize;

use crate::formats::{IndexReport, Report, by_risk, fix_text, one_line, severity_counts};
use crate::{support, verdict};

/// Rows of one table: more take a browser of a phone down.
const MAX_ROWS: usize = 5_000;

/// Width of a whole bar.
const BAR: f64 = 100.0;

#[derive(Serialize)]
pub(super) struct Page {
    source: String,
    digest: Option<String>,
    created: String,
    tool_version: String,
    newest_data: Option<String>,
    images: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    /// Where it is one of several.
    platform: Option<String>,
    /// Why there is nothing else.
    error: Option<String>,
    facts: Vec<(&'static str, String)>,
    verdict: Option<Verdict>,
    severities: Vec<Bar>,
    summary: Option<String>,
    unsupported: Vec<String>,
    vulnerabilities: Vec<Vulnerability>,
    more_vulnerabilities: usize,
    findings: Vec<Told>,
    more_findings: usize,
    kinds: Vec<Bar>,
    packages: Vec<Listed>,
    more_packages: usize,
    package_count: usize,
    problems: Vec<String>,
}

/// One bar of a chart, in hundredths of the width of the chart.
#[derive(Serialize)]
struct Bar {
    name: String,
    count: usize,
    class: &'static str,
    width: String,
}

#[derive(Serialize)]
struct Verdict {
    class: &'static str,
    word: &'static str,
    action: String,
    policy: String,
    steps: Vec<(String, usize)>,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Vulnerability {
    id: String,
    url: Option<String>,
    severity: &'static str,
    class: &'static str,
    package: String,
    version: String,
    kind: String,
    location: String,
    layer: u32,
    fix: String,
    risk: String,
    marks: Vec<&'static str>,
}

#[derive(Serialize)]
struct Told {
    action: String,
    class: &'static str,
    gate: String,
    message: String,
    remedy: String,
    excused: String,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    version: String,
    kind: String,
    licenses: String,
    location: String,
}

impl Page {
    pub(super) fn of_image(report: &Report<'_>) -> Self {
        Self {
            source: one_line(report.source),
            digest: Some(report.analysis.manifest_digest.to_string()),
            created: instant(report.now),
            tool_version: one_line(report.tool_version),
            newest_data: newest_data(report),
            images: vec![Image::of(report, None)],
        }
    }

    pub(super) fn of_index(index: &IndexReport<'_>) -> Self {
        let images = index.images.iter().map(|image| match &image.outcome {
            Ok(report) => Image::of(report, Some(one_line(&image.platform))),
            Err(error) => Image { error: Some(one_line(error)), ..Image::unread(one_line(&image.platform)) },
        });
        let first = index.images.iter().find_map(|image| image.outcome.as_ref().ok());
        Self {
            source: one_line(index.source),
            digest: index.digest.map(ToString::to_string),
            created: instant(index.now),
            tool_version: one_line(index.tool_version),
            newest_data: first.and_then(newest_data),
            images: images.collect(),
        }
    }
}

impl Image {
    fn unread(platform: String) -> Self {
        Self {
            platform: Some(platform),
            error: None,
            facts: Vec::new(),
            verdict: None,
            severities: Vec::new(),
            summary: None,
            unsupported: Vec::new(),
            vulnerabilities: Vec::new(),
            more_vulnerabilities: 0,
            findings: Vec::new(),
            more_findings: 0,
            kinds: Vec::new(),
            packages: Vec::new(),
            more_packages: 0,
            package_count: 0,
            problems: Vec::new(),
        }
    }

    fn of(report: &Report<'_>, platform: Option<String>) -> Self {
        let analysis = report.analysis;
        let sorted = report.matches.map(by_risk).unwrap_or_default();
        let mut findings: Vec<&Finding> = report.evaluation.iter().flat_map(|judged| &judged.findings).collect();
        findings.sort_by_key(|finding| finding.action);
        let told = |judged| findings.iter().take(MAX_ROWS).map(move |finding| Told::of(judged, finding));
        let packages = &analysis.packages;
        Self {
            platform,
            error: None,
            facts: facts(report),
            verdict: report.evaluation.map(Verdict::of),
            severities: report.matches.map(severities).unwrap_or_default(),
            summary: report.matches.map(summary),
            unsupported: report.unsupported.iter().map(|ended| one_line(&support::line(report, ended))).collect(),
            more_vulnerabilities: sorted.len().saturating_sub(MAX_ROWS),
            vulnerabilities: sorted.iter().take(MAX_ROWS).map(|found| Vulnerability::of(report, found)).collect(),
            more_findings: findings.len().saturating_sub(MAX_ROWS),
            findings: report.evaluation.into_iter().flat_map(told).collect(),
            kinds: kinds(packages),
            more_packages: packages.len().saturating_sub(MAX_ROWS),
            packages: packages.iter().take(MAX_ROWS).map(Listed::of).collect(),
            package_count: packages.len(),
            problems: report
                .problems()
                .map(|problem| one_line(&format!("{}: {}", problem.subject, problem.message)))
                .collect(),
        }
    }
}

impl Verdict {
    fn of(evaluation: &Evaluation) -> Self {
        let (class, word) = match evaluation.final_action {
            Action::Stop => ("stop", "does not pass"),
            Action::Warn => ("warn", "passes with warnings"),
            Action::Go => ("go", "passes"),
        };
        let steps = evaluation.steps.iter().filter(|step| step.clears.len() > 1).take(5);
        Self {
            class,
            word,
            action: verdict::line(evaluation),
            policy: one_line(&evaluation.bundle_id),
            steps: steps.map(|step| (one_line(&step.what), step.clears.len())).collect(),
            problems: verdict::problems(evaluation).map(|problem| one_line(&verdict::problem(problem))).collect(),
        }
    }
}

impl Vulnerability {
    fn of(report: &Report<'_>, found: &Match) -> Self {
        let package = report.analysis.package(found.package);
        let is_guess = found.evidence.first().is_some_and(|evidence| evidence.confidence == Confidence::Cpe);
        let marks = [(found.known_exploited, "exploited"), (found.malicious, "malicious"), (is_guess, "guess")];
        let is_address = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
        Self {
            id: one_line(found.anchore_id(package)),
            url: found.url.as_ref().filter(is_address).map(|url| one_line(url)),
            severity: found.severity.title(),
            class: class(found.severity),
            package: one_line(&package.name),
            version: one_line(&package.version),
            kind: one_line(&package.described_kind()),
            location: one_line(&package.virtual_path()),
            layer: package.layer,
            fix: one_line(&fix_text(&found.fix)),
            risk: format!("{:.0}", found.risk),
            marks: marks.into_iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| mark).collect(),
        }
    }
}

impl Told {
    fn of(evaluation: &Evaluation, finding: &Finding) -> Self {
        Self {
            action: finding.action.to_string(),
            class: match finding.action {
                Action::Stop => "stop",
                Action::Warn => "warn",
                Action::Go => "go",
            },
            gate: one_line(&format!("{} {}", finding.gate, finding.trigger)),
            message: one_line(&finding.message),
            remedy: one_line(finding.remedy.as_deref().unwrap_or_default()),
            excused: verdict::excuse(evaluation, finding).map(|excuse| one_line(&excuse)).unwrap_or_default(),
        }
    }
}

impl Listed {
    fn of(package: &Package) -> Self {
        Self {
            name: one_line(&package.name),
            version: one_line(&package.version),
            kind: one_line(&package.described_kind()),
            licenses: one_line(&package.licenses.join(", ")),
            location: one_line(&package.virtual_path()),
        }
    }
}

fn facts(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let analysis = report.analysis;
    let distribution = analysis.distribution.as_ref();
    let distribution = distribution.map(|found| one_line(&found.pretty_name.clone().unwrap_or_else(|| found.label())));
    let config = &analysis.config;
    let mut facts = vec![
        ("Digest", analysis.manifest_digest.to_string()),
        ("Platform", one_line(&format!("{}/{}", config.os, config.architecture))),
        ("Distribution", distribution.unwrap_or_else(|| "none".to_owned())),
        ("Layers", analysis.layers.len().to_string()),
        ("Packages", analysis.packages.len().to_string()),
    ];
    facts.extend(analysis.sbom.iter().map(|origin| {
        let text = format!("{}, fidelity {} of 100", origin.title(), origin.fidelity.score);
        ("Read from", one_line(&text))
    }));
    facts
}

fn severities(matches: &Matches) -> Vec<Bar> {
    let counts = severity_counts(matches);
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    counts.into_iter().map(|(severity, count)| bar(severity.title(), count, most, class(severity))).collect()
}

/// Packages of each kind, the most frequent first.
fn kinds(packages: &[Package]) -> Vec<Bar> {
    const SHOWN: usize = 12;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for package in packages {
        *counts.entry(package.kind.name()).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let most = counts.first().map_or(0, |(_, count)| *count);
    counts.into_iter().take(SHOWN).map(|(name, count)| bar(name, count, most, "kind")).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a hundredth of a chart is all that is seen")]
fn bar(name: &str, count: usize, most: usize, class: &'static str) -> Bar {
    let width = if most == 0 { 0.0 } else { BAR * count as f64 / most as f64 };
    Bar { name: name.to_owned(), count, class, width: format!("{width:.2}") }
}

fn summary(matches: &Matches) -> String {
    let all = matches.matches.len();
    if all == 0 {
        return "No known vulnerabilities.".to_owned();
    }
    let fixable = matches.matches.iter().filter(|found| !found.fix.versions.is_empty()).count();
    let exploited = matches.matches.iter().filter(|found| found.known_exploited).count();
    let noun = if all == 1 { "vulnerability" } else { "vulnerabilities" };
    format!("{all} {noun}, {fixable} fixable, {exploited} known to be exploited.")
}

const fn class(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Negligible => "negligible",
        Severity::Unknown => "unknown",
    }
}

fn newest_data(report: &Report<'_>) -> Option<String> {
    let newest = report.knowledge.and_then(|knowledge| knowledge.newest_data);
    newest.map(|newest| newest.strftime("%F").to_string())
}

fn instant(now: jiff::Timestamp) -> String {
    now.strftime("%F %H:%M UTC").to_string()
}
