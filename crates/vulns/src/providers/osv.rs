//! OSV: one JSON document per vulnerability, an archive per ecosystem (`osv/PyPI/all.zip`).
//!
//! <https://ossf.github.io/osv-schema/>. Every ecosystem that follows the schema is read, known to us or not. Of a
//! record that speaks of several ecosystems each archive takes its own part. Ranges of git commits say nothing
//! about versions and are left out.
//!
//! Beside an archive, or instead of it, single records may lie (`osv/PyPI/records/PYSEC-2024-1.json`), as the bucket
//! offers what changed since: a record goes before the archive's of the same id.

use std::path::{Path, PathBuf};

use killick_model::advisory::{Advisory, AdvisoryKind, AdvisoryStatus, Instant, License, Rating, RatingValue};
use killick_model::feed::{Form, Upstream};
use killick_model::severity::Severity;
use serde::Deserialize;
use serde_json::Value;

use super::json::{cwe_numbers, or_default};
use super::sink::UNDATED;
use super::{Input, Namespace, Provider, ReadError, Sink, folders_in, has_extension};
use crate::index::Coverage;
use crate::namespaces;
use crate::scores::tenths;

mod affected;
mod ecosystems;

use self::affected::Affected;

pub(super) const PROVIDER: Provider = Provider {
    name: "osv",
    title: "OSV, the open source vulnerability databases",
    upstreams: UPSTREAMS,
    find: |root| -> Vec<Vec<PathBuf>> {
        let unit = |ecosystem: String| -> Vec<PathBuf> {
            let folder = PathBuf::from("osv").join(ecosystem);
            // What was fetched last comes first.
            let (records, archive) = (folder.join("records"), folder.join("all.zip"));
            let mut unit = Vec::new();
            unit.extend(Some(records).filter(|path| root.join(path).is_dir()));
            unit.extend(Some(archive).filter(|path| root.join(path).is_file()));
            unit
        };
        folders_in(root, "osv").into_iter().map(unit).filter(|unit| !unit.is_empty()).collect()
    },
    read,
};

/// The ecosystems of languages and tools. Those of distributions repeat what the distributions' own providers read.
const UPSTREAMS: &[Upstream] = &[
    bucket("npm", "https://osv-vulnerabilities.storage.googleapis.com/npm/", "osv/npm"),
    bucket("pypi", "https://osv-vulnerabilities.storage.googleapis.com/PyPI/", "osv/PyPI"),
    bucket("maven", "https://osv-vulnerabilities.storage.googleapis.com/Maven/", "osv/Maven"),
    bucket("go", "https://osv-vulnerabilities.storage.googleapis.com/Go/", "osv/Go"),
    bucket("crates.io", "https://osv-vulnerabilities.storage.googleapis.com/crates.io/", "osv/crates.io"),
    bucket("rubygems", "https://osv-vulnerabilities.storage.googleapis.com/RubyGems/", "osv/RubyGems"),
    bucket("packagist", "https://osv-vulnerabilities.storage.googleapis.com/Packagist/", "osv/Packagist"),
    bucket("nuget", "https://osv-vulnerabilities.storage.googleapis.com/NuGet/", "osv/NuGet"),
    bucket("hex", "https://osv-vulnerabilities.storage.googleapis.com/Hex/", "osv/Hex"),
    bucket("pub", "https://osv-vulnerabilities.storage.googleapis.com/Pub/", "osv/Pub"),
    bucket("swifturl", "https://osv-vulnerabilities.storage.googleapis.com/SwiftURL/", "osv/SwiftURL"),
    bucket(
        "github-actions",
        "https://osv-vulnerabilities.storage.googleapis.com/GitHub%20Actions/",
        "osv/GitHub Actions",
    ),
    bucket("hackage", "https://osv-vulnerabilities.storage.googleapis.com/Hackage/", "osv/Hackage"),
    bucket("opam", "https://osv-vulnerabilities.storage.googleapis.com/opam/", "osv/opam"),
    bucket("cran", "https://osv-vulnerabilities.storage.googleapis.com/CRAN/", "osv/CRAN"),
    bucket("bitnami", "https://osv-vulnerabilities.storage.googleapis.com/Bitnami/", "osv/Bitnami"),
    bucket("julia", "https://osv-vulnerabilities.storage.googleapis.com/Julia/", "osv/Julia"),
    bucket("drupal", "https://osv-vulnerabilities.storage.googleapis.com/Drupal/", "osv/Drupal"),
];

const fn bucket(name: &'static str, base: &'static str, folder: &'static str) -> Upstream {
    Upstream {
        name,
        base,
        folder,
        is_default: true,
        max_bytes: 4 << 30,
        hours: 0,
        notes_date: false,
        form: Form::Bucket,
    }
}

#[derive(Deserialize)]
struct Record {
    id: String,
    modified: Option<String>,
    published: Option<String>,
    withdrawn: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    aliases: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    upstream: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    related: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    summary: String,
    #[serde(default, deserialize_with = "or_default")]
    severity: Vec<Score>,
    #[serde(default, deserialize_with = "or_default")]
    affected: Vec<Affected>,
    #[serde(default, deserialize_with = "or_default")]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Score {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "score")]
    value: String,
    source: Option<String>,
}

/// Who publishes a record, where that is not the ecosystem's archive.
#[derive(Debug, Clone, Copy)]
pub(super) struct Publisher<'a> {
    /// The ecosystem whose packages are taken; `None` for those of every ecosystem.
    pub(super) family: Option<&'a str>,
    /// Terms and whom to thank, where they are the publisher's and not the ecosystem's.
    pub(super) terms: Option<(License, &'static str)>,
}

fn read(input: &Input<'_>, sink: &mut Sink) -> Result<(), ReadError> {
    let folder = input.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let Some(family) = folder else { return Err(input.malformed("it lies in no ecosystem's folder")) };
    let publisher = Publisher { family: Some(family), terms: None };
    records(input, &publisher, |_| true, sink)
}

/// Reads an archive, zip or tar, or a folder of records. Of several records of one id in a unit the first one counts.
pub(super) fn records(
    input: &Input<'_>,
    publisher: &Publisher<'_>,
    wanted: impl Fn(&str) -> bool,
    sink: &mut Sink,
) -> Result<(), ReadError> {
    // Lists of what there is lie among the records.
    let is_record = |name: &str| wanted(name) && !matches!(name.rsplit('/').next(), Some("all.json"));
    let each = |record: Record, sink: &mut Sink| {
        if !sink.has_noted(("record", &record.id)) {
            sink.note(("record", &record.id));
            file(&record, publisher, sink);
        }
    };
    if input.root.join(input.path).is_dir() {
        return input.tree_records(sink, is_record, each);
    }
    if input.path.to_str().is_some_and(|path| has_extension(path, "gz")) {
        let is_json = |name: &str| is_record(name) && has_extension(name, "json");
        return input.tar_members(sink, is_json, |name, bytes, sink| match serde_json::from_slice(bytes) {
            Ok(record) => each(record, sink),
            Err(error) => sink.skip(name, error),
        });
    }
    input.zip_records_where(sink, is_record, each)
}

fn file(record: &Record, publisher: &Publisher<'_>, sink: &mut Sink) {
    // AlmaLinux mixes bug fixes and enhancements into its feed.
    if ["ALBA-", "ALEA-"].iter().any(|prefix| record.id.starts_with(prefix)) {
        return;
    }
    let is_distribution = publisher.family.is_some_and(ecosystems::is_distribution);
    let advisory = advisory(record, is_distribution);
    let vendor = is_distribution.then(|| vendor_severity(record)).flatten();
    for affected in &record.affected {
        let Some(ecosystem) = affected.ecosystem() else {
            sink.leave_out();
            continue;
        };
        let family = publisher.family.unwrap_or_else(|| ecosystems::family(ecosystem));
        if !ecosystems::belongs(ecosystem, family) {
            continue;
        }
        let statement = match affected.statement(&record.id, vendor) {
            Ok(Some(statement)) => statement,
            Ok(None) => {
                sink.leave_out();
                continue;
            }
            Err(detail) => {
                sink.skip(&record.id, detail);
                continue;
            }
        };
        let (license, attribution) = publisher.terms.unwrap_or_else(|| ecosystems::terms(family));
        let name = namespaces::osv(ecosystem);
        let filing = sink.file(&name, || Namespace {
            name: name.clone(),
            ecosystem: if is_distribution { name.clone() } else { ecosystems::family(ecosystem).to_owned() },
            coverage: if is_distribution { Coverage::FixedOnly } else { Coverage::Full },
            license,
            attribution: attribution.to_owned(),
        });
        filing.statement(&statement);
        let mut advisory = advisory.clone();
        // GitHub's records keep their terms wherever they are collected.
        advisory.license = if record.id.starts_with("GHSA-") { License::Attribution } else { license };
        advisory.ratings.extend(affected.severity.iter().filter_map(|score| rating(score, &record.id)));
        advisory.ratings.dedup();
        if let Some(kind) = affected.kind() {
            advisory.kind = kind;
        }
        filing.advisory(&advisory);
    }
}

fn advisory(record: &Record, is_distribution: bool) -> Advisory {
    let is_name = |id: &&String| id.starts_with("CVE-") || id.starts_with("GHSA-");
    let (mut aliases, mut upstream) = (record.aliases.clone(), record.upstream.clone());
    if is_distribution {
        // Older distribution records name their CVEs as aliases or as related.
        upstream.extend(record.aliases.iter().chain(&record.related).filter(is_name).cloned());
        aliases.clear();
    }
    upstream.sort();
    upstream.dedup();
    // One vulnerability with all its names, from publishers that write a record for each: no bundle of several.
    let named = |prefix: &str| upstream.iter().filter(|id| id.starts_with(prefix)).count();
    if upstream.len() > 1 && ["CVE-", "GHSA-"].iter().all(|prefix| named(prefix) <= 1) {
        aliases.append(&mut upstream);
    }
    let mut ratings: Vec<Rating> = word(record).into_iter().collect();
    ratings.extend(record.severity.iter().filter_map(|score| rating(score, &record.id)));
    ratings.extend(number(record));
    let cwes = record.database_specific.get("cwe_ids").and_then(Value::as_array);
    Advisory {
        id: record.id.clone(),
        aliases,
        upstream,
        kind: if record.id.starts_with("MAL-") { AdvisoryKind::Malware } else { AdvisoryKind::Vulnerability },
        status: if record.withdrawn.is_some() { AdvisoryStatus::Withdrawn } else { AdvisoryStatus::Active },
        published: record.published.as_deref().and_then(Instant::parse),
        modified: record.modified.as_deref().and_then(Instant::parse),
        ratings,
        cwes: cwe_numbers(cwes.into_iter().flatten().filter_map(Value::as_str)),
        url: None,
        license: License::Unknown,
        known_since: UNDATED,
    }
}

/// Who rates in the records of this id: `GHSA-…` is rated by `ghsa`.
fn rater(id: &str) -> String {
    let prefix = id.split('-').next().unwrap_or(id);
    prefix.to_lowercase()
}

fn rating(score: &Score, id: &str) -> Option<Rating> {
    let source = score.source.as_deref().map_or_else(|| rater(id), str::to_lowercase);
    let value = match score.kind.as_str() {
        "CVSS_V2" | "CVSS_V3" | "CVSS_V4" => RatingValue::Vector(score.value.clone()),
        _ => RatingValue::Word(severity_word(&score.value)?),
    };
    Some(Rating { source, value })
}

/// The word of the database itself: GitHub's, Bitnami's.
fn word(record: &Record) -> Option<Rating> {
    let word = record.database_specific.get("severity")?.as_str()?;
    Some(Rating { source: rater(&record.id), value: RatingValue::Word(severity_word(word)?) })
}

/// `RubySec` gives scores without vectors.
fn number(record: &Record) -> Option<Rating> {
    let (key, version) = [("cvss_v4", "4.0"), ("cvss_v3", "3.1"), ("cvss_v2", "2.0")]
        .into_iter()
        .find(|(key, _)| record.database_specific.get(key).is_some())?;
    let value = record.database_specific.get(key)?;
    let base = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Rating {
        source: rater(&record.id),
        value: RatingValue::Scored {
            version: version.to_owned(),
            vector: String::new(),
            base: tenths(base),
            exploitability: None,
            impact: None,
        },
    })
}

/// `AlmaLinux` writes its rating as the first word of the summary, openEuler beside the record.
fn vendor_severity(record: &Record) -> Option<Severity> {
    let first = record.summary.split_once(':').and_then(|(word, _)| severity_word(word));
    first.or_else(|| severity_word(record.database_specific.get("severity")?.as_str()?))
}

fn severity_word(word: &str) -> Option<Severity> {
    match word.trim().to_ascii_lowercase().as_str() {
        "critical" => Some(Severity::Critical),
        "high" | "important" => Some(Severity::High),
        "medium" | "moderate" => Some(Severity::Medium),
        "low" => Some(Severity::Low),
        "negligible" | "none" => Some(Severity::Negligible),
        _ => None,
    }
}
