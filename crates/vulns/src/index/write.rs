//! Writing an index: records in any order in, the same bytes out for the same records.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::path::Path;

use killick_model::advisory::{Advisory, Enrichment, Instant, Statement};
use killick_model::lifecycle::Lifecycle;
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::entries::{append, append_len};
use super::format::{
    BLOCK_BYTES, Block, Directory, FORMAT, HEADER_BYTES, LARGE_BLOCK_BYTES, MAGIC, MAX_BLOCK_BYTES, SMALL_BLOCK_BYTES,
    TableBlocks,
};
use super::records::Records;
use super::{Index, IndexError, Manifest, Segment, Table, decode, encode};

/// Compression of blocks. Indexes are built once and fetched often.
const ZSTD_LEVEL: i32 = 19;

/// Raw blocks that are compressed side by side.
const BATCH_BYTES: usize = 4 << 20;

impl Records {
    /// [`Self::finish_into`] memory.
    #[cfg(test)]
    pub(crate) fn finish(
        self,
        info: &mut Segment,
        built: Instant,
        previous: Option<&Index>,
    ) -> Result<Vec<u8>, IndexError> {
        let mut bytes = Vec::new();
        self.finish_into(&mut bytes, info, built, previous)?;
        Ok(bytes)
    }

    /// Sorts, joins and compresses the records into the bytes of a segment, and completes its description.
    ///
    /// Records become known at `built`, unless `previous` has them already.
    pub(crate) fn finish_into(
        self,
        out: &mut dyn Write,
        info: &mut Segment,
        built: Instant,
        previous: Option<&Index>,
    ) -> Result<(), IndexError> {
        let before = previous.and_then(|index| {
            let same = |old: &Segment| old.provider == info.provider && old.namespace == info.namespace;
            Some((index, index.manifest().segments.iter().position(same)?))
        });
        let label = info.label();
        let mut segment = SegmentWriter {
            blocks: BlockWriter::new(out, &label),
            directory: Directory::default(),
            table: None,
            key: String::new(),
            count: 0,
            records: Vec::new(),
            built,
            before,
        };
        self.visit(|table, key, record| -> Result<(), Failure> {
            let count = match table {
                Table::Packages | Table::Cpes => Some(&mut info.statements),
                Table::Advisories | Table::Enrichment | Table::Lifecycles => Some(&mut info.advisories),
                Table::Aliases | Table::Names => None,
            };
            if let Some(count) = count {
                *count += 1;
            }
            Ok(segment.record(table, key, record)?)
        })
        .map_err(|failure| failure.of(&label))?;
        let (directory, blocks_bytes) = segment.finish()?;
        let encoded = encode(&directory);
        info.digest = Sha256::digest(&encoded).into();
        info.blocks_bytes = blocks_bytes;
        info.directory_bytes = encoded.len() as u64;
        out.write_all(&encoded).map_err(|source| IndexError::Write { index: label, source })
    }
}

/// Why a segment was not written.
enum Failure {
    Io(io::Error),
    Index(IndexError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<IndexError> for Failure {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl Failure {
    fn of(self, label: &str) -> IndexError {
        match self {
            Self::Io(source) => IndexError::Write { index: label.to_owned(), source },
            Self::Index(error) => error,
        }
    }
}

/// Joins records that come in order to entries, and entries to tables.
struct SegmentWriter<'a> {
    blocks: BlockWriter<'a>,
    directory: Directory,
    table: Option<Table>,
    /// The key of the records that are being collected, how many they are, and their bytes.
    key: String,
    count: usize,
    records: Vec<u8>,
    built: Instant,
    before: Option<(&'a Index, usize)>,
}

impl SegmentWriter<'_> {
    fn record(&mut self, table: Table, key: &str, record: &[u8]) -> Result<(), IndexError> {
        if self.table != Some(table) {
            self.close_table()?;
            self.table = Some(table);
        } else if self.key != key {
            self.close_entry()?;
        }
        if self.count == 0 {
            key.clone_into(&mut self.key);
        }
        self.count += 1;
        self.records.extend_from_slice(record);
        Ok(())
    }

    fn close_entry(&mut self) -> Result<(), IndexError> {
        let Some(table) = self.table.filter(|_| self.count > 0) else { return Ok(()) };
        let mut value = Vec::with_capacity(self.records.len() + 5);
        append_len(&mut value, std::mem::take(&mut self.count));
        value.append(&mut self.records);
        let value = date(value, self.built, self.before, table, &self.key)?;
        self.blocks.entry(&self.key, &value)
    }

    fn close_table(&mut self) -> Result<(), IndexError> {
        self.close_entry()?;
        if let Some(table) = self.table {
            let blocks = self.blocks.finish_table()?;
            self.directory.tables.push(TableBlocks { table, blocks });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Directory, u64), IndexError> {
        self.close_table()?;
        Ok((self.directory, self.blocks.written))
    }
}

/// Joins entries to blocks.
struct BlockWriter<'a> {
    out: &'a mut dyn Write,
    label: &'a str,
    written: u64,
    blocks: Vec<Block>,
    open: Vec<u8>,
    first_key: Option<String>,
    /// Blocks that wait for being compressed, with their first keys, and how many bytes they are.
    closed: Vec<(String, Vec<u8>)>,
    closed_bytes: usize,
}

impl<'a> BlockWriter<'a> {
    fn new(out: &'a mut dyn Write, label: &'a str) -> Self {
        Self {
            out,
            label,
            written: 0,
            blocks: Vec::new(),
            open: Vec::new(),
            first_key: None,
            closed: Vec::new(),
            closed_bytes: 0,
        }
    }

    fn entry(&mut self, key: &str, value: &[u8]) -> Result<(), IndexError> {
        if !self.open.is_empty() && self.open.len().saturating_add(value.len()) > LARGE_BLOCK_BYTES {
            self.close()?;
        }
        self.first_key.get_or_insert_with(|| key.to_owned());
        append(&mut self.open, key, value);
        if self.open.len() >= SMALL_BLOCK_BYTES && is_last(key, value.len()) {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), IndexError> {
        let Some(first_key) = self.first_key.take() else { return Ok(()) };
        let raw = std::mem::take(&mut self.open);
        self.closed_bytes = self.closed_bytes.saturating_add(raw.len());
        self.closed.push((first_key, raw));
        if self.closed_bytes >= BATCH_BYTES { self.compress() } else { Ok(()) }
    }

    /// Compresses what is closed, and writes it in its order.
    fn compress(&mut self) -> Result<(), IndexError> {
        self.closed_bytes = 0;
        let closed = std::mem::take(&mut self.closed);
        let label = self.label;
        let compressed: Result<Vec<(Block, Vec<u8>)>, IndexError> =
            closed.into_par_iter().map(|(first_key, raw)| compressed(label, first_key, &raw)).collect();
        for (mut block, stored) in compressed? {
            block.offset = self.written;
            let write = |source| IndexError::Write { index: label.to_owned(), source };
            self.out.write_all(&stored).map_err(write)?;
            self.written = self.written.saturating_add(stored.len() as u64);
            self.blocks.push(block);
        }
        Ok(())
    }

    /// The blocks since the last call.
    fn finish_table(&mut self) -> Result<Vec<Block>, IndexError> {
        self.close()?;
        self.compress()?;
        Ok(std::mem::take(&mut self.blocks))
    }
}

/// A block, which begins nowhere yet, and its bytes in the file.
fn compressed(label: &str, first_key: String, raw: &[u8]) -> Result<(Block, Vec<u8>), IndexError> {
    let too_large = || IndexError::TooLarge { index: label.to_owned(), key: first_key.clone(), bytes: raw.len() };
    let raw_bytes = u32::try_from(raw.len()).ok().filter(|len| *len <= MAX_BLOCK_BYTES).ok_or_else(too_large)?;
    let stored = zstd::bulk::compress(raw, ZSTD_LEVEL)
        .map_err(|source| IndexError::Write { index: label.to_owned(), source })?;
    let stored_bytes = u32::try_from(stored.len()).map_err(|_| too_large())?;
    let digest = Sha256::digest(&stored).into();
    Ok((Block { first_key, offset: 0, stored_bytes, raw_bytes, digest }, stored))
}

/// Whether an entry is the last of its block: by chance, the more likely the longer it is, but the same chance in every
/// build.
fn is_last(key: &str, value_bytes: usize) -> bool {
    let hash = Sha256::digest(key);
    let chance = hash.first_chunk::<4>().map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)));
    let rest = (BLOCK_BYTES - SMALL_BLOCK_BYTES) as u64;
    (chance * rest) >> 32 < (key.len() + value_bytes) as u64
}

/// A record that remembers since when it is known.
pub(crate) trait Dated: Serialize + DeserializeOwned + PartialEq {
    fn known_since(&mut self) -> &mut Instant;
}

impl Dated for Statement {
    fn known_since(&mut self) -> &mut Instant {
        &mut self.known_since
    }
}

impl Dated for Advisory {
    fn known_since(&mut self) -> &mut Instant {
        &mut self.known_since
    }
}

impl Dated for Lifecycle {
    fn known_since(&mut self) -> &mut Instant {
        &mut self.known_since
    }
}

impl Dated for Enrichment {
    fn known_since(&mut self) -> &mut Instant {
        &mut self.known_since
    }
}

/// Notes in the records under one key since when they are known.
fn date(
    value: Vec<u8>,
    built: Instant,
    before: Option<(&Index, usize)>,
    table: Table,
    key: &str,
) -> Result<Vec<u8>, IndexError> {
    fn old<T>(
        before: Option<(&Index, usize)>,
        read: impl Fn(&Index, usize) -> Result<Vec<T>, IndexError>,
    ) -> Result<Vec<T>, IndexError> {
        before.map_or(Ok(Vec::new()), |(index, segment)| read(index, segment))
    }
    Ok(match table {
        Table::Packages => dated(value, built, old(before, |index, at| index.statements(at, key))?),
        Table::Cpes => dated(value, built, old(before, |index, at| index.cpes(at, key))?),
        Table::Advisories => dated(value, built, old(before, |index, at| index.advisories(at, key))?),
        Table::Enrichment => dated(value, built, old(before, |index, at| index.enrichment(at, key))?),
        Table::Lifecycles => dated(value, built, old(before, |index, at| index.lifecycles(at, key))?),
        Table::Aliases => value,
        Table::Names => distinct(value),
    })
}

/// Names without repetition: records of one key come in order.
fn distinct(value: Vec<u8>) -> Vec<u8> {
    let Ok(mut names) = decode::<String>(&value) else { return value };
    names.dedup();
    encode(&names)
}

fn dated<T: Dated>(value: Vec<u8>, built: Instant, mut old: Vec<T>) -> Vec<u8> {
    let Ok(mut records) = decode::<T>(&value) else { return value };
    for record in &mut records {
        let known = old.iter_mut().find_map(|old| {
            let since = std::mem::replace(old.known_since(), *record.known_since());
            let same = old == record;
            *old.known_since() = since;
            same.then_some(since)
        });
        *record.known_since() = known.unwrap_or(built);
    }
    encode(&records)
}

/// The bytes of a finished segment.
#[derive(Debug)]
pub(crate) enum Body {
    /// In memory.
    #[cfg(test)]
    Memory(Vec<u8>),
    /// In a file, from its beginning.
    File(File),
}

#[cfg(test)]
impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes)
    }
}

impl From<File> for Body {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl Body {
    fn copy(self, out: &mut File) -> io::Result<u64> {
        match self {
            #[cfg(test)]
            Self::Memory(bytes) => out.write_all(&bytes).map(|()| bytes.len() as u64),
            Self::File(mut file) => {
                file.rewind()?;
                io::copy(&mut file, out)
            }
        }
    }
}

/// Writes the index file beside `out` and moves it there when it is complete.
pub(crate) fn write_file<B: Into<Body>>(
    out: &Path,
    built: Instant,
    segments: Vec<(Segment, B)>,
) -> Result<Manifest, IndexError> {
    let write = |source| IndexError::Write { index: out.display().to_string(), source };
    let mut file = beside(out).map_err(write)?;
    let mut manifest = Manifest { built, segments: Vec::with_capacity(segments.len()) };
    let mut offset = HEADER_BYTES as u64;
    let out_file = file.as_file_mut();
    out_file.write_all(&beginning()).map_err(write)?;
    for (mut segment, body) in segments {
        segment.offset = offset;
        offset = offset.saturating_add(body.into().copy(out_file).map_err(write)?);
        manifest.segments.push(segment);
    }
    out_file.write_all(&ending(offset, encode(&manifest))).map_err(write)?;
    out_file.sync_all().map_err(write)?;
    file.persist(out).map_err(|error| write(error.error))?;
    Ok(manifest)
}

/// The folder that work for `out` is done in.
pub(crate) fn folder_of(out: &Path) -> &Path {
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file in the folder of `out` that will take its place.
pub(crate) fn beside(out: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".index-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder_of(out))
}

/// The header.
pub(crate) fn beginning() -> Vec<u8> {
    [&MAGIC[..], &FORMAT.to_le_bytes()].concat()
}

/// The manifest, given encoded, and the trailer that points to it at `offset`.
pub(crate) fn ending(offset: u64, mut bytes: Vec<u8>) -> Vec<u8> {
    let (len, digest) = (bytes.len() as u64, Sha256::digest(&bytes));
    bytes.extend_from_slice(&offset.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(&digest);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&MAGIC);
    bytes
}

/// Writes any manifest over any segments.
#[cfg(test)]
pub(crate) fn write_raw(out: &Path, segments: &[u8], manifest: &Manifest) {
    let mut bytes = [beginning(), segments.to_vec()].concat();
    let offset = bytes.len() as u64;
    bytes.extend_from_slice(&ending(offset, encode(manifest)));
    fs_err::write(out, bytes).unwrap();
}
