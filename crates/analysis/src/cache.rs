//! Layer facts, kept by (blob digest, diffID, revision of all readers): a layer that is known is neither fetched nor
//! read again.
//!
//! The diffID alone would not do: a configuration may claim any, and the blob that tells the lie is not read when the
//! facts are known. A pair is known only once a reader verified both. What was read by a table of contents, which
//! verifies neither, has the digest of that table in its revision.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;
use std::{io, process};

use fs_err as fs;
use killick_model::digest::Digest;
use killick_model::image::StagedLayer;

use crate::facts::LayerFacts;

mod shared;

pub use shared::SharedLayers;

/// Keeps layer facts. A cache may forget anything at any time, and never gives back anything else than was put.
pub trait LayerCache: Sync {
    /// The facts of a layer, if they are known.
    fn get(&self, key: LayerKey<'_>) -> Option<LayerFacts>;

    /// Remembers facts of a layer that was read to its verified end, of whatever the key names. A failure costs only the next reading, so there
    /// is none to report.
    fn put(&self, key: LayerKey<'_>, facts: &LayerFacts);
}

/// What facts are known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerKey<'a> {
    /// Digest of the blob as stored.
    pub digest: &'a Digest,
    /// Digest of the uncompressed tar.
    pub diff_id: &'a Digest,
    /// Revision of all readers.
    pub revision: &'a str,
}

impl<'a> LayerKey<'a> {
    /// The key of a layer as the readers of `revision` see it.
    pub fn new(layer: &'a StagedLayer, revision: &'a str) -> Self {
        Self { digest: &layer.digest, diff_id: &layer.diff_id, revision }
    }

    /// One digest that stands for blob and diffID.
    pub fn layer(&self) -> Digest {
        Digest::of(format!("{}\n{}", self.digest, self.diff_id).as_bytes())
    }
}

/// Bytes a folder holds by default.
const FOLDER_BYTES: u64 = 1 << 30;

/// Facts in a folder, one file per layer and revision.
///
/// Files are written beside their place and moved there, so that readers, of other processes too, see a whole file
/// or none; a damaged file counts as missing. When the folder outgrows its bound, the files written longest ago go,
/// until it is down to three quarters.
#[derive(Debug)]
pub struct FolderCache {
    folder: PathBuf,
    max_bytes: u64,
    written: AtomicU64,
    /// Whether it was told that nothing can be kept.
    is_told: AtomicBool,
}

impl FolderCache {
    /// A cache in `folder`, which is made when first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            max_bytes: FOLDER_BYTES,
            written: AtomicU64::new(0),
            is_told: AtomicBool::new(false),
        }
    }

    /// The same with another bound.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: u64) -> Self {
        Self { max_bytes, ..self }
    }

    fn path(&self, key: LayerKey<'_>) -> PathBuf {
        self.folder.join(format!("{}-{}.facts", key.layer().hex(), key.revision))
    }

    fn write(&self, path: &Path, facts: &LayerFacts) -> io::Result<()> {
        let bytes = facts.to_bytes()?;
        fs::create_dir_all(&self.folder)?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = self.folder.join(format!("{}-{number}.tmp", process::id()));
        let outcome = fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&temporary, path));
        if outcome.is_err() {
            // What is left of a failed write is no use to anybody.
            let _ = fs::remove_file(&temporary);
        }
        outcome?;
        self.evict()
    }

    fn evict(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            if !matches!(file.path().extension().and_then(OsStr::to_str), Some("facts" | "tmp")) {
                continue;
            }
            // Somebody else may have removed it meanwhile.
            let Ok(metadata) = file.metadata() else { continue };
            files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), file.path()));
        }
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        if total <= self.max_bytes {
            return Ok(());
        }
        files.sort();
        for (_, bytes, path) in files {
            if total <= self.max_bytes / 4 * 3 {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total -= bytes;
            }
        }
        Ok(())
    }
}

impl LayerCache for FolderCache {
    fn get(&self, key: LayerKey<'_>) -> Option<LayerFacts> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let facts = LayerFacts::from_bytes(&bytes);
        if facts.is_none() {
            tracing::warn!("the cached layer facts in `{}` are damaged, the layer is read again", path.display());
        }
        facts
    }

    fn put(&self, key: LayerKey<'_>, facts: &LayerFacts) {
        let path = self.path(key);
        // Once is enough: what is wrong with one layer's file is wrong with the folder.
        if let Err(error) = self.write(&path, facts)
            && !self.is_told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                "nothing is kept of layers, which are read again the next time: the cache `{}` cannot be written: {error}",
                self.folder.display()
            );
        }
    }
}

#[cfg(test)]
mod tests;
