//! Which parts of a layer are fetched, and their bytes in order.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};
use std::ops::Range;

use killick_model::digest::Digest;

use super::PartSource;
use super::build::Table;

/// Bytes that are fetched though nobody wants them, rather than ask once more.
const GAP: u64 = 128 << 10;

/// Requests for one layer at most.
const PARTS: usize = 256;

/// Parts that are on their way at the same time, each with a short channel.
const AT_ONCE: usize = 4;

const BUFFER: usize = 64 << 10;

/// The parts that have the files of these numbers.
pub(super) fn of(table: &Table, files: &[u32]) -> Vec<Range<u64>> {
    let pieces = files.iter().flat_map(|file| table.pieces(*file)).filter(|piece| !piece.is_zeros);
    let mut parts = joined(pieces.map(|piece| piece.first..piece.end), GAP);
    let mut gap = GAP;
    while parts.len() > PARTS {
        gap = gap.saturating_mul(2);
        parts = joined(parts.into_iter(), gap);
    }
    parts
}

/// Joins what lies no further apart than `gap`.
fn joined(parts: impl Iterator<Item = Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if part.start <= last.end.saturating_add(gap) => last.end = last.end.max(part.end),
            _ => joined.push(part),
        }
    }
    joined
}

/// Reads parts forward, a few of them ahead.
pub(super) struct Parts {
    source: PartSource,
    /// Not asked for yet.
    waiting: VecDeque<Range<u64>>,
    /// Asked for; the first is being read.
    open: VecDeque<(Range<u64>, Box<dyn Read + Send>)>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Where in the layer the next byte lies.
    position: u64,
    /// Where the piece that is being read ends.
    limit: u64,
}

impl Parts {
    pub(super) fn new(source: PartSource, parts: Vec<Range<u64>>) -> io::Result<Self> {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        let (waiting, open) = (parts.into(), VecDeque::new());
        let mut parts = Self { source, waiting, open, buffer, start: 0, end: 0, position: 0, limit: 0 };
        parts.ask()?;
        parts.position = parts.open.front().map_or(0, |(range, _)| range.start);
        Ok(parts)
    }

    /// The layer that they are of.
    pub(super) fn diff_id(&self) -> &Digest {
        &self.source.diff_id
    }

    fn ask(&mut self) -> io::Result<()> {
        while self.open.len() < AT_ONCE
            && let Some(part) = self.waiting.pop_front()
        {
            let reader = self.source.open(part.clone())?;
            self.open.push_back((part, reader));
        }
        Ok(())
    }

    /// Goes forward to a piece, of which nothing but its own bytes is read then.
    pub(super) fn go_to(&mut self, piece: Range<u64>) -> io::Result<()> {
        while self.open.front().is_some_and(|(part, _)| part.end <= piece.start) {
            self.open.pop_front();
            (self.start, self.end) = (0, 0);
            self.ask()?;
            self.position = self.open.front().map_or(self.position, |(part, _)| part.start);
        }
        self.limit = piece.start;
        loop {
            let passed = self.fill_buf()?.len();
            if passed == 0 {
                break;
            }
            self.consume(passed);
        }
        self.limit = piece.end;
        Ok(())
    }
}

impl BufRead for Parts {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end && self.position < self.limit {
            let Some((_, reader)) = self.open.front_mut() else { return Ok(&[]) };
            (self.start, self.end) = (0, 0);
            self.end = loop {
                match reader.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    outcome => break outcome?,
                }
            };
        }
        let left = usize::try_from(self.limit.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let ready = self.buffer.get(self.start..self.end).unwrap_or_default();
        Ok(ready.get(..left).unwrap_or(ready))
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(count);
        self.position = self.position.saturating_add(count as u64);
    }
}

impl Read for Parts {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_parts_are_joined() {
        let join = |parts: &[(u64, u64)], gap| {
            let joined = joined(parts.iter().map(|(start, end)| *start..*end), gap);
            joined.into_iter().map(|part| (part.start, part.end)).collect::<Vec<_>>()
        };
        assert_eq!(join(&[(1, 3), (3, 5), (7, 9), (20, 21)], 2), [(1, 9), (20, 21)]);
        assert_eq!(join(&[(1, 9), (2, 3)], 0), [(1, 9)]);
        assert_eq!(join(&[], 5), []);
        assert_eq!(join(&[(0, u64::MAX), (5, 6)], u64::MAX), [(0, u64::MAX)]);
    }
}
