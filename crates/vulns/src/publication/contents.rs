//! What of an index file is published: where its blobs lie, and what their digests are.

use std::ops::Range;

use jiff::Timestamp;
use killick_model::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{Blob, FORMAT, Publication, PublishedSegment};
use crate::index::format::HEADER_BYTES;
use crate::index::{Index, IndexError};

/// Bytes that are read and hashed at once.
const PIECE_BYTES: u64 = 1 << 20;

/// The blobs of an index file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    manifest: (Blob, Range<u64>),
    segments: Vec<(PublishedSegment, Range<u64>)>,
    built: Timestamp,
}

impl Contents {
    /// Reads and hashes the whole file.
    pub fn of(index: &Index) -> Result<Self, IndexError> {
        let corrupt = |detail: &str| IndexError::Corrupt {
            index: index.name().to_owned(),
            part: "manifest".to_owned(),
            detail: detail.to_owned(),
        };
        let mut offset = HEADER_BYTES as u64;
        let mut segments = Vec::new();
        for segment in &index.manifest().segments {
            let end = segment.end().filter(|_| segment.offset == offset);
            let end = end.ok_or_else(|| corrupt("its segments do not follow each other"))?;
            let published = PublishedSegment {
                provider: segment.provider.clone(),
                namespace: segment.namespace.clone(),
                blob: blob(index, offset..end)?,
            };
            segments.push((published, offset..end));
            offset = end;
        }
        let manifest = index.manifest_range();
        if manifest.start != offset {
            return Err(corrupt("it does not follow the segments"));
        }
        let built = index.manifest().built.timestamp().ok_or_else(|| corrupt("it was built at no time"))?;
        Ok(Self { manifest: (blob(index, manifest.clone())?, manifest), segments, built })
    }

    /// What is published of it. The version is the second it is published at, but always more than `previous`.
    pub fn publish(
        &self,
        name: &str,
        previous: Option<&Publication>,
        published: Timestamp,
        expires: Option<Timestamp>,
    ) -> Publication {
        let second = u64::try_from(published.as_second()).unwrap_or_default();
        let next = previous.map_or(0, |previous| previous.version.saturating_add(1));
        Publication {
            format: FORMAT,
            name: name.to_owned(),
            version: second.max(next),
            built: self.built,
            published: whole(published),
            expires: expires.map(whole),
            index_format: crate::index::FORMAT,
            manifest: self.manifest.0.clone(),
            segments: self.segments.iter().map(|(segment, _)| segment.clone()).collect(),
        }
    }

    /// When the index was built.
    pub fn built(&self) -> Timestamp {
        self.built
    }

    /// Every blob with its place in the file.
    pub fn blobs(&self) -> impl Iterator<Item = (&Blob, Range<u64>)> {
        let segments = self.segments.iter().map(|(segment, range)| (&segment.blob, range.clone()));
        segments.chain([(&self.manifest.0, self.manifest.1.clone())])
    }

    /// Where a blob lies in the file.
    pub fn range(&self, digest: &Digest) -> Option<Range<u64>> {
        self.blobs().find(|(blob, _)| blob.digest == *digest).map(|(_, range)| range)
    }

    /// Whether `publication` is about this very index.
    pub fn is_of(&self, publication: &Publication) -> bool {
        publication.manifest == self.manifest.0
    }
}

/// Nobody needs more than seconds.
fn whole(instant: Timestamp) -> Timestamp {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant)
}

/// The digest of a part of the file, which is read piece by piece.
fn blob(index: &Index, range: Range<u64>) -> Result<Blob, IndexError> {
    let bytes = range.end.saturating_sub(range.start);
    let mut hash = Sha256::new();
    let mut at = range.start;
    while at < range.end {
        let end = at.saturating_add(PIECE_BYTES).min(range.end);
        hash.update(index.bytes(at..end)?);
        at = end;
    }
    Ok(Blob { digest: Digest::from_sha256(hash.finalize().into()), bytes })
}
