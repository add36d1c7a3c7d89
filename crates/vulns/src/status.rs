//! What an index is made of and how old it is, for `db status`.

use jiff::Timestamp;
use killick_model::advisory::{Instant, License};
use serde::Serialize;

use crate::index::{Coverage, Index, Segment};

/// The state of an index.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Path of the file, or `built-in index`.
    pub index: String,
    /// When it was built.
    pub built: Option<Timestamp>,
    /// The newest date in any of its data.
    pub newest_data: Option<Timestamp>,
    /// Seconds from that date to `now`; `None` without a date, 0 where the data are of the future.
    pub age_seconds: Option<u64>,
    /// Advisories of all sources.
    pub advisories: u64,
    /// Statements of all sources.
    pub statements: u64,
    /// Each source, by (provider, namespace).
    pub sources: Vec<SourceStatus>,
}

/// The state of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SourceStatus {
    /// Provider.
    pub provider: String,
    /// Namespace.
    pub namespace: String,
    /// SHA-256 that names the segment, hexadecimal.
    pub digest: String,
    /// Whether its silence means anything.
    pub coverage: Coverage,
    /// Terms of the data.
    pub license: License,
    /// Whom to thank.
    pub attribution: String,
    /// The newest date in its data.
    pub data_instant: Option<Timestamp>,
    /// Advisories, or enriched CVEs.
    pub advisories: u64,
    /// Statements about packages.
    pub statements: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// Bytes in the file.
    pub size_bytes: u64,
}

/// The state of `index` as of `now`. Reads no more than was read when it was opened.
pub fn status(index: &Index, now: Timestamp) -> Status {
    let manifest = index.manifest();
    let sources: Vec<SourceStatus> = manifest.segments.iter().map(source).collect();
    let newest_data = sources.iter().filter_map(|source| source.data_instant).max();
    Status {
        index: index.name().to_owned(),
        built: manifest.built.timestamp(),
        newest_data,
        age_seconds: newest_data
            .map(|newest| u64::try_from(now.as_second().saturating_sub(newest.as_second())).unwrap_or(0)),
        advisories: sources.iter().map(|source| source.advisories).fold(0, u64::saturating_add),
        statements: sources.iter().map(|source| source.statements).fold(0, u64::saturating_add),
        sources,
    }
}

/// The state of one segment of an index.
pub(crate) fn source(segment: &Segment) -> SourceStatus {
    SourceStatus {
        provider: segment.provider.clone(),
        namespace: segment.namespace.clone(),
        digest: hex::encode(segment.digest),
        coverage: segment.coverage,
        license: segment.license,
        attribution: segment.attribution.clone(),
        data_instant: segment.data_instant.and_then(Instant::timestamp),
        advisories: segment.advisories,
        statements: segment.statements,
        skipped: segment.skipped,
        size_bytes: segment.blocks_bytes.saturating_add(segment.directory_bytes),
    }
}
