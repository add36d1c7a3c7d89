//! What others attached to an image where it is stored: SBOMs, attestations, signatures.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// How an attachment was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The referrers API of the registry (OCI distribution specification, "Listing Referrers").
    Referrers,
    /// The tag that stands for that API where there is none (`sha256-DIGEST`).
    ReferrersTag,
    /// An entry of the image's own index, as `BuildKit` writes (`vnd.docker.reference.type`).
    Index,
    /// A tag that cosign derives from the image's digest (`sha256-DIGEST.sig`, `.att`, `.sbom`).
    Tag(String),
}

/// One manifest with documents about the image. Nothing in it is believed: anybody who may write to the repository can
/// attach anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// How it was found.
    pub origin: Origin,
    /// Digest of its manifest, which was verified.
    pub digest: Digest,
    /// Media type of its manifest.
    pub media_type: String,
    /// Size of its manifest in bytes.
    pub size: u64,
    /// What it says it is; of manifests without a type of their own, the media type of their configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// As written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Its documents, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
}

/// One document of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// As declared.
    pub media_type: String,
    /// As declared; what was read has it.
    pub digest: Digest,
    /// Bytes, as declared; what was read has it.
    pub size: u64,
    /// What an attestation is about (in-toto's `predicateType`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// As written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An attachment whose documents can be read.
#[derive(Clone)]
pub struct StagedAttachment {
    /// What is known of it.
    pub attachment: Attachment,
    /// Its documents, in the order of [`Attachment::documents`].
    pub sources: Vec<Arc<dyn DocumentSource>>,
}

/// Reads a document that lies where the image lies.
pub trait DocumentSource: Send + Sync {
    /// The whole document, verified. Fails if it has more than `limit` bytes. Must be called outside an async context.
    fn read(&self, limit: u64) -> io::Result<Vec<u8>>;
}
