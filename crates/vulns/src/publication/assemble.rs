//! From a publication and what is at hand to the publisher's index file.

use std::collections::HashMap;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use killick_model::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{Blob, Publication, PublicationError};
use crate::index::format::{Block, Directory, HEADER_BYTES, MAX_BLOCK_BYTES, MAX_MANIFEST_BYTES};
use crate::index::write::{beginning, beside, ending};
use crate::index::{Index, IndexError, Manifest, Segment};

/// Bytes that are copied at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Lacking blocks that follow each other are asked for together up to this size, which is held in memory.
const RUN_BYTES: u64 = 4 << 20;

/// Parts that are fetched at the same time.
const AT_ONCE: usize = 8;

/// Where the blobs of a publication are to be had.
pub trait Depot: Sync {
    /// Begins to read a blob, or only a part of it: an error, there or while reading, if it has no parts. Whether they
    /// are the right bytes is not its business, nor whether they are as many as asked for.
    fn open(&self, blob: &Blob, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>>;
}

/// What it took to assemble an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Assembly {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes that came from the depot.
    pub fetched_bytes: u64,
    /// Requests for them.
    pub requests: u64,
    /// Segments that were whole in the old index.
    pub kept_segments: usize,
    /// Segments of which only what changed was fetched.
    pub patched_segments: usize,
    /// Segments that were fetched whole.
    pub fetched_segments: usize,
}

/// Writes the published index to `out`, where it appears when it is complete. `old` may be open under the same name.
///
/// Every byte is verified, also those of `old`: what is damaged there is fetched. `progress` hears how many bytes of the
/// file, of how many, are there.
pub fn assemble(
    publication: &Publication,
    out: &Path,
    old: Option<&Index>,
    depot: &dyn Depot,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Assembly, PublicationError> {
    let source = Fetching { depot, bytes: AtomicU64::new(0), requests: AtomicU64::new(0) };
    let encoded = source.whole(&publication.manifest, "the index's manifest")?;
    let manifest: Manifest = postcard::from_bytes(&encoded).map_err(|error| corrupt_manifest(&error.to_string()))?;
    let end = check(publication, &manifest)?;
    let write = |source| IndexError::Write { index: out.display().to_string(), source };
    let mut file = beside(out).map_err(write)?;
    file.write_all(&beginning()).map_err(write)?;
    let mut assembly = Assembly::default();
    for (info, published) in manifest.segments.iter().zip(&publication.segments) {
        progress(info.offset, end);
        let label = info.label();
        let mut section = Section::begin(file.as_file_mut(), info.offset, &label, &write)?;
        if keep(old, info, &published.blob, &mut section)? {
            assembly.kept_segments += 1;
        } else if patch(old, info, &published.blob, &source, &mut section)? {
            assembly.patched_segments += 1;
        } else {
            fetch(&published.blob, &source, &mut section)?;
            assembly.fetched_segments += 1;
        }
    }
    progress(end, end);
    let ending = ending(end, encoded);
    file.write_all(&ending).map_err(write)?;
    file.as_file().sync_all().map_err(write)?;
    file.persist(out).map_err(|error| write(error.error))?;
    assembly.bytes = end.saturating_add(ending.len() as u64);
    assembly.fetched_bytes = source.bytes.into_inner();
    assembly.requests = source.requests.into_inner();
    Ok(assembly)
}

fn corrupt_manifest(detail: &str) -> PublicationError {
    PublicationError::Corrupt { part: "the index's manifest".to_owned(), detail: detail.to_owned() }
}

/// Whether the index's own manifest and the signed document speak of the same segments. Where the last one ends.
fn check(publication: &Publication, manifest: &Manifest) -> Result<u64, PublicationError> {
    if publication.segments.len() != manifest.segments.len() {
        return Err(corrupt_manifest("it has other segments than the publication"));
    }
    let mut offset = HEADER_BYTES as u64;
    for (info, published) in manifest.segments.iter().zip(&publication.segments) {
        let end = info.end().filter(|end| {
            info.offset == offset
                && end - offset == published.blob.bytes
                && info.directory_bytes <= MAX_MANIFEST_BYTES
                && info.provider == published.provider
                && info.namespace == published.namespace
        });
        offset = end.ok_or_else(|| corrupt_manifest(&format!("it says otherwise of {}", published.label())))?;
    }
    Ok(offset)
}

/// The depot, with what it cost.
struct Fetching<'a> {
    depot: &'a dyn Depot,
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl Fetching<'_> {
    /// Hands over exactly the bytes that were asked for.
    fn read(
        &self,
        blob: &Blob,
        part: Option<Range<u64>>,
        take: &mut dyn FnMut(&[u8]) -> Result<(), PublicationError>,
    ) -> Result<(), Outcome> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let wanted = part.as_ref().map_or(blob.bytes, |part| part.end.saturating_sub(part.start));
        let mut reader = self.depot.open(blob, part)?.take(wanted.saturating_add(1));
        let mut buffer = vec![0; usize::try_from(PIECE_BYTES.min(wanted).max(1)).unwrap_or(1)];
        let mut came = 0_u64;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.bytes.fetch_add(count as u64, Ordering::Relaxed);
            came += count as u64;
            if came > wanted {
                return Err(Outcome::Wrong(format!("it has more than {wanted} bytes")));
            }
            take(buffer.get(..count).unwrap_or_default()).map_err(Outcome::Failed)?;
        }
        if came < wanted {
            return Err(Outcome::Wrong(format!("it ends after {came} of {wanted} bytes")));
        }
        Ok(())
    }

    /// A small blob or a small part, in memory.
    fn bytes(&self, blob: &Blob, part: Option<Range<u64>>) -> Result<Vec<u8>, Outcome> {
        let mut bytes = Vec::new();
        self.read(blob, part, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// A small blob, verified.
    fn whole(&self, blob: &Blob, part: &str) -> Result<Vec<u8>, PublicationError> {
        let bytes = self.bytes(blob, None).map_err(|outcome| outcome.of(part))?;
        if Digest::of(&bytes) != blob.digest {
            return Err(Outcome::Wrong("wrong checksum".to_owned()).of(part));
        }
        Ok(bytes)
    }
}

/// Why bytes did not come.
enum Outcome {
    Unreadable(io::Error),
    Wrong(String),
    Failed(PublicationError),
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl Outcome {
    fn of(self, part: &str) -> PublicationError {
        let part = part.to_owned();
        match self {
            Self::Unreadable(source) => PublicationError::Fetch { part, source },
            Self::Wrong(detail) => PublicationError::Corrupt { part, detail },
            Self::Failed(error) => error,
        }
    }
}

/// The place of one segment in the new file.
struct Section<'a> {
    file: &'a mut std::fs::File,
    start: u64,
    hash: Sha256,
    label: &'a str,
    write: &'a dyn Fn(io::Error) -> IndexError,
}

impl<'a> Section<'a> {
    fn begin(
        file: &'a mut std::fs::File,
        start: u64,
        label: &'a str,
        write: &'a dyn Fn(io::Error) -> IndexError,
    ) -> Result<Self, PublicationError> {
        let mut section = Self { file, start, hash: Sha256::new(), label, write };
        section.restart()?;
        Ok(section)
    }

    /// Forgets what was written.
    fn restart(&mut self) -> Result<(), PublicationError> {
        self.hash = Sha256::new();
        let outcome = self.file.set_len(self.start).and_then(|()| self.file.seek(SeekFrom::Start(self.start)));
        Ok(outcome.map(drop).map_err(self.write)?)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), PublicationError> {
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes).map_err(self.write)?)
    }

    /// Whether what was written is the blob; if not, it is forgotten.
    fn is(&mut self, blob: &Blob) -> Result<bool, PublicationError> {
        let is_right = *std::mem::take(&mut self.hash).finalize() == *blob.digest.as_bytes();
        if !is_right {
            self.restart()?;
        }
        Ok(is_right)
    }
}

/// Copies the segment out of the old index, if it is there and sound.
fn keep(old: Option<&Index>, info: &Segment, blob: &Blob, section: &mut Section<'_>) -> Result<bool, PublicationError> {
    let same =
        |old: &&Segment| old.digest == info.digest && old.end().is_some_and(|end| end - old.offset == blob.bytes);
    let Some((old, found)) = old.and_then(|old| Some((old, old.manifest().segments.iter().find(same)?))) else {
        return Ok(false);
    };
    let end = found.offset.saturating_add(blob.bytes);
    let mut at = found.offset;
    while at < end {
        let next = at.saturating_add(PIECE_BYTES).min(end);
        let Ok(bytes) = old.bytes(at..next) else {
            section.restart()?;
            return Ok(false);
        };
        section.push(&bytes)?;
        at = next;
    }
    section.is(blob)
}

/// A run of bytes of the new segment.
enum Piece {
    /// In the old file.
    Held(Range<u64>),
    /// In the blob, with the digests of the blocks and how long they are.
    Lacking(Range<u64>, Vec<(u32, [u8; 32])>),
}

/// Puts the segment together from blocks of the old one and those that only the depot has. False if it is better to
/// fetch the whole, or the parts did not come right.
fn patch(
    old: Option<&Index>,
    info: &Segment,
    blob: &Blob,
    source: &Fetching<'_>,
    section: &mut Section<'_>,
) -> Result<bool, PublicationError> {
    let same = |old: &Segment| old.provider == info.provider && old.namespace == info.namespace;
    let Some((old, at)) = old.and_then(|old| Some((old, old.manifest().segments.iter().position(same)?))) else {
        return Ok(false);
    };
    let outcome = patched(old, at, info, blob, source, section);
    match outcome {
        Ok(true) => section.is(blob),
        Ok(false) => Ok(false),
        Err(Outcome::Failed(error)) => Err(error),
        Err(outcome) => {
            let error = outcome.of(section.label);
            tracing::debug!("the changed parts of {} are not to be had, asking for all of it: {error}", section.label);
            section.restart()?;
            Ok(false)
        }
    }
}

fn patched(
    old: &Index,
    at: usize,
    info: &Segment,
    blob: &Blob,
    source: &Fetching<'_>,
    section: &mut Section<'_>,
) -> Result<bool, Outcome> {
    let Ok(held) = old.blocks(at) else { return Ok(false) };
    let encoded = source.bytes(blob, Some(info.blocks_bytes..blob.bytes))?;
    if *Sha256::digest(&encoded) != info.digest {
        return Err(Outcome::Wrong("its directory has a wrong checksum".to_owned()));
    }
    let directory: Directory =
        postcard::from_bytes(&encoded).map_err(|error| Outcome::Wrong(format!("its directory: {error}")))?;
    let pieces = pieces(&directory, info.blocks_bytes, &held)?;
    let lacking: u64 = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Held(_) => 0,
            Piece::Lacking(range, _) => range.end - range.start,
        })
        .sum();
    if lacking > info.blocks_bytes / 4 * 3 {
        return Ok(false);
    }
    // What is fetched at once is written in order.
    let mut rest = pieces.as_slice();
    while !rest.is_empty() {
        let mut wanted = 0;
        let until = rest.iter().position(|piece| {
            wanted += usize::from(matches!(piece, Piece::Lacking(..)));
            wanted > AT_ONCE
        });
        let (batch, later) = rest.split_at(until.unwrap_or(rest.len()));
        rest = later;
        let mut fetched = fetch_runs(batch, blob, source).into_iter();
        for piece in batch {
            match piece {
                Piece::Held(range) => match old.bytes(range.clone()) {
                    Ok(bytes) => section.push(&bytes).map_err(Outcome::Failed)?,
                    Err(error) => return Err(Outcome::Wrong(error.to_string())),
                },
                Piece::Lacking(..) => {
                    let bytes = fetched.next().unwrap_or_else(|| Ok(Vec::new()))?;
                    section.push(&bytes).map_err(Outcome::Failed)?;
                }
            }
        }
    }
    section.push(&encoded).map_err(Outcome::Failed)?;
    Ok(true)
}

/// The blocks of a directory in their order, joined to runs. `held` says where blocks lie in the old file.
fn pieces(
    directory: &Directory,
    blocks_bytes: u64,
    held: &HashMap<[u8; 32], Range<u64>>,
) -> Result<Vec<Piece>, Outcome> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut offset = 0_u64;
    for Block { offset: begin, stored_bytes, digest, .. } in directory.tables.iter().flat_map(|table| &table.blocks) {
        let end = offset.checked_add(u64::from(*stored_bytes)).filter(|_| *stored_bytes <= MAX_BLOCK_BYTES);
        let Some(end) = end.filter(|_| *begin == offset) else {
            return Err(Outcome::Wrong("the blocks of its directory do not follow each other".to_owned()));
        };
        let place = held.get(digest).filter(|place| place.end.saturating_sub(place.start) == end - offset);
        match (place, pieces.last_mut()) {
            (Some(place), Some(Piece::Held(run)))
                if run.end == place.start && place.end.saturating_sub(run.start) <= RUN_BYTES =>
            {
                run.end = place.end;
            }
            (Some(place), _) => pieces.push(Piece::Held(place.clone())),
            (None, Some(Piece::Lacking(run, blocks))) if end - run.start <= RUN_BYTES => {
                run.end = end;
                blocks.push((*stored_bytes, *digest));
            }
            (None, _) => pieces.push(Piece::Lacking(offset..end, vec![(*stored_bytes, *digest)])),
        }
        offset = end;
    }
    if offset != blocks_bytes {
        return Err(Outcome::Wrong("its directory does not cover its blocks".to_owned()));
    }
    Ok(pieces)
}

/// Fetches the lacking runs of a batch side by side.
fn fetch_runs(batch: &[Piece], blob: &Blob, source: &Fetching<'_>) -> Vec<Result<Vec<u8>, Outcome>> {
    let runs = batch.iter().filter_map(|piece| match piece {
        Piece::Held(_) => None,
        Piece::Lacking(range, blocks) => Some((range, blocks)),
    });
    std::thread::scope(|scope| {
        let fetching: Vec<_> = runs
            .map(|(range, blocks)| {
                scope.spawn(move || {
                    let bytes = source.bytes(blob, Some(range.clone()))?;
                    verify(&bytes, blocks)?;
                    Ok(bytes)
                })
            })
            .collect();
        let died = |_| Err(Outcome::Wrong("fetching it broke off".to_owned()));
        fetching.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
    })
}

fn verify(mut bytes: &[u8], blocks: &[(u32, [u8; 32])]) -> Result<(), Outcome> {
    for (len, digest) in blocks {
        let block = bytes.split_off(..*len as usize).unwrap_or_default();
        if *Sha256::digest(block) != *digest {
            return Err(Outcome::Wrong("a block has a wrong checksum".to_owned()));
        }
    }
    Ok(())
}

/// Fetches the whole segment.
fn fetch(blob: &Blob, source: &Fetching<'_>, section: &mut Section<'_>) -> Result<(), PublicationError> {
    let part = format!("segment {}", section.label);
    source.read(blob, None, &mut |bytes| section.push(bytes)).map_err(|outcome| outcome.of(&part))?;
    if section.is(blob)? {
        return Ok(());
    }
    Err(PublicationError::Corrupt { part, detail: format!("wrong checksum, expected {}", blob.digest) })
}
