//! SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/>.
//!
//! A rule for each vulnerability and each policy trigger, a result for each match and each finding that asks for
//! something, and one for each thing that is past the end of its support. What somebody excuses is there as suppressed;
//! a finding of that kind is a note, because not every service reads suppressions.
//!
//! Services want a line for each result, so every result points at line 1 of the file that says the package is there.
//! GitHub knows results again by `primaryLocationLineHash`, which cannot be made of a file that is in no repository;
//! it shows the help of a rule, and refuses runs of more than [`MAX_RESULTS`] results.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use killick_model::digest::Digest;
use killick_model::evaluation::{Action, Evaluation, Finding};
use killick_model::lifecycle::Support;
use killick_model::matching::{Match, Matches};
use killick_model::package::Package;
use killick_model::printable::printable;
use killick_model::problem::Problem;
use killick_model::purl::purl;
use killick_model::severity::Severity;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};
use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, LogicalLocation, Message, MultiformatMessageString, Notification,
    PhysicalLocation, PropertyBag, Region, ReportingConfiguration, ReportingDescriptor, ReportingDescriptorReference,
    Result as SarifResult, ResultLevel, Run, RunAutomationDetails, Sarif, Suppression, Tool, ToolComponent,
};

use super::{HOME, IndexReport, IndexedReport, Report, Style, fix_text, pretty};
use crate::{support, verdict};

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    pretty(&sarif(vec![run(report)]), out)
}

/// A run for each image, told apart as services do it: by the identity of the run's automation.
pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let runs = index.images.iter().map(|child| {
        let mut run = match &child.outcome {
            Ok(report) => run(report),
            Err(error) => unread(index, child, error),
        };
        run.automation_details =
            Some(RunAutomationDetails { id: Some(format!("killick/{}/", child.platform)), ..Default::default() });
        let more = &mut run.properties.get_or_insert_default().additional_properties;
        more.insert("platform".to_owned(), json!(child.platform));
        more.extend(index.digest.map(|digest| ("indexDigest".to_owned(), json!(digest))));
        run
    });
    pretty(&sarif(runs.collect()), out)
}

/// An image that there is nothing to say about.
fn unread(index: &IndexReport<'_>, child: &IndexedReport<'_>, error: &str) -> Run {
    let notification = Notification::builder().level(json!("error")).message(message(error.to_owned())).build();
    let invocation =
        Invocation::builder().execution_successful(false).tool_execution_notifications(vec![notification]).build();
    let more = BTreeMap::from([
        ("created".to_owned(), json!(index.now)),
        ("image".to_owned(), json!(index.source)),
        ("imageDigest".to_owned(), json!(child.digest)),
    ]);
    Run::builder()
        .tool(Tool::from(driver(index.tool_version, Vec::new())))
        .invocations(vec![invocation])
        .results(Vec::<SarifResult>::new())
        .properties(PropertyBag { tags: None, additional_properties: more })
        .build()
}

fn sarif(runs: Vec<Run>) -> Sarif {
    Sarif::builder().schema("https://json.schemastore.org/sarif-2.1.0.json").version(json!("2.1.0")).runs(runs).build()
}

fn driver(version: &str, rules: Vec<ReportingDescriptor>) -> ToolComponent {
    ToolComponent::builder().name("killick").version(version).information_uri(HOME).rules(rules).build()
}

fn run(report: &Report<'_>) -> Run {
    let mut rules: BTreeMap<String, ReportingDescriptor> = BTreeMap::new();
    let mut results = Vec::new();
    if let Some(matches) = report.matches {
        add_matches(report, matches, &mut rules, &mut results);
    }
    add_unsupported(report, &mut rules, &mut results);
    if let Some(evaluation) = report.evaluation {
        add_verdict(report, evaluation, &mut rules, &mut results);
        add_findings(report, evaluation, &mut rules, &mut results);
    }
    let left_out = results.len().saturating_sub(MAX_RESULTS);
    if left_out > 0 {
        results.sort_by_key(|result| (result.suppressions.is_some(), urgency(result.level)));
        results.truncate(MAX_RESULTS);
        let told: BTreeSet<&str> = results.iter().filter_map(|result| result.rule_id.as_deref()).collect();
        rules.retain(|rule, _| told.contains(rule.as_str()));
    }
    Run::builder()
        .tool(Tool::from(driver(report.tool_version, rules.into_values().collect())))
        .invocations(vec![invocation(report, left_out)])
        .results(results)
        .properties(run_properties(report))
        .build()
}

/// Results that services take of one run.
const MAX_RESULTS: usize = 25_000;

/// What is kept where there are too many.
const fn urgency(level: Option<ResultLevel>) -> u8 {
    match level {
        Some(ResultLevel::Error) => 0,
        Some(ResultLevel::Warning) => 1,
        Some(ResultLevel::Note | ResultLevel::None) | None => 2,
    }
}

/// By what a result is known again.
fn fingerprints(identity: String) -> BTreeMap<String, String> {
    let hash = Digest::of(identity.as_bytes()).hex();
    BTreeMap::from([
        ("killick/v1".to_owned(), identity),
        ("primaryLocationLineHash".to_owned(), format!("{}:1", hash.get(..16).unwrap_or_default())),
    ])
}

fn add_matches(
    report: &Report<'_>,
    matches: &Matches,
    rules: &mut BTreeMap<String, ReportingDescriptor>,
    results: &mut Vec<SarifResult>,
) {
    let excuses = report.evaluation.map(excuses).unwrap_or_default();
    for found in &matches.matches {
        let package = report.analysis.package(found.package);
        rules.entry(found.vulnerability.clone()).or_insert_with(|| vulnerability_rule(found));
        let fix = fix_text(&found.fix);
        let fix = if fix.is_empty() { "no fix is known".to_owned() } else { format!("fix: {fix}") };
        let exploited = if found.known_exploited { ", known to be exploited" } else { "" };
        let malicious = if found.malicious { ", malicious" } else { "" };
        let text = format!(
            "{} {}, {}, has {} ({}{exploited}{malicious}); {fix}",
            package.name,
            package.version,
            package.described_kind(),
            found.vulnerability,
            found.severity
        );
        let url = purl(package, report.analysis.distribution.as_ref());
        let fingerprint = format!("{}|{url}|{}", found.vulnerability, package.virtual_path());
        let mut result = SarifResult::builder()
            .rule_id(found.vulnerability.clone())
            .level(level(found))
            .message(message(text))
            .locations(vec![package_location(report, package)])
            .partial_fingerprints(fingerprints(fingerprint))
            .build();
        let excuse = excuses.get(&(found.vulnerability.as_str(), url.as_str()));
        result.suppressions = excuse.and_then(Option::as_deref).map(suppressions);
        results.push(result);
    }
}

/// Vulnerabilities of packages, by name and package URL, that findings speak of: with an excuse if all of those have one.
fn excuses(evaluation: &Evaluation) -> BTreeMap<(&str, &str), Option<String>> {
    let mut excuses = BTreeMap::new();
    for (finding, excuse) in verdict::findings(evaluation) {
        let subject = &finding.subject;
        let (Some(vulnerability), Some(package)) = (&subject.vulnerability, &subject.package) else { continue };
        let of_all = excuses.entry((vulnerability.id.as_str(), package.purl.as_str()));
        let of_all = of_all.or_insert_with(|| excuse.clone());
        if excuse.is_none() {
            *of_all = None;
        }
    }
    excuses
}

fn suppressions(excuse: &str) -> Vec<Suppression> {
    let accepted = Suppression::builder().kind(json!("external")).status(json!("accepted"));
    vec![accepted.justification(printable(excuse)).build()]
}

fn vulnerability_rule(found: &Match) -> ReportingDescriptor {
    let score = found.cvss.iter().find(|cvss| !cvss.version.starts_with('2')).or(found.cvss.first());
    // Services sort by this number; without a score the word stands in for one, and they go by the level without both.
    let score = score.map(|cvss| cvss.base).or_else(|| middle_of(found.severity));
    let score = score.map(|score| ("security-severity".to_owned(), json!(format!("{score:.1}"))));
    let tags = vec!["security".to_owned(), "vulnerability".to_owned()];
    let names = std::iter::once(&found.vulnerability).chain(&found.aliases).cloned().collect::<Vec<_>>().join(", ");
    let mut rule = ReportingDescriptor::builder()
        .id(found.vulnerability.clone())
        .short_description(text(format!("{} vulnerability {}", found.severity, found.vulnerability)))
        .full_description(text(format!("{names}, rated {}", found.severity)))
        .help(help(&names, found))
        .default_configuration(configuration(level(found)))
        .properties(PropertyBag { tags: Some(tags), additional_properties: score.into_iter().collect() })
        .build();
    rule.help_uri.clone_from(&found.url);
    rule
}

/// What to read about a vulnerability.
fn help(names: &str, found: &Match) -> MultiformatMessageString {
    let severity = found.severity;
    let url = found.url.as_deref().filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let rows = [
        Some(("Names", names.to_owned())),
        Some(("Severity", severity.title().to_owned())),
        found.cvss.first().map(|cvss| ("CVSS", format!("{:.1} ({})", cvss.base, cvss.vector))),
        found.epss.map(|epss| ("EPSS", format!("{:.1}%", epss * 100.0))),
        found.known_exploited.then(|| ("Exploited", "known to be".to_owned())),
        url.map(|url| ("Read", url.to_owned())),
    ];
    let rows: Vec<(&str, String)> = rows.into_iter().flatten().collect();
    let plain: Vec<String> = rows.iter().map(|(key, value)| format!("{key}: {value}")).collect();
    let cells = |(key, value): &(&str, String)| format!("| {key} | {} |", value.replace(['|', '\n', '<'], " "));
    let table: Vec<String> = rows.iter().map(cells).collect();
    MultiformatMessageString::builder()
        .text(plain.join("\n"))
        .markdown(format!("| | |\n|---|---|\n{}", table.join("\n")))
        .build()
}

fn configuration(level: ResultLevel) -> ReportingConfiguration {
    ReportingConfiguration::builder().level(json!(level)).build()
}

/// The rule of what is past the end of its support.
const END_OF_LIFE: &str = "end-of-life";

/// Places of one thing that are told.
const MAX_PLACES: usize = 10;

fn add_unsupported(
    report: &Report<'_>,
    rules: &mut BTreeMap<String, ReportingDescriptor>,
    results: &mut Vec<SarifResult>,
) {
    for ended in report.unsupported {
        rules.entry(END_OF_LIFE.to_owned()).or_insert_with(|| {
            let what = "past the end of its support: vulnerabilities found since may be missing";
            let tags = vec!["security".to_owned(), "lifecycle".to_owned()];
            ReportingDescriptor::builder()
                .id(END_OF_LIFE)
                .short_description(text(what.to_owned()))
                .full_description(text(what.to_owned()))
                .help(text("Move to a line that is supported.".to_owned()))
                .properties(PropertyBag { tags: Some(tags), additional_properties: BTreeMap::new() })
                .build()
        });
        let packages =
            ended.packages.iter().take(MAX_PLACES).filter_map(|id| report.analysis.packages.get(id.0 as usize));
        let mut locations: Vec<Location> = packages.map(|package| package_location(report, package)).collect();
        // The distribution is the image's.
        if locations.is_empty() {
            locations.push(location(report.source.as_bytes(), None));
        }
        let level = if ended.support == Support::Ended { ResultLevel::Warning } else { ResultLevel::Note };
        let fingerprint = format!("{END_OF_LIFE}|{}|{}", ended.product, ended.cycle);
        results.push(
            SarifResult::builder()
                .rule_id(END_OF_LIFE)
                .level(level)
                .message(message(support::line(report, ended)))
                .locations(locations)
                .partial_fingerprints(fingerprints(fingerprint))
                .build(),
        );
    }
}

/// The rule of an image that is stopped although none of its findings stops it.
const VERDICT: &str = "policy/verdict";

fn add_verdict(
    report: &Report<'_>,
    evaluation: &Evaluation,
    rules: &mut BTreeMap<String, ReportingDescriptor>,
    results: &mut Vec<SarifResult>,
) {
    let Some(reason) = verdict::reason(evaluation).filter(|_| !evaluation.passes()) else { return };
    let what = "the policy bundle stops the image, whatever is found in it";
    let rule = ReportingDescriptor::builder()
        .id(VERDICT)
        .short_description(text(what.to_owned()))
        .full_description(text(what.to_owned()))
        .help(text("The result says why.".to_owned()))
        .build();
    rules.insert(VERDICT.to_owned(), rule);
    results.push(
        SarifResult::builder()
            .rule_id(VERDICT)
            .level(ResultLevel::Error)
            .message(message(verdict_line(evaluation)))
            .locations(vec![location(report.source.as_bytes(), None)])
            .partial_fingerprints(fingerprints(format!("{VERDICT}|{reason}")))
            .build(),
    );
}

fn verdict_line(evaluation: &Evaluation) -> String {
    format!("policy {}: {}", evaluation.bundle_id, verdict::line(evaluation))
}

fn add_findings(
    report: &Report<'_>,
    evaluation: &Evaluation,
    rules: &mut BTreeMap<String, ReportingDescriptor>,
    results: &mut Vec<SarifResult>,
) {
    for (finding, excuse) in verdict::findings(evaluation) {
        let rule = format!("policy/{}/{}", finding.gate, finding.trigger);
        rules.entry(rule.clone()).or_insert_with(|| {
            ReportingDescriptor::builder()
                .id(rule.clone())
                .short_description(text(format!("policy gate {}, trigger {}", finding.gate, finding.trigger)))
                .full_description(text(format!(
                    "a rule of policy {} with the trigger {} of the gate {}",
                    finding.policy_id, finding.trigger, finding.gate
                )))
                .help(text("The result says what was found, and what to do about it where that is known.".to_owned()))
                .build()
        });
        results.push(finding_result(report, rule, finding, excuse.as_deref()));
    }
}

fn finding_result(report: &Report<'_>, rule: String, finding: &Finding, excuse: Option<&str>) -> SarifResult {
    let remedy = finding.remedy.as_deref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    let level = match finding.action {
        _ if excuse.is_some() => ResultLevel::Note,
        Action::Stop => ResultLevel::Error,
        Action::Warn | Action::Go => ResultLevel::Warning,
    };
    let mut result = SarifResult::builder()
        .rule_id(rule)
        .level(level)
        .message(message(format!("{}: {}{remedy}", finding.action, finding.message)))
        .locations(vec![location(report.source.as_bytes(), None)])
        .partial_fingerprints(fingerprints(format!("{}|{}|{}", finding.gate, finding.trigger, finding.trigger_id)))
        .build();
    result.suppressions = excuse.map(suppressions);
    result
}

fn invocation(report: &Report<'_>, left_out: usize) -> Invocation {
    let of_problem = |problem: &Problem| {
        let text = format!("{}: {}", problem.subject, problem.message);
        notification("warning", format!("problem/{}", problem.kind), text)
    };
    let mut notifications: Vec<Notification> = report.problems().map(of_problem).collect();
    if let Some(evaluation) = report.evaluation {
        if evaluation.passes() && verdict::reason(evaluation).is_some() {
            notifications.push(notification("warning", VERDICT.to_owned(), verdict_line(evaluation)));
        }
        notifications.extend(verdict::problems(evaluation).map(|problem| {
            let level = if problem.severity == "error" { "error" } else { "warning" };
            notification(level, format!("policy/{}", problem.problem_type), problem.details.clone())
        }));
    }
    if left_out > 0 {
        let text = format!("{left_out} results of the lowest levels are left out: services take {MAX_RESULTS}");
        notifications.push(Notification::builder().level(json!("warning")).message(message(text)).build());
    }
    Invocation::builder().execution_successful(true).tool_execution_notifications(notifications).build()
}

fn notification(level: &str, descriptor: String, text: String) -> Notification {
    let descriptor = ReportingDescriptorReference { id: Some(descriptor), ..ReportingDescriptorReference::default() };
    Notification::builder().level(json!(level)).descriptor(descriptor).message(message(text)).build()
}

fn run_properties(report: &Report<'_>) -> PropertyBag {
    let mut more: BTreeMap<String, Value> = BTreeMap::from([
        ("created".to_owned(), json!(report.now)),
        ("image".to_owned(), json!(report.source)),
        ("imageDigest".to_owned(), json!(report.analysis.manifest_digest)),
    ]);
    if let Some(newest) = report.knowledge.and_then(|knowledge| knowledge.newest_data) {
        more.insert("newestData".to_owned(), json!(newest));
    }
    if let Some(evaluation) = report.evaluation {
        more.insert("finalAction".to_owned(), json!(evaluation.final_action));
    }
    PropertyBag { tags: None, additional_properties: more }
}

/// Where the package is; an SBOM may not say it, and readers want a place.
fn package_location(report: &Report<'_>, package: &Package) -> Location {
    let logical = LogicalLocation {
        name: Some(package.name.clone()),
        fully_qualified_name: Some(purl(package, report.analysis.distribution.as_ref())),
        kind: Some("package".to_owned()),
        ..LogicalLocation::default()
    };
    let path = package.location.as_bytes();
    location(if path.is_empty() { report.source.as_bytes() } else { path }, Some(logical))
}

fn location(path: &[u8], logical: Option<LogicalLocation>) -> Location {
    Location {
        physical_location: Some(PhysicalLocation {
            artifact_location: Some(ArtifactLocation { uri: Some(encode(path)), ..ArtifactLocation::default() }),
            region: Some(Region { start_line: Some(1), ..Region::default() }),
            ..PhysicalLocation::default()
        }),
        logical_locations: logical.map(|logical| vec![logical]),
        ..Location::default()
    }
}

/// What may stand in the path of a URI as it is. A colon could be taken for the end of a scheme.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

fn encode(path: &[u8]) -> String {
    percent_encode(path, PATH).to_string()
}

#[expect(clippy::needless_pass_by_value, reason = "callers have just made it")]
fn message(text: String) -> Message {
    // Plain text may hold links; names of packages must not.
    let text = printable(&text).replace("](", "] (");
    Message { text: Some(text), ..Message::default() }
}

fn text(text: String) -> MultiformatMessageString {
    MultiformatMessageString::builder().text(text).build()
}

/// What attackers use, or made, is an error whatever it is rated.
const fn level(found: &Match) -> ResultLevel {
    match found.severity {
        _ if found.known_exploited || found.malicious => ResultLevel::Error,
        Severity::Critical | Severity::High => ResultLevel::Error,
        Severity::Medium => ResultLevel::Warning,
        Severity::Low | Severity::Negligible | Severity::Unknown => ResultLevel::Note,
    }
}

const fn middle_of(severity: Severity) -> Option<f64> {
    match severity {
        Severity::Critical => Some(9.5),
        Severity::High => Some(8.0),
        Severity::Medium => Some(5.5),
        Severity::Low => Some(2.0),
        Severity::Negligible => Some(0.0),
        Severity::Unknown => None,
    }
}
