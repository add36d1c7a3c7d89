//! One pass over one layer: every entry is recorded, every file hashed, every wanted file read, nothing written.
//!
//! Limits that protect this process (`limit-layer-bytes`, `limit-layer-entries`, `limit-compression-ratio`,
//! `limit-header-bytes`) end the analysis. Limits on one file or name (`limit-file-bytes`, `limit-path-bytes`) are
//! problems, and the rest of the layer is read.

use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::budget::Budget;
use crate::catalogers::{Found, WantedFile};
use crate::error::ReadError;
use crate::facts::{Entry, EntryKind, FoundIn, LayerFacts, More};
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::tar_stream::{EntryType, TarEntry, TarStream};

/// Bytes read from the decompressor at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Problems kept per layer; a million bad names need not be told one by one.
const MAX_PROBLEMS: usize = 200;

/// A held buffer above this is given back after its file.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// Reads one uncompressed layer to its end. `stored_bytes` is the size of the compressed layer.
pub fn read_layer(
    reader: impl Read,
    stored_bytes: u64,
    matcher: &Matcher,
    limits: &Limits,
    budget: &Budget,
) -> Result<LayerFacts, ReadError> {
    let metered = Metered { inner: reader, read: 0, stored_bytes, limits, hit: None };
    let mut pass = Pass {
        stream: TarStream::new(BufReader::with_capacity(BUFFER_BYTES, metered)),
        matcher,
        limits,
        budget,
        facts: LayerFacts::default(),
        dropped_problems: 0,
        wanted: Vec::new(),
        held: Vec::new(),
    };
    let outcome = pass.run();
    // A limit travels through the buffered reader as an I/O error; its name is kept by the meter.
    match (outcome, pass.stream.input().get_ref().hit) {
        (Err(_), Some((name, limit))) => Err(ReadError::Limit(name, limit)),
        (outcome, _) => outcome.map(|()| pass.facts),
    }
}

/// Counts the bytes of a layer against its limits.
struct Metered<'a, R> {
    inner: R,
    read: u64,
    stored_bytes: u64,
    limits: &'a Limits,
    hit: Option<(&'static str, u64)>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        let ratio = self.limits.compression_ratio;
        if self.read > self.limits.layer_bytes {
            self.hit = Some(("limit-layer-bytes", self.limits.layer_bytes));
        } else if self.read > self.stored_bytes.saturating_mul(ratio).max(FREE_BYTES) {
            self.hit = Some(("limit-compression-ratio", ratio));
        }
        match self.hit {
            Some((name, _)) => Err(io::Error::other(name)),
            None => Ok(count),
        }
    }
}

/// Bytes that any layer may have, however well it compresses.
const FREE_BYTES: u64 = 64 << 20;

struct Pass<'a, R> {
    stream: TarStream<R>,
    matcher: &'a Matcher,
    limits: &'a Limits,
    budget: &'a Budget,
    facts: LayerFacts,
    dropped_problems: usize,
    wanted: Vec<usize>,
    held: Vec<u8>,
}

impl<R: io::BufRead> Pass<'_, R> {
    fn run(&mut self) -> Result<(), ReadError> {
        while let Some(entry) = self.stream.next_entry(self.limits.layer_entries)? {
            self.entry(&entry)?;
        }
        self.stream.drain()?;
        if self.dropped_problems > 0 {
            let message = format!("{} more problems of this layer are not shown", self.dropped_problems);
            self.facts.problems.push(Problem::new("more-problems", "layer", message));
        }
        Ok(())
    }

    fn entry(&mut self, entry: &TarEntry) -> Result<(), ReadError> {
        if entry.path.len() > self.limits.path_bytes || entry.link.len() > self.limits.path_bytes {
            let message = format!("longer than {} bytes, skipped", self.limits.path_bytes);
            self.problem("limit-path-bytes", &entry.path, message);
            return Ok(());
        }
        let Some(path) = ImagePath::new(&entry.path) else {
            self.problem("path-escape", &entry.path, "the path leaves the image, skipped");
            return Ok(());
        };
        if path.as_bytes().is_empty() {
            // The root itself: its owner and mode interest nobody.
            return Ok(());
        }
        if path.file_name().starts_with(b".wh.") {
            self.whiteout(&path);
            return Ok(());
        }
        let kind = match entry.entry_type {
            EntryType::File => return self.file(path, entry),
            EntryType::Sparse => {
                self.problem("sparse-file", path.as_bytes(), "a sparse file is listed, its content is not read");
                EntryKind::Unread
            }
            EntryType::Directory => EntryKind::Directory,
            EntryType::Symlink => EntryKind::Symlink,
            EntryType::HardLink => EntryKind::HardLink,
            EntryType::CharacterDevice => EntryKind::CharacterDevice,
            EntryType::BlockDevice => EntryKind::BlockDevice,
            EntryType::Fifo => EntryKind::Fifo,
            EntryType::Other(flag) => {
                self.problem("unknown-entry-type", path.as_bytes(), format!("entry type {flag} is unknown, skipped"));
                return Ok(());
            }
        };
        let is_link = matches!(kind, EntryKind::Symlink | EntryKind::HardLink);
        let more = is_link.then(|| Box::new(More { link: entry.link.as_slice().into(), md5: None }));
        let size = if kind == EntryKind::Unread { entry.size } else { 0 };
        self.facts.push(new_entry(path, kind, entry, size, [0; 32], more));
        Ok(())
    }

    /// OCI image specification, layer.md, "Whiteouts".
    fn whiteout(&mut self, marker: &ImagePath) {
        let parent = marker.parent().unwrap_or_default();
        match marker.file_name().strip_prefix(b".wh.").unwrap_or_default() {
            b".wh..opq" => self.facts.opaques.extend(ImagePath::new(parent)),
            // Other names of this form are bookkeeping of aufs.
            name if name.starts_with(b".wh.") => {}
            b"" | b"." | b".." => {
                self.problem("bad-whiteout", marker.as_bytes(), "the whiteout names no file, ignored");
            }
            name => {
                let hidden = [parent, b"/".as_slice(), name].concat();
                self.facts.whiteouts.extend(ImagePath::new(&hidden));
            }
        }
    }

    fn file(&mut self, path: ImagePath, entry: &TarEntry) -> Result<(), ReadError> {
        self.matcher.by_path(&path, &mut self.wanted);
        let beginning = self.stream.chunk()?;
        self.matcher.by_magic(&path, entry.mode, beginning, &mut self.wanted);
        let may_hold = self.limits.file_bytes.min(self.budget.total());
        if !self.wanted.is_empty() && entry.size > may_hold {
            let message = format!("{} bytes, more than the limit of {may_hold}: not searched for packages", entry.size);
            self.problem("limit-file-bytes", path.as_bytes(), message);
            self.wanted.clear();
        }
        let budget = self.budget;
        let share = if self.wanted.is_empty() { None } else { budget.hold(entry.size) };
        let with_md5 = may_be_packaged(path.as_bytes());
        let (sha256, md5) = self.content(share.is_some(), with_md5)?;
        let more = md5.map(|md5| Box::new(More { link: Box::default(), md5: Some(md5) }));
        if share.is_some() {
            let number = self.facts.push(new_entry(path.clone(), EntryKind::File, entry, entry.size, sha256, more));
            self.search(number, &path);
            if self.held.capacity() > KEPT_BUFFER_BYTES {
                self.held = Vec::new();
            }
        } else {
            self.facts.push(new_entry(path, EntryKind::File, entry, entry.size, sha256, more));
        }
        Ok(())
    }

    /// Hashes the content, and holds it if asked.
    fn content(&mut self, hold: bool, with_md5: bool) -> Result<([u8; 32], Option<[u8; 16]>), ReadError> {
        let mut sha256 = Sha256::new();
        let mut md5 = with_md5.then(Md5::new);
        self.held.clear();
        loop {
            let chunk = self.stream.chunk()?;
            if chunk.is_empty() {
                break;
            }
            sha256.update(chunk);
            if let Some(md5) = &mut md5 {
                md5.update(chunk);
            }
            if hold {
                self.held.extend_from_slice(chunk);
            }
            let count = chunk.len();
            self.stream.consume(count);
        }
        Ok((sha256.finalize().into(), md5.map(|md5| md5.finalize().into())))
    }

    /// Shows the held file to every reader that wants it.
    fn search(&mut self, entry: u32, path: &ImagePath) {
        let mut file = WantedFile { path, bytes: &self.held, limits: self.limits };
        for index in &self.wanted {
            let reader = self.matcher.reader(*index);
            let mut found = Found::default();
            // Readers do not panic; if one does all the same, the image is not lost.
            if catch_unwind(AssertUnwindSafe(|| reader.read(&mut file, &mut found))).is_err() {
                let message = format!("the `{}` cataloger failed on this file", reader.name());
                found = Found::default();
                found.problems.push(Problem::new("cataloger-panic", path.to_string(), message));
            }
            if found != Found::default() {
                self.facts.found.push(FoundIn { entry, reader: reader.name().to_owned(), found });
            }
        }
    }

    fn problem(&mut self, kind: &str, path: &[u8], message: impl Into<String>) {
        if self.facts.problems.len() >= MAX_PROBLEMS {
            self.dropped_problems += 1;
            return;
        }
        let shown = path.get(..200).unwrap_or(path);
        self.facts.problems.push(Problem::new(kind, String::from_utf8_lossy(shown), message));
    }
}

fn new_entry(
    path: ImagePath,
    kind: EntryKind,
    entry: &TarEntry,
    size: u64,
    sha256: [u8; 32],
    more: Option<Box<More>>,
) -> Entry {
    Entry { path, size, sha256, more, uid: entry.uid, gid: entry.gid, mode: entry.mode, kind }
}

/// Whether a package database that speaks MD5 may own the path: the places of the file system hierarchy that belong
/// to the distribution. Everything local (`usr/local`, `opt`, `srv`, `home`, `root`, application folders) and
/// everything that changes while running is left out, because hashing twice is the dearest part of reading.
fn may_be_packaged(path: &[u8]) -> bool {
    let first = path.split(|&byte| byte == b'/').next().unwrap_or_default();
    match first {
        b"usr" => !path.starts_with(b"usr/local/"),
        b"var" => path.starts_with(b"var/lib/") && !path.starts_with(b"var/lib/dpkg/"),
        b"bin" | b"sbin" | b"etc" | b"boot" => true,
        first => first.starts_with(b"lib"),
    }
}
