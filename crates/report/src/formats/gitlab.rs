//! GitLab's container scanning report, schema 15:
//! <https://docs.gitlab.com/development/integrations/secure/#report>.
//!
//! GitLab tells findings apart by identifier, package, version and image; so a package that lies in several places is
//! one finding, whose description names the places.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::matching::{FixState, Match};
use killick_model::package::Package;
use killick_model::severity::Severity;
use serde_json::{Value, json};

use super::{HOME, IndexReport, Report, Style, by_risk, content_uuid, fix_text, one_line, pretty};

/// The schema that is written.
const SCHEMA: &str = "15.0.7";

/// Places of one package that are told.
const MAX_PLACES: usize = 20;

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let messages = report
        .problems()
        .map(|problem| message("warn", &format!("{}: {}: {}", problem.kind, problem.subject, problem.message)));
    let messages: Vec<Value> = messages.collect();
    let scan = scan(report.tool_version, report.now, "success", &messages);
    pretty(&document(&scan, &vulnerabilities(report, report.source)), out)
}

/// One report, whose findings name the platform with the image.
pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let (mut messages, mut found, mut status) = (Vec::new(), Vec::new(), "success");
    for image in &index.images {
        match &image.outcome {
            Ok(report) => {
                found.extend(vulnerabilities(report, &index.name_of(image)));
                messages.extend(report.problems().map(|problem| {
                    let text =
                        format!("{}: {}: {}: {}", image.platform, problem.kind, problem.subject, problem.message);
                    message("warn", &text)
                }));
            }
            Err(error) => {
                status = "failure";
                messages.push(message("fatal", &format!("{} {}: {error}", image.platform, image.digest)));
            }
        }
    }
    pretty(&document(&scan(index.tool_version, index.now, status, &messages), &found), out)
}

fn document(scan: &Value, vulnerabilities: &[Value]) -> Value {
    let schemas = "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw";
    json!({
        "version": SCHEMA,
        "schema": format!("{schemas}/v{SCHEMA}/dist/container-scanning-report-format.json"),
        "scan": scan,
        "vulnerabilities": vulnerabilities,
        "remediations": [],
    })
}

fn scan(tool_version: &str, now: Timestamp, status: &str, messages: &[Value]) -> Value {
    let tool = json!({
        "id": "killick", "name": "Killick", "url": HOME, "version": tool_version, "vendor": {"name": "Killick"},
    });
    let instant = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    json!({
        "analyzer": tool, "scanner": tool, "type": "container_scanning", "start_time": instant, "end_time": instant,
        "status": status, "messages": messages,
    })
}

fn message(level: &str, text: &str) -> Value {
    json!({"level": level, "value": one_line(text)})
}

fn vulnerabilities(report: &Report<'_>, image: &str) -> Vec<Value> {
    let all = report.matches.map(by_risk).unwrap_or_default();
    let mut order = Vec::new();
    let mut places: BTreeMap<(&str, &str, &str), Vec<&Package>> = BTreeMap::new();
    for found in all {
        let package = report.analysis.package(found.package);
        let same = places.entry((&found.vulnerability, &package.name, &package.version)).or_default();
        if same.is_empty() {
            order.push(found);
        }
        same.push(package);
    }
    let one = |found: &&Match| {
        let package = report.analysis.package(found.package);
        let same = places.get(&(found.vulnerability.as_str(), package.name.as_str(), package.version.as_str()));
        vulnerability(report, image, found, same.map(Vec::as_slice).unwrap_or_default())
    };
    order.iter().map(one).collect()
}

fn vulnerability(report: &Report<'_>, image: &str, found: &Match, places: &[&Package]) -> Value {
    let package = report.analysis.package(found.package);
    let operating_system = report.analysis.distribution.as_ref().map_or_else(|| "none".to_owned(), Distribution::label);
    let identity = format!("{image}|{}|{}|{}", found.vulnerability, package.name, package.version);
    let fix = fix_text(&found.fix);
    let told: Vec<String> = places.iter().take(MAX_PLACES).map(|package| one_line(&package.virtual_path())).collect();
    let more = places.len().saturating_sub(told.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let exploited = if found.known_exploited { " It is known to be exploited." } else { "" };
    let description = format!(
        "{} {} ({}) has {}, rated {}; {}. Found in {}{more}.{exploited}",
        one_line(&package.name),
        one_line(&package.version),
        one_line(&package.described_kind()),
        one_line(&found.vulnerability),
        found.severity,
        if fix.is_empty() { "no fix is known".to_owned() } else { format!("fix: {}", one_line(&fix)) },
        told.join(", "),
    );
    let mut entry = json!({
        "id": content_uuid(&Digest::of(identity.as_bytes())).trim_start_matches("urn:uuid:"),
        "name": shortened(&one_line(&found.vulnerability), 255),
        "description": description,
        "severity": severity(found.severity),
        "identifiers": identifiers(found),
        "links": found.url.iter().filter(|url| is_address(url)).map(|url| json!({"url": url})).collect::<Vec<_>>(),
        "location": {
            "dependency": {"package": {"name": one_line(&package.name)}, "version": one_line(&package.version)},
            "operating_system": operating_system,
            "image": image,
        },
    });
    let solution = match found.fix.state {
        FixState::Fixed => Some(format!("Upgrade {} to {fix}", one_line(&package.name))),
        FixState::WontFix => Some("The vendor will not fix it.".to_owned()),
        FixState::Unknown | FixState::NotFixed | FixState::Deferred => None,
    };
    if let (Some(solution), Some(entry)) = (solution, entry.as_object_mut()) {
        entry.insert("solution".to_owned(), json!(shortened(&solution, 7000)));
    }
    entry
}

/// The name it goes by first: GitLab knows findings again by it.
fn identifiers(found: &Match) -> Vec<Value> {
    let names = std::iter::once(&found.vulnerability).chain(&found.aliases);
    let identifier = |name: &String| {
        let kind = name.split('-').next().unwrap_or_default().to_lowercase();
        let url = match kind.as_str() {
            "cve" => Some(format!("https://nvd.nist.gov/vuln/detail/{name}")),
            "ghsa" => Some(format!("https://github.com/advisories/{name}")),
            _ => None,
        };
        let url = url.filter(|_| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-'));
        let name = one_line(name);
        let name = if name.is_empty() { "unnamed".to_owned() } else { name };
        let kind = if kind.is_empty() { "killick".to_owned() } else { one_line(&kind) };
        match url {
            Some(url) => json!({"type": kind, "name": name, "value": name, "url": url}),
            None => json!({"type": kind, "name": name, "value": name}),
        }
    };
    names.map(identifier).collect()
}

const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "Unknown",
        Severity::Negligible => "Info",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}

fn is_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn shortened(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}
