//! The National Vulnerability Database, JSON 2.0: yearly files, the file of what was modified lately, or API pages.
//!
//! <https://nvd.nist.gov/developers/vulnerabilities>. Ratings, weaknesses, rejections and disputes of every CVE; and the
//! products it names by CPE, for software that was recognised by its content ([`configurations`]). Distributions and
//! ecosystems know their packages better, and are not judged by it.
//!
//! Pages (`nvd/pages/*.json`) go before the modified file, and that before the years: of several records of a CVE the
//! first one counts. Pages of a window are read last name first, so they are to be named by their day.

use std::path::PathBuf;

use killick_model::advisory::{AdvisoryStatus, Enrichment, Instant, License, Rating, RatingValue};
use killick_model::feed::{Each, File, Form, Proof, Upstream};
use serde::Deserialize;
use serde_json::Value;

use self::configurations::Configuration;
use super::json::{cwe_numbers, elements, or_default};
use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, said};
use crate::index::Coverage;
use crate::namespaces;
use crate::scores::tenths;

mod configurations;

pub(super) const PROVIDER: Provider = Provider {
    name: "nvd",
    title: "NIST National Vulnerability Database",
    upstreams: UPSTREAMS,
    find: |root| -> Vec<Vec<PathBuf>> {
        let mut unit = files_in(root, "nvd/pages", |name| name.contains(".json"));
        unit.reverse();
        let mut feeds = files_in(root, "nvd", |name| name.starts_with(FEED) && name.contains(".json"));
        feeds.sort_by_key(|path| !["modified", "recent"].iter().any(|word| path.to_string_lossy().contains(word)));
        unit.append(&mut feeds);
        if unit.is_empty() { Vec::new() } else { vec![unit] }
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[
    Upstream {
        name: "years",
        base: "https://nvd.nist.gov/feeds/json/cve/2.0/",
        folder: "nvd",
        is_default: true,
        max_bytes: 512 << 20,
        hours: 6 * 24,
        notes_date: false,
        form: Form::Files {
            each: Each::Year { first: 2002 },
            files: &[File::new("nvdcve-2.0-{}.json.gz", "nvdcve-2.0-{}.json.gz").proved(Proof::Meta)],
        },
    },
    Upstream {
        name: "modified",
        base: "https://nvd.nist.gov/feeds/json/cve/2.0/",
        folder: "nvd",
        is_default: true,
        max_bytes: 512 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Files {
            each: Each::Once,
            files: &[File::new("nvdcve-2.0-modified.json.gz", "nvdcve-2.0-modified.json.gz").proved(Proof::Meta)],
        },
    },
    Upstream {
        name: "api",
        base: "https://services.nvd.nist.gov/rest/json/cves/",
        folder: "nvd/pages",
        is_default: false,
        max_bytes: 64 << 20,
        hours: 0,
        notes_date: false,
        form: Form::Windows,
    },
];

const FEED: &str = "nvdcve-2.0-";

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
    #[serde(rename = "cveTags", default, deserialize_with = "or_default")]
    tags: Vec<Tags>,
    #[serde(default, deserialize_with = "or_default")]
    configurations: Vec<Configuration>,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default, deserialize_with = "or_default")]
    tags: Vec<String>,
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
    if sink.has_noted(("cve", &cve.id)) {
        return;
    }
    sink.note(("cve", &cve.id));
    let metrics = &cve.metrics;
    let all = [&metrics.v40, &metrics.v31, &metrics.v30, &metrics.v2];
    let ratings: Vec<Rating> = all.into_iter().flatten().map(rating).collect();
    let is_disputed = cve.tags.iter().flat_map(|tags| &tags.tags).any(|tag| tag == "disputed");
    let status = match cve.vuln_status.as_str() {
        "Rejected" => AdvisoryStatus::Rejected,
        _ if is_disputed => AdvisoryStatus::Disputed,
        _ => AdvisoryStatus::Active,
    };
    let (published, modified) =
        (cve.published.as_deref().and_then(Instant::parse), cve.last_modified.as_deref().and_then(Instant::parse));
    // Most entries of the NVD are waiting for analysis and say nothing that an index needs.
    if !ratings.is_empty() || status != AdvisoryStatus::Active {
        let words = cve.weaknesses.iter().flat_map(|weakness| &weakness.description);
        let filing = sink.file("nvd", || namespace("nvd", ""));
        filing.enrichment(
            &cve.id,
            &Enrichment {
                ratings,
                cwes: cwe_numbers(words.map(|word| word.value.as_str())),
                exploited: None,
                epss_millionths: None,
                status,
                published,
                modified,
                known_since: UNDATED,
            },
        );
    }
    if status == AdvisoryStatus::Rejected {
        return;
    }
    let products = configurations::products(&cve.id, &cve.configurations, sink);
    if products.is_empty() {
        return;
    }
    let filing = sink.file("nvd:cpe", || namespace("nvd:cpe", namespaces::CPE));
    for (product, statement) in &products {
        filing.cpe(product, statement);
    }
    let mut advisory = said::advisory(&cve.id, License::Public);
    (advisory.status, advisory.published, advisory.modified) = (status, published, modified);
    filing.advisory(&advisory);
}

fn namespace(name: &str, ecosystem: &str) -> Namespace {
    Namespace {
        name: name.to_owned(),
        ecosystem: ecosystem.to_owned(),
        coverage: Coverage::Full,
        license: License::Public,
        attribution: "NIST National Vulnerability Database, public domain".to_owned(),
    }
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
