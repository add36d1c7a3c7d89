//! Tables of an SQLite file (SQLite, "Database File Format"): `rpmdb.sqlite`, the database of a Nix store.
//!
//! Only table b-trees are read, from the schema on page 1 on. A write-ahead log beside the file is not.

use std::borrow::Cow;

use super::pages::{Order, Pages};

const MAGIC: &[u8] = b"SQLite format 3\0";
const FILE_HEADER: usize = 100;
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;

/// Takes every record of a table, or the reason why one cannot be read.
type Each<'a> = &'a mut dyn FnMut(Result<&[u8], String>);

pub(super) fn is_sqlite(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Hands every row of a table to `each`, in the order of their numbers; one that cannot be read as its reason.
pub(super) fn rows(bytes: &[u8], table: &str, each: &mut dyn FnMut(Result<Row<'_>, String>)) -> Result<(), String> {
    let page_size = match Order::Big.u16(bytes, 16) {
        Some(1) => 65536,
        size => usize::from(size.unwrap_or_default()),
    };
    let reserved = usize::from(bytes.get(20).copied().unwrap_or_default());
    if !page_size.is_power_of_two() || page_size < 512 || page_size - reserved < 480 {
        return Err("the SQLite header has no valid page size".to_owned());
    }
    let mut file = File { pages: Pages::new(bytes, page_size), usable: page_size - reserved };
    let mut root = None;
    let mut schema_is_broken = false;
    file.rows(1, &mut |row| match row.map(Row) {
        Ok(row) => {
            if row.text(0) == Some(b"table") && row.text(1) == Some(table.as_bytes()) {
                root = row.integer(3).and_then(|page| usize::try_from(page).ok());
            }
        }
        Err(_) => schema_is_broken = true,
    });
    let Some(root) = root else {
        let nowhere = format!("there is no table `{table}`");
        return Err(if schema_is_broken { "the schema is broken".to_owned() } else { nowhere });
    };
    file.rows(root, &mut |row| each(row.map(Row)));
    // The count is only valid if the change counters agree.
    let pages = Order::Big.u32(bytes, 28).and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
    if Order::Big.u32(bytes, 24) == Order::Big.u32(bytes, 92) && pages > file.pages.count() {
        return Err(format!("cut short: {} of {pages} pages are there", file.pages.count()));
    }
    Ok(())
}

/// One row of a table.
#[derive(Clone, Copy)]
pub(super) struct Row<'a>(&'a [u8]);

impl<'a> Row<'a> {
    /// The text of a column, in the encoding of the database.
    pub(super) fn text(self, index: usize) -> Option<&'a [u8]> {
        match column(self.0, index) {
            Some(Column::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The bytes of a column.
    pub(super) fn blob(self, index: usize) -> Option<&'a [u8]> {
        match column(self.0, index) {
            Some(Column::Blob(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The whole number of a column that is not the row's own number, which lies elsewhere. None is below zero here.
    pub(super) fn integer(self, index: usize) -> Option<u64> {
        match column(self.0, index) {
            Some(Column::Integer(number)) => Some(number),
            _ => None,
        }
    }
}

struct File<'a> {
    pages: Pages<'a>,
    /// Bytes of a page without those reserved for extensions.
    usable: usize,
}

impl<'a> File<'a> {
    /// Hands the record of every row of the table with this root page to `each`.
    fn rows(&mut self, root: usize, each: Each<'_>) {
        // Pages are taken before they wait, so that no more wait than there are.
        let mut waiting = Vec::new();
        self.wait(root, &mut waiting, each);
        while let Some((number, page)) = waiting.pop() {
            let start = if number == 1 { FILE_HEADER } else { 0 };
            match page.get(start) {
                Some(&INTERIOR) => {
                    // The last child stands in the page header; the first is popped first.
                    let last = Order::Big.u32(page, start + 8);
                    let first = waiting.len();
                    for child in cells(page, start, 12).map(|cell| Order::Big.u32(cell?, 0)).chain([last]) {
                        self.wait(child.and_then(|child| usize::try_from(child).ok()).unwrap_or(0), &mut waiting, each);
                    }
                    waiting.get_mut(first..).unwrap_or_default().reverse();
                }
                Some(&LEAF) => {
                    for cell in cells(page, start, 8) {
                        match cell.and_then(|cell| self.record(cell)) {
                            Some(record) => each(Ok(&record)),
                            None => each(Err(format!("a row of page {number} lies in a broken chain of pages"))),
                        }
                    }
                }
                _ => each(Err(format!("page {number} is not one of a table"))),
            }
        }
    }

    fn wait(&mut self, number: usize, waiting: &mut Vec<(usize, &'a [u8])>, each: Each<'_>) {
        match number.checked_sub(1).and_then(|index| self.pages.take(index)) {
            Some(page) => waiting.push((number, page)),
            None => each(Err(format!("page {number} is missing, or used twice"))),
        }
    }

    /// The record of a cell of a leaf, which goes on in overflow pages if it is long.
    fn record(&mut self, cell: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let (length, rest) = varint(cell)?;
        let (_row, rest) = varint(rest)?;
        let length = usize::try_from(length).ok()?;
        let most = self.usable - 35;
        if length <= most {
            return rest.get(..length).map(Cow::Borrowed);
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (length - least) % (self.usable - 4);
        let local = if local <= most { local } else { least };
        let mut record = rest.get(..local)?.to_vec();
        let mut next = Order::Big.u32(rest, local)?;
        while record.len() < length {
            let page = self.pages.take(usize::try_from(next).ok()?.checked_sub(1)?)?;
            let part = page.get(4..self.usable)?;
            record.extend_from_slice(part.get(..length - record.len()).unwrap_or(part));
            next = Order::Big.u32(page, 0)?;
        }
        Some(Cow::Owned(record))
    }
}

/// The cells of a page, each to the end of the page.
fn cells(page: &[u8], start: usize, header: usize) -> impl Iterator<Item = Option<&[u8]>> {
    let count = usize::from(Order::Big.u16(page, start + 3).unwrap_or_default());
    // More pointers than fit would be read from the page's end: `None` each.
    (0..count.min(page.len() / 2)).map(move |index| {
        let at = Order::Big.u16(page, start + header + 2 * index)?;
        page.get(usize::from(at)..)
    })
}

/// A value of a record, as far as it is of use here.
enum Column<'a> {
    Integer(u64),
    Text(&'a [u8]),
    Blob(&'a [u8]),
    Other,
}

/// A column of a record: a header of types, then the values.
fn column(record: &[u8], wanted: usize) -> Option<Column<'_>> {
    let (header, mut types) = varint(record)?;
    let header = usize::try_from(header).ok()?;
    // What is left of the header, without the bytes of its own length.
    types = types.get(..header.checked_sub(record.len() - types.len())?)?;
    let mut at = header;
    for index in 0.. {
        let (kind, rest) = varint(types)?;
        types = rest;
        let length = match kind {
            0..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            8..=11 => 0,
            _ => (kind - 12) / 2,
        };
        let end = at.checked_add(usize::try_from(length).ok()?)?;
        if index == wanted {
            let value = record.get(at..end)?;
            return Some(match kind {
                8 => Column::Integer(0),
                1..=6 => Column::Integer(value.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))),
                9 => Column::Integer(1),
                12.. if kind % 2 == 0 => Column::Blob(value),
                13.. => Column::Text(value),
                _ => Column::Other,
            });
        }
        at = end;
    }
    None
}

/// A number of seven bits a byte, most significant first; the ninth byte counts whole.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        if index == 8 {
            return Some((value << 8 | u64::from(byte), bytes.get(9..)?));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
