//! SBOMs in place of images: the bytes of a document, from a file or from standard input.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use killick_model::hint::Hint;

/// How far into a file it shows what it is.
const HEAD_BYTES: u64 = 4096;

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// In a file.
    File(PathBuf),
    /// It comes on standard input.
    Stdin,
}

impl fmt::Display for Document {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(out),
            Self::Stdin => out.write_str("-"),
        }
    }
}

/// Why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SbomReadError {
    /// It cannot be read.
    #[error("cannot read the SBOM `{document}`")]
    Read {
        /// Where it is.
        document: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is too large.
    #[error("the SBOM `{document}` has more bytes than the limit `limit-fetch-sbom-bytes` of {limit}")]
    TooLarge {
        /// Where it is.
        document: String,
        /// The limit.
        limit: u64,
    },
}

impl Hint for SbomReadError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge { .. } => {
                Some("if it really is an SBOM, raise it with `--limit fetch-sbom-bytes=NUMBER`".into())
            }
            Self::Read { .. } => None,
        }
    }
}

/// Reads a document of at most so many bytes. May block.
pub fn read(document: &Document, limit: u64) -> Result<Vec<u8>, SbomReadError> {
    let failed = |source| SbomReadError::Read { document: document.to_string(), source };
    let mut bytes = Vec::new();
    let most = limit.saturating_add(1);
    let read = match document {
        Document::File(path) => fs_err::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)),
        Document::Stdin => io::stdin().lock().take(most).read_to_end(&mut bytes),
    };
    read.map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(SbomReadError::TooLarge { document: document.to_string(), limit });
    }
    Ok(bytes)
}

/// Whether a file is a document of text, as SBOMs are and archives are not: an object of JSON, XML, or tags of SPDX.
/// Whether it is an SBOM, its reader says.
pub(crate) fn is_document(path: &Path) -> bool {
    // A pipe would lose what is read here.
    if !path.is_file() {
        return false;
    }
    let mut head = Vec::new();
    let read = fs_err::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    if read.is_err() {
        return false;
    }
    // The byte order mark of UTF-16, and then `<`.
    if head.starts_with(b"\xff\xfe<\0") || head.starts_with(b"\xfe\xff\0<") {
        return true;
    }
    // Headers of archives have zeros.
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    let start = head.trim_ascii_start();
    !head.contains(&0)
        && (start.starts_with(b"{")
            || start.starts_with(b"<")
            || String::from_utf8_lossy(head).contains("SPDXVersion:"))
}
