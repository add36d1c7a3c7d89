//! From the entries of a list to a table that can be read from the first file to the last without going back.

use killick_model::listing::{ListedEntry, ListedKind};

use super::entries::Raw;

const BLOCK: u64 = 512;

/// What stands for bytes that JSON could not have. Names with it are not those of the archive.
const REPLACEMENT: char = '\u{fffd}';

/// The list of an eStargz in its own archive.
pub(super) const ESTARGZ_NAME: &str = "stargz.index.json";

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Members of gzip.
    Estargz,
    /// Frames of zstd.
    ZstdChunked,
}

/// A piece of a file, stored by itself or with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where the compressed bytes begin, which may have other pieces before this one.
    pub(super) first: u64,
    /// Where they end at the latest.
    pub(super) end: u64,
    /// Bytes before this piece, once decompressed.
    pub(super) inner: u64,
    pub(super) size: u64,
    /// Of this piece alone, where the file has others.
    pub(super) sha256: Option<[u8; 32]>,
    /// Need not be fetched.
    pub(super) is_zeros: bool,
}

/// A table of contents. Its pieces lie one behind the other in the order of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub(super) format: Format,
    entries: Vec<ListedEntry>,
    pieces: Vec<Piece>,
    /// For each entry where its pieces end; they begin where those of the entry before end.
    ends: Vec<u32>,
    unpacked: u64,
}

impl Table {
    /// All entries in the order of the archive.
    pub fn entries(&self) -> &[ListedEntry] {
        &self.entries
    }

    pub(super) fn pieces(&self, entry: u32) -> &[Piece] {
        let entry = entry as usize;
        let before = entry.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(entry).copied().unwrap_or(0);
        self.pieces.get(before as usize..end as usize).unwrap_or_default()
    }

    pub(super) fn last_piece(&self) -> Option<&Piece> {
        self.pieces.last()
    }

    /// Bytes that the uncompressed layer has at least.
    pub fn unpacked_bytes(&self) -> u64 {
        self.unpacked
    }
}

/// Bytes of an entry in the archive, without extended headers.
fn in_archive(entry: &ListedEntry) -> u64 {
    entry.size.checked_next_multiple_of(BLOCK).and_then(|size| size.checked_add(BLOCK)).unwrap_or(u64::MAX)
}

/// Makes a table of entries. Its errors say why it cannot be used.
pub(super) struct Builder {
    table: Table,
    /// Where the files end.
    end: u64,
    /// Entries and pieces that may come.
    left: usize,
    /// The file whose chunks are coming.
    file: Option<File>,
}

struct File {
    size: u64,
    /// Bytes that its chunks so far have.
    chunked: u64,
    /// Where it ends, if that is said.
    end: Option<u64>,
    /// The last chunk did not say how large it is, so it is the last.
    is_complete: bool,
    first_piece: usize,
}

impl Builder {
    pub(super) fn new(format: Format, end: u64, max_entries: usize) -> Self {
        let table = Table { format, entries: Vec::new(), pieces: Vec::new(), ends: Vec::new(), unpacked: 0 };
        Self { table, end, left: max_entries, file: None }
    }

    pub(super) fn add(&mut self, raw: &Raw) -> Result<(), &'static str> {
        self.left = self.left.checked_sub(1).ok_or("it has too many entries")?;
        if raw.kind == "chunk" {
            return self.chunk(raw);
        }
        self.close_file()?;
        let kind = match raw.kind.as_str() {
            "reg" => ListedKind::File,
            "dir" => ListedKind::Directory,
            "symlink" => ListedKind::Symlink,
            "hardlink" => ListedKind::HardLink,
            "char" => ListedKind::CharacterDevice,
            "block" => ListedKind::BlockDevice,
            "fifo" => ListedKind::Fifo,
            _ => return Err("an entry is of an unknown type"),
        };
        if raw.name.is_empty() || [&raw.name, &raw.link_name].iter().any(|name| name.contains([REPLACEMENT, '\0'])) {
            return Err("a name is not the one of the archive");
        }
        if self.table.format == Format::Estargz && raw.name.trim_start_matches(['.', '/']) == ESTARGZ_NAME {
            return Err("it lists itself");
        }
        if kind == ListedKind::File && raw.name.ends_with('/') {
            return Err("a file has the name of a directory");
        }
        let is_link = matches!(kind, ListedKind::Symlink | ListedKind::HardLink);
        let size = if kind == ListedKind::File { raw.size } else { 0 };
        let sha256 = match (kind, &raw.digest) {
            (ListedKind::File, Some(digest)) => *digest.as_bytes(),
            (ListedKind::File, None) if size == 0 => EMPTY,
            (ListedKind::File, None) => return Err("a file has no digest"),
            _ => [0; 32],
        };
        if size == 0 && kind == ListedKind::File && sha256 != EMPTY {
            return Err("an empty file has another digest");
        }
        self.table.entries.push(ListedEntry {
            kind,
            path: raw.name.as_bytes().into(),
            link: if is_link { raw.link_name.as_bytes().into() } else { Box::default() },
            mode: u16::try_from(raw.mode & 0o7777).map_err(|_| "a mode is impossible")?,
            uid: raw.uid,
            gid: raw.gid,
            size,
            sha256,
        });
        if size > 0 {
            let end = Some(raw.end_offset).filter(|_| self.table.format == Format::ZstdChunked).flatten();
            let first_piece = self.table.pieces.len();
            self.file = Some(File { size, chunked: 0, end, is_complete: false, first_piece });
            return self.piece(raw);
        }
        self.table.ends.push(u32::try_from(self.table.pieces.len()).map_err(|_| "it has too many entries")?);
        Ok(())
    }

    fn chunk(&mut self, raw: &Raw) -> Result<(), &'static str> {
        let name = self.table.entries.last().map(|entry| &*entry.path);
        if self.file.is_none() || !(raw.name.is_empty() || name == Some(raw.name.as_bytes())) {
            return Err("a chunk is of no file");
        }
        self.piece(raw)
    }

    /// Adds what an entry says of stored bytes to the file that is open.
    fn piece(&mut self, raw: &Raw) -> Result<(), &'static str> {
        let Some(file) = &mut self.file else { return Err("a chunk is of no file") };
        let first = raw.offset.ok_or("a file has no offset")?;
        let size = match raw.chunk_size {
            0 => file.size.checked_sub(file.chunked).ok_or("the chunks of a file are larger than it")?,
            size => size,
        };
        if file.is_complete || raw.chunk_offset != file.chunked || size == 0 {
            return Err("the chunks of a file do not lie one behind the other");
        }
        file.is_complete = raw.chunk_size == 0;
        file.chunked = file.chunked.checked_add(size).ok_or("the chunks of a file are larger than it")?;
        let is_zeros = match raw.chunk_type.as_str() {
            "" => false,
            "zeros" => true,
            _ => return Err("a chunk is of an unknown type"),
        };
        self.table.pieces.push(Piece {
            first,
            end: first,
            inner: raw.inner_offset,
            size,
            sha256: raw.chunk_digest.as_ref().map(|digest| *digest.as_bytes()),
            is_zeros,
        });
        Ok(())
    }

    fn close_file(&mut self) -> Result<(), &'static str> {
        let Some(file) = self.file.take() else { return Ok(()) };
        if file.chunked != file.size {
            return Err("the chunks of a file are not all of it");
        }
        let pieces = self.table.pieces.get_mut(file.first_piece..);
        if let ([.., entry], Some([only])) = (self.table.entries.as_slice(), pieces)
            && only.sha256.take().is_some_and(|sha256| sha256 != entry.sha256)
        {
            return Err("a file of one chunk has another digest than the chunk");
        }
        if let (Some(end), Some(last)) = (file.end, self.table.pieces.last_mut()) {
            last.end = end;
        }
        self.table.ends.push(u32::try_from(self.table.pieces.len()).map_err(|_| "it has too many entries")?);
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Table, &'static str> {
        self.close_file()?;
        let Table { format, pieces, .. } = &mut self.table;
        // Where the stored bytes that are being looked at end, and where the next piece begins, which lies behind.
        let (mut end, mut next): (u64, Option<(u64, u64)>) = (self.end, None);
        let mut unpacked = 0_u64;
        for piece in pieces.iter_mut().rev() {
            let inside = piece.inner.checked_add(piece.size).ok_or("a chunk is impossibly large")?;
            match next {
                Some((first, inner)) if first == piece.first => {
                    if *format == Format::ZstdChunked || inside > inner {
                        return Err("files overlap");
                    }
                }
                Some((first, _)) => {
                    end = first;
                    unpacked = unpacked.saturating_add(inside);
                }
                None => unpacked = unpacked.saturating_add(inside),
            }
            if piece.first >= end {
                return Err("files do not lie in the order of their entries, or outside of the layer");
            }
            let said = Some(piece.end).filter(|said| *said > piece.first && *said < end);
            piece.end = said.unwrap_or(end);
            next = Some((piece.first, piece.inner));
        }
        let in_archive = self.table.entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(in_archive(entry)));
        self.table.unpacked = unpacked.max(in_archive);
        Ok(self.table)
    }
}

/// SHA-256 of nothing.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];
