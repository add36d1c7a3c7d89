//! What the service knows about vulnerabilities: the open advisory index, swapped when a new file appears.
//!
//! Readers hold the index they began with; a replaced one is gone when its last reader is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_vulns::{BuildError, BuildOptions, Index, IndexError, Status, build, status};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::{clock, cpu};

/// Name of the index in the data folder.
const INDEX_FILE: &str = "advisories.db";

/// The advisories this process judges by.
pub(crate) struct Knowledge {
    path: PathBuf,
    feeds_dir: Option<PathBuf>,
    current: RwLock<Option<Arc<Current>>>,
    syncing: Mutex<()>,
}

/// One open index.
pub(crate) struct Current {
    /// The index.
    pub(crate) index: Index,
    /// Names its content: verdicts by the same digest are the same.
    pub(crate) digest: Digest,
    /// The file it is from; none for the index that ships with the program.
    stamp: Option<Stamp>,
}

/// What tells one file from the next under the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// Why the advisories were not updated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    /// An update is running.
    #[error("an update of the advisories is running already")]
    Running,
    /// There is nothing to update from.
    #[error("no feeds to update from: set `knowledge.feeds_dir` to a folder of upstream files")]
    NotConfigured,
    /// The index was not built.
    #[error("the advisory index could not be built")]
    Build(#[source] BuildError),
    /// The index was built and cannot be opened.
    #[error("the advisory index cannot be opened")]
    Open(#[source] IndexError),
}

impl Knowledge {
    /// Opens the index of the configuration, or the one that ships with the program while there is none.
    pub(crate) fn open(config: &Config) -> Result<Self, IndexError> {
        let some = |path: &PathBuf| Some(path.clone()).filter(|path| !path.as_os_str().is_empty());
        let knowledge = Self {
            path: some(&config.knowledge.index).unwrap_or_else(|| config.storage.data_dir.join(INDEX_FILE)),
            feeds_dir: some(&config.knowledge.feeds_dir),
            current: RwLock::default(),
            syncing: Mutex::default(),
        };
        knowledge.reload()?;
        Ok(knowledge)
    }

    /// The index to judge by, if there is any.
    pub(crate) fn current(&self) -> Option<Arc<Current>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the file if it is another than the open one. Whether it was.
    pub(crate) fn reload(&self) -> Result<bool, IndexError> {
        let stamp = Stamp::of(&self.path);
        if self.current().is_some_and(|current| current.stamp == stamp) {
            return Ok(false);
        }
        let index = match stamp {
            Some(_) => Index::open(&self.path)?,
            None => Index::starter()?,
        };
        let digest = digest(&index);
        tracing::info!(index.digest = %digest, "opened the advisory index `{}`", index.name());
        let current = Arc::new(Current { index, digest, stamp });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current);
        Ok(true)
    }

    /// Builds the index anew from the feeds folder and opens it.
    pub(crate) async fn sync(&self) -> Result<(), SyncError> {
        let Ok(_only) = self.syncing.try_lock() else { return Err(SyncError::Running) };
        let feeds_dir = self.feeds_dir.clone().ok_or(SyncError::NotConfigured)?;
        let (path, previous) = (self.path.clone(), self.current());
        cpu::run(move || {
            let options = BuildOptions {
                instant: Some(clock::now()),
                previous: previous.as_ref().map(|current| &current.index),
                ..BuildOptions::default()
            };
            build(&[feeds_dir], &path, &options)
        })
        .await
        .map_err(SyncError::Build)?;
        self.reload().map(|_| ()).map_err(SyncError::Open)
    }

    /// What the index consists of.
    pub(crate) fn status(&self) -> Option<Status> {
        self.current().map(|current| status(&current.index, clock::now()))
    }

    /// When the index was built.
    pub(crate) fn built(&self) -> Option<Timestamp> {
        self.current()?.index.manifest().built.timestamp()
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs_err::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok(), bytes: metadata.len() })
    }
}

fn digest(index: &Index) -> Digest {
    let mut text = Vec::new();
    for segment in &index.manifest().segments {
        text.extend_from_slice(segment.provider.as_bytes());
        text.push(0);
        text.extend_from_slice(segment.namespace.as_bytes());
        text.push(0);
        text.extend_from_slice(&segment.digest);
    }
    Digest::of(&text)
}
