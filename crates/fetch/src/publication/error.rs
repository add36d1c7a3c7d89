//! What can go wrong with a place.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use killick_model::hint::Hint;

use crate::archive::ArchiveError;
use crate::cloud::CloudError;
use crate::egress::Refused;
use crate::http::HttpError;
use crate::stage::StageError;

/// Why a place does not give or take a publication.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The text names no place.
    #[error("`{text}` is no place of a publication: {reason}")]
    Malformed {
        /// As written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody can be asked to keep something there.
    #[error("cannot publish to `{place}`")]
    ReadOnly {
        /// The place.
        place: String,
    },
    /// A file or folder.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// `read` or `write`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The tar file.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The registry, or what it holds.
    #[error(transparent)]
    Registry(#[from] StageError),
    /// The artifact in the registry is something else.
    #[error("`{reference}` is no published index: {reason}")]
    NoArtifact {
        /// What was asked for.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no HTTP client.
    #[error("cannot speak to `{place}`")]
    Client {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// It is not gone there.
    #[error("`{place}` leads to {refused}")]
    Forbidden {
        /// The place.
        place: String,
        /// Why not.
        refused: Refused,
    },
    /// No keys for the bucket.
    #[error("cannot get keys for `{place}`")]
    Keys {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// It cannot be reached, or broke off.
    #[error("cannot reach `{place}`")]
    Unreachable {
        /// The place.
        place: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It does not answer in time.
    #[error("`{place}` took too long to answer")]
    Slow {
        /// The place.
        place: String,
    },
    /// It answers something else.
    #[error("`{place}` answered {status} for `{what}`")]
    Status {
        /// The place.
        place: String,
        /// What was asked for, below it.
        what: String,
        /// As answered.
        status: u16,
        /// When to come back.
        after: Option<Duration>,
    },
    /// More bytes than anybody wants.
    #[error("`{what}` is larger than {limit} bytes")]
    TooLarge {
        /// Below the place.
        what: String,
        /// Its limit.
        limit: u64,
    },
    /// Parts are not to be had.
    #[error("`{place}` does not give parts of `{what}`")]
    NoParts {
        /// The place.
        place: String,
        /// Below it.
        what: String,
    },
}

impl Hint for PlaceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed { .. } => Some(
                "give an index file, a bundle, a folder, `https://HOST/PATH`, `s3://BUCKET/PREFIX` or `oci://REGISTRY/REPOSITORY:TAG`"
                    .to_owned(),
            ),
            Self::ReadOnly { .. } => Some("publish to a folder, and let the web server serve that".to_owned()),
            Self::Archive(error) => match error {
                ArchiveError::Missing { .. } | ArchiveError::NotAnArchive { .. } => {
                    Some("make one with `killick db export --out FILE.tar`".to_owned())
                }
                error => error.hint(),
            },
            Self::Registry(error) => error.hint(),
            Self::Client { source, .. } => source.hint(),
            Self::Keys { .. } => {
                Some("set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or what else Amazon's tools know".to_owned())
            }
            Self::Status { status: 401 | 403, .. } => Some("are user and password, or the keys, right?".to_owned()),
            Self::Status { status: 404, what, .. } if what == super::MANIFEST => {
                Some(format!("name the folder that `{}` lies in", super::MANIFEST))
            }
            _ => None,
        }
    }
}
