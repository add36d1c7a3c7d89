//! Descriptors: a promise of content by media type, digest and size (OCI descriptor.md).

use std::collections::BTreeMap;

use killick_model::attachment::Document;
use killick_model::digest::Digest;
use killick_model::image::Platform;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::DocumentError;
use crate::layer::table::TablePromise;

/// A descriptor as written. Everything but digest and size may be missing or odd.
#[derive(Debug, Deserialize)]
pub(super) struct RawDescriptor {
    #[serde(default, rename = "mediaType")]
    pub(super) media_type: Option<String>,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) urls: Option<Vec<String>>,
    #[serde(default)]
    platform: Option<RawPlatform>,
    #[serde(default, rename = "artifactType")]
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
struct RawPlatform {
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    variant: Option<String>,
}

/// One entry of an index.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) platform: Option<Platform>,
    /// What a builder's companion manifest is about (`attestation-manifest`).
    pub(crate) reference_type: Option<String>,
    /// Which image such a companion is about.
    pub(crate) reference: Option<Digest>,
    /// What an artifact that is no image says it is.
    pub(crate) artifact_type: Option<String>,
    /// What cosign saved (`kind`).
    pub(crate) cosign_kind: Option<String>,
    /// `org.opencontainers.image.ref.name`, or the full name containerd writes.
    pub(crate) ref_name: Option<String>,
    /// The full name that containerd writes beside a tag.
    pub(crate) full_name: Option<String>,
}

/// One layer of a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Where else than at the image it may be, if its publisher does not let others keep it.
    pub(crate) foreign: Option<Vec<String>>,
    /// Its table of contents, if the manifest promises one.
    pub(crate) table: Option<TablePromise>,
}

impl Entry {
    /// Companions of an image, which are no images: what builders, cosign and others attached to it.
    pub(crate) fn is_attestation(&self) -> bool {
        let unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        self.reference_type.is_some()
            || self.platform.as_ref().is_some_and(unknown)
            || (self.platform.is_none() && self.artifact_type.is_some())
            || self.cosign_kind.as_deref().is_some_and(|kind| COSIGN_KINDS.contains(&kind))
            || self.ref_name.as_deref().is_some_and(is_tag_of_digest)
    }
}

/// What cosign calls the companions in a layout that it saves.
const COSIGN_KINDS: [&str; 3] =
    ["dev.cosignproject.cosign/sigs", "dev.cosignproject.cosign/atts", "dev.cosignproject.cosign/sboms"];

/// Whether a tag was made of a digest: `sha256-HEX`, with or without an ending.
fn is_tag_of_digest(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("sha256-") else { return false };
    let hex = rest.split('.').next().unwrap_or(rest);
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Annotations that are kept of one thing.
const ANNOTATIONS: usize = 64;
/// Bytes of the name and of the value of one. The longest known are certificates and entries of transparency logs.
const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 16 << 10;

/// Annotations as texts, without those that are too long.
pub(super) fn annotations(written: Option<Map<String, Value>>) -> BTreeMap<String, String> {
    let texts = written.into_iter().flatten().filter_map(|(key, value)| match value {
        Value::String(text) if key.len() <= KEY_BYTES && text.len() <= VALUE_BYTES => Some((key, text)),
        _ => None,
    });
    texts.take(ANNOTATIONS).collect()
}

fn annotation<'a>(annotations: Option<&'a Map<String, Value>>, key: &str) -> Option<&'a str> {
    annotations?.get(key)?.as_str()
}

impl RawDescriptor {
    /// The table of contents that its annotations promise.
    pub(super) fn table(&self) -> Option<TablePromise> {
        TablePromise::read(|key| annotation(self.annotations.as_ref(), key))
    }

    pub(super) fn digest(&self, what: &'static str, subject: &str) -> Result<Digest, DocumentError> {
        self.digest.parse().map_err(|_| DocumentError::BadDigest {
            what,
            subject: subject.to_owned(),
            text: self.digest.chars().take(80).collect(),
        })
    }

    /// The descriptor as a document that can be read.
    pub(super) fn into_document(self, subject: &str) -> Result<Document, DocumentError> {
        let digest = self.digest("manifest", subject)?;
        let annotations = annotations(self.annotations);
        Ok(Document { annotations, ..Document::new(bounded(self.media_type.unwrap_or_default()), digest, self.size) })
    }

    pub(super) fn into_entry(self, subject: &str) -> Result<Entry, DocumentError> {
        let digest = self.digest("index", subject)?;
        let platform = self.platform.and_then(|platform| {
            let (os, architecture) = (platform.os?, platform.architecture?);
            let variant = platform.variant.filter(|variant| !variant.is_empty());
            (!os.is_empty() && !architecture.is_empty()).then_some(Platform { os, architecture, variant })
        });
        let annotation = |key: &str| annotation(self.annotations.as_ref(), key).map(str::to_owned);
        Ok(Entry {
            media_type: self.media_type.unwrap_or_default(),
            digest,
            size: self.size,
            platform,
            reference_type: annotation("vnd.docker.reference.type"),
            reference: annotation("vnd.docker.reference.digest").and_then(|digest| digest.parse().ok()),
            cosign_kind: annotation("kind"),
            ref_name: annotation("org.opencontainers.image.ref.name")
                .or_else(|| annotation("io.containerd.image.name")),
            full_name: annotation("io.containerd.image.name"),
            artifact_type: self.artifact_type.filter(|kind| !kind.is_empty()).map(bounded),
        })
    }
}

/// A media type, which is no longer than a line.
pub(super) fn bounded(text: String) -> String {
    if text.len() <= KEY_BYTES { text } else { text.chars().take(KEY_BYTES / 4).collect() }
}
