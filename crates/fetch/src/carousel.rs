//! One stream that can only be read forward, shared by readers of its members.
//!
//! A compressed archive and an engine's export have no index and cannot seek: reading each member by itself would read
//! everything before it again. So readers take turns on one stream, by the order in which their members lie in it, and
//! the stream begins anew only when a member behind it is wanted. A reader holds the stream from its first byte until
//! its last, or until it is dropped. One that waits while the holder makes no progress opens a stream of its own, so
//! that readers that wait for each other in other ways too come to an end.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::layer::Blob;

/// How long a reader watches a holder that does nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes passed over at once.
const SKIP_BYTES: usize = 64 << 10;

/// Opens the stream, which is the same each time.
pub(crate) type Opener = Box<dyn Fn() -> io::Result<Box<dyn Read + Send>> + Send + Sync>;

/// The stream and its readers.
pub(crate) struct Carousel {
    opener: Opener,
    turns: Mutex<Turns>,
    freed: Condvar,
    /// Bytes that holders have read.
    progress: AtomicU64,
    patience: Duration,
}

#[derive(Default)]
struct Turns {
    /// Not there while a reader holds it, and before the first does.
    stream: Option<Box<dyn Read + Send>>,
    /// Of the stream.
    position: u64,
    is_held: bool,
    /// Where the members of waiting readers begin, with a number for each reader.
    waiting: BTreeSet<(u64, u64)>,
    readers: u64,
}

impl Turns {
    /// Whose turn comes next: the first ahead of the stream, or else the first of all.
    fn next(&self) -> Option<(u64, u64)> {
        self.waiting.range((self.position, 0)..).next().or(self.waiting.first()).copied()
    }
}

impl Carousel {
    pub(crate) fn new(opener: Opener) -> Arc<Self> {
        Self::with_patience(opener, PATIENCE)
    }

    fn with_patience(opener: Opener, patience: Duration) -> Arc<Self> {
        let turns = Mutex::new(Turns::default());
        Arc::new(Self { opener, turns, freed: Condvar::new(), progress: AtomicU64::new(0), patience })
    }

    /// A stream from its beginning, for one reader.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        (self.opener)()
    }

    /// `size` bytes of the stream, from `offset`.
    pub(crate) fn member(self: &Arc<Self>, offset: u64, size: u64) -> MemberBlob {
        MemberBlob { carousel: Arc::clone(self), offset, size }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the stream. It stands at or before `offset`; `None` if it does not come.
    fn take(&self, offset: u64) -> io::Result<Option<(Box<dyn Read + Send>, u64)>> {
        let mut turns = self.turns();
        let ticket = (offset, turns.readers);
        turns.readers += 1;
        turns.waiting.insert(ticket);
        let mut seen = None;
        while turns.is_held || turns.next() != Some(ticket) {
            let (again, wait) = self.freed.wait_timeout(turns, self.patience).unwrap_or_else(PoisonError::into_inner);
            turns = again;
            let progress = Some(self.progress.load(Ordering::Relaxed));
            if wait.timed_out() && progress == seen {
                turns.waiting.remove(&ticket);
                self.freed.notify_all();
                return Ok(None);
            }
            seen = progress;
        }
        turns.waiting.remove(&ticket);
        turns.is_held = true;
        let stream = turns.stream.take().filter(|_| turns.position <= offset);
        let position = turns.position;
        drop(turns);
        match stream {
            Some(stream) => Ok(Some((stream, position))),
            None => match self.open() {
                Ok(stream) => Ok(Some((stream, 0))),
                Err(error) => {
                    self.give_back(None, 0);
                    Err(error)
                }
            },
        }
    }

    fn give_back(&self, stream: Option<Box<dyn Read + Send>>, position: u64) {
        let mut turns = self.turns();
        turns.position = if stream.is_some() { position } else { 0 };
        turns.stream = stream;
        turns.is_held = false;
        drop(turns);
        self.freed.notify_all();
    }
}

/// A member of the stream.
pub(crate) struct MemberBlob {
    carousel: Arc<Carousel>,
    offset: u64,
    size: u64,
}

impl Blob for MemberBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(MemberReader {
            carousel: Arc::clone(&self.carousel),
            offset: self.offset,
            end: self.offset.saturating_add(self.size),
            stream: Stream::Awaited,
        }))
    }

    fn position(&self) -> u64 {
        self.offset
    }
}

struct MemberReader {
    carousel: Arc<Carousel>,
    /// Of the next byte in the stream.
    offset: u64,
    end: u64,
    stream: Stream,
}

enum Stream {
    /// Nothing was read yet.
    Awaited,
    /// The one that goes round.
    Shared(Box<dyn Read + Send>),
    /// One of this reader's own.
    Own(Box<dyn Read + Send>),
    /// The member was read, or cannot be.
    Done,
}

impl MemberReader {
    fn begin(&mut self) -> io::Result<()> {
        self.stream = Stream::Done;
        let (mut stream, mut position, is_shared) = match self.carousel.take(self.offset)? {
            Some((stream, position)) => (stream, position, true),
            None => (self.carousel.open()?, 0, false),
        };
        let mut passed_over = vec![0; SKIP_BYTES];
        while position < self.offset {
            let wanted = usize::try_from(self.offset - position).unwrap_or(usize::MAX).min(passed_over.len());
            let read = match stream.read(&mut passed_over[..wanted]) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result,
            };
            match read {
                Ok(count) => {
                    position += count as u64;
                    self.carousel.progress.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    if is_shared {
                        self.carousel.give_back(None, 0);
                    }
                    return Err(error);
                }
            }
        }
        self.stream = if is_shared { Stream::Shared(stream) } else { Stream::Own(stream) };
        Ok(())
    }

    /// Lets the next reader have the stream.
    fn finish(&mut self) {
        if let Stream::Shared(stream) = std::mem::replace(&mut self.stream, Stream::Done) {
            self.carousel.give_back(Some(stream), self.offset);
        }
    }
}

impl Read for MemberReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.end - self.offset).unwrap_or(usize::MAX).min(out.len());
        if wanted == 0 {
            return Ok(0);
        }
        if let Stream::Awaited = self.stream {
            self.begin()?;
        }
        let read = match &mut self.stream {
            Stream::Shared(stream) | Stream::Own(stream) => stream.read(&mut out[..wanted]),
            Stream::Awaited | Stream::Done => return Ok(0),
        };
        match read {
            Ok(count) => {
                self.offset += count as u64;
                self.carousel.progress.fetch_add(1, Ordering::Relaxed);
                if count == 0 || self.offset == self.end {
                    self.finish();
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                // What is left of a stream that failed is no use to anybody.
                if let Stream::Shared(_) = std::mem::replace(&mut self.stream, Stream::Done) {
                    self.carousel.give_back(None, 0);
                }
                Err(error)
            }
        }
    }
}

impl Drop for MemberReader {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::thread;

    use super::*;

    /// A stream whose bytes tell where they are, and how often it was opened.
    fn numbers(patience: Duration) -> (Arc<Carousel>, Arc<AtomicUsize>) {
        let opened = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&opened);
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
        let opener: Opener = Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Box::new(io::Cursor::new(bytes.clone())))
        });
        (Carousel::with_patience(opener, patience), opened)
    }

    fn expected(offset: u64, size: u64) -> Vec<u8> {
        (offset..offset + size).map(|number| (number % 251) as u8).collect()
    }

    fn read(carousel: &Arc<Carousel>, offset: u64, size: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        carousel.member(offset, size).open().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn members_in_order_need_one_pass() {
        let (carousel, opened) = numbers(PATIENCE);
        for offset in [0, 10_000, 10_500, 90_000] {
            assert!(read(&carousel, offset, 500) == expected(offset, 500));
        }
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        assert!(read(&carousel, 3, 5) == expected(3, 5), "behind the stream");
        assert_eq!(opened.load(Ordering::SeqCst), 2);
        assert!(read(&carousel, 7, 0).is_empty());
    }

    #[test]
    fn readers_that_wait_are_served_in_the_order_of_the_stream() {
        let (carousel, opened) = numbers(PATIENCE);
        let mut first = carousel.member(0, 1000).open().unwrap();
        first.read_exact(&mut [0; 10]).unwrap();
        thread::scope(|scope| {
            let later: Vec<_> = [80_000, 20_000, 60_000, 40_000]
                .map(|offset| {
                    let carousel = &carousel;
                    scope.spawn(move || read(carousel, offset, 3000) == expected(offset, 3000))
                })
                .into_iter()
                .collect();
            // All of them are in the queue before the first reader lets go.
            while carousel.turns().waiting.len() < 4 {
                thread::yield_now();
            }
            drop(first);
            assert!(later.into_iter().all(|reader| reader.join().unwrap()));
        });
        assert_eq!(opened.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn one_thread_may_read_two_members_in_turns() {
        let (carousel, opened) = numbers(Duration::ZERO);
        let mut left = carousel.member(0, 1000).open().unwrap();
        let mut right = carousel.member(50_000, 1000).open().unwrap();
        let (mut from_left, mut from_right) = ([0; 500], [0; 500]);
        for half in 0..2 {
            left.read_exact(&mut from_left).unwrap();
            right.read_exact(&mut from_right).unwrap();
            assert!(from_left.to_vec() == expected(half * 500, 500));
            assert!(from_right.to_vec() == expected(50_000 + half * 500, 500));
        }
        assert_eq!(opened.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_stream_that_fails_is_opened_anew() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let opened = AtomicUsize::new(0);
        let carousel = Carousel::new(Box::new(move || match opened.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(Box::new(io::Cursor::new(vec![1; 10]).chain(Broken))),
            1 => Err(io::Error::other("no stream")),
            2 => Ok(Box::new(io::Cursor::new(vec![1; 10]))),
            _ => Ok(Box::new(io::Cursor::new(vec![1; 100]))),
        }));
        let read = |offset| {
            let mut bytes = Vec::new();
            let result = carousel.member(offset, 20).open().unwrap().read_to_end(&mut bytes);
            result.map(|_| bytes.len()).map_err(|error| error.to_string())
        };
        assert_eq!(read(0), Err("broken".to_owned()));
        assert_eq!(read(0), Err("no stream".to_owned()));
        assert_eq!(read(50), Err("unexpected end of file".to_owned()));
        assert_eq!(read(50), Ok(20));
    }
}
