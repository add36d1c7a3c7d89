//! What is known to be wrong with an image, as a predicate (in-toto/attestation, `spec/predicates/vulns_02.md`).

use jiff::Timestamp;
use killick_model::matching::{FixState, Match};
use killick_model::purl::purl;
use serde::Serialize;
use serde_json::{Value, json};

use super::Advisories;
use crate::formats::{HOME, Report};

pub(super) const TYPE: &str = "https://in-toto.io/attestation/vulns/v0.2";

#[derive(Serialize)]
struct Predicate<'a> {
    scanner: Scanner<'a>,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Scanner<'a> {
    uri: &'static str,
    version: &'a str,
    db: Database,
    result: Vec<Found<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Database {
    version: String,
    last_update: Timestamp,
}

#[derive(Serialize)]
struct Found<'a> {
    id: &'a str,
    severity: Vec<Severity>,
    annotations: Vec<Value>,
}

#[derive(Serialize)]
struct Severity {
    method: String,
    score: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    scan_started_on: Timestamp,
    scan_finished_on: Timestamp,
}

pub(super) fn predicate(advisories: &Advisories, report: &Report<'_>) -> Value {
    let matches = report.matches.into_iter().flat_map(|matches| &matches.matches);
    let predicate = Predicate {
        scanner: Scanner {
            uri: HOME,
            version: report.tool_version,
            db: Database {
                version: advisories.digest.to_string(),
                // Without any date the data are as old as they can be.
                last_update: advisories.newest_data.or(advisories.built).unwrap_or(Timestamp::UNIX_EPOCH),
            },
            result: matches.map(|found| of_match(found, report)).collect(),
        },
        metadata: Metadata { scan_started_on: report.now, scan_finished_on: report.now },
    };
    serde_json::to_value(predicate).expect("our documents have nothing that JSON cannot say")
}

fn of_match<'a>(found: &'a Match, report: &Report<'_>) -> Found<'a> {
    let package = report.analysis.package(found.package);
    let decided = Severity {
        method: found.severity_source.clone().unwrap_or_else(|| "killick".to_owned()),
        score: found.severity.to_string().to_lowercase(),
    };
    let mut severity = vec![decided];
    for rating in &found.ratings {
        if let (Some(base), Some(version)) = (rating.base, &rating.cvss_version) {
            let method = format!("{}_cvss_v{version}", rating.source);
            severity.push(Severity { method, score: format!("{base:.1}") });
        }
    }
    let mut annotations = vec![json!({"package": purl(package, report.analysis.distribution.as_ref())})];
    annotations.push(match found.fix.state {
        FixState::Fixed => json!({"fix": "fixed", "versions": found.fix.versions}),
        state => json!({"fix": state}),
    });
    if !found.aliases.is_empty() {
        annotations.push(json!({"aliases": found.aliases}));
    }
    if found.known_exploited {
        annotations.push(json!({"known_exploited": true}));
    }
    Found { id: &found.vulnerability, severity, annotations }
}
