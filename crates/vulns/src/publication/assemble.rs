//! From a publication and what is at hand to the publisher's index file.
//!
//! The new file grows beside the old one as `FILE.part`, every byte at its place. What came and was verified stays there
//! when a transfer breaks off, and the next one goes on with it.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use self::fetching::{Fetching, Outcome};
use self::part::Part;
use self::plan::{Held, Piece, pieces};
use super::{Blob, Publication, PublicationError};
use crate::index::format::{Directory, HEADER_BYTES, MAX_MANIFEST_BYTES};
use crate::index::write::ending;
use crate::index::{Index, IndexError, Manifest, Segment};

mod fetching;
mod part;
mod plan;

/// Bytes that are copied at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Lacking blocks that follow each other are asked for together up to this size. What is smaller than that is fetched
/// at once. Tests have small indexes.
const RUN_BYTES: u64 = if cfg!(test) { 32 << 10 } else { 4 << 20 };

/// Parts that are fetched at the same time.
const AT_ONCE: usize = 8;

/// Where the blobs of a publication are to be had.
pub trait Depot: Sync {
    /// Begins to read a blob, or only a part of it: an error, there or while reading, if it has no parts. Whether they
    /// are the right bytes is not its business, nor whether they are as many as asked for.
    fn open(&self, blob: &Blob, part: Option<Range<u64>>) -> io::Result<Box<dyn io::Read + Send>>;
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
    /// Bytes that an earlier attempt had fetched before it broke off.
    pub resumed_bytes: u64,
    /// Segments that were whole in the old index.
    pub kept_segments: usize,
    /// Segments of which only what changed was fetched.
    pub patched_segments: usize,
    /// Segments that were fetched whole.
    pub fetched_segments: usize,
}

/// Hears how many bytes of the file, of how many, are there. Any thread may tell.
pub type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// Writes the published index to `out`, where it appears when it is complete. `old` may be open under the same name.
///
/// Every byte is verified, also those of `old` and of what an earlier attempt left: what is damaged there is fetched.
/// Segments are fetched side by side, a few megabytes of each in memory.
pub fn assemble(
    publication: &Publication,
    out: &Path,
    old: Option<&Index>,
    depot: &dyn Depot,
    progress: &Progress<'_>,
) -> Result<Assembly, PublicationError> {
    let source = Fetching::new(depot);
    let encoded = source.whole(&publication.manifest, "the index's manifest")?;
    let manifest: Manifest = postcard::from_bytes(&encoded).map_err(|error| corrupt_manifest(&error.to_string()))?;
    let end = check(publication, &manifest)?;
    let ending = ending(end, encoded);
    let write = |source| IndexError::Write { index: out.display().to_string(), source };
    let part = Part::open(out, end, &ending, &publication.manifest.digest).map_err(write)?;
    let work = Work {
        segments: manifest.segments.iter().zip(&publication.segments).map(|(info, of)| (info, &of.blob)).collect(),
        old,
        part: &part,
        source: &source,
        progress,
        write: &write,
        end,
        done: AtomicU64::new(0),
        resumed: AtomicU64::new(0),
        ways: Mutex::new(vec![Way::Fetched; publication.segments.len()]),
    };
    work.run()?;
    let ways = work.ways.lock().unwrap_or_else(PoisonError::into_inner);
    let count = |wanted: Way| ways.iter().filter(|way| **way == wanted).count();
    let assembly = Assembly {
        bytes: end.saturating_add(ending.len() as u64),
        fetched_bytes: source.bytes.load(Ordering::Relaxed),
        requests: source.requests.load(Ordering::Relaxed),
        resumed_bytes: work.resumed.load(Ordering::Relaxed),
        kept_segments: count(Way::Kept),
        patched_segments: count(Way::Patched),
        fetched_segments: count(Way::Fetched),
    };
    part.persist(out).map_err(write)?;
    progress(end, end);
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

/// How a segment came together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Kept,
    Patched,
    Fetched,
}

/// Something to be fetched.
enum Job {
    /// A segment, as one stream.
    Whole(usize),
    /// Bytes of a segment, with the digests of the blocks in them and how long those are.
    Run(usize, Range<u64>, Vec<(u32, [u8; 32])>),
}

/// The new file in the making. Positions of segments are those in the publication.
struct Work<'a> {
    segments: Vec<(&'a Segment, &'a Blob)>,
    old: Option<&'a Index>,
    part: &'a Part,
    source: &'a Fetching<'a>,
    progress: &'a Progress<'a>,
    write: &'a (dyn Fn(io::Error) -> IndexError + Sync),
    end: u64,
    done: AtomicU64,
    resumed: AtomicU64,
    ways: Mutex<Vec<Way>>,
}

impl Work<'_> {
    fn run(&self) -> Result<(), PublicationError> {
        self.tell(HEADER_BYTES as u64);
        let planned = side_by_side((0..self.segments.len()).collect(), |at| self.plan(at))?;
        let jobs: VecDeque<Job> = planned.into_iter().flatten().collect();
        // Segments whose parts did not come right: they are fetched whole.
        let broken: Vec<AtomicBool> = self.segments.iter().map(|_| AtomicBool::new(false)).collect();
        let is_broken = |at: usize| broken.get(at).is_some_and(|broken| broken.load(Ordering::Relaxed));
        side_by_side(jobs, |job| match job {
            Job::Whole(at) => self.fetch(at),
            Job::Run(at, ..) if is_broken(at) => Ok(()),
            Job::Run(at, range, blocks) => match self.fetch_run(at, range, &blocks) {
                Ok(()) => Ok(()),
                // There are parts, because its directory was one.
                Err(outcome @ (Outcome::Failed(_) | Outcome::Unreadable(_))) => Err(outcome.of(&self.part_name(at))),
                Err(outcome) => {
                    let error = outcome.of(&self.part_name(at));
                    tracing::debug!("its parts are not as they should be, asking for all of it: {error}");
                    broken.get(at).into_iter().for_each(|broken| broken.store(true, Ordering::Relaxed));
                    Ok(())
                }
            },
        })?;
        // Blocks were verified one by one; this is about how they were put together.
        side_by_side((0..self.segments.len()).collect(), |at| {
            if !is_broken(at) && self.is_complete(at)? { Ok(()) } else { self.fetch(at) }
        })?;
        Ok(())
    }

    /// How a segment is called in errors.
    fn part_name(&self, at: usize) -> String {
        let label = self.segments.get(at).map(|(info, _)| info.label());
        format!("segment {}", label.unwrap_or_default())
    }

    fn tell(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        (self.progress)(done.min(self.end), self.end);
    }

    fn came(&self, at: usize, way: Way) {
        if let Some(slot) = self.ways.lock().unwrap_or_else(PoisonError::into_inner).get_mut(at) {
            *slot = way;
        }
    }

    fn put(&self, at: u64, bytes: &[u8]) -> Result<(), PublicationError> {
        self.part.write(at, bytes).map_err(self.write)?;
        self.tell(bytes.len() as u64);
        Ok(())
    }

    /// Puts in place what is at hand of a segment. What is left to be fetched.
    fn plan(&self, at: usize) -> Result<Vec<Job>, PublicationError> {
        let Some(&(info, blob)) = self.segments.get(at) else { return Ok(Vec::new()) };
        if self.part.is_resumed() && self.is_complete(at)? {
            self.resumed.fetch_add(blob.bytes, Ordering::Relaxed);
            self.tell(blob.bytes);
            self.came(at, Way::Kept);
            return Ok(Vec::new());
        }
        if self.keep(info, blob)? {
            self.came(at, Way::Kept);
            return Ok(Vec::new());
        }
        match self.patch(at, info, blob) {
            Ok(Some((jobs, way))) => {
                self.came(at, way);
                return Ok(jobs);
            }
            Ok(None) => {}
            Err(Outcome::Failed(error)) => return Err(error),
            Err(outcome) => {
                let error = outcome.of(&info.label());
                tracing::debug!("there are no parts of {}, asking for all of it: {error}", info.label());
            }
        }
        Ok(vec![Job::Whole(at)])
    }

    /// Whether all of a segment is in place.
    fn is_complete(&self, at: usize) -> Result<bool, PublicationError> {
        let Some((info, blob)) = self.segments.get(at) else { return Ok(true) };
        let digest = self.part.digest(info.offset..info.offset.saturating_add(blob.bytes)).map_err(self.write)?;
        Ok(digest == *blob.digest.as_bytes())
    }

    /// Copies the segment out of the old index, if it is there and sound.
    fn keep(&self, info: &Segment, blob: &Blob) -> Result<bool, PublicationError> {
        let same =
            |old: &&Segment| old.digest == info.digest && old.end().is_some_and(|end| end - old.offset == blob.bytes);
        let Some((old, found)) = self.old.and_then(|old| Some((old, old.manifest().segments.iter().find(same)?)))
        else {
            return Ok(false);
        };
        let mut hash = fetching::Hash::default();
        let mut copied = 0;
        while copied < blob.bytes {
            let next = copied.saturating_add(PIECE_BYTES).min(blob.bytes);
            let Ok(bytes) = old.bytes(found.offset.saturating_add(copied)..found.offset.saturating_add(next)) else {
                return Ok(false);
            };
            hash.update(&bytes);
            self.part.write(info.offset.saturating_add(copied), &bytes).map_err(self.write)?;
            copied = next;
        }
        let is_sound = hash.is(&blob.digest);
        if is_sound {
            self.tell(blob.bytes);
        }
        Ok(is_sound)
    }

    /// Puts the blocks in place that are at hand, and says which runs are lacking. Nothing if it is better to fetch the
    /// whole.
    fn patch(&self, at: usize, info: &Segment, blob: &Blob) -> Result<Option<(Vec<Job>, Way)>, Outcome> {
        let (before, is_old) = self.part.before(at, info);
        let mut held = Held::default();
        let same = |old: &Segment| old.provider == info.provider && old.namespace == info.namespace;
        let place = self.old.and_then(|old| Some((old, old.manifest().segments.iter().position(same)?)));
        if let Some((old, at)) = place {
            held.add(old, at);
        }
        if let Some((index, at)) = before.filter(|_| is_old) {
            held.add(index, at);
        }
        let has_directory = self.part.is_resumed() && before.is_some_and(|(index, at)| index.blocks(at).is_ok());
        if held.is_empty() && !has_directory && blob.bytes <= RUN_BYTES {
            return Ok(None);
        }
        let directory_at = info.offset.saturating_add(info.blocks_bytes);
        let encoded = if has_directory {
            self.part.read(directory_at..directory_at.saturating_add(info.directory_bytes)).ok()
        } else {
            None
        };
        let encoded = match encoded.filter(|encoded| fetching::is(encoded, &info.digest)) {
            Some(encoded) => encoded,
            None => self.source.bytes(blob, Some(info.blocks_bytes..blob.bytes))?,
        };
        if !fetching::is(&encoded, &info.digest) {
            return Err(Outcome::Wrong("its directory has a wrong checksum".to_owned()));
        }
        let directory: Directory =
            postcard::from_bytes(&encoded).map_err(|error| Outcome::Wrong(format!("its directory: {error}")))?;
        // First of all, so that the next attempt knows what the blocks should be.
        self.put(directory_at, &encoded)?;
        let in_place = |range: &Range<u64>, digest: &[u8; 32]| {
            let place = info.offset.saturating_add(range.start)..info.offset.saturating_add(range.end);
            self.part.is_resumed() && self.part.read(place).is_ok_and(|bytes| fetching::is(&bytes, digest))
        };
        let planned = pieces(&directory, info.blocks_bytes, &held, &in_place)?;
        let lacking = plan::lacking(&planned);
        let is_mostly_lacking = lacking > info.blocks_bytes / 4 * 3;
        if is_mostly_lacking && blob.bytes <= RUN_BYTES {
            return Ok(None);
        }
        // Many small holes would be as many requests.
        let planned = if is_mostly_lacking {
            pieces(&directory, info.blocks_bytes, &Held::default(), &in_place)?
        } else {
            planned
        };
        let mut jobs = Vec::new();
        for piece in planned {
            match piece {
                Piece::InPlace(range) => {
                    let bytes = range.end.saturating_sub(range.start);
                    self.resumed.fetch_add(bytes, Ordering::Relaxed);
                    self.tell(bytes);
                }
                Piece::Held(range, index, place, digest) => {
                    let bytes = index.bytes(place).ok().filter(|bytes| fetching::is(bytes, &digest));
                    if let Some(bytes) = bytes {
                        self.put(info.offset.saturating_add(range.start), &bytes)?;
                    } else {
                        let len = u32::try_from(range.end.saturating_sub(range.start)).unwrap_or(u32::MAX);
                        jobs.push(Job::Run(at, range, vec![(len, digest)]));
                    }
                }
                Piece::Lacking(range, blocks) => jobs.push(Job::Run(at, range, blocks)),
            }
        }
        Ok(Some((jobs, if is_mostly_lacking { Way::Fetched } else { Way::Patched })))
    }

    /// Fetches lacking blocks, each of which is put in place as soon as it is complete.
    fn fetch_run(&self, at: usize, range: Range<u64>, blocks: &[(u32, [u8; 32])]) -> Result<(), Outcome> {
        let Some((info, blob)) = self.segments.get(at) else { return Ok(()) };
        let mut place = info.offset.saturating_add(range.start);
        let mut blocks = blocks.iter();
        let mut next = blocks.next();
        let mut came = Vec::new();
        self.source.read(blob, Some(range), &mut |bytes| {
            came.extend_from_slice(bytes);
            let mut used = 0;
            while let Some((len, digest)) = next
                && let Some(block) = came.get(used..).and_then(|rest| rest.get(..*len as usize))
            {
                if !fetching::is(block, digest) {
                    return Err(Outcome::Wrong("a block has a wrong checksum".to_owned()));
                }
                self.put(place, block)?;
                place = place.saturating_add(u64::from(*len));
                used += block.len();
                next = blocks.next();
            }
            came.drain(..used);
            Ok(())
        })
    }

    /// Fetches the whole segment.
    fn fetch(&self, at: usize) -> Result<(), PublicationError> {
        let Some((info, blob)) = self.segments.get(at) else { return Ok(()) };
        let part = self.part_name(at);
        self.came(at, Way::Fetched);
        let mut hash = fetching::Hash::default();
        let mut place = info.offset;
        let outcome = self.source.read(blob, None, &mut |bytes| {
            hash.update(bytes);
            self.put(place, bytes)?;
            place = place.saturating_add(bytes.len() as u64);
            Ok(())
        });
        outcome.map_err(|outcome| outcome.of(&part))?;
        if hash.is(&blob.digest) {
            return Ok(());
        }
        Err(PublicationError::Corrupt { part, detail: format!("wrong checksum, expected {}", blob.digest) })
    }
}

/// Does all `jobs`, [`AT_ONCE`] of them at a time, until one fails; of several, the failure of the first one counts.
fn side_by_side<J: Send, T: Send>(
    jobs: VecDeque<J>,
    work: impl Fn(J) -> Result<T, PublicationError> + Sync,
) -> Result<Vec<T>, PublicationError> {
    let workers = AT_ONCE.min(jobs.len());
    let open = Mutex::new(jobs.into_iter().enumerate().collect::<VecDeque<_>>());
    let next = || open.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let stop = || open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let mut results = std::thread::scope(|scope| {
        let run = || {
            let mut given = Vec::new();
            while let Some((number, job)) = next() {
                given.push((number, work(job).inspect_err(|_| stop())));
            }
            given
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        let results = threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(given) => given,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect::<Vec<_>>()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}
