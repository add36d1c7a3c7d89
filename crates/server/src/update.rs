//! Bringing an advisory index up to date: the files of its providers are fetched, and if any changed it is built anew
//! beside itself and takes its own place.
//!
//! The service does so by itself, and `killick db update` on request. Whoever judges by the old index meanwhile finishes
//! with it.

mod selection;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use killick_fetch::feeds::{self, FeedError, FeedOptions, Lock, Outcome};
use killick_model::feed::Health;
use killick_model::hint::Hint;
use killick_vulns::{BuildError, BuildOptions, BuildReport, Index, PROVIDERS};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::selection::{Selection, UnknownFeed};
use crate::cpu;

/// What is brought up to date, and from where.
#[derive(Clone)]
pub struct Update {
    /// How files are fetched, and to which folder.
    pub feeds: FeedOptions,
    /// Which providers are fetched.
    pub selection: Selection,
    /// The index.
    pub index: PathBuf,
    /// Whether the files are those that are here already.
    pub is_offline: bool,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Updated {
    /// What came of each provider that was fetched.
    pub outcomes: Vec<Outcome>,
    /// What was built; `None` where nothing changed, or there is nothing to build from.
    pub built: Option<BuildReport>,
}

impl Updated {
    /// Providers that could not be fetched, or only in part.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.health.last_error.is_some())
    }
}

/// Why nothing was brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// A name is none of a provider.
    #[error(transparent)]
    Selection(#[from] UnknownFeed),
    /// Nothing could be fetched.
    #[error(transparent)]
    Fetch(#[from] FeedError),
    /// The index was not built. The old one stays.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A file of ours cannot be written.
    #[error("cannot write `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Hint for UpdateError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Selection(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Build(error) => error.hint(),
            Self::File { .. } => None,
        }
    }
}

/// What an index was built from, so that it is not built again from the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Built {
    inputs: String,
    index: String,
}

/// Fetches, builds and swaps in.
pub async fn update(update: &Update, now: Timestamp) -> Result<Updated, UpdateError> {
    let sources = update.selection.sources()?;
    let lock = feeds::lock(&update.feeds.folder)?;
    let outcomes = if update.is_offline { Vec::new() } else { feeds::fetch(&sources, &update.feeds, &lock).await? };
    let job = (update.feeds.folder.clone(), update.index.clone(), update.selection.without());
    let is_forced = update.feeds.is_forced || update.is_offline;
    let built = cpu::run(move || build(&job.0, &job.1, &job.2, is_forced, now, lock)).await?;
    Ok(Updated { outcomes, built })
}

/// Removes what was fetched to a folder, and what is noted of it, so that the next update begins from nothing. The index
/// stays.
pub(crate) async fn clear(folder: &Path) -> Result<(), UpdateError> {
    let folder = folder.to_owned();
    let work = move || {
        let lock = feeds::lock(&folder)?;
        let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
        feeds::clear(&folder, &names, &lock)?;
        let note = built_note(&folder);
        match fs_err::remove_file(&note) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(UpdateError::File { path: note, source })
            }
            _ => Ok(()),
        }
    };
    cpu::run(work).await
}

/// Where it is noted what the index was built from.
fn built_note(folder: &Path) -> PathBuf {
    folder.join(".state").join("built.json")
}

fn build(
    folder: &Path,
    index: &Path,
    without: &[String],
    is_forced: bool,
    now: Timestamp,
    _lock: Lock,
) -> Result<Option<BuildReport>, UpdateError> {
    let note = built_note(folder);
    let inputs = inputs(folder, without);
    let noted = fs_err::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Built>(&bytes).ok());
    let previous = open(index);
    let is_ours =
        |index: &Index| noted.as_ref().is_some_and(|built| built.index == name(index) && built.inputs == inputs);
    if !is_forced && previous.as_ref().is_some_and(is_ours) {
        return Ok(None);
    }
    let previous = previous.or_else(|| Index::starter().ok());
    let incomplete: Vec<String> = health(folder, None, now)
        .into_iter()
        .filter(|health| health.last_error.is_some())
        .map(|health| health.provider)
        .collect();
    tracing::info!("building the advisory index anew");
    let options = BuildOptions {
        instant: Some(now),
        without,
        previous: previous.as_ref(),
        keep: Some(&incomplete),
        ..BuildOptions::default()
    };
    if let Some(parent) = index.parent() {
        fs_err::create_dir_all(parent).map_err(|source| UpdateError::File { path: parent.to_owned(), source })?;
    }
    let report = match killick_vulns::build(&[folder.to_owned()], index, &options) {
        // Nothing could be fetched, which is told of each provider.
        Err(BuildError::NothingFound { .. }) => return Ok(None),
        report => report?,
    };
    if let Some(index) = open(index) {
        let built = Built { inputs, index: name(&index) };
        let bytes = serde_json::to_vec(&built).unwrap_or_default();
        fs_err::write(&note, bytes).map_err(|source| UpdateError::File { path: note, source })?;
    }
    Ok(Some(report))
}

/// The index that is there; one that cannot be read is as good as none, because a new one replaces it.
fn open(path: &Path) -> Option<Index> {
    if !path.exists() {
        return None;
    }
    Index::open(path).inspect_err(|error| tracing::warn!("the old advisory index tells nothing: {error}")).ok()
}

/// Names everything that goes into an index, this program included.
fn inputs(folder: &Path, without: &[String]) -> String {
    let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(feeds::fingerprint(folder, &names));
    for name in without {
        hash.update([0]);
        hash.update(name);
    }
    hex::encode(hash.finalize())
}

/// Names the content of an index.
fn name(index: &Index) -> String {
    let mut hash = Sha256::new();
    for segment in &index.manifest().segments {
        hash.update(segment.digest);
    }
    hex::encode(hash.finalize())
}

/// How the files of all providers in a feeds folder are. Without a selection, all of them count as fetched.
pub fn health(folder: &Path, selection: Option<&Selection>, now: Timestamp) -> Vec<Health> {
    let is_enabled = |name: &str| selection.is_none_or(|selection| selection.has(name));
    let providers: Vec<(&str, bool)> = PROVIDERS
        .iter()
        .filter(|provider| !provider.upstreams.is_empty())
        .map(|provider| (provider.name, is_enabled(provider.name)))
        .collect();
    feeds::health(folder, &providers, now)
}
