//! Writing an index: records in any order in, the same bytes out for the same records.

use std::io::{self, Write};
use std::path::Path;

use killick_model::advisory::{Advisory, Enrichment, Instant, Statement};
use killick_model::lifecycle::Lifecycle;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::entries::{append, append_len};
use super::format::{
    BLOCK_BYTES, Block, Directory, FORMAT, HEADER_BYTES, LARGE_BLOCK_BYTES, MAGIC, MAX_BLOCK_BYTES, SMALL_BLOCK_BYTES,
    TableBlocks,
};
use super::{Index, IndexError, Manifest, Segment, Table, decode, encode};

/// Compression of blocks. Indexes are built once and fetched often.
const ZSTD_LEVEL: i32 = 19;

/// A key and one encoded record.
type Entry = (Box<str>, Box<[u8]>);

/// Records of one segment, being collected.
#[derive(Debug, Default)]
pub(crate) struct Records {
    tables: [Vec<Entry>; 6],
}

impl Records {
    pub(crate) fn statement(&mut self, name: &str, statement: &Statement) {
        self.push(Table::Packages, name, statement);
    }

    pub(crate) fn cpe(&mut self, product: &str, statement: &Statement) {
        self.push(Table::Cpes, product, statement);
    }

    pub(crate) fn enrichment(&mut self, cve: &str, enrichment: &Enrichment) {
        self.push(Table::Enrichment, cve, enrichment);
    }

    pub(crate) fn lifecycle(&mut self, lifecycle: &Lifecycle) {
        self.push(Table::Lifecycles, &lifecycle.product, lifecycle);
    }

    /// An advisory, and its other names.
    pub(crate) fn advisory(&mut self, advisory: &Advisory) {
        self.push(Table::Advisories, &advisory.id, advisory);
        for alias in advisory.aliases.iter().chain(&advisory.upstream) {
            self.push(Table::Aliases, alias, &advisory.id);
        }
    }

    fn push<T: Serialize>(&mut self, table: Table, key: &str, record: &T) {
        self.tables[table as usize].push((key.into(), encode(record).into_boxed_slice()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tables.iter().all(Vec::is_empty)
    }

    /// Takes over what `other` has.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (mine, theirs) in self.tables.iter_mut().zip(other.tables) {
            mine.extend(theirs);
        }
    }

    /// Sorts, joins and compresses the records into the bytes of a segment, and completes its description.
    ///
    /// Records become known at `built`, unless `previous` has them already.
    pub(crate) fn finish(
        self,
        info: &mut Segment,
        built: Instant,
        previous: Option<&Index>,
    ) -> Result<Vec<u8>, IndexError> {
        let before = previous.and_then(|index| {
            let same = |old: &Segment| old.provider == info.provider && old.namespace == info.namespace;
            Some((index, index.manifest().segments.iter().position(same)?))
        });
        let mut bytes = Vec::new();
        let mut directory = Directory::default();
        for (table, mut entries) in Table::ALL.into_iter().zip(self.tables) {
            if entries.is_empty() {
                continue;
            }
            entries.sort_unstable();
            entries.dedup();
            let count = match table {
                Table::Packages | Table::Cpes => Some(&mut info.statements),
                Table::Advisories | Table::Enrichment | Table::Lifecycles => Some(&mut info.advisories),
                Table::Aliases => None,
            };
            if let Some(count) = count {
                *count += entries.len() as u64;
            }
            let mut writer = BlockWriter { bytes: &mut bytes, blocks: Vec::new(), open: Vec::new(), first_key: None };
            for group in entries.chunk_by(|a, b| a.0 == b.0) {
                let key = &*group[0].0;
                let mut value = Vec::new();
                append_len(&mut value, group.len());
                for (_, record) in group {
                    value.extend_from_slice(record);
                }
                value = date(value, built, before, table, key)?;
                writer.entry(&info.label(), key, &value)?;
            }
            writer.close(&info.label())?;
            directory.tables.push(TableBlocks { table, blocks: writer.blocks });
        }
        let encoded = encode(&directory);
        info.digest = Sha256::digest(&encoded).into();
        info.blocks_bytes = bytes.len() as u64;
        info.directory_bytes = encoded.len() as u64;
        bytes.extend_from_slice(&encoded);
        Ok(bytes)
    }
}

struct BlockWriter<'a> {
    bytes: &'a mut Vec<u8>,
    blocks: Vec<Block>,
    open: Vec<u8>,
    first_key: Option<String>,
}

impl BlockWriter<'_> {
    fn entry(&mut self, label: &str, key: &str, value: &[u8]) -> Result<(), IndexError> {
        if !self.open.is_empty() && self.open.len().saturating_add(value.len()) > LARGE_BLOCK_BYTES {
            self.close(label)?;
        }
        self.first_key.get_or_insert_with(|| key.to_owned());
        append(&mut self.open, key, value);
        if self.open.len() >= SMALL_BLOCK_BYTES && is_last(key, value.len()) {
            self.close(label)?;
        }
        Ok(())
    }

    fn close(&mut self, label: &str) -> Result<(), IndexError> {
        let Some(first_key) = self.first_key.take() else { return Ok(()) };
        let raw = std::mem::take(&mut self.open);
        let too_large = || IndexError::TooLarge { index: label.to_owned(), key: first_key.clone(), bytes: raw.len() };
        let raw_bytes = u32::try_from(raw.len()).ok().filter(|len| *len <= MAX_BLOCK_BYTES).ok_or_else(too_large)?;
        let stored = zstd::bulk::compress(&raw, ZSTD_LEVEL)
            .map_err(|source| IndexError::Write { index: label.to_owned(), source })?;
        let stored_bytes = u32::try_from(stored.len()).map_err(|_| too_large())?;
        let digest = Sha256::digest(&stored).into();
        let offset = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&stored);
        self.blocks.push(Block { first_key, offset, stored_bytes, raw_bytes, digest });
        Ok(())
    }
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
    })
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

/// Writes the index file beside `out` and moves it there when it is complete.
pub(crate) fn write_file(
    out: &Path,
    built: Instant,
    segments: Vec<(Segment, Vec<u8>)>,
) -> Result<Manifest, IndexError> {
    let write = |source| IndexError::Write { index: out.display().to_string(), source };
    let mut file = beside(out).map_err(write)?;
    let mut manifest = Manifest { built, segments: Vec::with_capacity(segments.len()) };
    let mut offset = HEADER_BYTES as u64;
    let out_file = file.as_file_mut();
    out_file.write_all(&beginning()).map_err(write)?;
    for (mut segment, bytes) in segments {
        segment.offset = offset;
        out_file.write_all(&bytes).map_err(write)?;
        offset += bytes.len() as u64;
        manifest.segments.push(segment);
    }
    out_file.write_all(&ending(offset, encode(&manifest))).map_err(write)?;
    out_file.sync_all().map_err(write)?;
    file.persist(out).map_err(|error| write(error.error))?;
    Ok(manifest)
}

/// A file in the folder of `out` that will take its place.
pub(crate) fn beside(out: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    tempfile::Builder::new()
        .prefix(".index-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
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
