//! The feeds folder: files that providers read, and beside them, in `.state`, what is known of each.
//!
//! A file appears under its name when it is complete and right, by being renamed. Until then it is in `.state/parts`,
//! where no provider looks, and where the next run, or the next process, goes on with it.

use std::collections::BTreeMap;
use std::fs::{self, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::error::FeedError;

/// Bytes of what is remembered of one provider.
const MAX_STATE_BYTES: u64 = 512 << 20;

/// What is known of the files of one provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) last_attempt: Option<Timestamp>,
    pub(super) last_success: Option<Timestamp>,
    pub(super) last_change: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    /// By path below the feeds folder.
    pub(super) files: BTreeMap<String, FileState>,
    /// Up to where an upstream was followed, and the like.
    pub(super) marks: BTreeMap<String, String>,
}

/// What is known of one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct FileState {
    /// What its server names this content by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// When its server says it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_modified: Option<String>,
    /// What a list of its publisher names this content by: a checksum, or when it was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// Of its content.
    pub(super) sha256: String,
    pub(super) bytes: u64,
}

/// What is known of a file that is not here as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) url: String,
    /// What tells that the rest is of the same content.
    pub(super) validator: String,
}

/// The feeds folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// Nobody else changes the folder while it exists.
pub(super) struct Lock(#[expect(dead_code, reason = "the lock ends with the file")] fs::File);

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where a file below it is.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn state(&self) -> PathBuf {
        self.0.join(".state")
    }

    /// Removes incomplete files that nobody went on with for this many days.
    pub(super) fn clean(&self, days: i64, now: Timestamp) {
        for entry in fs_err::read_dir(self.state().join("parts")).into_iter().flatten().flatten() {
            let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let age = changed.and_then(|at| Timestamp::try_from(at).ok()).map(|at| now.duration_since(at));
            if age.is_some_and(|age| age > SignedDuration::from_hours(24 * days)) {
                // What stays is tried again next time.
                let _ = fs_err::remove_file(entry.path());
            }
        }
    }

    /// Keeps everybody else away.
    pub(super) fn lock(&self) -> Result<Lock, FeedError> {
        let path = self.state().join("lock");
        make_parent(&path)?;
        let file = fs::File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| FeedError::File { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(FeedError::Locked { folder: self.0.clone() }),
            Err(TryLockError::Error(source)) => Err(FeedError::File { path, source }),
        }
    }

    /// What is known of a provider; of one whose notes are broken, nothing, so that all of it is fetched anew.
    pub(super) fn load(&self, provider: &str) -> State {
        let path = self.state().join(format!("{provider}.json"));
        let Ok(file) = fs_err::File::open(&path) else { return State::default() };
        let mut bytes = Vec::new();
        let read = file.take(MAX_STATE_BYTES).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())
            .and_then(|_| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
            .unwrap_or_else(|error| {
                tracing::warn!("`{}` is no notes of ours, they are begun anew: {error}", path.display());
                State::default()
            })
    }

    /// Remembers what is known of a provider.
    pub(super) fn save(&self, provider: &str, state: &State) -> Result<(), FeedError> {
        let bytes = serde_json::to_vec(state).unwrap_or_default();
        self.write(&format!(".state/{provider}.json"), &bytes)
    }

    /// Forgets what is known of a provider.
    pub(super) fn forget(&self, provider: &str) -> Result<(), FeedError> {
        let path = self.state().join(format!("{provider}.json"));
        gone(fs_err::remove_file(&path)).map_err(|source| FeedError::File { path, source })
    }

    /// Drops all incomplete files.
    pub(super) fn drop_parts(&self) -> Result<(), FeedError> {
        let path = self.state().join("parts");
        gone(fs_err::remove_dir_all(&path)).map_err(|source| FeedError::File { path, source })
    }

    /// Puts a file in place that is at hand as a whole.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FeedError> {
        let part = self.part(path);
        make_parent(&part)?;
        let write = || {
            let mut file = fs::File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|source| FeedError::File { path: part.clone(), source })?;
        self.place(path)
    }

    /// Where the file is until it is complete.
    pub(super) fn part(&self, path: &str) -> PathBuf {
        self.state().join("parts").join(hex::encode(Sha256::digest(path)))
    }

    /// What is known of an incomplete file.
    pub(super) fn part_state(&self, path: &str) -> Option<Part> {
        serde_json::from_slice(&fs_err::read(self.part(path).with_extension("json")).ok()?).ok()
    }

    /// Remembers what is known of an incomplete file, or that nothing is.
    pub(super) fn note_part(&self, path: &str, part: Option<&Part>) -> Result<(), FeedError> {
        let note = self.part(path).with_extension("json");
        make_parent(&note)?;
        let done = match part {
            Some(part) => fs_err::write(&note, serde_json::to_vec(part).unwrap_or_default()),
            None => gone(fs_err::remove_file(&note)),
        };
        done.map_err(|source| FeedError::File { path: note, source })
    }

    /// Drops an incomplete file.
    pub(super) fn drop_part(&self, path: &str) -> Result<(), FeedError> {
        let part = self.part(path);
        gone(fs_err::remove_file(&part)).map_err(|source| FeedError::File { path: part, source })?;
        self.note_part(path, None)
    }

    /// Puts the file in place that is complete.
    pub(super) fn place(&self, path: &str) -> Result<(), FeedError> {
        let target = self.at(path);
        make_parent(&target)?;
        fs_err::rename(self.part(path), &target).map_err(|source| FeedError::File { path: target, source })?;
        self.note_part(path, None)
    }

    /// Removes a file, and what is noted beside it.
    pub(super) fn remove(&self, path: &str) -> Result<(), FeedError> {
        for path in [self.at(path), self.at(&format!("{path}.date"))] {
            gone(fs_err::remove_file(&path)).map_err(|source| FeedError::File { path, source })?;
        }
        Ok(())
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn make_parent(path: &Path) -> Result<(), FeedError> {
    let parent = path.parent().unwrap_or(path);
    fs_err::create_dir_all(parent).map_err(|source| FeedError::File { path: parent.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_for_one_at_a_time() {
        let work = tempfile::tempdir().unwrap();
        let folder = Folder::new(&work.path().join("feeds"));
        let lock = folder.lock().unwrap();
        assert!(matches!(folder.lock(), Err(FeedError::Locked { .. })));
        drop(lock);
        assert!(folder.lock().is_ok());
    }

    #[test]
    fn old_parts_are_removed() {
        let work = tempfile::tempdir().unwrap();
        let folder = Folder::new(work.path());
        let part = folder.part("a");
        make_parent(&part).unwrap();
        fs_err::write(&part, "x").unwrap();
        let now = Timestamp::try_from(fs_err::metadata(&part).unwrap().modified().unwrap()).unwrap();
        folder.clean(3, now + SignedDuration::from_hours(71));
        assert!(part.exists());
        folder.clean(3, now + SignedDuration::from_hours(73));
        assert!(!part.exists());
    }

    #[test]
    fn what_was_fetched_is_cleared_and_nothing_else() {
        let work = tempfile::tempdir().unwrap();
        let folder = Folder::new(work.path());
        for path in ["debian/tracker.json", "debian/tracker.json.date", "kev/brought.json"] {
            folder.write(path, b"x").unwrap();
        }
        let files = [("debian/tracker.json".to_owned(), FileState::default())].into();
        folder.save("debian", &State { files, ..State::default() }).unwrap();
        make_parent(&folder.part("a")).unwrap();
        fs_err::write(folder.part("a"), "x").unwrap();
        let lock = super::super::lock(work.path()).unwrap();
        super::super::clear(work.path(), &["debian", "kev"], &lock).unwrap();
        assert_eq!(folder.load("debian"), State::default());
        for (path, stays) in
            [("debian/tracker.json", false), ("debian/tracker.json.date", false), ("kev/brought.json", true)]
        {
            assert_eq!(folder.at(path).exists(), stays, "{path}");
        }
        assert!(!folder.part("a").exists());
        // There may be nothing.
        super::super::clear(work.path(), &["debian"], &lock).unwrap();
    }

    #[test]
    fn broken_notes_are_begun_anew() {
        let work = tempfile::tempdir().unwrap();
        let folder = Folder::new(work.path());
        let state = State { last_error: Some("x".to_owned()), ..State::default() };
        folder.save("debian", &state).unwrap();
        assert_eq!(folder.load("debian"), state);
        for broken in ["", "{", "[]", "{\"files\":3}"] {
            folder.write(".state/debian.json", broken.as_bytes()).unwrap();
            assert_eq!(folder.load("debian"), State::default(), "{broken}");
        }
    }
}
