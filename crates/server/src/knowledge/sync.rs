//! Bringing the index up to date: fetched and built, built of a folder, or taken over.

use std::path::PathBuf;

use killick_fetch::feeds::FeedError;
use killick_model::hint::Hint;
use killick_store::StoreError;
use killick_vulns::{BuildError, BuildOptions, BuildReport, IndexError, build};

use super::{Feeds, Knowledge};
use crate::publications::{self, Taking, TransferError};
use crate::update::{self, Update, UpdateError, Updated};
use crate::{clock, cpu};

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// What changed.
    Changes,
    /// Everything, as if nothing had been fetched before.
    Everything,
}

/// What an update did not bring up to date: of it, the index knows what it knew before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The provider.
    pub(crate) provider: String,
    /// Why, in words.
    pub(crate) cause: String,
}

/// Why the advisories were not updated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    /// An update is running.
    #[error("an update of the advisories is running already")]
    Running,
    /// Somebody switched it off.
    #[error("the feed of advisories is disabled")]
    Disabled,
    /// There is nothing to update from.
    #[error(
        "nothing to update from: set `knowledge.update` to \"auto\", `knowledge.feeds_dir` to a folder of upstream files, or \
         `knowledge.from` to where an index is published"
    )]
    NotConfigured,
    /// The index was not built.
    #[error("the advisory index could not be built")]
    Build(#[source] BuildError),
    /// Nothing could be fetched.
    #[error("the advisories could not be updated")]
    Update(#[source] UpdateError),
    /// What was published was not taken.
    #[error("the published advisories are not taken")]
    Take(#[source] TransferError),
    /// The index was built and cannot be opened.
    #[error("the advisory index cannot be opened")]
    Open(#[source] IndexError),
    /// What the service keeps about it cannot be read or written.
    #[error("the state of the advisories cannot be kept")]
    Store(#[source] StoreError),
}

impl SyncError {
    /// With all its causes.
    pub(crate) fn told(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }

    /// With all its causes, and what can be done.
    pub(crate) fn advised(&self) -> String {
        let hint = self.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}{hint}", self.told())
    }
}

impl Hint for SyncError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Build(error) => error.hint(),
            Self::Update(error) => error.hint(),
            Self::Take(error) => error.hint(),
            Self::Open(error) => error.hint(),
            Self::Running | Self::Disabled | Self::NotConfigured | Self::Store(_) => None,
        }
    }
}

impl From<UpdateError> for SyncError {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::Fetch(FeedError::Locked { .. }) => Self::Running,
            error => Self::Update(error),
        }
    }
}

impl Knowledge {
    /// Takes over what was published; or fetches, if that is wanted, and builds the index anew. Opens it. What could not
    /// be fetched or read is told.
    pub(crate) async fn sync(&self, fetch: Fetch) -> Result<Vec<Failure>, SyncError> {
        let Ok(_only) = self.syncing.try_lock() else { return Err(SyncError::Running) };
        let failures = match &self.feeds {
            Feeds::Fetched(update) => fetched(update, fetch).await?,
            Feeds::Folder(folder) => unreadable(&self.build(folder.clone()).await?),
            Feeds::Published(taking) => {
                take(taking).await?;
                Vec::new()
            }
            Feeds::None => return Err(SyncError::NotConfigured),
        };
        self.reload().map_err(SyncError::Open)?;
        Ok(failures)
    }

    /// Removes what was fetched, so that the next update begins from nothing. The index stays, and files that somebody
    /// else brought.
    pub(crate) async fn clear(&self) -> Result<(), SyncError> {
        let Ok(_only) = self.syncing.try_lock() else { return Err(SyncError::Running) };
        match &self.feeds {
            Feeds::Fetched(update) => Ok(update::clear(&update.feeds.folder).await?),
            Feeds::Folder(_) | Feeds::Published(_) | Feeds::None => Ok(()),
        }
    }

    /// Whether there is something to update from, and nobody here does.
    pub(crate) fn can_sync(&self) -> bool {
        !matches!(self.feeds, Feeds::None) && self.syncing.try_lock().is_ok()
    }

    async fn build(&self, folder: PathBuf) -> Result<BuildReport, SyncError> {
        let (path, previous) = (self.path.clone(), self.current());
        cpu::run(move || {
            let options = BuildOptions {
                instant: Some(clock::now()),
                previous: previous.as_ref().map(|current| &current.index),
                ..BuildOptions::default()
            };
            build(&[folder], &path, &options)
        })
        .await
        .map_err(SyncError::Build)
    }
}

async fn fetched(update: &Update, fetch: Fetch) -> Result<Vec<Failure>, SyncError> {
    let mut update = update.clone();
    if fetch == Fetch::Everything {
        // Of what cannot be fetched again, the index still knows what it knew.
        update::clear(&update.feeds.folder).await?;
        update.feeds.is_forced = true;
    }
    let updated = update::update(&update, clock::now()).await?;
    note(&updated);
    let unfetched = updated.failed().map(|outcome| Failure {
        provider: outcome.provider.to_owned(),
        cause: format!(
            "the advisories of `{}` stay those of before: {}",
            outcome.provider,
            outcome.health.last_error.as_deref().unwrap_or_default()
        ),
    });
    Ok(unfetched.chain(updated.built.iter().flat_map(unreadable)).collect())
}

async fn take(taking: &Taking) -> Result<(), SyncError> {
    let taking = Taking { now: clock::now(), ..taking.clone() };
    let taken = publications::take(taking).await.map_err(SyncError::Take)?;
    if let Some(assembly) = taken.assembly {
        let version = taken.accepted.publication.version;
        tracing::info!(
            publication.version = version,
            fetched_bytes = assembly.fetched_bytes,
            "took over version {version} of the published advisories"
        );
    }
    Ok(())
}

/// The files that could not be read.
fn unreadable(report: &BuildReport) -> Vec<Failure> {
    let of = |provider: &str, message: &str| Failure {
        provider: provider.to_owned(),
        cause: format!("what was known of an unreadable file stays: {message}"),
    };
    let inputs = report.inputs.iter();
    inputs.flat_map(|input| input.unreadable().map(move |problem| of(&input.provider, &problem.message))).collect()
}

/// Writes down what came of an update.
fn note(updated: &Updated) {
    let changed = updated.outcomes.iter().filter(|outcome| outcome.changed).count();
    let all = updated.outcomes.len();
    if let Some(report) = &updated.built {
        let bytes = report.size_bytes;
        tracing::info!("the advisory index was built anew, {changed} of {all} providers changed, {bytes} bytes");
    } else {
        tracing::info!("the advisory index stays, nothing changed at {all} providers");
    }
}
