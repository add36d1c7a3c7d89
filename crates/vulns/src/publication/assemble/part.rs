//! The new file in the making.
//!
//! It has its manifest from the beginning, and so tells the next attempt what it should become: if that is still what is
//! published, blocks that are in it stay there; else they are taken over from it like from any older index.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use killick_model::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::PIECE_BYTES;
use crate::index::write::{beginning, beside};
use crate::index::{Index, Segment};

pub(super) struct Part {
    file: Kind,
    /// What an earlier attempt left.
    before: Option<Index>,
    /// Whether that is this very file.
    is_resumed: bool,
}

enum Kind {
    /// Locked as long as it is open, and left where it is when the transfer breaks off.
    Lasting(File, PathBuf),
    /// Of a process that is not alone.
    Passing(tempfile::NamedTempFile),
}

impl Part {
    /// Opens what an earlier attempt left, or begins. `manifest` is the digest of what stands in `ending`, at `end`.
    pub(super) fn open(out: &Path, end: u64, ending: &[u8], manifest: &Digest) -> io::Result<Self> {
        let mut name = out.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let Some(file) = lock(&path)? else {
            let passing = beside(out)?;
            begin(passing.as_file(), end, ending)?;
            return Ok(Self { file: Kind::Passing(passing), before: None, is_resumed: false });
        };
        let before = Index::open(&path).ok();
        let len = file.metadata()?.len();
        let is_same = before.as_ref().is_some_and(|index| {
            index.manifest_range().start == end
                && len == end.saturating_add(ending.len() as u64)
                && index.digest().is_ok_and(|digest| digest == *manifest)
        });
        if is_same {
            return Ok(Self { file: Kind::Lasting(file, path), before, is_resumed: true });
        }
        if before.is_none() {
            begin(&file, end, ending)?;
            return Ok(Self { file: Kind::Lasting(file, path), before, is_resumed: false });
        }
        // It stays open for who reads it, and has no name any more.
        fs_err::remove_file(&path)?;
        drop(file);
        let Some(file) = lock(&path)? else {
            let passing = beside(out)?;
            begin(passing.as_file(), end, ending)?;
            return Ok(Self { file: Kind::Passing(passing), before, is_resumed: false });
        };
        begin(&file, end, ending)?;
        Ok(Self { file: Kind::Lasting(file, path), before, is_resumed: false })
    }

    /// Whether there may be something in it.
    pub(super) fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// The segment that an earlier attempt left of the one at position `at`, and whether it is in another file.
    pub(super) fn before(&self, at: usize, info: &Segment) -> (Option<(&Index, usize)>, bool) {
        let Some(before) = &self.before else { return (None, false) };
        if self.is_resumed {
            return (Some((before, at)), false);
        }
        let same = |old: &Segment| old.provider == info.provider && old.namespace == info.namespace;
        (before.manifest().segments.iter().position(same).map(|at| (before, at)), true)
    }

    fn file(&self) -> &File {
        match &self.file {
            Kind::Lasting(file, _) => file,
            Kind::Passing(file) => file.as_file(),
        }
    }

    pub(super) fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file().write_all_at(bytes, at)
    }

    pub(super) fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.file().read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// SHA-256 of what is there now.
    pub(super) fn digest(&self, range: Range<u64>) -> io::Result<[u8; 32]> {
        let mut hash = Sha256::new();
        let mut at = range.start;
        while at < range.end {
            let end = at.saturating_add(PIECE_BYTES).min(range.end);
            hash.update(self.read(at..end)?);
            at = end;
        }
        Ok(hash.finalize().into())
    }

    /// Moves it to where it belongs.
    pub(super) fn persist(self, out: &Path) -> io::Result<()> {
        self.file().sync_all()?;
        match self.file {
            Kind::Lasting(_file, path) => fs_err::rename(path, out),
            Kind::Passing(file) => file.persist(out).map(drop).map_err(|error| error.error),
        }
    }
}

/// The frame of an index: all but its segments.
fn begin(file: &File, end: u64, ending: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.set_len(end)?;
    file.write_all_at(&beginning(), 0)?;
    file.write_all_at(ending, end)
}

/// The file at `path`, which nobody else writes to; nothing if somebody does.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o644).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    // Meanwhile it may have become the index of somebody.
    let (mine, there) = (file.metadata()?, fs_err::metadata(path));
    Ok(there.is_ok_and(|there| there.dev() == mine.dev() && there.ino() == mine.ino()).then_some(file))
}
