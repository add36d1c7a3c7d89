//! The name and version of an assembly, from the metadata in it.
//!
//! Format: ECMA-335, partition II: 24.2.1 the root, 24.2.6 the stream of tables, 22 the tables, of which the assembly's
//! is one. How wide a row is depends on how large the heaps are and how many rows other tables have, so the tables
//! before it are described here, and nothing of them is read.

/// Name and version of an assembly.
#[derive(Debug, PartialEq)]
pub(super) struct Assembly {
    pub(super) name: String,
    pub(super) version: String,
}

/// What a root begins with.
const SIGNATURE: &[u8] = b"BSJB";

/// Streams of an image; there are five kinds.
const STREAMS: usize = 16;

/// Bytes of a name.
const NAME_BYTES: usize = 1024;

/// The number of the table.
const ASSEMBLY: usize = 0x20;

/// A column of a table.
enum Column {
    /// So many bytes.
    Bytes(usize),
    /// A place in the heap of texts, identifiers or blobs.
    Text,
    Guid,
    Blob,
    /// A row of a table.
    Row(usize),
    /// A row of one of several tables, which some bits tell apart.
    Any(u32, &'static [usize]),
}

use Column::{Any, Blob, Bytes, Guid, Row, Text};

const TYPE_DEF_OR_REF: Column = Any(2, &[0x02, 0x01, 0x1b]);
const HAS_CONSTANT: Column = Any(2, &[0x04, 0x08, 0x17]);
const HAS_CUSTOM_ATTRIBUTE: Column = Any(
    5,
    &[
        0x06, 0x04, 0x01, 0x02, 0x08, 0x09, 0x0a, 0x00, 0x0e, 0x17, 0x14, 0x11, 0x1a, 0x1b, 0x20, 0x23, 0x26, 0x27,
        0x28, 0x2a, 0x2c, 0x2b,
    ],
);
const HAS_FIELD_MARSHAL: Column = Any(1, &[0x04, 0x08]);
const HAS_DECL_SECURITY: Column = Any(2, &[0x02, 0x06, 0x20]);
const MEMBER_REF_PARENT: Column = Any(3, &[0x02, 0x01, 0x1a, 0x06, 0x1b]);
const HAS_SEMANTICS: Column = Any(1, &[0x14, 0x17]);
const METHOD_DEF_OR_REF: Column = Any(1, &[0x06, 0x0a]);
const MEMBER_FORWARDED: Column = Any(1, &[0x04, 0x06]);
const CUSTOM_ATTRIBUTE_TYPE: Column = Any(3, &[0x06, 0x0a]);
const RESOLUTION_SCOPE: Column = Any(2, &[0x00, 0x1a, 0x23, 0x01]);

/// The columns of the tables before the assembly's, by number.
const TABLES: [&[Column]; ASSEMBLY] = [
    &[Bytes(2), Text, Guid, Guid, Guid],
    &[RESOLUTION_SCOPE, Text, Text],
    &[Bytes(4), Text, Text, TYPE_DEF_OR_REF, Row(0x04), Row(0x06)],
    &[Row(0x04)],
    &[Bytes(2), Text, Blob],
    &[Row(0x06)],
    &[Bytes(8), Text, Blob, Row(0x08)],
    &[Row(0x08)],
    &[Bytes(4), Text],
    &[Row(0x02), TYPE_DEF_OR_REF],
    &[MEMBER_REF_PARENT, Text, Blob],
    &[Bytes(2), HAS_CONSTANT, Blob],
    &[HAS_CUSTOM_ATTRIBUTE, CUSTOM_ATTRIBUTE_TYPE, Blob],
    &[HAS_FIELD_MARSHAL, Blob],
    &[Bytes(2), HAS_DECL_SECURITY, Blob],
    &[Bytes(6), Row(0x02)],
    &[Bytes(4), Row(0x04)],
    &[Blob],
    &[Row(0x02), Row(0x14)],
    &[Row(0x14)],
    &[Bytes(2), Text, TYPE_DEF_OR_REF],
    &[Row(0x02), Row(0x17)],
    &[Row(0x17)],
    &[Bytes(2), Text, Blob],
    &[Bytes(2), Row(0x06), HAS_SEMANTICS],
    &[Row(0x02), METHOD_DEF_OR_REF, METHOD_DEF_OR_REF],
    &[Text],
    &[Blob],
    &[Bytes(2), MEMBER_FORWARDED, Text, Row(0x1a)],
    &[Bytes(4), Row(0x04)],
    &[Bytes(8)],
    &[Bytes(4)],
];

/// The assembly that the metadata are of; `None` for a module without one, and for what is no metadata.
pub(super) fn assembly(metadata: &[u8]) -> Option<Assembly> {
    if !metadata.starts_with(SIGNATURE) {
        return None;
    }
    // Old builds with edit-and-continue data have the stream under the second name.
    let tables = stream(metadata, &[b"#~", b"#-"])?;
    let heaps = *tables.get(6)?;
    let valid = tables.get(8..)?.first_chunk().map(|raw| u64::from_le_bytes(*raw))?;
    let mut rows = [0_usize; 64];
    let mut at = 24;
    for (table, rows) in rows.iter_mut().enumerate() {
        if valid >> table & 1 == 1 {
            *rows = usize::try_from(u32_at(tables, at)?).ok()?;
            at += 4;
        }
    }
    let wide = |bit: u8| if heaps & bit == 0 { 2 } else { 4 };
    let count = |table: usize| rows.get(table).copied().unwrap_or_default();
    let width = |column: &Column| match column {
        Bytes(count) => *count,
        Text => wide(1),
        Guid => wide(2),
        Blob => wide(4),
        Row(table) => index_width(count(*table), 0),
        Any(bits, tables) => index_width(tables.iter().map(|table| count(*table)).max().unwrap_or_default(), *bits),
    };
    for (table, columns) in TABLES.iter().enumerate() {
        let row: usize = columns.iter().map(width).sum();
        at = at.checked_add(row.checked_mul(count(table))?)?;
    }
    if count(ASSEMBLY) == 0 {
        return None;
    }
    // The hash algorithm, four numbers, flags, the public key; then the name.
    let row = tables.get(at..)?;
    let number = |at: usize| row.get(at..)?.first_chunk().map(|raw| u16::from_le_bytes(*raw));
    let version = [number(4)?, number(6)?, number(8)?, number(10)?].map(|number| number.to_string()).join(".");
    let name_at = 16 + wide(4);
    let name = if wide(1) == 4 { usize::try_from(u32_at(row, name_at)?).ok()? } else { usize::from(number(name_at)?) };
    let text = stream(metadata, &[b"#Strings"])?.get(name..)?;
    let text = text.get(..text.iter().take(NAME_BYTES).position(|&byte| byte == 0)?)?;
    let name = std::str::from_utf8(text).ok().filter(|name| !name.is_empty())?;
    Some(Assembly { name: name.to_owned(), version })
}

/// Two bytes, as long as all rows and the bits that tell tables apart fit.
fn index_width(rows: usize, bits: u32) -> usize {
    if rows < 1 << (16 - bits) { 2 } else { 4 }
}

/// The first stream of one of these names.
fn stream<'a>(metadata: &'a [u8], names: &[&[u8]]) -> Option<&'a [u8]> {
    // The version of the runtime has a length of its own.
    let mut at = usize::try_from(u32_at(metadata, 12)?).ok()?.checked_add(16)?;
    let count = metadata.get(at.checked_add(2)?..)?.first_chunk().map(|raw| u16::from_le_bytes(*raw))?;
    at = at.checked_add(4)?;
    for _ in 0..usize::from(count).min(STREAMS) {
        let (offset, size) = (u32_at(metadata, at)?, u32_at(metadata, at.checked_add(4)?)?);
        let name = metadata.get(at.checked_add(8)?..)?;
        let length = name.iter().take(32).position(|&byte| byte == 0)?;
        if names.contains(&name.get(..length)?) {
            let stream = metadata.get(usize::try_from(offset).ok()?..)?;
            return Some(stream.get(..usize::try_from(size).ok()?).unwrap_or(stream));
        }
        at = at.checked_add(8 + (length + 1).next_multiple_of(4))?;
    }
    None
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|raw| u32::from_le_bytes(*raw))
}
