//! The entries of one decompressed block: `key length, key, value length, value`, by ascending key.
//!
//! A value is the postcard encoding of a list of records.

use std::ops::Range;

/// Appends one entry.
pub(crate) fn append(block: &mut Vec<u8>, key: &str, value: &[u8]) {
    append_len(block, key.len());
    block.extend_from_slice(key.as_bytes());
    append_len(block, value.len());
    block.extend_from_slice(value);
}

/// Appends a number, seven bits a byte, as postcard does.
#[expect(clippy::cast_possible_truncation, reason = "the seven low bits are what is wanted")]
pub(crate) fn append_len(block: &mut Vec<u8>, mut len: usize) {
    while len >= 0x80 {
        block.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    block.push((len & 0x7f) as u8);
}

/// Where a key and its value are.
pub(crate) type Place = (Range<usize>, Range<usize>);

/// Walks over the entries of a block; ends with an error where the bytes make no sense.
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(crate) fn new(block: &'a [u8]) -> Self {
        Self { rest: block }
    }

    /// Where key and value of the next entry are in a block of `block_bytes`.
    pub(crate) fn next_place(&mut self, block_bytes: usize) -> Option<Result<Place, Malformed>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut place = || {
            let bytes = self.take()?.len();
            let end = block_bytes.checked_sub(self.rest.len())?;
            Some(end.checked_sub(bytes)?..end)
        };
        let found = place().and_then(|key| Some((key, place()?)));
        Some(found.ok_or(Malformed))
    }

    fn take(&mut self) -> Option<&'a [u8]> {
        let mut len = 0_usize;
        for shift in (0..35).step_by(7) {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            len |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let (taken, rest) = self.rest.split_at_checked(len)?;
                self.rest = rest;
                return Some(taken);
            }
        }
        None
    }
}

/// The bytes of a block make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.take().and_then(|key| Some((key, self.take()?)));
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry.ok_or(Malformed))
    }
}
