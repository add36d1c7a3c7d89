//! SQLite, the form of Fedora and of Red Hat since 9: the rows of table `Packages (hnum, blob)`.
//!
//! Format: sqlite.org, "Database File Format", sections 1.3 to 1.6 and 2.1.

use super::Sink;
use super::bytes::{size_at, slice, u16_at};

const LEAF: u8 = 13;
const INTERIOR: u8 = 5;

/// Begins like an SQLite database.
pub(super) fn is(data: &[u8]) -> bool {
    data.starts_with(b"SQLite format 3\0")
}

/// Hands every header blob to `sink`.
pub(super) fn read(data: &[u8], sink: Sink<'_>) -> Result<(), &'static str> {
    let page_size = match u16_at(data, 16, true) {
        Some(1) => 65536,
        Some(size) if size >= 512 && size.is_power_of_two() => usize::from(size),
        _ => return Err("impossible page size"),
    };
    let reserved = data.get(20).map_or(0, |&byte| usize::from(byte));
    if page_size - reserved < 480 {
        return Err("impossible reserved space");
    }
    let file = File { data, page_size, usable: page_size - reserved };
    let root = file.rows(1, &mut |record| {
        let named = column(record, 0) == Some(b"table") && column(record, 1) == Some(b"Packages");
        named.then(|| column(record, 3)).flatten().map(integer)
    })?;
    let root = root.ok_or("no table `Packages`")?;
    file.rows(root, &mut |record| {
        let blob = column(record, 1)?;
        (!sink(blob)).then_some(0)
    })?;
    Ok(())
}

struct File<'a> {
    data: &'a [u8],
    page_size: usize,
    usable: usize,
}

/// What a visitor of records does: `Some` ends the walk with that number.
type Visit<'a> = &'a mut dyn FnMut(&[u8]) -> Option<usize>;

impl<'a> File<'a> {
    fn page(&self, number: usize) -> Option<&'a [u8]> {
        slice(self.data, number.checked_sub(1)?.checked_mul(self.page_size)?, self.page_size)
    }

    /// Visits the records of the table whose tree begins at page `root`, each page at most once.
    fn rows(&self, root: usize, visit: Visit<'_>) -> Result<Option<usize>, &'static str> {
        let mut seen = vec![false; self.data.len() / self.page_size + 1];
        let mut waiting = vec![root];
        while let Some(number) = waiting.pop() {
            let page = self.page(number).ok_or("a page lies outside the file")?;
            match seen.get_mut(number) {
                Some(seen) if !*seen => *seen = true,
                _ => return Err("a page belongs to two places of a tree"),
            }
            let start = if number == 1 { 100 } else { 0 };
            let kind = *page.get(start).ok_or("truncated page")?;
            let cells = u16_at(page, start + 3, true).map_or(0, usize::from);
            let pointers = start + if kind == INTERIOR { 12 } else { 8 };
            let cell = |index: usize| u16_at(page, pointers + 2 * index, true).map(usize::from);
            match kind {
                INTERIOR => {
                    waiting.push(size_at(page, start + 8, true).ok_or("truncated page")?);
                    for index in (0..cells).rev() {
                        let child = cell(index).and_then(|at| size_at(page, at, true));
                        waiting.push(child.ok_or("a cell lies outside its page")?);
                    }
                }
                LEAF => {
                    for index in 0..cells {
                        let payload = cell(index).and_then(|at| self.payload(page, at));
                        if let Some(answer) = visit(&payload.ok_or("a row is damaged")?) {
                            return Ok(Some(answer));
                        }
                    }
                }
                _ => return Err("a page of an unknown kind"),
            }
        }
        Ok(None)
    }

    /// The record of the leaf cell at `at`, with its overflow pages.
    fn payload(&self, page: &[u8], at: usize) -> Option<Vec<u8>> {
        let (length, after) = varint(page, at)?;
        let (_row, start) = varint(page, after)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.data.len())?;
        let most = self.usable.checked_sub(35)?;
        let local = if length <= most {
            length
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let fitting = least + (length - least) % (self.usable - 4);
            if fitting <= most { fitting } else { least }
        };
        let mut payload = slice(page, start, local)?.to_vec();
        let mut next = if local < length { size_at(page, start + local, true)? } else { 0 };
        while payload.len() < length {
            let page = self.page(next)?;
            let take = (length - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(slice(page, 4, take)?);
            next = size_at(page, 0, true)?;
        }
        Some(payload)
    }
}

/// Column `wanted` of a record: its raw bytes.
fn column(record: &[u8], wanted: usize) -> Option<&[u8]> {
    let (header, mut at) = varint(record, 0)?;
    let header = usize::try_from(header).ok()?;
    let mut body = header;
    for index in 0.. {
        if at >= header {
            return None;
        }
        let (kind, after) = varint(record, at)?;
        at = after;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            kind => usize::try_from((kind - 12) / 2).ok()?,
        };
        if index == wanted {
            return slice(record, body, length);
        }
        body = body.checked_add(length)?;
    }
    None
}

/// A big-endian integer of a few bytes.
fn integer(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |value, &byte| (value << 8) | usize::from(byte))
}

/// A variable-length integer at `at`, and where it ends.
fn varint(data: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for index in 0..8 {
        let byte = *data.get(at.checked_add(index)?)?;
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    Some(((value << 8) | u64::from(*data.get(at.checked_add(8)?)?), at + 9))
}
