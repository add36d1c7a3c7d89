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
    /// It is an image, or compressed.
    #[error("`{document}` is no SBOM, but {what}")]
    Archive {
        /// Where it is.
        document: String,
        /// In words.
        what: &'static str,
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
            Self::Archive { .. } => Some(
                "an image is read in places, not as a stream: write it to a file and scan that; unpack an SBOM that is \
                 compressed"
                    .into(),
            ),
            Self::Read { .. } => None,
        }
    }
}

/// Reads a document of at most so many bytes. May block.
pub fn read(document: &Document, limit: u64) -> Result<Vec<u8>, SbomReadError> {
    let failed = |source| SbomReadError::Read { document: document.to_string(), source };
    let mut input: Box<dyn Read> = match document {
        Document::File(path) => Box::new(fs_err::File::open(path).map_err(failed)?),
        Document::Stdin => Box::new(io::stdin().lock()),
    };
    let mut bytes = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    // An archive shows at once what it is, however large it is.
    if let Some(what) = archive(&bytes) {
        return Err(SbomReadError::Archive { document: document.to_string(), what });
    }
    let most = limit.saturating_add(1).saturating_sub(bytes.len() as u64);
    input.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(SbomReadError::TooLarge { document: document.to_string(), limit });
    }
    Ok(bytes)
}

/// What an archive is, by its first bytes: POSIX names tars in their first header (pax, "ustar Interchange Format").
fn archive(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x1f, 0x8b, ..] => Some("something compressed with gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("something compressed with zstd"),
        _ => (head.get(257..262) == Some(b"ustar".as_slice())).then_some("a tar archive"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_to_their_end_and_archives_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("document");
        let outcome = |bytes: &[u8], limit: u64| {
            fs_err::write(&path, bytes).unwrap();
            let read = read(&Document::File(path.clone()), limit);
            read.map(|read| read == bytes)
                .map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
        };
        let mut tar = vec![0; 10_000];
        tar[257..262].copy_from_slice(b"ustar");
        let large = vec![b' '; 10_000];
        let too_large =
            |limit| Err(format!("the SBOM `FILE` has more bytes than the limit `limit-fetch-sbom-bytes` of {limit}"));
        for (bytes, limit, want) in [
            (large.as_slice(), 10_000, Ok(true)),
            (&large, 9_999, too_large(9_999)),
            (b"{}", 1, too_large(1)),
            (b"", 0, Ok(true)),
            (&tar, 100, Err("`FILE` is no SBOM, but a tar archive".to_owned())),
            (b"\x1f\x8b\x08", 100, Err("`FILE` is no SBOM, but something compressed with gzip".to_owned())),
            (b"\x28\xb5\x2f\xfd", 100, Err("`FILE` is no SBOM, but something compressed with zstd".to_owned())),
        ] {
            assert_eq!(outcome(bytes, limit), want);
        }
    }
}
