//! Why a publication is not taken.

use std::io;

use jiff::Timestamp;
use killick_model::hint::Hint;

use crate::index::IndexError;

/// Why a publication cannot be made or is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// The document makes no sense.
    #[error("the manifest of the publication is malformed: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// It is of another version of the format.
    #[error("the {what} that is published has format {found}, this program reads format {expected}")]
    Format {
        /// `publication` or `index`.
        what: &'static str,
        /// Version found.
        found: u32,
        /// Version understood.
        expected: u32,
    },
    /// No trusted key signed it.
    #[error("the publication is not signed by a trusted key; {signers}")]
    Untrusted {
        /// Who says to have signed it.
        signers: String,
    },
    /// It names a trusted key, which did not sign these bytes.
    #[error("the publication has a wrong signature of the trusted key `{key}`: it was changed on its way")]
    WrongSignature {
        /// Id of the key.
        key: String,
    },
    /// Nobody was named who could be trusted.
    #[error("no key is given that the publication must be signed with")]
    NoKeys,
    /// It is too old.
    #[error("the publication `{name}` expired at {expired}: it is version {version} of {published}")]
    Expired {
        /// Its name.
        name: String,
        /// Its version.
        version: u64,
        /// When it was published.
        published: Timestamp,
        /// When it expired.
        expired: Timestamp,
    },
    /// There was a newer one before.
    #[error("the publication `{name}` has version {version}, but version {seen} was taken before")]
    Rollback {
        /// Its name.
        name: String,
        /// Its version.
        version: u64,
        /// The version that was taken before.
        seen: u64,
    },
    /// There was another one of the same version.
    #[error("the publication `{name}` differs from what was taken before as its version {version}")]
    Equivocation {
        /// Its name.
        name: String,
        /// The version of both.
        version: u64,
    },
    /// What was remembered of earlier publications is unreadable.
    #[error("what was remembered of earlier publications is malformed: {detail}")]
    Memory {
        /// What is wrong with it.
        detail: String,
    },
    /// Bytes are not to be had.
    #[error("cannot fetch {part}")]
    Fetch {
        /// `segment debian/debian:12`, `the index's manifest`.
        part: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Bytes are not what their digest says, or make no sense.
    #[error("corrupt publication: {part}: {detail}")]
    Corrupt {
        /// Which part.
        part: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The new index cannot be written, or the one to be published not be read.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Hint for PublicationError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Format { .. } => "use the version of killick that the publication was made with, or a newer one",
            Self::Untrusted { .. } => "give the publisher's key with `--key`, as he made it known by another way",
            Self::NoKeys => {
                "give the publisher's key with `--key`; `--allow-unsigned` takes whatever somebody in between makes of it"
            }
            Self::Expired { .. } => {
                "ask the publisher or the mirror for a newer one; `--allow-expired` takes it all the same"
            }
            Self::Rollback { .. } | Self::Equivocation { .. } => {
                "somebody may be replaying an old state; `--allow-rollback` takes it, if its publisher went back on purpose"
            }
            Self::Memory { .. } => "remove the file to begin anew; until then an old publication would not be noticed",
            Self::Corrupt { .. } | Self::WrongSignature { .. } => {
                "fetch it again, or from another mirror; if it stays so, tell the publisher"
            }
            Self::Index(error) => return error.hint(),
            Self::Fetch { .. } => "what came is kept: the next attempt goes on from there",
            Self::Malformed { .. } => return None,
        };
        Some(text.to_owned())
    }
}
