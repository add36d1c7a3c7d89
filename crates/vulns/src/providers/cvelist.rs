//! The CVE list, record format 5: one JSON file per CVE, as a zip (of everything, or of what changed), a tar archive of
//! the repository, or a folder.
//!
//! <https://github.com/CVEProject/cve-schema>. Ratings of the CNA and of CISA's ADP container, weaknesses,
//! rejections. Version ranges mean something else with every CNA and are not read.

use std::path::PathBuf;

use killick_model::advisory::{AdvisoryStatus, Enrichment, Instant, License, Rating, RatingValue};
use killick_model::feed::{Form, Upstream};
use serde::Deserialize;
use serde_json::Value;

use super::json::{cwe_numbers, or_default};
use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, files_in, has_extension};
use crate::index::Coverage;

pub(super) const PROVIDER: Provider = Provider {
    name: "cvelist",
    title: "CVE list with CISA's additions",
    upstreams: UPSTREAMS,
    find: |root| -> Vec<Vec<PathBuf>> {
        let mut files = files_in(root, "cvelist-v5", |name| has_extension(name, "zip") || name.ends_with(".tar.gz"));
        // What changed since goes before everything, the latest first.
        files.reverse();
        files.sort_by_key(|path| !path.to_string_lossy().contains("_delta_"));
        let tree =
            ["cvelistV5/cves", "cvelist-v5/cves"].map(PathBuf::from).into_iter().find(|path| root.join(path).is_dir());
        files.extend(tree);
        if files.is_empty() { Vec::new() } else { vec![files] }
    },
    read,
};

const UPSTREAMS: &[Upstream] = &[Upstream {
    name: "releases",
    base: "https://api.github.com/repos/CVEProject/cvelistV5/",
    folder: "cvelist-v5",
    is_default: false,
    max_bytes: 4 << 30,
    hours: 0,
    notes_date: false,
    form: Form::Releases,
}];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    cve_metadata: Metadata,
    containers: Containers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    cve_id: String,
    state: String,
    date_published: Option<String>,
    date_updated: Option<String>,
}

#[derive(Deserialize)]
struct Containers {
    cna: Container,
    #[serde(default, deserialize_with = "or_default")]
    adp: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    #[serde(default, deserialize_with = "or_default")]
    metrics: Vec<Value>,
    #[serde(default, deserialize_with = "or_default")]
    problem_types: Vec<ProblemType>,
    #[serde(default, deserialize_with = "or_default")]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct ProblemType {
    #[serde(default, deserialize_with = "or_default")]
    descriptions: Vec<Description>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    cwe_id: Option<String>,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    // Lists of what changed lie among the records.
    let is_record = |name: &str| name.rsplit('/').next().is_some_and(|name| name.starts_with("CVE-"));
    let each = |record: Record, sink: &mut Sink| file(&record, sink);
    if input.root.join(input.path).is_dir() {
        return input.tree_records(sink, is_record, each);
    }
    if input.path.to_str().is_some_and(|path| has_extension(path, "gz")) {
        let is_json = |name: &str| is_record(name) && has_extension(name, "json");
        return input.tar_members(sink, is_json, |name, bytes, sink| match serde_json::from_slice(bytes) {
            Ok(record) => file(&record, sink),
            Err(error) => sink.skip(name, error),
        });
    }
    input.zip_records_where(sink, is_record, each)
}

fn file(record: &Record, sink: &mut Sink) {
    let id = &record.cve_metadata.cve_id;
    if sink.has_noted(("cve", id)) {
        return;
    }
    sink.note(("cve", id));
    let mut ratings = ratings("cna", &record.containers.cna);
    ratings.extend(record.containers.adp.iter().flat_map(|container| self::ratings("adp", container)));
    let containers = || std::iter::once(&record.containers.cna).chain(&record.containers.adp);
    let words: Vec<&str> = containers()
        .flat_map(|container| &container.problem_types)
        .flat_map(|problem| &problem.descriptions)
        .filter_map(|description| description.cwe_id.as_deref())
        .collect();
    let is_disputed = containers().flat_map(|container| &container.tags).any(|tag| tag == "disputed");
    let status = match record.cve_metadata.state.as_str() {
        "REJECTED" => AdvisoryStatus::Rejected,
        _ if is_disputed => AdvisoryStatus::Disputed,
        _ => AdvisoryStatus::Active,
    };
    if ratings.is_empty() && status == AdvisoryStatus::Active {
        return;
    }
    let filing = sink.file("cve", || Namespace {
        name: "cve".to_owned(),
        ecosystem: String::new(),
        coverage: Coverage::Full,
        license: License::Public,
        attribution: "CISA Vulnrichment and the CVE list, CC0-1.0".to_owned(),
    });
    filing.enrichment(
        &record.cve_metadata.cve_id,
        &Enrichment {
            ratings,
            cwes: cwe_numbers(words),
            exploited: None,
            epss_millionths: None,
            status,
            published: record.cve_metadata.date_published.as_deref().and_then(Instant::parse),
            modified: record.cve_metadata.date_updated.as_deref().and_then(Instant::parse),
            known_since: UNDATED,
        },
    );
}

fn ratings(source: &str, container: &Container) -> Vec<Rating> {
    let vectors = container.metrics.iter().flat_map(|metric| {
        ["cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0"]
            .into_iter()
            .filter_map(|key| metric.get(key)?.get("vectorString")?.as_str())
    });
    vectors.map(|vector| Rating { source: source.to_owned(), value: RatingValue::Vector(vector.to_owned()) }).collect()
}
