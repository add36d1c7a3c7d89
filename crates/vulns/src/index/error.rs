//! What can be wrong with an index file.

use std::io;

use killick_model::hint::Hint;

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file cannot be opened or read.
    #[error("cannot read index `{index}`")]
    Read {
        /// Path, or `built-in index`.
        index: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no index.
    #[error("`{index}` is not an advisory index")]
    NotAnIndex {
        /// Path.
        index: String,
    },
    /// The file is of another version of the format.
    #[error("index `{index}` has format {found}, this program reads format {expected}")]
    Format {
        /// Path.
        index: String,
        /// Version found.
        found: u32,
        /// Version understood.
        expected: u32,
    },
    /// Bytes are not what their digest says, or make no sense.
    #[error("corrupt index `{index}`: {part}: {detail}")]
    Corrupt {
        /// Path.
        index: String,
        /// Which part: `manifest`, `directory of debian/debian:12`, `block 3 of packages in debian/debian:12`.
        part: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The new file cannot be written.
    #[error("cannot write index `{index}`")]
    Write {
        /// Path.
        index: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// More than the format can hold.
    #[error("cannot write index `{index}`: `{key}` has {bytes} bytes of records, more than a block holds")]
    TooLarge {
        /// Path or label.
        index: String,
        /// The package or vulnerability.
        key: String,
        /// Size of its records.
        bytes: usize,
    },
}

impl Hint for IndexError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Format { found, expected, .. } if found > expected => {
                Some("install a newer killick, or make one of this version with `killick db update`".to_owned())
            }
            Self::NotAnIndex { .. } | Self::Format { .. } | Self::Corrupt { .. } => {
                Some("make one with `killick db update`".to_owned())
            }
            Self::Read { .. } | Self::Write { .. } | Self::TooLarge { .. } => None,
        }
    }
}
