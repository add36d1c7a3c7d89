//! Images as a source hands them over: manifest, config, and layers that can be opened.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attachment::StagedAttachment;
use crate::digest::Digest;
use crate::listing::{Listing, Unusable};
use crate::problem::Problem;
use crate::reference::Reference;

/// Operating system and processor an image is for, written `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`, … .
    pub os: String,
    /// Go's name: `amd64`, `arm64`, … .
    pub architecture: String,
    /// `v7`, `v8`, … .
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: expected `os/architecture` or `os/architecture/variant`, such as `linux/arm64`")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        let (Some(os), Some(architecture), variant, None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(PlatformError(text.to_owned()));
        };
        if os.is_empty() || architecture.is_empty() || variant == Some("") {
            return Err(PlatformError(text.to_owned()));
        }
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(out, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// The parts of an image configuration that facts and policy need.
///
/// OCI image specification, config.md; the Docker additions (`Healthcheck`) are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Processor.
    #[serde(default)]
    pub architecture: String,
    /// Operating system.
    #[serde(default)]
    pub os: String,
    /// Processor variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// When the image was built, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Runtime defaults: `User`, `Env`, `ExposedPorts`, … , as written.
    #[serde(default)]
    pub config: serde_json::Value,
    /// What each build step did, oldest first.
    #[serde(default)]
    pub history: Vec<History>,
}

/// One build step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// When, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The step made no layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// An image that is ready to be read: its documents are here, its layers can be opened.
#[derive(Clone)]
pub struct StagedImage {
    /// What the user asked for, for messages.
    pub name: String,
    /// Digest of the platform manifest. For sources without one (docker-archive, directory) the digest of
    /// the manifest we derive, so that the same input always has the same identity.
    pub manifest_digest: Digest,
    /// The exact bytes of that manifest.
    pub manifest: Vec<u8>,
    /// Digest and exact bytes of the index the manifest was chosen from.
    pub index: Option<(Digest, Vec<u8>)>,
    /// Digest of the configuration: what Docker calls the image id.
    pub config_digest: Digest,
    /// The exact bytes of the configuration.
    pub config_bytes: Vec<u8>,
    /// The configuration, read.
    pub config: ImageConfig,
    /// Lowest first.
    pub layers: Vec<StagedLayer>,
    /// References the source itself names (docker-archive `RepoTags`, OCI `ref.name`); if one was asked for, that alone.
    pub tags: Vec<String>,
    /// What was found where the image lies.
    pub surroundings: Surroundings,
}

impl StagedImage {
    /// What its configuration says it is for.
    pub fn platform(&self) -> Platform {
        let ImageConfig { os, architecture, variant, .. } = &self.config;
        Platform { os: os.clone(), architecture: architecture.clone(), variant: variant.clone() }
    }

    /// The one name that the source itself gives it. A tag alone, as layouts have it, does not say of which repository.
    pub fn reference(&self) -> Option<Reference> {
        let whole = self.tags.iter().filter(|name| name.contains(['/', ':', '@']));
        let mut names = whole.filter_map(|name| name.parse::<Reference>().ok());
        let first = names.next()?;
        names.all(|other| other == first).then_some(first)
    }
}

/// What was found where an image lies, and is not part of it.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// What others attached to it.
    pub attachments: Vec<StagedAttachment>,
    /// What could not be read there.
    pub problems: Vec<Problem>,
    /// Asks again what the image's name means; nobody, if it was named by its digest or cannot be asked for again.
    pub name: Option<Arc<dyn NameSource>>,
}

/// Knows what a name means that may be given to another image at any time.
pub trait NameSource: Send + Sync {
    /// The digest of the manifest or index that has the name now, if it is another than the one that was staged. Must
    /// be called outside an async context.
    fn moved_to(&self) -> io::Result<Option<Digest>>;
}

/// One layer that can be opened, any number of times, from any thread.
#[derive(Clone)]
pub struct StagedLayer {
    /// Digest of the uncompressed tar: the layer's identity.
    pub diff_id: Digest,
    /// Digest of the blob as stored; equal to `diff_id` for an uncompressed layer.
    pub digest: Digest,
    /// As declared.
    pub media_type: String,
    /// Size of the blob in bytes, as declared.
    pub size: u64,
    /// Opens the layer.
    pub source: Arc<dyn LayerSource>,
}

/// Opens the uncompressed tar of a layer as a verified byte stream.
pub trait LayerSource: Send + Sync {
    /// Starts reading. The reader decompresses, and fails with an [`io::Error`] whose source names the fault if
    /// the blob digest, the diffID or the declared size turn out wrong; a reader that reached its end without
    /// an error was verified. Must be called outside an async context: it may block.
    ///
    /// Layers of one image may come over one stream: then a reader has it from its first byte to its last or until it
    /// is dropped, and others wait.
    fn open(&self) -> io::Result<Box<dyn io::BufRead + Send>>;

    /// Where the layer lies in what the layers of its image are read from. Whoever opens the layers in this order
    /// gets them in one pass, whatever they come from.
    fn position(&self) -> u64 {
        0
    }

    /// The digest of the layer's table of contents, as the manifest promises it, if the layer may be read by it.
    fn listing_digest(&self) -> Option<&Digest> {
        None
    }

    /// Fetches and verifies the table of contents. An [`Unusable`] inside the error means that the layer is to be read
    /// whole. Must be called outside an async context: it may block.
    fn listing(&self) -> io::Result<Arc<dyn Listing>> {
        Err(Unusable("there is none".to_owned()).into())
    }
}

/// When a staged image was made, if its configuration says so in a form we understand.
pub fn created_at(config: &ImageConfig) -> Option<Timestamp> {
    config.created.as_deref()?.parse().ok()
}
