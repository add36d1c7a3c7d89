//! The walk through a directory that yields its tar.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt as _;
use killick_model::problem::Problem;
use rustix::fs::OFlags;

use super::DirectoryError;
use super::entry;

/// Problems that are remembered, so that an unreadable tree costs no memory.
const PROBLEMS: usize = 1000;

/// How much of a directory is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) depth: usize,
}

/// A tar of a directory, made while it is read.
pub(super) struct TarReader {
    root: PathBuf,
    device: u64,
    bounds: Bounds,
    entries_left: u64,
    bytes_left: u64,
    /// From the root down: a directory's path below the root, and the names in it that are still to come.
    stack: Vec<Frame>,
    /// Bytes ready to be handed out: headers and padding.
    ready: VecDeque<u8>,
    /// The file being copied, and how much of it is still promised.
    file: Option<(fs_err::File, u64)>,
    padding: usize,
    is_ended: bool,
    problems: Vec<Problem>,
    exceeded: Option<(u64, &'static str)>,
}

struct Frame {
    path: PathBuf,
    /// In reverse order: the next one is the last.
    names: Vec<OsString>,
}

impl TarReader {
    pub(super) fn open(root: &Path, bounds: Bounds) -> Result<Self, DirectoryError> {
        let read = |source| DirectoryError::Read { path: root.to_owned(), source };
        let metadata = fs_err::metadata(root).map_err(read)?;
        if !metadata.is_dir() {
            return Err(DirectoryError::NotADirectory { path: root.to_owned() });
        }
        let mut reader = Self {
            root: root.to_owned(),
            device: metadata.dev(),
            bounds,
            entries_left: bounds.entries,
            bytes_left: bounds.bytes,
            stack: Vec::new(),
            ready: VecDeque::new(),
            file: None,
            padding: 0,
            is_ended: false,
            problems: Vec::new(),
            exceeded: None,
        };
        let names = reader.names(Path::new("")).map_err(read)?;
        reader.stack.push(Frame { path: PathBuf::new(), names });
        Ok(reader)
    }

    /// What was left out so far.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The reason of a read that failed.
    pub(super) fn describe(&self, source: io::Error) -> DirectoryError {
        let path = self.root.clone();
        match self.exceeded {
            Some((limit, what)) => DirectoryError::TooLarge { path, limit, what },
            None => DirectoryError::Read { path, source },
        }
    }

    /// The names in a directory, last first.
    fn names(&mut self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for item in fs_err::read_dir(self.root.join(path))? {
            let Some(left) = self.entries_left.checked_sub(1) else {
                return Err(self.exceed(self.bounds.entries, "entries"));
            };
            self.entries_left = left;
            names.push(item?.file_name());
        }
        names.sort_by(|left, right| right.cmp(left));
        Ok(names)
    }

    fn exceed(&mut self, limit: u64, what: &'static str) -> io::Error {
        self.exceeded = Some((limit, what));
        io::Error::other(format!("more than {limit} {what}"))
    }

    /// Makes the bytes of the next entry ready. At the end, the two empty blocks.
    fn advance(&mut self) -> io::Result<()> {
        let Some(frame) = self.stack.last_mut() else {
            self.is_ended = true;
            self.ready.extend([0; 1024]);
            return Ok(());
        };
        let Some(name) = frame.names.pop() else {
            self.stack.pop();
            return Ok(());
        };
        let path = frame.path.join(name);
        let full = self.root.join(&path);
        let result = fs_err::symlink_metadata(&full).and_then(|metadata| self.append(&path, &full, &metadata));
        match result {
            Err(error) if self.exceeded.is_some() => Err(error),
            Err(error) => {
                self.leave_out(&path, &error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn append(&mut self, path: &Path, full: &Path, metadata: &Metadata) -> io::Result<()> {
        let name = path.as_os_str().as_bytes();
        let kind = metadata.file_type();
        if kind.is_dir() {
            if self.stack.len() >= self.bounds.depth {
                return Err(self.exceed(self.bounds.depth as u64, "directories inside each other"));
            }
            // The root of a mount belongs to the image, what is mounted does not.
            let names = if metadata.dev() == self.device { self.names(path) } else { Ok(Vec::new()) };
            let header = entry::header(name, metadata, tar::EntryType::Directory, &[], 0)?;
            self.make_ready(header)?;
            match names {
                Ok(names) => self.stack.push(Frame { path: path.to_owned(), names }),
                Err(error) if self.exceeded.is_some() => return Err(error),
                Err(error) => self.leave_out(path, &error),
            }
            return Ok(());
        }
        if kind.is_file() {
            // What was listed may be something else by now: a link is not followed, a pipe or a device not waited for.
            let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
            let file = fs_err::OpenOptions::new().read(true).custom_flags(flags).open(full)?;
            let opened = file.metadata()?;
            if !opened.is_file() || (opened.dev(), opened.ino()) != (metadata.dev(), metadata.ino()) {
                return Err(io::Error::other("it was replaced while it was read"));
            }
            self.make_ready(entry::header(name, &opened, tar::EntryType::Regular, &[], opened.len())?)?;
            self.spend(opened.len())?;
            self.padding = entry::padding(opened.len());
            self.file = Some((file, opened.len()));
            return Ok(());
        }
        if kind.is_symlink() {
            let target = fs_err::read_link(full)?.into_os_string().into_vec();
            self.make_ready(entry::header(name, metadata, tar::EntryType::Symlink, &target, 0)?)?;
        } else if let Some(kind) = entry::special(kind) {
            self.make_ready(entry::header(name, metadata, kind, &[], 0)?)?;
        }
        Ok(())
    }

    fn make_ready(&mut self, header: Vec<u8>) -> io::Result<()> {
        self.spend(header.len() as u64)?;
        self.ready.extend(header);
        Ok(())
    }

    /// Counts bytes before they are read, so that a file of any apparent size ends the walk at once.
    fn spend(&mut self, bytes: u64) -> io::Result<()> {
        let Some(left) = self.bytes_left.checked_sub(bytes) else {
            return Err(self.exceed(self.bounds.bytes, "bytes"));
        };
        self.bytes_left = left;
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, error: &io::Error) {
        if self.problems.len() < PROBLEMS {
            let subject = format!("/{}", path.display());
            self.problems.push(Problem::new("unreadable-file", subject, error.to_string()));
        }
    }

    /// Copies from the current file. A file that shrank is filled up with zeros, one that grew is cut: the entry
    /// stays well-formed, and the digest tells that something changed.
    fn copy(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        let Some((file, left)) = &mut self.file else { return Ok(None) };
        if *left == 0 {
            self.file = None;
            self.ready.extend(std::iter::repeat_n(0, self.padding));
            return Ok(None);
        }
        let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(out.len());
        let out = &mut out[..wanted];
        let count = match file.read(out)? {
            0 => {
                out.fill(0);
                wanted
            }
            count => count,
        };
        *left -= count as u64;
        Ok(Some(count))
    }
}

impl Read for TarReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.ready.is_empty() {
                return self.ready.read(out);
            }
            if let Some(count) = self.copy(out)? {
                return Ok(count);
            }
            if self.ready.is_empty() {
                if self.is_ended {
                    return Ok(0);
                }
                self.advance()?;
            }
        }
    }
}
