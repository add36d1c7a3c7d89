//! Why a feed, or one file of it, was not fetched.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use killick_model::hint::Hint;
use url::Url;

use crate::egress::Refused;
use crate::http::HttpError;

/// An address as errors tell it: without user and password, because they reach logs, events and webhooks.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Addresses that can have none have none.
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}

/// Why something was not fetched. What was here before stays.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// Another process is at it.
    #[error("another update of `{}` is running", folder.display())]
    Locked {
        /// The feeds folder.
        folder: PathBuf,
    },
    /// A provider or upstream of this name does not exist.
    #[error("there is no feed `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// A file of ours cannot be read or written.
    #[error("cannot write `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// There is no HTTP client.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An address makes no sense.
    #[error("`{url}` is no address")]
    Address {
        /// The address.
        url: String,
    },
    /// We do not go there.
    #[error("`{url}` leads to {refused}")]
    Refused {
        /// Where it was found.
        url: String,
        /// Where it leads.
        refused: Refused,
    },
    /// The server could not be reached, or broke off.
    #[error("cannot fetch `{url}`")]
    Transport {
        /// The address.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The server sends so little that it would never end.
    #[error("`{url}` sends less than {bytes} bytes in {} s", window.as_secs())]
    Slow {
        /// The address.
        url: String,
        /// Bytes that had to come.
        bytes: u64,
        /// In which time.
        window: Duration,
    },
    /// The server says no.
    #[error("`{url}` answers {status}{}", wait(*after))]
    Status {
        /// The address.
        url: String,
        /// Its answer.
        status: u16,
        /// When to come back, if it said that.
        after: Option<Duration>,
    },
    /// It does not exist.
    #[error("`{url}` does not exist")]
    Missing {
        /// The address.
        url: String,
    },
    /// It is larger than any file of its kind should be.
    #[error("`{url}` is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// All together is more than may be fetched at once.
    #[error("the feeds together are larger than {limit} bytes")]
    TooMuch {
        /// The limit.
        limit: u64,
    },
    /// The checksum that its publisher gives is another.
    #[error("`{url}` does not have the checksum that is published for it")]
    Checksum {
        /// The address.
        url: String,
    },
    /// It cannot be what its name says.
    #[error("`{url}` is not what its name says: {detail}")]
    Implausible {
        /// The address.
        url: String,
        /// What it is instead.
        detail: String,
    },
    /// It lost more than half of what it was.
    #[error("`{url}` shrank from {before} to {now} bytes")]
    Shrunk {
        /// The address.
        url: String,
        /// Bytes before.
        before: u64,
        /// Bytes now.
        now: u64,
    },
    /// A list or description makes no sense.
    #[error("`{url}` is malformed: {detail}")]
    Malformed {
        /// The address.
        url: String,
        /// What is wrong.
        detail: String,
    },
}

fn wait(after: Option<Duration>) -> String {
    after.map(|after| format!(", to come back in {} s", after.as_secs())).unwrap_or_default()
}

impl FeedError {
    /// Whether trying again may help.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !source.is_builder() && !source.is_redirect(),
            Self::Slow { .. } | Self::Status { status: 408 | 425 | 429 | 500..=599, .. } => true,
            _ => false,
        }
    }

    /// Whether the server does not let us see it: so object stores answer for what does not exist.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Status { status: 403, .. })
    }

    /// When to try again, if the server said that.
    pub(super) fn after(&self) -> Option<Duration> {
        if let Self::Status { after, .. } = self { *after } else { None }
    }

    /// The error with its causes, in one line.
    pub(super) fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            let more = source.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = source.source();
        }
        text
    }
}

impl Hint for FeedError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Locked { .. } => Some("wait until it is done".to_owned()),
            Self::Unknown { .. } => Some("`killick db status` lists the providers".to_owned()),
            Self::Shrunk { .. } => Some("if that is right, fetch it with `--accept-smaller`".to_owned()),
            Self::Http(error) => error.hint(),
            _ => None,
        }
    }
}
