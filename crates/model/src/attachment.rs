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
    /// An entry of the `index.json` of the layout that the image lies in.
    Layout,
    /// A tag that cosign derives from the image's digest (`sha256-DIGEST.sig`, `.att`, `.sbom`).
    Tag(String),
}

/// Whether anybody found out who made an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// Nobody did: no signature was checked.
    #[default]
    Unverified,
}

/// One manifest with documents about the image. Nothing in it is believed: anybody who may write to the repository can
/// attach anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// How it was found.
    pub origin: Origin,
    /// What it is attached to: the manifest of the image, or the index that the image was chosen from.
    pub about: Digest,
    /// Digest of its manifest, which was verified.
    pub digest: Digest,
    /// Media type of its manifest.
    pub media_type: String,
    /// Size of its manifest in bytes.
    pub size: u64,
    /// Whether its signatures were checked.
    #[serde(default)]
    pub verification: Verification,
    /// What it says it is; of manifests without a type of their own, the media type of their configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// As written, but for long ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Its documents, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<Document>,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// Somebody signed the image.
    Signature,
    /// Somebody says something about the image, in in-toto's form.
    Attestation,
    /// A list of what is in the image.
    Sbom,
    /// What somebody says about vulnerabilities of the image.
    Vex,
    /// Anything else; it is not read.
    #[default]
    Other,
}

/// A format of SBOMs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SbomFormat {
    /// OWASP's.
    #[serde(rename = "cyclonedx")]
    CycloneDx,
    /// The Linux Foundation's.
    #[serde(rename = "spdx")]
    Spdx,
    /// Syft's own.
    #[serde(rename = "syft")]
    Syft,
}

impl SbomFormat {
    /// The name people know it by.
    pub const fn title(self) -> &'static str {
        match self {
            Self::CycloneDx => "CycloneDX",
            Self::Spdx => "SPDX",
            Self::Syft => "Syft",
        }
    }
}

/// What a document says it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The image, or the index it was chosen from.
    Image,
    /// Something else: what it says is not told.
    Other,
    /// It does not say, or was not read.
    #[default]
    Unnamed,
}

/// One document of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// What it is.
    #[serde(default)]
    pub kind: DocumentKind,
    /// As declared.
    pub media_type: String,
    /// As declared; what was read has it.
    pub digest: Digest,
    /// Bytes, as declared; what was read has it.
    pub size: u64,
    /// What it says it is about.
    #[serde(default)]
    pub subject: Subject,
    /// What an attestation says of the image (in-toto's `predicateType`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The format of the SBOM that it is, or that it attests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<SbomFormat>,
    /// URLs of the packages that this SBOM claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// The VEX document that it is or attests, as it is: whether it counts is decided where vulnerabilities are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vex: Option<String>,
    /// As written, but for long ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Document {
    /// A document that nobody has read yet.
    pub fn new(media_type: String, digest: Digest, size: u64) -> Self {
        Self {
            kind: DocumentKind::default(),
            media_type,
            digest,
            size,
            subject: Subject::default(),
            predicate_type: None,
            sbom: None,
            packages: Vec::new(),
            vex: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// An attachment whose documents can be read.
#[derive(Clone)]
pub struct StagedAttachment {
    /// What is known of it without having read them.
    pub attachment: Attachment,
    /// Its documents, in the order of [`Attachment::documents`].
    pub sources: Vec<Arc<dyn DocumentSource>>,
}

/// Reads a document that lies where the image lies.
pub trait DocumentSource: Send + Sync {
    /// The whole document, verified. Fails if it has more than `limit` bytes. Must be called outside an async context.
    fn read(&self, limit: u64) -> io::Result<Vec<u8>>;
}
