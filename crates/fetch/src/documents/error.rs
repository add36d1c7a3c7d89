//! What can be wrong with an image's documents.

use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_model::image::Platform;

/// What is wrong with a manifest, an index or a configuration.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A document is larger than we read.
    #[error("the {what} of `{subject}` is larger than {limit} bytes")]
    TooLarge {
        /// Which document.
        what: &'static str,
        /// Of what.
        subject: String,
        /// The limit.
        limit: u64,
    },
    /// A document is not the JSON it should be.
    #[error("the {what} of `{subject}` is malformed")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// Of what.
        subject: String,
        /// Where.
        #[source]
        source: serde_json::Error,
    },
    /// A document is of a kind that is no container image, or one that we cannot read.
    #[error("the {what} of `{subject}` has the unsupported media type `{media_type}`")]
    Unsupported {
        /// Which document.
        what: &'static str,
        /// Of what.
        subject: String,
        /// Its media type.
        media_type: String,
    },
    /// The old kind of manifest, whose layers cannot be verified.
    #[error("`{subject}` is only available as a Docker manifest of schema 1, which cannot be verified")]
    Schema1 {
        /// The image.
        subject: String,
    },
    /// An index of which all images are wanted has more than we stage.
    #[error("`{subject}` has more than {limit} images")]
    TooManyImages {
        /// The index.
        subject: String,
        /// The limit.
        limit: usize,
    },
    /// What an index lists as a manifest is an index.
    #[error("`{digest}` is listed as an image, but is an index")]
    HiddenIndex {
        /// What is listed.
        digest: Digest,
    },
    /// A document claims to be a manifest and an index at once.
    #[error("the manifest of `{subject}` has both layers and manifests, so two readers could see two images")]
    Ambiguous {
        /// The image.
        subject: String,
    },
    /// The bytes are not those that were promised.
    #[error("the {what} has the digest `{actual}` instead of `{expected}`")]
    WrongDigest {
        /// Which document.
        what: &'static str,
        /// As promised.
        expected: Digest,
        /// As computed.
        actual: Digest,
    },
    /// The bytes are not as many as were promised.
    #[error("the {what} `{digest}` has {actual} bytes instead of {declared}")]
    WrongSize {
        /// Which document.
        what: &'static str,
        /// Its digest.
        digest: Digest,
        /// As promised.
        declared: u64,
        /// As counted.
        actual: u64,
    },
    /// A digest of another algorithm, or none at all.
    #[error("the {what} of `{subject}` names the unusable digest `{text}`")]
    BadDigest {
        /// Which document.
        what: &'static str,
        /// Of what.
        subject: String,
        /// As written, shortened.
        text: String,
    },
    /// A layer that lies elsewhere.
    #[error("the layer `{digest}` of `{subject}` is foreign: it would be fetched from a URL in the manifest")]
    ForeignLayer {
        /// The image.
        subject: String,
        /// The layer.
        digest: String,
    },
    /// More layers than we read.
    #[error("`{subject}` has {count} layers, more than {limit}")]
    TooManyLayers {
        /// The image.
        subject: String,
        /// As many.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Manifest and configuration disagree.
    #[error("`{subject}` has {layers} layers in its manifest, but {diff_ids} in its configuration")]
    LayerCount {
        /// The image.
        subject: String,
        /// In the manifest.
        layers: usize,
        /// In the configuration.
        diff_ids: usize,
    },
    /// Indexes inside indexes.
    #[error("`{subject}` has more than {limit} indexes inside each other")]
    TooDeep {
        /// The image.
        subject: String,
        /// The limit.
        limit: usize,
    },
    /// An index without images.
    #[error("the index `{subject}` names no image")]
    EmptyIndex {
        /// The index.
        subject: String,
    },
    /// No image for the platform.
    #[error("`{subject}` has no image for {}: it has {available}", or(wanted))]
    NoPlatform {
        /// The index.
        subject: String,
        /// As asked for, or the host's: any of these.
        wanted: Vec<Platform>,
        /// What there is.
        available: String,
    },
    /// The only image is for another platform.
    #[error("`{subject}` is for `{found}`, not for `{wanted}`")]
    OtherPlatform {
        /// The image.
        subject: String,
        /// As configured.
        found: Box<Platform>,
        /// As asked for.
        wanted: Box<Platform>,
    },
}

impl DocumentError {
    /// The error where there is an image neither for what this one says was wanted nor for what the other does.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        if let (Self::NoPlatform { wanted, .. }, Self::NoPlatform { wanted: more, .. }) = (&mut self, other) {
            let more: Vec<Platform> = more.into_iter().filter(|one| !wanted.contains(one)).collect();
            wanted.extend(more);
        }
        self
    }
}

impl Hint for DocumentError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoPlatform { .. } | Self::OtherPlatform { .. } => "choose one with `--platform OS/ARCHITECTURE`",
            Self::Schema1 { .. } => "rebuild or push the image again with a current tool",
            Self::Unsupported { media_type, .. } if media_type.starts_with("text/html") => {
                "the answer is a web page: is there a proxy or a login portal on the way, or no registry at all?"
            }
            Self::Unsupported { media_type, .. } if media_type.contains("+encrypted") => {
                "decrypt the image first, for instance with `skopeo copy --decryption-key`"
            }
            Self::Unsupported { .. } => "only container images can be read, not other artifacts",
            Self::WrongDigest { .. } | Self::WrongSize { .. } => {
                "the image was damaged or changed on the way: pull or push it again"
            }
            Self::TooManyImages { .. } => "name the platforms that are wanted, with `--platform OS/ARCHITECTURE`",
            Self::ForeignLayer { .. } => "push the image with its foreign layers included",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Platforms, each of which would do.
fn or(platforms: &[Platform]) -> String {
    platforms.iter().map(|platform| format!("`{platform}`")).collect::<Vec<_>>().join(" or ")
}
