//! Handing an index on: blobs named by their digests, and one small signed document that says which belong together.
//!
//! ```text
//! manifest.json            a signed envelope around the `Publication`
//! blobs/sha256/<digest>    a segment as it lies in the index file, or the index's own manifest
//! ```
//!
//! The same tree serves a folder, a web server, a bucket, one tar file and, as an artifact, an OCI registry. Who has an
//! older index takes from it what did not change, asks for the directories of the segments that did, and then for the
//! blocks he lacks: parts of blobs, by their place. What comes out is the publisher's index file, byte for byte.
//!
//! As in The Update Framework (TUF specification, sections 1.5 and 5) an attacker in between can neither forge a
//! publication nor replay an old one ([`Trust`]): it is signed, its version only grows, and it expires. Nothing here
//! fetches anything; [`assemble`] is given a [`Depot`].

use std::collections::BTreeSet;

use jiff::Timestamp;
use killick_model::digest::Digest;
use serde::{Deserialize, Serialize};

mod assemble;
mod contents;
mod envelope;
mod error;
mod keys;
#[cfg(test)]
mod tests;
mod trust;

pub use self::assemble::{Assembly, Depot, Progress, assemble};
pub use self::contents::Contents;
pub use self::envelope::sign;
pub use self::error::PublicationError;
pub use self::keys::{KeyError, KeyId, PrivateKey, PublicKey};
pub use self::trust::{Accepted, Allowed, Seen, Trust, accept, peek};

/// Name of the signed document in a tree.
pub const MANIFEST_FILE: &str = "manifest.json";

/// Largest signed document that is read.
pub const MAX_MANIFEST_BYTES: u64 = 16 << 20;

/// Largest blob.
const MAX_BLOB_BYTES: u64 = 4 << 30;

/// Largest index file.
const MAX_INDEX_BYTES: u64 = 16 << 30;

/// Segments of an index.
const MAX_SEGMENTS: usize = 10_000;

/// Version of the document.
const FORMAT: u32 = 1;

/// What is published: one state of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Version of this document's form.
    pub format: u32,
    /// Which publication of its publisher: versions are counted by name.
    pub name: String,
    /// Grows with every state that is published.
    pub version: u64,
    /// When the index was built.
    pub built: Timestamp,
    /// When it was published.
    pub published: Timestamp,
    /// From when on nobody should believe that this is the newest state; never, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Version of the index file's format.
    pub index_format: u32,
    /// The index's own manifest, which stands after the segments.
    pub manifest: Blob,
    /// The segments, in the order of the file.
    pub segments: Vec<PublishedSegment>,
}

/// One segment of a published index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedSegment {
    /// Name of the provider.
    pub provider: String,
    /// Namespace as results show it.
    pub namespace: String,
    /// Its bytes, blocks and directory.
    #[serde(flatten)]
    pub blob: Blob,
}

/// Bytes that are named by their digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Blob {
    /// SHA-256 of all of it.
    pub digest: Digest,
    /// How many bytes.
    pub bytes: u64,
}

impl Blob {
    /// Where it lies in a tree.
    pub fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest.hex())
    }
}

impl PublishedSegment {
    /// `provider/namespace`, for people.
    pub fn label(&self) -> String {
        format!("{}/{}", self.provider, self.namespace)
    }
}

impl Publication {
    /// Every blob that is needed, each once.
    pub fn blobs(&self) -> BTreeSet<&Blob> {
        self.segments.iter().map(|segment| &segment.blob).chain([&self.manifest]).collect()
    }

    /// Reads the document of an envelope that was verified, and checks every number in it.
    fn parse(bytes: &[u8]) -> Result<Self, PublicationError> {
        let malformed = |detail: String| PublicationError::Malformed { detail };
        let Format { format } = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if format != FORMAT {
            return Err(PublicationError::Format { what: "publication", found: format, expected: FORMAT });
        }
        let publication: Self = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let expected = crate::index::FORMAT;
        if publication.index_format != expected {
            return Err(PublicationError::Format { what: "index", found: publication.index_format, expected });
        }
        if publication.segments.len() > MAX_SEGMENTS {
            return Err(malformed(format!("{} segments are more than {MAX_SEGMENTS}", publication.segments.len())));
        }
        if publication.name.len() > 256 {
            return Err(malformed("its name is too long".to_owned()));
        }
        let too_large = |blob: &Blob, limit: u64| malformed(format!("blob `{}` is larger than {limit}", blob.digest));
        if publication.manifest.bytes > crate::index::format::MAX_MANIFEST_BYTES {
            return Err(too_large(&publication.manifest, crate::index::format::MAX_MANIFEST_BYTES));
        }
        let mut sum = 0_u64;
        for segment in &publication.segments {
            if segment.blob.bytes > MAX_BLOB_BYTES {
                return Err(too_large(&segment.blob, MAX_BLOB_BYTES));
            }
            sum = sum.saturating_add(segment.blob.bytes);
        }
        if sum > MAX_INDEX_BYTES {
            return Err(malformed(format!("{sum} bytes are more than {MAX_INDEX_BYTES}")));
        }
        Ok(publication)
    }
}

/// What is read first: the rest may look otherwise in another format.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// JSON to be read by people too.
fn json<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value);
    let mut text = text.expect("our documents have nothing that JSON cannot say, and memory does not fail");
    text.push('\n');
    text
}
