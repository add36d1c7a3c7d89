//! Reading SQLite database files: tables by row id or from end to end, nothing else.
//!
//! <https://www.sqlite.org/fileformat2.html>. The library itself is written in C and follows whatever a file says; what is
//! needed of it here are table b-trees and records, and every number of a foreign file is checked.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Largest record.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// Pages from the root of a table to a leaf.
const MAX_DEPTH: usize = 24;

/// A database.
pub(super) struct Database {
    file: File,
    page_bytes: usize,
    /// Bytes of a page that are used.
    usable: usize,
    pages: u64,
    tables: HashMap<String, Table>,
}

/// A table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    root: u32,
    columns: Vec<String>,
    /// The column that is the row id under another name.
    key: Option<usize>,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Bytes, which no column read here has.
    Blob,
}

/// A row: its values by the names of their columns.
pub(super) struct Row<'a> {
    columns: &'a [String],
    values: Vec<Value>,
}

impl Row<'_> {
    pub(super) fn value(&self, column: &str) -> Option<&Value> {
        self.values.get(self.columns.iter().position(|name| name == column)?)
    }

    pub(super) fn integer(&self, column: &str) -> Option<i64> {
        match self.value(column)? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn real(&self, column: &str) -> Option<f64> {
        match self.value(column)? {
            #[expect(clippy::cast_precision_loss, reason = "a whole number where a fraction was meant")]
            Value::Integer(number) => Some(*number as f64),
            Value::Real(number) => Some(*number),
            _ => None,
        }
    }

    /// The text; empty where there is none.
    pub(super) fn text(&self, column: &str) -> &str {
        match self.value(column) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

impl Database {
    /// Reads header and schema.
    pub(super) fn open(file: File) -> Result<Self, String> {
        let mut header = [0; 100];
        file.read_exact_at(&mut header, 0).map_err(|error| error.to_string())?;
        if !header.starts_with(b"SQLite format 3\0") {
            return Err("it is no SQLite database".to_owned());
        }
        let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            bytes => usize::from(bytes),
        };
        let usable = page_bytes.saturating_sub(usize::from(header[20]));
        if !page_bytes.is_power_of_two() || page_bytes < 512 || usable < 480 {
            return Err(format!("pages of {page_bytes} bytes make no sense"));
        }
        if u32::from_be_bytes([header[56], header[57], header[58], header[59]]) > 1 {
            return Err("its text is not UTF-8".to_owned());
        }
        let stated = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
        let pages = file.metadata().map_err(|error| error.to_string())?.len() / page_bytes as u64;
        if u64::from(stated) > pages {
            return Err(format!("it breaks off after {pages} of {stated} pages"));
        }
        let mut database = Self { file, page_bytes, usable, pages, tables: HashMap::new() };
        let schema = Table {
            root: 1,
            columns: ["type", "name", "tbl_name", "rootpage", "sql"].map(str::to_owned).to_vec(),
            key: None,
        };
        let mut tables = HashMap::new();
        database.scan_table(&schema, &mut |row| {
            let root = row.integer("rootpage").and_then(|root| u32::try_from(root).ok());
            if row.text("type") == "table"
                && let Some(root) = root
            {
                let (columns, key) = columns(row.text("sql"));
                tables.insert(row.text("name").to_owned(), Table { root, columns, key });
            }
            Ok(())
        })?;
        database.tables = tables;
        Ok(database)
    }

    fn table(&self, name: &str) -> Result<&Table, String> {
        self.tables.get(name).ok_or_else(|| format!("it has no table `{name}`"))
    }

    /// Calls `each` with every row of a table, ascending by row id.
    pub(super) fn scan(&self, table: &str, each: &mut dyn FnMut(&Row<'_>) -> Result<(), String>) -> Result<(), String> {
        self.scan_table(self.table(table)?, each)
    }

    fn scan_table(&self, table: &Table, each: &mut dyn FnMut(&Row<'_>) -> Result<(), String>) -> Result<(), String> {
        let mut left = self.pages;
        let mut open = vec![(table.root, 0)];
        while let Some((number, depth)) = open.pop() {
            // Every page belongs to one place: whoever visits more than there are goes round in a circle.
            left = left.checked_sub(1).ok_or("its pages go round in a circle")?;
            if depth > MAX_DEPTH {
                return Err("its tables are too deep".to_owned());
            }
            let page = self.page(number)?;
            match page.kind()? {
                Kind::Leaf => {
                    for cell in page.cells() {
                        let (id, payload) = self.leaf_cell(&page, cell)?;
                        each(&table.row(id, &payload)?)?;
                    }
                }
                Kind::Interior => {
                    // The last one first: what is taken next is what was added last.
                    open.push((page.right()?, depth + 1));
                    for cell in page.cells().rev() {
                        open.push((page.number_at(cell)?, depth + 1));
                    }
                }
            }
        }
        Ok(())
    }

    /// The row with this id; `None` where there is none.
    pub(super) fn get(&self, table: &str, id: i64) -> Result<Option<Row<'_>>, String> {
        let table = self.table(table)?;
        let mut number = table.root;
        for _ in 0..MAX_DEPTH {
            let page = self.page(number)?;
            match page.kind()? {
                Kind::Leaf => {
                    for cell in page.cells() {
                        let (_, rest) = varint(page.bytes.get(cell..).ok_or(BROKEN)?)?;
                        if varint(rest)?.0.cast_signed() == id {
                            let (id, payload) = self.leaf_cell(&page, cell)?;
                            return table.row(id, &payload).map(Some);
                        }
                    }
                    return Ok(None);
                }
                Kind::Interior => {
                    number = page.right()?;
                    for cell in page.cells() {
                        let key = varint(page.bytes.get(cell + 4..).ok_or(BROKEN)?)?.0.cast_signed();
                        if id <= key {
                            number = page.number_at(cell)?;
                            break;
                        }
                    }
                }
            }
        }
        Err("its tables are too deep".to_owned())
    }

    fn page(&self, number: u32) -> Result<Page, String> {
        if number == 0 || u64::from(number) > self.pages {
            return Err(format!("it has no page {number}"));
        }
        let mut bytes = vec![0; self.page_bytes];
        let offset = u64::from(number - 1) * self.page_bytes as u64;
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| format!("page {number}: {error}"))?;
        Ok(Page { bytes, header: if number == 1 { 100 } else { 0 } })
    }

    /// Row id and payload of a cell of a leaf.
    fn leaf_cell(&self, page: &Page, cell: usize) -> Result<(i64, Vec<u8>), String> {
        let (len, rest) = varint(page.bytes.get(cell..).ok_or(BROKEN)?)?;
        let (id, rest) = varint(rest)?;
        if len > MAX_RECORD_BYTES {
            return Err(format!("a record of {len} bytes is too large"));
        }
        let len = usize::try_from(len).map_err(|_| BROKEN)?;
        let most = self.usable - 35;
        let local = if len <= most {
            len
        } else {
            let least = (self.usable - 12) * 32 / 255 - 23;
            let local = least + (len - least) % (self.usable - 4);
            if local <= most { local } else { least }
        };
        let mut payload = rest.get(..local).ok_or(BROKEN)?.to_vec();
        let mut next = if local < len { rest.get(local..).and_then(|rest| rest.first_chunk::<4>()) } else { None }
            .map_or(0, |bytes| u32::from_be_bytes(*bytes));
        while payload.len() < len {
            let overflow = self.page(next)?;
            next = overflow.number(0)?;
            let wanted = (len - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(overflow.bytes.get(4..4 + wanted).ok_or(BROKEN)?);
        }
        Ok((id.cast_signed(), payload))
    }
}

const BROKEN: &str = "a cell ends before it should";

enum Kind {
    Interior,
    Leaf,
}

struct Page {
    bytes: Vec<u8>,
    /// Where its header begins: the first page has the database's before it.
    header: usize,
}

impl Page {
    fn kind(&self) -> Result<Kind, String> {
        match self.bytes.get(self.header) {
            Some(0x05) => Ok(Kind::Interior),
            Some(0x0d) => Ok(Kind::Leaf),
            _ => Err("a page is of no table".to_owned()),
        }
    }

    fn short(&self, at: usize) -> usize {
        self.bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<2>())
            .map_or(0, |two| usize::from(u16::from_be_bytes(*two)))
    }

    fn number(&self, at: usize) -> Result<u32, String> {
        let four = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(BROKEN)?;
        Ok(u32::from_be_bytes(*four))
    }

    fn number_at(&self, cell: usize) -> Result<u32, String> {
        self.number(cell)
    }

    /// The last child.
    fn right(&self) -> Result<u32, String> {
        self.number(self.header + 8)
    }

    /// Where its cells begin.
    fn cells(&self) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let is_leaf = self.bytes.get(self.header) == Some(&0x0d);
        let first = self.header + if is_leaf { 8 } else { 12 };
        (0..self.short(self.header + 3)).map(move |cell| self.short(first + cell * 2))
    }
}

impl Table {
    fn row(&self, id: i64, payload: &[u8]) -> Result<Row<'_>, String> {
        let (header_bytes, types) = varint(payload)?;
        let header_bytes = usize::try_from(header_bytes).map_err(|_| BROKEN)?;
        let mut types = types.get(..header_bytes.saturating_sub(payload.len() - types.len())).ok_or(BROKEN)?;
        let mut content = payload.get(header_bytes..).ok_or(BROKEN)?;
        let mut values = Vec::with_capacity(self.columns.len());
        while !types.is_empty() && values.len() < self.columns.len() {
            let (kind, rest) = varint(types)?;
            types = rest;
            let (value, rest) = value(kind, content)?;
            content = rest;
            values.push(value);
        }
        // Columns that were added later are missing in older rows.
        values.resize(self.columns.len(), Value::Null);
        if let Some(slot) = self.key.and_then(|key| values.get_mut(key)) {
            *slot = Value::Integer(id);
        }
        Ok(Row { columns: &self.columns, values })
    }
}

/// A value of this serial type, and what follows.
fn value(kind: u64, content: &[u8]) -> Result<(Value, &[u8]), String> {
    let len = match kind {
        0 | 8 | 9 => 0,
        1..=4 => kind,
        5 => 6,
        6 | 7 => 8,
        10 | 11 => return Err("a record has a type that does not exist".to_owned()),
        kind => (kind - 12) / 2,
    };
    let (bytes, rest) = content.split_at_checked(usize::try_from(len).map_err(|_| BROKEN)?).ok_or(BROKEN)?;
    let integer = || {
        let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
        bytes.iter().fold(if negative { -1_i64 } else { 0 }, |number, byte| (number << 8) | i64::from(*byte))
    };
    let value = match kind {
        0 => Value::Null,
        7 => Value::Real(f64::from_bits(integer().cast_unsigned())),
        8 => Value::Integer(0),
        9 => Value::Integer(1),
        1..=6 => Value::Integer(integer()),
        kind if kind % 2 == 1 => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        _ => Value::Blob,
    };
    Ok((value, rest))
}

/// A number of one to nine bytes, and what follows.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), String> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Ok(((number << 8) | u64::from(*byte), &bytes[9..]));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((number, &bytes[at + 1..]));
        }
    }
    Err(BROKEN.to_owned())
}

/// Names of the columns in a `CREATE TABLE`, and which of them is the row id.
fn columns(sql: &str) -> (Vec<String>, Option<usize>) {
    let body = sql.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(body, _)| body);
    let (mut depth, mut quote, mut definitions) = (0_usize, None, vec![String::new()]);
    for letter in body.chars() {
        match (quote, letter) {
            (Some(end), letter) if letter == end => quote = None,
            (None, '"' | '`' | '\'') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                definitions.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = definitions.last_mut() {
            last.push(letter);
        }
    }
    let clean = |word: &str| word.trim_matches(['`', '"', '[', ']', '(', ')', ' ']).to_owned();
    let (mut names, mut integers, mut key) = (Vec::new(), Vec::new(), None);
    for definition in &definitions {
        let upper = definition.trim().to_ascii_uppercase();
        let first = definition.split_whitespace().next().map(clean).unwrap_or_default();
        if ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|word| upper.starts_with(word)) {
            // `PRIMARY KEY (id)`: the row id, where that column is an integer.
            if let Some((_, columns)) = definition.split_once('(').filter(|_| upper.contains("PRIMARY KEY")) {
                let column = clean(columns);
                key = key.or(names.iter().position(|name| *name == column));
            }
            continue;
        }
        if upper.contains("PRIMARY KEY") {
            key = Some(names.len());
        }
        integers.push(upper.split_whitespace().nth(1) == Some("INTEGER"));
        names.push(first);
    }
    let key = key.filter(|key| integers.get(*key) == Some(&true));
    (names, key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_named() {
        let sql = "CREATE TABLE `a` (`id` integer PRIMARY KEY AUTOINCREMENT,`name` text NOT NULL DEFAULT 'x,y',\"b c\" \
                   numeric(1,2),CONSTRAINT `fk` FOREIGN KEY (`b`) REFERENCES `c`(`id`))";
        assert_eq!(
            columns(sql),
            (vec!["id".to_owned(), "name".to_owned(), "\"b".trim_matches('"').to_owned()], Some(0))
        );
        assert_eq!(columns("CREATE TABLE b (x text, id integer, PRIMARY KEY (`id`))").1, Some(1));
        assert_eq!(columns("CREATE TABLE b (id text, PRIMARY KEY (id))").1, None);
        assert_eq!(columns("nonsense"), (vec![String::new()], None));
    }

    #[test]
    fn numbers_have_up_to_nine_bytes() {
        assert_eq!(varint(&[0x7f, 1]), Ok((127, &[1][..])));
        assert_eq!(varint(&[0x81, 0x00]), Ok((128, &[][..])));
        assert_eq!(varint(&[0xff; 9]), Ok((u64::MAX, &[][..])));
        assert!(varint(&[0xff]).is_err());
        assert_eq!(value(1, &[0xff]), Ok((Value::Integer(-1), &[][..])));
        assert_eq!(value(2, &[0x01, 0x00]), Ok((Value::Integer(256), &[][..])));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048), id in any::<i64>()) {
            let header = b"SQLite format 3\0\x02\x00\x01\x01\x00";
            for (slot, byte) in bytes.iter_mut().zip(header) {
                *slot = *byte;
            }
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            if let Ok(database) = Database::open(file) {
                for table in database.tables.keys() {
                    let _ = database.scan(table, &mut |_| Ok(()));
                    let _ = database.get(table, id);
                }
            }
        }
    }
}
