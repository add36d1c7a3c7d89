//! What a document tells as a whole, where it is all there is of an image.

use killick_model::attachment::SbomFormat;
use killick_model::distribution::Distribution;

use super::claim::Claim;
use super::{Document, cyclonedx, tag_value};
use crate::catalogers::xml;

/// Elements of a document in XML. That of an image with ten thousand packages has some hundred thousands.
const XML_ELEMENTS: usize = 1_000_000;

/// How far into a document its format shows.
const HEAD_BYTES: usize = 4096;

/// Packages, and what the document says besides.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) claims: Vec<Claim>,
    pub(crate) about: About,
}

/// What a document says of itself and of the image.
#[derive(Debug, Default)]
pub(crate) struct About {
    /// Version of its format.
    pub(crate) version: Option<String>,
    /// What wrote it.
    pub(crate) tool: Option<String>,
    /// When.
    pub(crate) created: Option<String>,
    /// The format has no place for that.
    pub(crate) has_no_time: bool,
    /// Images that it tells of.
    pub(crate) images: usize,
    /// The image's digest, with its algorithm.
    pub(crate) digest: Option<String>,
    /// Digest of its configuration.
    pub(crate) config_digest: Option<String>,
    /// Operating system and processor.
    pub(crate) platform: Option<String>,
    /// Digests of its unpacked layers, lowest first.
    pub(crate) layers: Vec<String>,
    /// Its distribution.
    pub(crate) distribution: Option<Distribution>,
    /// Which element holds which, by their names.
    pub(crate) held: Vec<(String, String)>,
    /// What documents of ours say of the image.
    pub(crate) facts: Option<String>,
}

/// Why a document is not read.
#[derive(Debug)]
pub(crate) enum NotRead {
    /// It is JSON, but broken.
    Json(serde_json::Error),
    /// It is XML, but broken.
    Xml(String),
    /// It is something else.
    Unknown,
    /// It is Syft's own, which has a reader that knows more of it.
    Syft,
}

/// Reads a document of any format.
pub(crate) fn read(bytes: &[u8]) -> Result<(SbomFormat, Told), NotRead> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let start = head.trim_ascii_start();
    if start.starts_with(b"{") {
        let document: Document = serde_json::from_slice(bytes).map_err(NotRead::Json)?;
        return match document.told() {
            Some((SbomFormat::Syft, _)) => Err(NotRead::Syft),
            told => told.ok_or(NotRead::Unknown),
        };
    }
    // In UTF-16, which Windows tools write, the name of the format has other bytes.
    if start.starts_with(b"<") || head.starts_with(b"\xff\xfe<") || head.starts_with(b"\xfe\xff\0<") {
        let root = xml::parse_large(bytes, XML_ELEMENTS).map_err(NotRead::Xml)?;
        let told = (root.name == "bom").then(|| cyclonedx::xml::told(&root));
        return told.map(|told| (SbomFormat::CycloneDx, told)).ok_or(NotRead::Unknown);
    }
    if memchr::memmem::find(head, b"SPDXVersion:").is_some() {
        return Ok((SbomFormat::Spdx, tag_value::told(&String::from_utf8_lossy(bytes))));
    }
    Err(NotRead::Unknown)
}
