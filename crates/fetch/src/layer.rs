//! Layers as verified byte streams.
//!
//! A `StoredLayer` opens the stored bytes wherever they lie and gives the uncompressed tar. Compression is recognised
//! by content, never by media type. Stored bytes are counted and hashed against the blob digest, uncompressed bytes
//! against the diffID, both while they stream: a reader that comes to its end without an error was verified, and a
//! reader that is dropped early was not. How far a small layer may unpack is for the reader's user to bound.

mod decode;
mod raw;
mod reader;
pub mod table;

use std::io::{self, BufRead, Read};
use std::ops::Range;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_model::image::LayerSource;
use killick_model::listing::{Listing, Unusable};

use crate::layer::table::TablePromise;
use crate::limits::Limits;
use crate::progress::{self, Event, Progress};

/// Why the bytes of a layer are not those that were promised. Found inside the [`io::Error`] of a layer's reader.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The stored bytes are others.
    #[error("the stored bytes of layer `{layer}` have the digest `{actual}` instead of `{expected}`")]
    WrongDigest {
        /// The layer's diffID.
        layer: Digest,
        /// As promised by the manifest.
        expected: Digest,
        /// As computed.
        actual: Digest,
    },
    /// The uncompressed bytes are others.
    #[error("the content of layer `{layer}` has the diffID `{actual}`, not the one its configuration promises")]
    WrongDiffId {
        /// As promised by the configuration.
        layer: Digest,
        /// As computed.
        actual: Digest,
    },
    /// The stored bytes end early.
    #[error("layer `{layer}` ends after {actual} of {declared} bytes")]
    Truncated {
        /// The layer's diffID.
        layer: Digest,
        /// As promised.
        declared: u64,
        /// As counted.
        actual: u64,
    },
    /// There are more stored bytes than promised.
    #[error("layer `{layer}` has more than its {declared} bytes")]
    TooLong {
        /// The layer's diffID.
        layer: Digest,
        /// As promised.
        declared: u64,
    },
    /// The compressed stream is damaged, or asks for more memory than it may have.
    #[error("layer `{layer}` cannot be decompressed as {format}")]
    Decompress {
        /// The layer's diffID.
        layer: Digest,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// What the decompressor says.
        #[source]
        source: io::Error,
    },
    /// A compression that layers do not have.
    #[error("layer `{layer}` is compressed with {format}, which container engines do not read")]
    Unsupported {
        /// The layer's diffID.
        layer: Digest,
        /// `xz`, `bzip2`.
        format: &'static str,
    },
    /// The table of contents is another than the manifest promises.
    #[error("the table of contents of layer `{layer}` has the digest `{actual}` instead of `{expected}`")]
    WrongTable {
        /// The layer's diffID.
        layer: Digest,
        /// As promised by the manifest.
        expected: Digest,
        /// As computed.
        actual: Digest,
    },
    /// A file, or a chunk of it, is another than the table of contents says.
    #[error("the content of `{path}` in layer `{layer}` has the digest `{actual}` instead of `{expected}`")]
    WrongContent {
        /// The layer's diffID.
        layer: Digest,
        /// The file.
        path: String,
        /// As the table of contents says.
        expected: Digest,
        /// As computed.
        actual: Digest,
    },
    /// An earlier read of this reader failed.
    #[error("layer `{layer}` was already found to be damaged")]
    Failed {
        /// The layer's diffID.
        layer: Digest,
    },
}

impl Hint for LayerError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::WrongDigest { .. } | Self::Truncated { .. } | Self::TooLong { .. } => {
                "the image was damaged on the way or where it is stored: pull, save or push it again"
            }
            Self::WrongDiffId { .. } => {
                "the image was built wrongly, or its configuration was changed: do not trust it"
            }
            Self::WrongTable { .. } | Self::WrongContent { .. } => {
                "the image was damaged, or built to show different files to different readers: read it without `--lazy`"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Opens stored bytes, any number of times.
pub(crate) trait Blob: Send + Sync {
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;

    /// Opens only these of them; an [`Unusable`] inside the error, now or while reading, says that only all can be had.
    fn open_part(&self, _part: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        Err(Unusable("its source does not give parts of layers".to_owned()).into())
    }

    /// Where they begin in what they are read from, if that is read forward only.
    fn position(&self) -> u64 {
        0
    }
}

/// What is known about the stored bytes of a layer before they are read.
#[derive(Debug, Clone)]
pub(crate) struct Promise {
    pub(crate) diff_id: Digest,
    /// Digest of the stored bytes; unknown in archives that name layers otherwise.
    pub(crate) digest: Option<Digest>,
    /// Number of stored bytes.
    pub(crate) size: u64,
}

/// A layer whose stored bytes are in a blob.
pub(crate) struct StoredLayer {
    pub(crate) promise: Promise,
    pub(crate) blob: Arc<dyn Blob>,
    /// The table of contents by which it may be read, if it has one and that is wanted.
    pub(crate) table: Option<TablePromise>,
    pub(crate) limits: Limits,
    pub(crate) progress: Option<Arc<dyn Progress>>,
}

impl LayerSource for StoredLayer {
    fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        let promise = self.promise.clone();
        let diff_id = promise.diff_id.clone();
        progress::report(self.progress.as_ref(), Event::LayerOpened { diff_id: &diff_id, bytes: promise.size });
        let raw = raw::RawReader::new(self.blob.open()?, promise, self.progress.clone());
        let decoder = decode::Decoder::new(raw, self.limits.zstd_window_log);
        Ok(Box::new(reader::LayerReader::start(decoder, diff_id, self.progress.clone())?))
    }

    fn position(&self) -> u64 {
        self.blob.position()
    }

    fn listing_digest(&self) -> Option<&Digest> {
        self.table.as_ref().map(TablePromise::digest)
    }

    fn listing(&self) -> io::Result<Arc<dyn Listing>> {
        let Some(table) = &self.table else { return Err(Unusable("there is none".to_owned()).into()) };
        Ok(Arc::new(table::fetch(self, table)?))
    }
}
