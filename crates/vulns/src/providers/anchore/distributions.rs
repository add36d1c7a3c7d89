//! Feed `vulnerabilities`: one record per vulnerability and distribution release.

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Level, License, Rating, RatingValue, StatedFix, Statement, Verdict,
};
use killick_model::matching::FixState;
use killick_model::severity::Severity;
use killick_model::version::Scheme;
use killick_model::version::range::{Interval, Range};
use serde::Deserialize;
use serde_json::Value;

use super::super::json::or_default;
use super::super::sink::{Sink, UNDATED};
use super::{ids, namespace, stated};
use crate::index::Coverage;
use crate::scores::tenths;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    vulnerability: Vulnerability,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Vulnerability {
    name: String,
    namespace_name: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: String,
    link: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Value,
    #[serde(default, deserialize_with = "or_default")]
    fixed_in: Vec<FixedIn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FixedIn {
    name: String,
    version: Option<String>,
    version_format: String,
    #[serde(default, deserialize_with = "or_default")]
    vendor_advisory: VendorAdvisory,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct VendorAdvisory {
    no_advisory: bool,
    #[serde(deserialize_with = "or_default")]
    advisory_summary: Vec<Summary>,
}

#[derive(Deserialize)]
struct Summary {
    #[serde(rename = "ID")]
    id: String,
}

pub(super) fn file(element: Value, sink: &mut Sink) -> Result<(), String> {
    let record: Record = serde_json::from_value(element).map_err(|error| error.to_string())?;
    let vulnerability = record.vulnerability;
    let severity = vulnerability.severity.parse().unwrap_or_default();
    let statements: Result<Vec<Statement>, String> =
        vulnerability.fixed_in.iter().map(|row| statement(&vulnerability.name, severity, row)).collect();
    let name = vulnerability.namespace_name.as_str();
    let coverage = if name.starts_with("alpine:") { Coverage::FixedOnly } else { Coverage::Full };
    let statements = statements?;
    let filing = sink.file(name, || namespace(name, name, coverage));
    for statement in &statements {
        filing.statement(statement);
    }
    filing.advisory(&Advisory {
        id: vulnerability.name,
        aliases: ids(vulnerability.metadata.get("CVE")),
        upstream: Vec::new(),
        kind: AdvisoryKind::Vulnerability,
        status: AdvisoryStatus::Active,
        published: None,
        modified: None,
        ratings: nvd(&vulnerability.metadata).into_iter().collect(),
        cwes: Vec::new(),
        url: vulnerability.link.filter(|link| !link.is_empty()),
        license: License::Unknown,
        known_since: UNDATED,
    });
    Ok(())
}

fn statement(id: &str, severity: Severity, row: &FixedIn) -> Result<Statement, String> {
    let scheme = match row.version_format.as_str() {
        "dpkg" => Scheme::Dpkg,
        "rpm" => Scheme::Rpm,
        "apk" => Scheme::Apk,
        "semver" => Scheme::Semver,
        other => return Err(format!("unknown version format `{other}`")),
    };
    let (verdict, versions, state, fixed) = match stated(row.version.as_deref()) {
        Some("0") => (Verdict::NotAffected, Range::all(scheme), FixState::Unknown, None),
        Some(fixed) => {
            let versions = Range::new(scheme, vec![Interval::before(fixed)], Vec::new());
            (Verdict::Affected, versions, FixState::Fixed, Some(fixed.to_owned()))
        }
        None if row.vendor_advisory.no_advisory => (Verdict::Affected, Range::all(scheme), FixState::WontFix, None),
        None => (Verdict::Affected, Range::all(scheme), FixState::NotFixed, None),
    };
    Ok(Statement {
        advisory: id.to_owned(),
        name: row.name.clone(),
        level: Level::Any,
        versions,
        verdict,
        fix: StatedFix {
            state,
            versions: fixed.into_iter().collect(),
            advisories: row.vendor_advisory.advisory_summary.iter().map(|summary| summary.id.clone()).collect(),
        },
        qualifiers: Vec::new(),
        severity: Some(severity),
        known_since: UNDATED,
    })
}

fn nvd(metadata: &Value) -> Option<Rating> {
    let cvss = metadata.pointer("/NVD/CVSSv2")?;
    Some(Rating {
        source: "nvd".to_owned(),
        value: RatingValue::Scored {
            version: "2.0".to_owned(),
            vector: cvss.get("Vectors")?.as_str()?.to_owned(),
            base: tenths(cvss.get("Score")?.as_f64()?),
            exploitability: None,
            impact: None,
        },
    })
}
