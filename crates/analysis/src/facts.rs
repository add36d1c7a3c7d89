//! What one layer says by itself, in a form that is small in memory and can be kept.

use std::io::{self, Read};

use killick_model::file::{FileEntry, FileKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::catalogers::Found;
use crate::inspectors::Hit;

/// Version of the kept form; part of what they are known by.
pub const FORMAT: u32 = 6;

/// Bytes of kept facts unpacked at most, against a damaged or forged cache entry.
const UNPACKED_BYTES: u64 = 2 << 30;

/// Entries in one block, so that a big layer is given back piece by piece while its files are merged.
const BLOCK_ENTRIES: usize = 4096;

/// Everything that was seen in one layer, a function of its bytes and the readers' revisions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LayerFacts {
    /// Entries in the order of the archive, in blocks of [`BLOCK_ENTRIES`].
    pub(crate) blocks: Vec<Vec<Entry>>,
    /// Paths this layer deletes from lower ones.
    pub(crate) whiteouts: Vec<ImagePath>,
    /// Directories whose lower content this layer hides.
    pub(crate) opaques: Vec<ImagePath>,
    /// What readers found, by entry.
    pub(crate) found: Vec<FoundIn>,
    /// What inspectors saw in contents, ordered by digest; contents without anything are left out.
    pub(crate) contents: Vec<ContentFacts>,
    /// What was wrong with the layer.
    pub(crate) problems: Vec<Problem>,
    /// Why a scanner did not see everything, if it did not. Such facts are not kept.
    pub(crate) scan_fault: Option<String>,
}

/// One entry of a layer. Small, because there may be millions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) path: ImagePath,
    pub(crate) size: u64,
    /// All zero where there is no content.
    pub(crate) sha256: [u8; 32],
    pub(crate) more: Option<Box<More>>,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mode: u16,
    pub(crate) kind: EntryKind,
}

/// What only some entries have.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct More {
    /// Target of a link, as written.
    pub(crate) link: Box<[u8]>,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) sha1: Option<[u8; 20]>,
}

/// What an entry of a layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryKind {
    /// A file with content.
    File,
    /// One that begins as programs and libraries do, of those files that are looked at for that.
    Code,
    /// A file whose content was not read.
    Unread,
    Directory,
    Symlink,
    /// Another name of a file of this or a lower layer.
    HardLink,
    CharacterDevice,
    BlockDevice,
    Fifo,
}

/// What one reader found in the file of one entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FoundIn {
    pub(crate) entry: u32,
    /// The entry of the hard link by whose name it was read, if not by its own.
    pub(crate) name: Option<u32>,
    pub(crate) reader: String,
    pub(crate) found: Found,
}

/// What inspectors saw in one content, whatever its names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ContentFacts {
    pub(crate) sha256: [u8; 32],
    pub(crate) seen: Vec<SeenIn>,
    /// A part was not inspected.
    pub(crate) is_cut_short: bool,
}

/// What one inspector saw in a content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SeenIn {
    pub(crate) inspector: String,
    pub(crate) hits: Vec<Hit>,
}

/// The kept form. `found` is JSON because [`Found`] has model types, which describe themselves.
#[derive(Serialize)]
struct Kept<'a> {
    format: u32,
    blocks: &'a Vec<Vec<Entry>>,
    whiteouts: &'a Vec<ImagePath>,
    opaques: &'a Vec<ImagePath>,
    found: Vec<u8>,
    contents: &'a Vec<ContentFacts>,
    problems: &'a Vec<Problem>,
}

#[derive(Deserialize)]
struct Unpacked {
    format: u32,
    blocks: Vec<Vec<Entry>>,
    whiteouts: Vec<ImagePath>,
    opaques: Vec<ImagePath>,
    found: Vec<u8>,
    contents: Vec<ContentFacts>,
    problems: Vec<Problem>,
}

impl LayerFacts {
    /// Adds an entry and gives its number.
    pub(crate) fn push(&mut self, entry: Entry) -> u32 {
        if self.blocks.last().is_none_or(|block| block.len() >= BLOCK_ENTRIES) {
            self.blocks.push(Vec::new());
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(entry);
        }
        u32::try_from(self.len() - 1).unwrap_or(u32::MAX)
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        let full = self.blocks.len().saturating_sub(1) * BLOCK_ENTRIES;
        full + self.blocks.last().map_or(0, Vec::len)
    }

    pub(crate) fn entry(&self, number: u32) -> Option<&Entry> {
        let number = number as usize;
        self.blocks.get(number / BLOCK_ENTRIES)?.get(number % BLOCK_ENTRIES)
    }

    /// What the names of this layer count against [`Limits::tree_bytes`](crate::limits::Limits::tree_bytes).
    pub(crate) fn name_bytes(&self) -> u64 {
        let entries = self.blocks.iter().flatten().map(|entry| name_bytes(entry.path.as_bytes(), entry.link()));
        let hidden = self.whiteouts.iter().chain(&self.opaques).map(|path| name_bytes(path.as_bytes(), b""));
        entries.chain(hidden).sum()
    }

    /// All entries with their numbers.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(self.blocks.iter().flatten())
    }

    /// The kept form: compressed, with a checksum.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let found = serde_json::to_vec(&self.found)?;
        let kept = Kept {
            format: FORMAT,
            blocks: &self.blocks,
            whiteouts: &self.whiteouts,
            opaques: &self.opaques,
            found,
            contents: &self.contents,
            problems: &self.problems,
        };
        let mut packed = zstd::Encoder::new(Vec::new(), 1)?;
        packed.include_checksum(true)?;
        let packed = postcard::to_io(&kept, packed).map_err(io::Error::other)?;
        packed.finish()
    }

    /// Reads the kept form; `None` if it is damaged, cut short, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut plain = Vec::new();
        zstd::Decoder::new(bytes).ok()?.take(UNPACKED_BYTES).read_to_end(&mut plain).ok()?;
        let (kept, rest) = postcard::take_from_bytes::<Unpacked>(&plain).ok()?;
        let blocks_are_full = kept.blocks.iter().rev().skip(1).all(|block| block.len() == BLOCK_ENTRIES);
        if kept.format != FORMAT || !rest.is_empty() || !blocks_are_full {
            return None;
        }
        Some(Self {
            blocks: kept.blocks,
            whiteouts: kept.whiteouts,
            opaques: kept.opaques,
            found: serde_json::from_slice(&kept.found).ok()?,
            contents: kept.contents,
            problems: kept.problems,
            scan_fault: None,
        })
    }
}

/// What one name with its link counts: its bytes and those of what keeps it.
pub(crate) fn name_bytes(path: &[u8], link: &[u8]) -> u64 {
    (path.len() + link.len()) as u64 + 64
}

impl Entry {
    pub(crate) fn file_kind(&self) -> FileKind {
        match self.kind {
            EntryKind::File | EntryKind::Code | EntryKind::Unread | EntryKind::HardLink => FileKind::File,
            EntryKind::Directory => FileKind::Directory,
            EntryKind::Symlink => FileKind::Symlink,
            EntryKind::CharacterDevice => FileKind::CharacterDevice,
            EntryKind::BlockDevice => FileKind::BlockDevice,
            EntryKind::Fifo => FileKind::Fifo,
        }
    }

    /// Whether it is a file whose content was read, or is known from a table of contents.
    pub(crate) fn has_content(&self) -> bool {
        matches!(self.kind, EntryKind::File | EntryKind::Code)
    }

    pub(crate) fn link(&self) -> &[u8] {
        self.more.as_ref().map_or(&[], |more| &more.link)
    }

    /// The file of this entry, at its own path in `layer`.
    pub(crate) fn into_file(self, layer: u32) -> FileEntry {
        let kind = self.file_kind();
        let has_content = self.has_content();
        let more = self.more.map(|more| *more).unwrap_or_default();
        FileEntry {
            path: self.path,
            kind,
            mode: u32::from(self.mode),
            uid: self.uid,
            gid: self.gid,
            size: self.size,
            link_target: (kind == FileKind::Symlink).then_some(more.link),
            sha256: has_content.then_some(self.sha256),
            md5: more.md5,
            sha1: more.sha1.map(Box::new),
            layer,
        }
    }
}
