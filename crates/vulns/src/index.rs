//! The advisory index: one immutable file that opens in milliseconds and reads only what is asked for.
//!
//! `format.rs` describes the file. It is our own rather than `redb` or `fst` because it must be the
//! same bytes for the same knowledge, small enough to ship in the repository, and made of segments that can be
//! fetched one by one. Every number in the file is hostile until its digest has been checked, and bounded after.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use killick_model::advisory::{Advisory, Enrichment, Statement};
use killick_model::digest::Digest;
use killick_model::lifecycle::Lifecycle;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use self::cache::{Cache, Unpacked};
use self::entries::Entries;
pub use self::error::IndexError;
use self::format::{Block, Directory, HEADER_BYTES, MAGIC, MAX_BLOCK_BYTES, MAX_MANIFEST_BYTES, TRAILER_BYTES};
pub use self::format::{Coverage, FORMAT, Manifest, Segment, Table};
use self::source::Source;

mod cache;
pub(crate) mod difference;
pub(crate) mod entries;
mod error;
mod extract;
pub(crate) mod format;
pub(crate) mod records;
mod source;
#[cfg(test)]
mod tests;
pub(crate) mod write;

/// An open index. Cheap to share; an index that was replaced on disk stays readable until it is dropped.
#[derive(Debug)]
pub struct Index {
    name: String,
    source: Source,
    manifest: Manifest,
    /// Where the manifest lies in the file.
    manifest_range: Range<u64>,
    directories: Vec<OnceLock<Directory>>,
    cache: Cache,
}

/// Takes the key and the encoded records of one entry.
pub(crate) type Visit<'a> = dyn FnMut(&str, &[u8]) -> Result<(), IndexError> + 'a;

impl Index {
    /// Opens the index file at `path`, reading nothing but its manifest.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let name = path.display().to_string();
        match Source::open(path) {
            Ok(source) => Self::new(name, source),
            Err(source) => Err(IndexError::Read { index: name, source }),
        }
    }

    /// Opens an index that is part of the program.
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, IndexError> {
        Self::new("built-in index".to_owned(), Source::Static(bytes))
    }

    fn new(name: String, source: Source) -> Result<Self, IndexError> {
        let (manifest, manifest_range) = read_manifest(&name, &source)?;
        let directories = manifest.segments.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { name, source, manifest, manifest_range, directories, cache: Cache::default() })
    }

    /// Path of the file, or `built-in index`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it consists of.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of the file as they are.
    pub fn bytes(&self, range: Range<u64>) -> Result<Vec<u8>, IndexError> {
        let len = range.end.saturating_sub(range.start);
        self.source.read(range.start, len).map_err(|source| IndexError::Read { index: self.name.clone(), source })
    }

    /// Digest of the manifest, which names everything in the file.
    pub fn digest(&self) -> Result<Digest, IndexError> {
        Ok(Digest::of(&self.bytes(self.manifest_range())?))
    }

    /// Where the manifest lies in the file.
    pub(crate) fn manifest_range(&self) -> Range<u64> {
        self.manifest_range.clone()
    }

    /// Where the blocks of a segment lie in the file, by their digests.
    pub(crate) fn blocks(&self, segment: usize) -> Result<HashMap<[u8; 32], Range<u64>>, IndexError> {
        let directory = self.directory(segment)?;
        let begin = self.manifest.segments.get(segment).map_or(0, |info| info.offset);
        let place = |block: &Block| {
            let start = begin.saturating_add(block.offset);
            (block.digest, start..start.saturating_add(u64::from(block.stored_bytes)))
        };
        Ok(directory.tables.iter().flat_map(|table| &table.blocks).map(place).collect())
    }

    /// Positions and descriptions of the segments in which packages of `ecosystem` are looked up.
    pub fn segments_of<'a>(&'a self, ecosystem: &'a str) -> impl Iterator<Item = (usize, &'a Segment)> + 'a {
        self.manifest.segments.iter().enumerate().filter(move |(_, segment)| segment.ecosystem == ecosystem)
    }

    /// What segment number `segment` says about the package with this normalised name.
    pub fn statements(&self, segment: usize, name: &str) -> Result<Vec<Statement>, IndexError> {
        self.records(segment, Table::Packages, name)
    }

    /// The advisories of a segment with this id; more than one only where the source contradicts itself.
    pub fn advisories(&self, segment: usize, id: &str) -> Result<Vec<Advisory>, IndexError> {
        self.records(segment, Table::Advisories, id)
    }

    /// Ids of the advisories of a segment that name this vulnerability as alias or upstream.
    pub fn aliases(&self, segment: usize, vulnerability: &str) -> Result<Vec<String>, IndexError> {
        self.records(segment, Table::Aliases, vulnerability)
    }

    /// What a segment says about products of this lower-case CPE product name.
    pub fn cpes(&self, segment: usize, product: &str) -> Result<Vec<Statement>, IndexError> {
        self.records(segment, Table::Cpes, product)
    }

    /// What a segment knows about a CVE whatever the package.
    pub fn enrichment(&self, segment: usize, cve: &str) -> Result<Vec<Enrichment>, IndexError> {
        self.records(segment, Table::Enrichment, cve)
    }

    /// What a segment knows about the support of the parts of a product.
    pub fn lifecycles(&self, segment: usize, product: &str) -> Result<Vec<Lifecycle>, IndexError> {
        self.records(segment, Table::Lifecycles, product)
    }

    /// The names under which packages, or products of CPEs, are looked up of which an advisory of a segment speaks,
    /// without repetition.
    pub fn names(&self, segment: usize, advisory: &str) -> Result<Vec<String>, IndexError> {
        self.records(segment, Table::Names, advisory)
    }

    /// Whether a segment has this table at all.
    pub fn has_table(&self, segment: usize, table: Table) -> Result<bool, IndexError> {
        Ok(self.directory(segment)?.tables.iter().any(|blocks| blocks.table == table))
    }

    /// Calls `visit` with every key of a table, ascending.
    pub fn visit_keys(&self, segment: usize, table: Table, visit: &mut dyn FnMut(&str)) -> Result<(), IndexError> {
        self.visit_entries(segment, table, &mut |key, _| {
            visit(key);
            Ok(())
        })
    }

    /// Reads and checks every block and every record, as `db status --verify` wants.
    pub fn verify(&self) -> Result<(), IndexError> {
        for segment in 0..self.manifest.segments.len() {
            for table in Table::ALL {
                self.visit_entries(segment, table, &mut |key, value| {
                    match table {
                        Table::Packages | Table::Cpes => decode::<Statement>(value).map(drop),
                        Table::Advisories => decode::<Advisory>(value).map(drop),
                        Table::Aliases | Table::Names => decode::<String>(value).map(drop),
                        Table::Enrichment => decode::<Enrichment>(value).map(drop),
                        Table::Lifecycles => decode::<Lifecycle>(value).map(drop),
                    }
                    .map_err(|error| self.corrupt(segment, table.name(), &format!("records of `{key}`: {error}")))
                })?;
            }
        }
        Ok(())
    }

    /// The bytes of segment number `segment` as they are in the file, after checking every block of them.
    pub(crate) fn segment_bytes(&self, segment: usize) -> Result<Vec<u8>, IndexError> {
        for (at, blocks) in self.directory(segment)?.tables.iter().enumerate() {
            for (number, block) in blocks.blocks.iter().enumerate() {
                self.block(segment, at, number, block)?;
            }
        }
        let Some(info) = self.manifest.segments.get(segment) else { return Ok(Vec::new()) };
        let corrupt = |detail: &str| self.corrupt(segment, "bytes", detail);
        let len = info.end().and_then(|end| end.checked_sub(info.offset)).ok_or_else(|| corrupt("it lies nowhere"))?;
        self.source.read(info.offset, len).map_err(|error| corrupt(&error.to_string()))
    }

    /// Calls `visit` with key and encoded records of every entry of a table, ascending.
    pub(crate) fn visit_entries(&self, segment: usize, table: Table, visit: &mut Visit<'_>) -> Result<(), IndexError> {
        let directory = self.directory(segment)?;
        for (at, blocks) in directory.tables.iter().enumerate().filter(|(_, blocks)| blocks.table == table) {
            for (number, block) in blocks.blocks.iter().enumerate() {
                let bytes = self.block(segment, at, number, block)?;
                for entry in Entries::new(&bytes) {
                    let malformed = || self.corrupt(segment, table.name(), &format!("block {number}: malformed entry"));
                    let (key, value) = entry.map_err(|_| malformed())?;
                    visit(std::str::from_utf8(key).map_err(|_| malformed())?, value)?;
                }
            }
        }
        Ok(())
    }

    /// The records under `key`; none where there is no such key, table or segment.
    fn records<T: DeserializeOwned>(&self, segment: usize, table: Table, key: &str) -> Result<Vec<T>, IndexError> {
        let directory = self.directory(segment)?;
        let found = directory.tables.iter().enumerate().find(|(_, blocks)| blocks.table == table);
        let Some((at, blocks)) = found else { return Ok(Vec::new()) };
        let after = blocks.blocks.partition_point(|block| block.first_key.as_str() <= key);
        let Some((number, block)) = after.checked_sub(1).and_then(|number| Some((number, blocks.blocks.get(number)?)))
        else {
            return Ok(Vec::new());
        };
        let bytes = self.block(segment, at, number, block)?;
        let value = bytes
            .find(key.as_bytes())
            .map_err(|_| self.corrupt(segment, table.name(), &format!("block {number}: malformed entry")))?;
        value.map_or_else(
            || Ok(Vec::new()),
            |value| {
                decode(value)
                    .map_err(|error| self.corrupt(segment, table.name(), &format!("records of `{key}`: {error}")))
            },
        )
    }

    fn directory(&self, segment: usize) -> Result<&Directory, IndexError> {
        static NONE: Directory = Directory { tables: Vec::new() };
        let (Some(info), Some(slot)) = (self.manifest.segments.get(segment), self.directories.get(segment)) else {
            return Ok(&NONE);
        };
        if let Some(directory) = slot.get() {
            return Ok(directory);
        }
        let corrupt = |detail: String| IndexError::Corrupt {
            index: self.name.clone(),
            part: format!("directory of {}", info.label()),
            detail,
        };
        if info.directory_bytes > MAX_MANIFEST_BYTES {
            return Err(corrupt(format!("{} bytes are too many", info.directory_bytes)));
        }
        let offset = info.offset.checked_add(info.blocks_bytes).ok_or_else(|| corrupt("it lies nowhere".to_owned()))?;
        let bytes = self.source.read(offset, info.directory_bytes).map_err(|error| corrupt(error.to_string()))?;
        if *Sha256::digest(&bytes) != info.digest {
            return Err(corrupt("wrong checksum".to_owned()));
        }
        let directory = postcard::from_bytes(&bytes).map_err(|error| corrupt(error.to_string()))?;
        Ok(slot.get_or_init(|| directory))
    }

    fn block(&self, segment: usize, table: usize, number: usize, block: &Block) -> Result<Arc<Unpacked>, IndexError> {
        let id = (segment, table, number);
        if let Some(bytes) = self.cache.get(id) {
            return Ok(bytes);
        }
        let info = &self.manifest.segments[segment];
        let corrupt =
            |detail: &str| self.corrupt(segment, &format!("table {table}"), &format!("block {number}: {detail}"));
        if block.stored_bytes > MAX_BLOCK_BYTES || block.raw_bytes > MAX_BLOCK_BYTES {
            return Err(corrupt("too large"));
        }
        let offset = info.offset.checked_add(block.offset).ok_or_else(|| corrupt("it lies nowhere"))?;
        let stored =
            self.source.read(offset, u64::from(block.stored_bytes)).map_err(|error| corrupt(&error.to_string()))?;
        if *Sha256::digest(&stored) != block.digest {
            return Err(corrupt("wrong checksum"));
        }
        let raw =
            zstd::bulk::decompress(&stored, block.raw_bytes as usize).map_err(|error| corrupt(&error.to_string()))?;
        let bytes = Arc::new(Unpacked::new(raw));
        self.cache.put(id, &bytes);
        Ok(bytes)
    }

    pub(crate) fn corrupt(&self, segment: usize, part: &str, detail: &str) -> IndexError {
        let label = self.manifest.segments.get(segment).map(Segment::label).unwrap_or_default();
        IndexError::Corrupt { index: self.name.clone(), part: format!("{part} of {label}"), detail: detail.to_owned() }
    }
}

/// Decodes the list of records that is the value of an entry.
pub(crate) fn decode<T: DeserializeOwned>(value: &[u8]) -> postcard::Result<Vec<T>> {
    postcard::from_bytes(value)
}

/// Encodes one record.
pub(crate) fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    postcard::to_stdvec(record).expect("records contain nothing that postcard cannot write, and memory does not fail")
}

/// The manifest, and where it lies.
fn read_manifest(name: &str, source: &Source) -> Result<(Manifest, Range<u64>), IndexError> {
    let index = || name.to_owned();
    let read = |offset, len| source.read(offset, len).map_err(|source| IndexError::Read { index: index(), source });
    let corrupt =
        |detail: &str| IndexError::Corrupt { index: index(), part: "manifest".to_owned(), detail: detail.to_owned() };
    let (header_bytes, trailer_bytes) = (HEADER_BYTES as u64, TRAILER_BYTES as u64);
    if source.len() < header_bytes + trailer_bytes {
        return Err(IndexError::NotAnIndex { index: index() });
    }
    let header = read(0, header_bytes)?;
    let Some(version) = header.strip_prefix(&MAGIC).and_then(|version| version.first_chunk::<4>()) else {
        return Err(IndexError::NotAnIndex { index: index() });
    };
    let found = u32::from_le_bytes(*version);
    if found != FORMAT {
        return Err(IndexError::Format { index: index(), found, expected: FORMAT });
    }
    let trailer = read(source.len() - trailer_bytes, trailer_bytes)?;
    let (Some(offset), Some(len), Some(digest)) =
        (trailer.first_chunk::<8>(), trailer.get(8..).and_then(|rest| rest.first_chunk::<8>()), trailer.get(16..48))
    else {
        return Err(corrupt("no trailer"));
    };
    if trailer.get(52..) != Some(&MAGIC[..]) {
        return Err(corrupt("the end of the file is missing"));
    }
    let (offset, len) = (u64::from_le_bytes(*offset), u64::from_le_bytes(*len));
    if len > MAX_MANIFEST_BYTES {
        return Err(corrupt("too large"));
    }
    let bytes = source.read(offset, len).map_err(|error| corrupt(&error.to_string()))?;
    if Sha256::digest(&bytes)[..] != *digest {
        return Err(corrupt("wrong checksum"));
    }
    let manifest = postcard::from_bytes(&bytes).map_err(|error| corrupt(&error.to_string()))?;
    Ok((manifest, offset..offset.saturating_add(len)))
}
