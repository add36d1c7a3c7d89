//! Berkeley DB hash, the form of Red Hat up to 8 and of old SUSE, in either byte order.
//!
//! Format: Berkeley DB source, `dbinc/db_page.h`: page 0 is the metadata; a hash page holds an index of offsets, in
//! pairs of key and value; a large value lies in a chain of overflow pages.

use super::Sink;
use super::bytes::{size_at, slice, u16_at, u32_at};

const MAGIC: u32 = 0x0006_1561;
const PAGE_HEADER: usize = 26;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Begins like a hash database.
pub(super) fn is(data: &[u8]) -> bool {
    [false, true].into_iter().any(|big_endian| u32_at(data, 12, big_endian) == Some(MAGIC))
}

/// Hands every header blob to `sink`.
pub(super) fn read(data: &[u8], sink: Sink<'_>) -> Result<(), &'static str> {
    let big_endian = u32_at(data, 12, true) == Some(MAGIC);
    let page_size = size_at(data, 20, big_endian).ok_or("truncated header")?;
    if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
        return Err("impossible page size");
    }
    let file = File { data, page_size, big_endian };
    let mut outcome = if data.len().is_multiple_of(page_size) { Ok(()) } else { Err("truncated page") };
    for page in data.chunks_exact(page_size).skip(1) {
        if !matches!(page.get(25), Some(&(HASH | HASH_UNSORTED))) {
            continue;
        }
        let entries = u16_at(page, 20, big_endian).map_or(0, usize::from);
        for value in (1..entries).step_by(2) {
            match file.value(page, value) {
                // The value of key 0 is a counter and no header.
                Some(blob) if blob.len() < 16 => {}
                Some(blob) => {
                    if !sink(&blob) {
                        return outcome;
                    }
                }
                None => outcome = Err("a value is damaged"),
            }
        }
    }
    outcome
}

struct File<'a> {
    data: &'a [u8],
    page_size: usize,
    big_endian: bool,
}

impl File<'_> {
    fn value(&self, page: &[u8], index: usize) -> Option<Vec<u8>> {
        let offset = |index: usize| u16_at(page, PAGE_HEADER + 2 * index, self.big_endian).map(usize::from);
        let at = offset(index)?;
        match *page.get(at)? {
            // Items grow down from the end of the page, so one ends where the one before begins.
            KEY_DATA => page.get(at + 1..offset(index.checked_sub(1)?)?).map(<[u8]>::to_vec),
            OFF_PAGE => {
                let first = size_at(page, at + 4, self.big_endian)?;
                self.chain(first, size_at(page, at + 8, self.big_endian)?)
            }
            _ => None,
        }
    }

    /// `length` bytes of the overflow pages from `number` on.
    fn chain(&self, mut number: usize, length: usize) -> Option<Vec<u8>> {
        if length > self.data.len() {
            return None;
        }
        let mut value = Vec::new();
        // Every page must add something, so a cycle ends when the length is reached.
        while value.len() < length {
            let page = slice(self.data, number.checked_mul(self.page_size)?, self.page_size)?;
            let used = usize::from(u16_at(page, 22, self.big_endian)?);
            if number == 0 || page.get(25) != Some(&OVERFLOW) || used == 0 {
                return None;
            }
            value.extend_from_slice(slice(page, PAGE_HEADER, used)?);
            number = size_at(page, 16, self.big_endian)?;
        }
        value.truncate(length);
        Some(value)
    }
}
