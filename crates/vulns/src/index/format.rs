//! What lies where in an index file.
//!
//! ```text
//! header    magic, format version
//! segment*  block* directory        one per (provider, namespace)
//! manifest  which segments, from which sources, of which age
//! trailer   offset, length and SHA-256 of the manifest, format version, magic
//! ```
//!
//! The trailer vouches for the manifest, the manifest for each directory, a directory for each of its blocks: so
//! whoever trusts the manifest's digest trusts every byte, although only the blocks asked for are ever read. The
//! digest of a directory names its segment: it is the same in every index that contains the same knowledge, and a
//! client fetches only the blocks it lacks (`publication`). Which entry is the last of a block depends on its key and
//! its length, not on what came before it, so that a new entry changes its own block and leaves the others as they
//! were.

use killick_model::advisory::{Instant, License};
use serde::{Deserialize, Serialize};

/// First and last bytes of an index file.
pub(crate) const MAGIC: [u8; 8] = *b"KILLICKX";

/// Version of everything below, and of the records. A reader takes its own only.
pub const FORMAT: u32 = 3;

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 12;

/// Bytes of the trailer.
pub(crate) const TRAILER_BYTES: usize = 60;

/// Largest manifest and directory that are read.
pub(crate) const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// Largest block, compressed or not. One key with all its records must fit.
pub(crate) const MAX_BLOCK_BYTES: u32 = 32 << 20;

/// Bytes of entries in a block, on average. Larger compresses better, and costs more per look-up and per change.
pub(crate) const BLOCK_BYTES: usize = 48 << 10;

/// No block is closed before.
pub(crate) const SMALL_BLOCK_BYTES: usize = 16 << 10;

/// No entry is added that would make a block larger.
pub(crate) const LARGE_BLOCK_BYTES: usize = 128 << 10;

/// What an index consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// When it was built, as the builder was told.
    pub built: Instant,
    /// Segments, ordered by (provider, namespace).
    pub segments: Vec<Segment>,
}

/// All that one provider says in one namespace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Name of the provider.
    pub provider: String,
    /// Namespace as results show it: `debian:12`, `PyPI`, `github:python`.
    pub namespace: String,
    /// What packages are looked up in it: `debian:12`, `PyPI`; empty for data that know no package.
    pub ecosystem: String,
    /// Whether silence about a package means anything.
    pub coverage: Coverage,
    /// The terms of the data.
    pub license: License,
    /// Whom to thank, and the licence in words.
    pub attribution: String,
    /// The newest date found in the data.
    pub data_instant: Option<Instant>,
    /// Advisories, or enriched CVEs.
    pub advisories: u64,
    /// Statements about packages.
    pub statements: u64,
    /// Records that could not be read.
    pub skipped: u64,
    /// SHA-256 of each input, by path relative to the folder it was read from.
    pub inputs: Vec<(String, [u8; 32])>,
    /// SHA-256 of the directory; names the segment.
    pub digest: [u8; 32],
    /// Where the segment begins in the file.
    pub offset: u64,
    /// Bytes of blocks, which come first.
    pub blocks_bytes: u64,
    /// Bytes of the directory, which follows.
    pub directory_bytes: u64,
}

impl Segment {
    /// Where it ends in the file; nothing if its numbers make no sense.
    pub(crate) fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.blocks_bytes)?.checked_add(self.directory_bytes)
    }

    /// Whether it may tell the CVE of what others call by the name of an ecosystem's advisory: ecosystems do, and
    /// distributions without releases. Releases of the others name CVEs themselves.
    pub(crate) fn tells_cves(&self) -> bool {
        !self.namespace.contains(':')
    }

    /// `provider/namespace`, for people.
    pub fn label(&self) -> String {
        format!("{}/{}", self.provider, self.namespace)
    }
}

/// What silence of a source about a vulnerability of a package means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// The source lists what is open as well: silence means not affected, or not known to anyone.
    Full,
    /// The source lists fixes only: silence means nothing.
    FixedOnly,
}

/// The tables of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Normalised package name to statements.
    Packages,
    /// Advisory id to advisories.
    Advisories,
    /// Any other name of a vulnerability to advisory ids.
    Aliases,
    /// Product of a CPE, lower case, to statements.
    Cpes,
    /// CVE to enrichment.
    Enrichment,
    /// Product to how long its parts are supported.
    Lifecycles,
    /// Advisory id to the keys of the statements that cite it: which packages have a vulnerability is asked as often as
    /// which vulnerabilities a package has.
    Names,
}

impl Table {
    /// All tables, in file order.
    pub const ALL: [Self; 7] =
        [Self::Packages, Self::Advisories, Self::Aliases, Self::Cpes, Self::Enrichment, Self::Lifecycles, Self::Names];

    /// The name in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packages => "packages",
            Self::Advisories => "advisories",
            Self::Aliases => "aliases",
            Self::Cpes => "cpes",
            Self::Enrichment => "enrichment",
            Self::Lifecycles => "lifecycles",
            Self::Names => "names",
        }
    }
}

/// Where the blocks of a segment are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Directory {
    /// Tables that are not empty, in order.
    pub(crate) tables: Vec<TableBlocks>,
}

/// The blocks of one table, by ascending first key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableBlocks {
    pub(crate) table: Table,
    pub(crate) blocks: Vec<Block>,
}

/// One compressed run of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Block {
    /// The smallest key in it.
    pub(crate) first_key: String,
    /// Where it begins within the segment.
    pub(crate) offset: u64,
    /// Bytes in the file.
    pub(crate) stored_bytes: u32,
    /// Bytes when decompressed.
    pub(crate) raw_bytes: u32,
    /// SHA-256 of the bytes in the file.
    pub(crate) digest: [u8; 32],
}
