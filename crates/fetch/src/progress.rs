//! What is going on, for whoever shows it. Reporting never changes what is fetched.

use std::sync::Arc;
use std::time::Duration;

use killick_model::digest::Digest;
use killick_model::problem::Problem;

use crate::registry::RateLimit;

/// Hears what happens while an image is staged and its layers are read.
///
/// Called from runtime tasks and from reading threads, often: an implementation must be quick.
pub trait Progress: Send + Sync {
    /// Something happened.
    fn report(&self, event: Event<'_>);
}

/// One thing that happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The source is being resolved to a manifest.
    Resolving {
        /// What the user asked for.
        name: &'a str,
    },
    /// Manifest and configuration are here; the layers are known.
    Resolved {
        /// The manifest.
        digest: &'a Digest,
        /// Number of layers.
        layers: usize,
        /// Sum of their stored sizes, as declared.
        bytes: u64,
    },
    /// A layer was opened.
    LayerOpened {
        /// Its identity.
        diff_id: &'a Digest,
        /// Stored size, as declared.
        bytes: u64,
    },
    /// Stored bytes of a layer arrived.
    LayerBytes {
        /// Its identity.
        diff_id: &'a Digest,
        /// How many since the last report.
        bytes: u64,
    },
    /// A layer was read to its end and verified.
    LayerVerified {
        /// Its identity.
        diff_id: &'a Digest,
    },
    /// The table of contents of a layer was verified: only what is wanted of it will be fetched.
    LayerListed {
        /// Its identity.
        diff_id: &'a Digest,
    },
    /// A request did not succeed and will be repeated.
    Retrying {
        /// What is asked for.
        what: &'a str,
        /// After this time.
        after: Duration,
    },
    /// A registry said how often it may be asked.
    RateLimit {
        /// Its host.
        registry: &'a str,
        /// What it said.
        rate: RateLimit,
    },
    /// The files of a provider of advisories are being fetched.
    FeedStarted {
        /// The provider.
        provider: &'a str,
    },
    /// Bytes of one of its files arrived.
    FeedBytes {
        /// The provider.
        provider: &'a str,
        /// How many since the last report.
        bytes: u64,
    },
    /// All that can be fetched of a provider is here.
    FeedDone {
        /// The provider.
        provider: &'a str,
        /// Whether any of its files changed.
        changed: bool,
        /// Bytes that were fetched.
        bytes: u64,
        /// Why not everything is here, if so.
        error: Option<&'a str>,
    },
    /// Something could not be read and was left out.
    Problem(&'a Problem),
}

/// Reports `event` if somebody listens.
pub(crate) fn report(listener: Option<&Arc<dyn Progress>>, event: Event<'_>) {
    if let Some(listener) = listener {
        listener.report(event);
    }
}
