//! Layers by their tables of contents: eStargz and zstd:chunked.
//!
//! Both are ordinary layers in which every file is compressed by itself, with a list at the end that says where. The
//! digest of the list is an annotation of the layer in the manifest, the digest of every content is in the list: so what
//! is fetched is verified, though not by the digest of the blob, nor by the diffID. That the list and the archive say the
//! same is for nobody to see who does not read the whole layer; therefore it is only done on request.
//!
//! Formats: `docs/estargz.md` of containerd's stargz-snapshotter; `pkg/chunked` of containers/storage. Whatever is
//! odd about a list makes it [`Unusable`]: then the layer is read whole, which verifies more. A wrong digest is an error.

mod build;
mod contents;
mod entries;
mod estargz;
mod parts;
mod promise;

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::listing::{ListedEntry, Listing, Unusable};
use sha2::{Digest as _, Sha256};

pub use self::build::{Format, Table};
use self::contents::Contents;
use self::promise::Position;
pub(crate) use self::promise::TablePromise;
use super::{Blob, LayerError, StoredLayer};
use crate::limits::Limits;
use crate::progress::{self, Event, Progress};

/// Reads the list itself, JSON, of a layer whose files are stored before `end`. Nothing is verified here.
pub fn read(json: impl Read, format: Format, end: u64, limits: &Limits) -> Result<Table, Unusable> {
    entries::read(json, format, end, limits)
}

/// Where the list of an eStargz lies, by the last bytes of the layer of `size` bytes; and how many of them are not
/// part of it.
pub fn footer(last: &[u8], size: u64) -> Option<(u64, u64)> {
    estargz::footer(last, size)
}

/// Fetches and verifies the table of contents of a layer.
pub(super) fn fetch(layer: &StoredLayer, promise: &TablePromise) -> io::Result<ListedLayer> {
    let size = layer.promise.size;
    progress::report(layer.progress.as_ref(), Event::LayerOpened { diff_id: &layer.promise.diff_id, bytes: size });
    let source = PartSource {
        blob: Arc::clone(&layer.blob),
        diff_id: layer.promise.diff_id.clone(),
        progress: layer.progress.clone(),
    };
    let (table, own) = match &promise.position {
        Position::Footer => {
            let (table, own) = estargz::fetch(&source, size, &promise.digest, &layer.limits)?;
            (table, Some(own))
        }
        Position::Frame { stored, unpacked } => {
            (zstd_chunked(&source, size, stored.clone(), *unpacked, &promise.digest, &layer.limits)?, None)
        }
    };
    progress::report(layer.progress.as_ref(), Event::LayerListed { diff_id: &layer.promise.diff_id });
    Ok(ListedLayer { source, table: Arc::new(table), own, window_log: layer.limits.zstd_window_log })
}

/// The list of a zstd:chunked layer: a zstd frame within one that is skipped.
fn zstd_chunked(
    source: &PartSource,
    size: u64,
    stored: Range<u64>,
    unpacked: u64,
    digest: &Digest,
    limits: &Limits,
) -> io::Result<Table> {
    /// Magic and length of the frame around it.
    const FRAME_HEADER: u64 = 8;
    let bytes = stored.end.saturating_sub(stored.start);
    let end = stored.start.checked_sub(FRAME_HEADER);
    let Some(end) = end.filter(|_| stored.end <= size && bytes > 0) else {
        return Err(unusable("it is not where the manifest says"));
    };
    if bytes > limits.table_bytes || unpacked > limits.table_bytes {
        return Err(unusable("it is too large"));
    }
    // The digest is that of the packed bytes, which are few.
    let mut packed = Vec::new();
    source.open(stored)?.read_to_end(&mut packed)?;
    check_table(source, digest, Digest::of(&packed))?;
    let mut decoder = zstd::Decoder::new(packed.as_slice())?;
    decoder.window_log_max(limits.zstd_window_log)?;
    Ok(read(decoder.take(unpacked), Format::ZstdChunked, end, limits)?)
}

fn check_table(source: &PartSource, expected: &Digest, actual: Digest) -> Result<(), LayerError> {
    if *expected == actual {
        return Ok(());
    }
    Err(LayerError::WrongTable { layer: source.diff_id.clone(), expected: expected.clone(), actual })
}

fn unusable(reason: impl Into<String>) -> io::Error {
    Unusable(reason.into()).into()
}

/// Where parts of one layer come from.
#[derive(Clone)]
struct PartSource {
    blob: Arc<dyn Blob>,
    diff_id: Digest,
    progress: Option<Arc<dyn Progress>>,
}

impl PartSource {
    fn open(&self, part: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let inner = self.blob.open_part(part.clone())?;
        Ok(Box::new(Part { inner, left: part.end.saturating_sub(part.start), source: self.clone() }))
    }
}

/// A part on its way: it has the bytes that were asked for, or fails.
struct Part {
    inner: Box<dyn Read + Send>,
    left: u64,
    source: PartSource,
}

impl Read for Part {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let Some(out) = out.get_mut(..room).filter(|out| !out.is_empty()) else { return Ok(0) };
        let count = self.inner.read(out)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left = self.left.saturating_sub(count as u64);
        let event = Event::LayerBytes { diff_id: &self.source.diff_id, bytes: count as u64 };
        progress::report(self.source.progress.as_ref(), event);
        Ok(count)
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    /// The digest of everything, of which the rest is read now.
    fn digest(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest::from_sha256(self.hasher.finalize().into()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.hasher.update(out.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// A layer with a verified table of contents.
pub(super) struct ListedLayer {
    source: PartSource,
    table: Arc<Table>,
    /// The list itself, where it lies in the archive.
    own: Option<estargz::Own>,
    window_log: u32,
}

impl Listing for ListedLayer {
    fn entries(&self) -> &[ListedEntry] {
        self.table.entries()
    }

    fn own_entry(&self) -> io::Result<Option<ListedEntry>> {
        let Some(own) = &self.own else { return Ok(None) };
        let is_hidden = estargz::ends_before_list(&self.source, &self.table, own.offset)?;
        Ok((!is_hidden).then(|| own.entry.clone()))
    }

    fn unpacked_bytes(&self) -> u64 {
        self.table.unpacked_bytes()
    }

    fn stored_bytes(&self, files: &[u32]) -> u64 {
        let parts: u64 = parts::of(&self.table, files).iter().map(|part| part.end.saturating_sub(part.start)).sum();
        // What tells whether the archive has an entry of the list.
        let tail = self.own.as_ref().map_or(0, |own| own.offset.saturating_sub(estargz::tail_start(&self.table)));
        parts.saturating_add(tail)
    }

    fn open(&self, files: &[u32]) -> io::Result<Box<dyn BufRead + Send>> {
        let parts = parts::Parts::new(self.source.clone(), parts::of(&self.table, files))?;
        let contents = Contents::new(parts, Arc::clone(&self.table), files.to_vec(), self.window_log);
        Ok(Box::new(BufReader::with_capacity(64 << 10, contents)))
    }
}

#[cfg(test)]
mod tests;
