//! The National Vulnerability Database, JSON 2.0: yearly files or API pages.
//!
//! <https://nvd.nist.gov/developers/vulnerabilities>. Ratings, weaknesses and rejections; its product ranges are
//! not read here, because distributions and ecosystems know better.

use std::path::PathBuf;

use killick_model::advisory::{AdvisoryStatus, Enrichment, Instant, License, Rating, RatingValue};
use serde::Deserialize;
use serde_json::Value;

use super::json::{cwe_numbers, elements, or_default};
use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in};
use crate::index::Coverage;
use crate::scores::tenths;

pub(super) const PROVIDER: Provider = Provider {
    name: "nvd",
    title: "NIST National Vulnerability Database",
    find: |root| -> Vec<Vec<PathBuf>> {
        let files = files_in(root, "nvd", |name| name.starts_with("nvdcve-2.0-") && name.contains(".json"));
        if files.is_empty() { Vec::new() } else { vec![files] }
    },
    read,
};

#[derive(Deserialize)]
struct Element {
    cve: Cve,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cve {
    id: String,
    published: Option<String>,
    last_modified: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    vuln_status: String,
    #[serde(default, deserialize_with = "or_default")]
    metrics: Metrics,
    #[serde(default, deserialize_with = "or_default")]
    weaknesses: Vec<Weakness>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metrics {
    #[serde(rename = "cvssMetricV40")]
    v40: Vec<Metric>,
    #[serde(rename = "cvssMetricV31")]
    v31: Vec<Metric>,
    #[serde(rename = "cvssMetricV30")]
    v30: Vec<Metric>,
    #[serde(rename = "cvssMetricV2")]
    v2: Vec<Metric>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    source: Option<String>,
    exploitability_score: Option<f64>,
    impact_score: Option<f64>,
    cvss_data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    version: String,
    vector_string: String,
    base_score: f64,
}

#[derive(Deserialize)]
struct Weakness {
    #[serde(default)]
    description: Vec<Word>,
}

#[derive(Deserialize)]
struct Word {
    value: String,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    elements(input.reader()?, "vulnerabilities", |element| {
        let id = element.pointer("/cve/id").and_then(Value::as_str).unwrap_or("?").to_owned();
        match serde_json::from_value::<Element>(element) {
            Ok(element) => file(&element.cve, sink),
            Err(error) => sink.skip(&id, error),
        }
    })
    .map_err(|error| input.malformed(error))
}

fn file(cve: &Cve, sink: &mut Sink) {
    let metrics = &cve.metrics;
    let all = [&metrics.v40, &metrics.v31, &metrics.v30, &metrics.v2];
    let ratings: Vec<Rating> = all.into_iter().flatten().map(rating).collect();
    let rejected = cve.vuln_status == "Rejected";
    // Most entries of the NVD are waiting for analysis and say nothing that an index needs.
    if ratings.is_empty() && !rejected {
        return;
    }
    let words = cve.weaknesses.iter().flat_map(|weakness| &weakness.description);
    let filing = sink.file("nvd", || Namespace {
        name: "nvd".to_owned(),
        ecosystem: String::new(),
        coverage: Coverage::Full,
        license: License::Public,
        attribution: "NIST National Vulnerability Database, public domain".to_owned(),
    });
    filing.enrichment(
        &cve.id,
        &Enrichment {
            ratings,
            cwes: cwe_numbers(words.map(|word| word.value.as_str())),
            exploited: None,
            epss_millionths: None,
            status: if rejected { AdvisoryStatus::Rejected } else { AdvisoryStatus::Active },
            published: cve.published.as_deref().and_then(Instant::parse),
            modified: cve.last_modified.as_deref().and_then(Instant::parse),
            known_since: UNDATED,
        },
    );
}

/// The NVD repeats ratings of others: only those of `nvd@nist.gov` are its own.
fn rating(metric: &Metric) -> Rating {
    let own = metric.source.as_deref().is_none_or(|source| source == "nvd@nist.gov");
    Rating {
        source: if own { "nvd" } else { "cna" }.to_owned(),
        value: RatingValue::Scored {
            version: metric.cvss_data.version.clone(),
            vector: metric.cvss_data.vector_string.clone(),
            base: tenths(metric.cvss_data.base_score),
            exploitability: metric.exploitability_score.map(tenths),
            impact: metric.impact_score.map(tenths),
        },
    }
}
