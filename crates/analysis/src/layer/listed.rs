//! A layer by its table of contents: its entries go through the same pass as those of an archive, but bytes come only
//! for files whose bytes somebody looks at. What comes of it is what a whole reading gives, if the table tells the truth.
//!
//! The table does not know the size of the archive's headers. Against `limit-layer-bytes`, `limit-compression-ratio` and
//! `limit-layer-entries` counts what it does know, so that a layer within a few headers of a limit may pass.

use std::io::{BufRead, Read as _};

use killick_model::image::LayerSource;
use killick_model::listing::{ListedEntry, ListedKind, Listing, Unusable};
use killick_model::path::ImagePath;
use sha2::{Digest as _, Sha256};

use super::digests::may_be_packaged;
use super::links::{Again, show_again};
use super::metered::{Metered, check_size, unwrap_limit};
use super::{ContentStream, Pass, Reading, again};
use crate::error::ReadError;
use crate::facts::LayerFacts;
use crate::inspectors::Digesting;
use crate::limits::Limits;
use crate::matcher::Matcher;
use crate::tar_stream::{EntryType, TarEntry};

/// The share of its stored bytes beyond which a layer is read whole: that costs little more then and verifies all.
const MOST: u64 = 90;

/// Stored bytes of a layer that is not worth the requests for its table and its files.
const SMALL: u64 = 128 << 10;

/// Reads a layer by its table of contents; `None` if it has to be read whole. `stored_bytes` is its compressed size.
pub(crate) fn read_listed(
    source: &dyn LayerSource,
    stored_bytes: u64,
    reading: Reading<'_>,
) -> Result<Option<LayerFacts>, ReadError> {
    if stored_bytes < SMALL || looks_everywhere(&reading) {
        return Ok(None);
    }
    let outcome = source.listing().map_err(ReadError::Io).and_then(|listing| read(&*listing, stored_bytes, reading));
    match outcome.map_err(unwrap_limit) {
        Err(ReadError::Io(error)) if Unusable::is_in(&error) => {
            tracing::warn!("a layer is read whole: {error}");
            Ok(None)
        }
        outcome => outcome,
    }
}

/// Whether somebody wants the bytes of all files.
fn looks_everywhere(reading: &Reading<'_>) -> bool {
    reading.rules.is_some() || reading.clamd.is_some() || reading.digesting == Digesting::Everywhere
}

fn read(listing: &dyn Listing, stored_bytes: u64, reading: Reading<'_>) -> Result<Option<LayerFacts>, ReadError> {
    let Reading { matcher, budget, deadline, .. } = reading;
    let limits = &Limits { held_bytes: reading.limits.held_bytes.min(budget.total()), ..reading.limits.clone() };
    let entries = listing.entries();
    if entries.len() as u64 > limits.layer_entries {
        return Err(ReadError::Limit("limit-layer-entries", limits.layer_entries));
    }
    check_size(listing.unpacked_bytes(), stored_bytes, limits)?;
    let mut readers = Vec::new();
    let mut is_wanted = |entry: &ListedEntry| is_wanted(entry, matcher, reading.digesting, &mut readers);
    let files = (0..).zip(entries).filter(|(_, entry)| is_wanted(entry)).map(|(number, _)| number);
    let files: Vec<u32> = files.collect();
    // Parts of files that are too large to be held are read on passes over the archive.
    let may_hold = limits.file_bytes.min(budget.total());
    let is_too_large = |number: &u32| entries.get(*number as usize).is_some_and(|entry| entry.size > may_hold);
    if files.iter().any(is_too_large) {
        return Ok(None);
    }
    let percent = listing.stored_bytes(&files).saturating_mul(100).checked_div(stored_bytes).unwrap_or(100);
    if percent > MOST {
        return Ok(None);
    }
    let own = listing.own_entry().map_err(ReadError::Io)?;
    if own.as_ref().is_some_and(is_wanted) {
        return Ok(None);
    }
    let open = |files: &[u32]| {
        listing.open(files).map(|input| Metered::new(input, stored_bytes, limits, deadline)).map_err(ReadError::Io)
    };
    let stream = ListedStream { input: open(&files)?, left: 0, known: None };
    let mut pass = Pass::new(stream, stored_bytes, limits, reading);
    let mut coming = files.iter().copied().peekable();
    // The entry of the table that each entry of the facts comes from.
    let mut origins = Vec::new();
    for (number, entry) in (0..).zip(entries) {
        let comes = coming.next_if_eq(&number).is_some();
        pass.stream.begin(entry, comes);
        pass.entry(&tar_entry(entry))?;
        // A file may have been left out for its name.
        pass.stream.skip()?;
        if pass.facts.len() > origins.len() {
            origins.push(number);
        }
    }
    pass.stream.end()?;
    if let Some(own) = own {
        pass.stream.begin(&own, false);
        pass.entry(&tar_entry(&own))?;
    }
    pass.finish();
    let Pass { mut facts, links, mut may_find, .. } = pass;
    let again = again(&mut facts, &links, matcher, may_hold);
    if !again.is_empty() {
        read_again(&open, &again, &origins, &mut facts, &mut may_find, reading, limits)?;
    }
    Ok(Some(facts))
}

/// Whether somebody may look at the bytes of an entry. An empty file has none. `readers` is for reuse.
fn is_wanted(entry: &ListedEntry, matcher: &Matcher, digesting: Digesting, readers: &mut Vec<usize>) -> bool {
    if entry.kind != ListedKind::File || entry.size == 0 {
        return false;
    }
    let Some(path) = ImagePath::new(&entry.path) else { return false };
    matcher.by_path(&path, readers);
    !readers.is_empty()
        || matcher.may_be_program(&path, entry.mode)
        || (digesting != Digesting::Nowhere && may_be_packaged(path.as_bytes()))
}

fn tar_entry(entry: &ListedEntry) -> TarEntry {
    TarEntry {
        entry_type: match entry.kind {
            ListedKind::File => EntryType::File,
            ListedKind::Directory => EntryType::Directory,
            ListedKind::Symlink => EntryType::Symlink,
            ListedKind::HardLink => EntryType::HardLink,
            ListedKind::CharacterDevice => EntryType::CharacterDevice,
            ListedKind::BlockDevice => EntryType::BlockDevice,
            ListedKind::Fifo => EntryType::Fifo,
        },
        path: entry.path.to_vec(),
        link: entry.link.to_vec(),
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        size: entry.size,
        holes: 0,
    }
}

/// The contents that come, and what is known of those that do not.
struct ListedStream<R> {
    input: R,
    /// Bytes of the current content.
    left: u64,
    known: Option<[u8; 32]>,
}

impl<R: BufRead> ListedStream<R> {
    fn begin(&mut self, entry: &ListedEntry, comes: bool) {
        self.left = if comes { entry.size } else { 0 };
        self.known = (!comes && entry.size > 0).then_some(entry.sha256);
    }

    fn skip(&mut self) -> Result<(), ReadError> {
        loop {
            let count = ContentStream::chunk(self)?.len();
            if count == 0 {
                return Ok(());
            }
            ContentStream::consume(self, count);
        }
    }

    /// Verifies the last content.
    fn end(&mut self) -> Result<(), ReadError> {
        self.input.fill_buf().map(drop).map_err(ReadError::Io)
    }
}

impl<R: BufRead> ContentStream for ListedStream<R> {
    fn chunk(&mut self) -> Result<&[u8], ReadError> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let ready = self.input.fill_buf().map_err(ReadError::Io)?;
        if ready.is_empty() {
            return Err(ReadError::Io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        Ok(ready.get(..left).unwrap_or(ready))
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        self.left = self.left.saturating_sub(count as u64);
    }

    fn known(&self) -> Option<[u8; 32]> {
        self.known
    }
}

/// Shows files to readers that want them by the names of links.
fn read_again<R: BufRead>(
    open: &impl Fn(&[u32]) -> Result<R, ReadError>,
    again: &Again,
    origins: &[u32],
    facts: &mut LayerFacts,
    may_find: &mut usize,
    reading: Reading<'_>,
    limits: &Limits,
) -> Result<(), ReadError> {
    let files: Vec<(u32, u32, u64)> = again
        .keys()
        .filter_map(|number| {
            let (origin, entry) = (origins.get(*number as usize)?, facts.entry(*number)?);
            Some((*number, *origin, entry.size))
        })
        .collect();
    let origins: Vec<u32> = files.iter().filter(|(.., size)| *size > 0).map(|(_, origin, _)| *origin).collect();
    let mut input = open(&origins)?;
    for (number, _, size) in files {
        let readers = again.get(&number).into_iter().flat_map(|readers| readers.keys().copied().map(usize::from));
        let share = reading.budget.hold(reading.matcher.held_bytes(readers, size, limits));
        let mut content = (&mut input).take(size);
        if share.is_none() {
            std::io::copy(&mut content, &mut std::io::sink()).map_err(ReadError::Io)?;
            continue;
        }
        let mut held = Vec::new();
        content.read_to_end(&mut held).map_err(ReadError::Io)?;
        if facts.entry(number).is_some_and(|entry| entry.sha256 == <[u8; 32]>::from(Sha256::digest(&held))) {
            show_again(number, &held, again, facts, may_find, (reading.matcher, limits))?;
        }
    }
    input.fill_buf().map(drop).map_err(ReadError::Io)
}
