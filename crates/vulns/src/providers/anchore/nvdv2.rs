//! Feed `nvdv2`: CVEs with their CPEs, each affected version a CPE of its own, and their scores.

use killick_model::advisory::{
    Advisory, AdvisoryKind, AdvisoryStatus, Enrichment, Instant, Level, License, Rating, RatingValue, StatedFix,
    Statement, Verdict,
};
use killick_model::version::Scheme;
use killick_model::version::range::Range;
use serde::Deserialize;
use serde_json::Value;

use super::super::json::or_default;
use super::super::sink::{Sink, UNDATED};
use super::namespace;
use crate::index::Coverage;
use crate::scores::tenths;
use crate::{names, namespaces};

#[derive(Deserialize)]
struct Record {
    cve: Cve,
    #[serde(default, deserialize_with = "or_default")]
    severity: String,
    cvss_v2: Option<Cvss>,
    cvss_v3: Option<Cvss>,
    #[serde(default, deserialize_with = "or_default")]
    vulnerable_cpes: Vec<String>,
    published_date: Option<String>,
    last_modified_date: Option<String>,
}

#[derive(Deserialize)]
struct Cve {
    #[serde(rename = "CVE_data_meta")]
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "ID")]
    id: String,
}

#[derive(Deserialize)]
struct Cvss {
    version: String,
    vector_string: String,
    base_metrics: Scores,
}

#[derive(Deserialize)]
struct Scores {
    #[serde(rename = "base_score")]
    base: f64,
    #[serde(rename = "exploitability_score")]
    exploitability: Option<f64>,
    #[serde(rename = "impact_score")]
    impact: Option<f64>,
}

pub(super) fn file(element: Value, sink: &mut Sink) -> Result<(), String> {
    let record: Record = serde_json::from_value(element).map_err(|error| error.to_string())?;
    let id = record.cve.meta.id;
    let word = record.severity.parse().ok().map(RatingValue::Word);
    let scores = [&record.cvss_v3, &record.cvss_v2].into_iter().flatten().map(scored);
    let ratings: Vec<Rating> =
        word.into_iter().chain(scores).map(|value| Rating { source: "nvd".to_owned(), value }).collect();
    let cpes: Option<Vec<(String, Statement)>> = record.vulnerable_cpes.iter().map(|cpe| statement(&id, cpe)).collect();
    let cpes = cpes.ok_or("a CPE is malformed")?;
    let (published, modified) = (record.published_date, record.last_modified_date);
    let (published, modified) =
        (published.as_deref().and_then(Instant::parse), modified.as_deref().and_then(Instant::parse));
    let filing = sink.file("nvdv2:cves", || namespace("nvdv2:cves", namespaces::CPE, Coverage::Full));
    for (product, statement) in &cpes {
        filing.cpe(product, statement);
    }
    filing.enrichment(
        &id,
        &Enrichment {
            ratings: ratings.clone(),
            cwes: Vec::new(),
            exploited: None,
            epss_millionths: None,
            status: AdvisoryStatus::Active,
            published,
            modified,
            known_since: UNDATED,
        },
    );
    filing.advisory(&Advisory {
        id,
        aliases: Vec::new(),
        upstream: Vec::new(),
        kind: AdvisoryKind::Vulnerability,
        status: AdvisoryStatus::Active,
        published,
        modified,
        ratings,
        cwes: Vec::new(),
        url: None,
        license: License::Public,
        known_since: UNDATED,
    });
    Ok(())
}

fn statement(id: &str, cpe: &str) -> Option<(String, Statement)> {
    let attributes = names::cpe_attributes(cpe)?;
    let product = attributes.get(2)?.clone();
    let versions = match names::cpe_version(&attributes) {
        Some(version) => Range::new(Scheme::Generic, Vec::new(), vec![version]),
        None => Range::all(Scheme::Generic),
    };
    let statement = Statement {
        advisory: id.to_owned(),
        name: cpe.to_owned(),
        level: Level::Cpe,
        versions,
        verdict: Verdict::Affected,
        fix: StatedFix::default(),
        qualifiers: Vec::new(),
        severity: None,
        known_since: UNDATED,
    };
    Some((product, statement))
}

fn scored(cvss: &Cvss) -> RatingValue {
    RatingValue::Scored {
        version: cvss.version.clone(),
        vector: cvss.vector_string.clone(),
        base: tenths(cvss.base_metrics.base),
        exploitability: cvss.base_metrics.exploitability.map(tenths),
        impact: cvss.base_metrics.impact.map(tenths),
    }
}
