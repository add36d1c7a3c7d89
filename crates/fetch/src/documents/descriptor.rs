//! Descriptors: a promise of content by media type, digest and size (OCI descriptor.md).

use killick_model::digest::Digest;
use killick_model::image::Platform;
use serde::Deserialize;

use super::error::DocumentError;

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
    #[serde(default)]
    annotations: Option<serde_json::Map<String, serde_json::Value>>,
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
    /// `org.opencontainers.image.ref.name`, or the full name containerd writes.
    pub(crate) ref_name: Option<String>,
}

/// One layer of a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Where else than at the image it may be, if its publisher does not let others keep it.
    pub(crate) foreign: Option<Vec<String>>,
}

impl Entry {
    /// Builders' companions of an image, which are no images.
    pub(crate) fn is_attestation(&self) -> bool {
        let unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        self.reference_type.is_some() || self.platform.as_ref().is_some_and(unknown)
    }
}

impl RawDescriptor {
    pub(super) fn digest(&self, what: &'static str, subject: &str) -> Result<Digest, DocumentError> {
        self.digest.parse().map_err(|_| DocumentError::BadDigest {
            what,
            subject: subject.to_owned(),
            text: self.digest.chars().take(80).collect(),
        })
    }

    pub(super) fn into_entry(self, subject: &str) -> Result<Entry, DocumentError> {
        let digest = self.digest("index", subject)?;
        let platform = self.platform.and_then(|platform| {
            let (os, architecture) = (platform.os?, platform.architecture?);
            let variant = platform.variant.filter(|variant| !variant.is_empty());
            (!os.is_empty() && !architecture.is_empty()).then_some(Platform { os, architecture, variant })
        });
        let annotation = |key: &str| {
            let value = self.annotations.as_ref()?.get(key)?.as_str()?;
            Some(value.to_owned())
        };
        Ok(Entry {
            media_type: self.media_type.unwrap_or_default(),
            digest,
            size: self.size,
            platform,
            reference_type: annotation("vnd.docker.reference.type"),
            ref_name: annotation("org.opencontainers.image.ref.name")
                .or_else(|| annotation("io.containerd.image.name")),
        })
    }
}
