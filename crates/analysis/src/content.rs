//! The bytes of a file: all of them, or, of one that is too large to be held, those parts that its readers ask for.
//!
//! A layer is a stream, so nobody can fetch a part when it is needed. A reader goes as far as it gets; what it could not
//! have is noted and kept on the next pass over the layer.

use std::cell::RefCell;
use std::ops::Range;

use object::ReadRef;

/// Bytes around what is missing that are kept with it: what is needed next often follows.
const AT_LEAST: u64 = 64 << 10;

/// Parts that may be missing at once.
const MISSING: usize = 4096;

/// The bytes of a file, or of a part of it.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    source: Source<'a>,
    start: u64,
    size: u64,
}

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    Whole(&'a [u8]),
    Parts(&'a Parts),
}

impl<'a> Content<'a> {
    /// All bytes of a file.
    pub fn whole(bytes: &'a [u8]) -> Self {
        Self { source: Source::Whole(bytes), start: 0, size: bytes.len() as u64 }
    }

    pub(crate) fn of_parts(parts: &'a Parts) -> Self {
        Self { source: Source::Parts(parts), start: 0, size: parts.size }
    }

    /// How many there are, held or not.
    pub fn size(self) -> u64 {
        self.size
    }

    /// All of them, if all are held.
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self.source {
            Source::Whole(bytes) => slice(bytes, self.start, self.size),
            Source::Parts(_) => None,
        }
    }

    /// A part as a content of its own, cut at the end of this one.
    #[must_use]
    pub fn part(self, start: u64, size: u64) -> Self {
        let start = start.min(self.size);
        Self { start: self.start + start, size: size.min(self.size - start), ..self }
    }

    /// `size` bytes from `start`; `None` if there are not as many, or if they are not held.
    pub fn get(self, start: u64, size: u64) -> Option<&'a [u8]> {
        start.checked_add(size).filter(|end| *end <= self.size)?;
        match self.source {
            Source::Whole(bytes) => slice(bytes, self.start + start, size),
            Source::Parts(parts) => parts.get(self.start + start, size),
        }
    }

    /// Says that these bytes will be asked for, as far as there are as many: sooner than what is known only then.
    pub(crate) fn ahead(self, start: u64, size: u64) {
        let size = size.min(self.size.saturating_sub(start));
        if size > 0 {
            self.get(start, size);
        }
    }

    /// As [`Content::get`], but what there is where the content ends before.
    pub fn at_most(self, start: u64, size: u64) -> Option<&'a [u8]> {
        self.get(start, size.min(self.size.checked_sub(start)?))
    }
}

impl<'a> ReadRef<'a> for Content<'a> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.size)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size == 0 { Ok(&[]) } else { self.get(offset, size).ok_or(()) }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let end = range.end.min(self.size);
        let size = end.checked_sub(range.start).ok_or(())?;
        let bytes = match self.source {
            Source::Whole(bytes) => slice(bytes, self.start + range.start, size),
            Source::Parts(parts) => parts.up_to(self.start + range.start, size, delimiter),
        };
        let bytes = bytes.ok_or(())?;
        memchr::memchr(delimiter, bytes).and_then(|at| bytes.get(..at)).ok_or(())
    }
}

fn slice(bytes: &[u8], start: u64, size: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(start).ok()?..)?.get(..usize::try_from(size).ok()?)
}

/// Parts of a file that are held, and what readers asked for besides.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    size: u64,
    /// In their order; none touches the next.
    held: Vec<(u64, Vec<u8>)>,
    missing: RefCell<Vec<Range<u64>>>,
}

impl Parts {
    /// Of a file of `size` bytes, with room for what `ranges` say. They are in their order and apart.
    pub(crate) fn new(size: u64, ranges: &[Range<u64>]) -> Self {
        let room = |range: &Range<u64>| usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default();
        let held = ranges.iter().map(|range| (range.start, Vec::with_capacity(room(range)))).collect();
        Self { size, held, missing: RefCell::default() }
    }

    /// Takes from a piece of the file that begins at `offset` what the ranges want. Pieces come in their order.
    pub(crate) fn take(&mut self, ranges: &[Range<u64>], offset: u64, piece: &[u8]) {
        let end = offset.saturating_add(piece.len() as u64);
        let first = ranges.partition_point(|range| range.end <= offset);
        for (range, (_, held)) in ranges.iter().zip(&mut self.held).skip(first) {
            if range.start >= end {
                break;
            }
            let (from, to) = (range.start.max(offset), range.end.min(end));
            held.extend_from_slice(slice(piece, from - offset, to - from).unwrap_or_default());
        }
    }

    /// What readers asked for since, and is not held.
    pub(crate) fn take_missing(&mut self) -> Vec<Range<u64>> {
        std::mem::take(self.missing.get_mut())
    }

    fn held_from(&self, start: u64) -> Option<&[u8]> {
        let at = self.held.partition_point(|(first, _)| *first <= start).checked_sub(1)?;
        let (first, bytes) = self.held.get(at)?;
        bytes.get(usize::try_from(start - first).ok()?..)
    }

    fn get(&self, start: u64, size: u64) -> Option<&[u8]> {
        let held = self.held_from(start).and_then(|bytes| bytes.get(..usize::try_from(size).ok()?));
        if held.is_none() {
            self.miss(start, size);
        }
        held
    }

    /// What is held from `start`, if the delimiter is in it; at most `size` bytes.
    fn up_to(&self, start: u64, size: u64, delimiter: u8) -> Option<&[u8]> {
        let held = self.held_from(start).unwrap_or_default();
        let held = held.get(..usize::try_from(size).ok()?).unwrap_or(held);
        if memchr::memchr(delimiter, held).is_some() || held.len() as u64 == size {
            return Some(held);
        }
        self.miss(start, size.min(held.len() as u64 + AT_LEAST));
        None
    }

    fn miss(&self, start: u64, size: u64) {
        let mut missing = self.missing.borrow_mut();
        if missing.len() < MISSING {
            missing.push(start..start.saturating_add(size.max(AT_LEAST)).min(self.size));
        }
    }
}

/// Ranges in their order, those that touch joined.
pub(crate) fn joined(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

/// The bytes that ranges hold together.
pub(crate) fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().fold(0, |sum: u64, range| sum.saturating_add(range.end.saturating_sub(range.start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_the_whole_and_what_is_missing_is_noted() {
        let file: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
        let ranges = joined(vec![150_000..150_100, 10..20, 15..30, 40..40, 30..35]);
        assert_eq!(ranges, [10..35, 150_000..150_100]);
        assert_eq!(total(&ranges), 125);
        for piece in [7, 100_000, 200_000] {
            let mut parts = Parts::new(file.len() as u64, &ranges);
            for (at, bytes) in (0..).step_by(piece).zip(file.chunks(piece)) {
                parts.take(&ranges, at, bytes);
            }
            let whole = Content::whole(&file);
            let content = Content::of_parts(&parts);
            assert_eq!((content.size(), content.bytes()), (200_000, None));
            for (start, size) in [(10, 25), (12, 1), (150_099, 1), (150_000, 100)] {
                assert_eq!(content.get(start, size).unwrap(), whole.get(start, size).unwrap());
                let inner = content.part(start, size);
                assert_eq!(inner.at_most(0, 1000), whole.part(start, size).bytes());
            }
            assert_eq!(content.read_bytes_at_until(11..30, 20), whole.read_bytes_at_until(11..30, 20));
            assert_eq!(content.read_bytes_at_until(11..20, 20), Err(()), "not in the range");
            assert_eq!(parts.take_missing(), []);
            let content = Content::of_parts(&parts);
            assert_eq!(content.get(9, 2), None);
            assert_eq!(content.get(199_999, 2), None, "beyond the end");
            assert_eq!(content.read_bytes_at_until(34..100, 0), Err(()));
            assert_eq!(parts.take_missing(), [9..9 + AT_LEAST, 34..34 + AT_LEAST]);
        }
    }
}
