//! A tar archive as a stream of entries, read as container engines read it (Go's `archive/tar`).
//!
//! Formats: POSIX.1-2017 pax interchange, ustar, GNU long names, v7. Header fields are decoded by the `tar` crate;
//! its iterator is not used because it holds extended headers of any length and ends at the first oddity.
//! What an engine refuses (wrong checksum, malformed size or extended header, end inside an entry) is an error.
//! Files with holes (GNU, and pax 0.0, 0.1 and 1.0) are given whole, their holes as zeros. Nothing bounds what holes
//! claim here: [`TarEntry::holes`] tells it beforehand, and what is not read costs nothing.

mod pax;
mod sparse;

use std::io::{self, BufRead, Read};

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use self::pax::{Extended, number};
use self::sparse::{MAX_REGIONS, Map, Piece};
use crate::error::{ReadError, TarError};

const BLOCK: usize = 512;

/// Bytes of one extended header: more is malformed, as in Go (`maxSpecialFileSize` of `archive/tar`), so that no engine reads
/// a layer that would need another number.
const HEADER_BYTES: u64 = 1 << 20;

/// What an entry is, before squashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryType {
    File,
    Directory,
    Symlink,
    HardLink,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Other(u8),
}

/// One entry's header, extended headers applied.
#[derive(Debug)]
pub(crate) struct TarEntry {
    pub(crate) entry_type: EntryType,
    /// As written.
    pub(crate) path: Vec<u8>,
    /// As written; empty for anything but links.
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Size of the file.
    pub(crate) size: u64,
    /// How much of it is holes, which no byte of the archive pays for.
    pub(crate) holes: u64,
}

/// Reads entries. The content of an entry is read through [`TarStream::chunk`] before the next header.
pub(crate) struct TarStream<R> {
    input: R,
    offset: u64,
    /// Content bytes of the current entry not yet given.
    remaining: u64,
    /// Padding after them.
    padding: u64,
    headers: u64,
    /// Where the content of the current entry lies, if it has holes.
    map: Option<Map>,
}

/// What was said of the next entry before its own header. As in Go, which engines read layers with: a later `x` header
/// replaces an earlier one whole, and the names of GNU's own headers precede those of `x` headers, whichever is first.
#[derive(Default)]
struct Pending {
    extended: Extended,
    /// Empty if there is none.
    long_path: Vec<u8>,
    long_link: Vec<u8>,
}

/// What holes are made of.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl<R: BufRead> TarStream<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, offset: 0, remaining: 0, padding: 0, headers: 0, map: None }
    }

    /// The next entry, or `None` at the end of the archive. Skips what was not read of the current one.
    pub(crate) fn next_entry(&mut self, max_headers: u64) -> Result<Option<TarEntry>, ReadError> {
        self.skip(self.remaining.saturating_add(self.padding))?;
        (self.remaining, self.padding, self.map) = (0, 0, None);
        let mut pending = Pending::default();
        loop {
            let start = self.offset;
            let malformed = |reason| ReadError::Tar(TarError { offset: start, reason });
            let Some(header) = self.header()? else { return Ok(None) };
            self.headers += 1;
            if self.headers > max_headers {
                return Err(ReadError::Limit("limit-layer-entries", max_headers));
            }
            let size = size(&header).ok_or_else(|| malformed("the size of an entry is malformed"))?;
            let [flag] = header.as_old().linkflag;
            match flag {
                b'x' => {
                    let records = self.extension(size)?;
                    let extended = Extended::read(&records);
                    pending.extended = extended.ok_or_else(|| malformed("an extended header is malformed"))?;
                }
                // Engines take a global header for an entry of its own, which they leave out; what came before it
                // is for nobody then.
                b'g' => {
                    let records = self.extension(size)?;
                    Extended::read(&records).ok_or_else(|| malformed("an extended header is malformed"))?;
                    pending = Pending::default();
                }
                b'L' => pending.long_path = until_nul(&self.extension(size)?),
                b'K' => pending.long_link = until_nul(&self.extension(size)?),
                _ => return self.entry(start, &header, flag, size, pending).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        start: u64,
        header: &Header,
        flag: u8,
        size: u64,
        pending: Pending,
    ) -> Result<TarEntry, ReadError> {
        let malformed = |reason| ReadError::Tar(TarError { offset: start, reason });
        let mut extended = pending.extended;
        let sparse = extended.take_sparse(size).map_err(malformed)?;
        let long = |name: Vec<u8>| Some(name).filter(|name| !name.is_empty());
        let path = long(pending.long_path).or(extended.path.take()).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = long(pending.long_link)
            .or(extended.link.take())
            .unwrap_or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default());
        let entry_type = match flag {
            0 if path.last() == Some(&b'/') => EntryType::Directory,
            0 | b'0' | b'7' | b'S' => EntryType::File,
            b'1' => EntryType::HardLink,
            b'2' => EntryType::Symlink,
            b'3' => EntryType::CharacterDevice,
            b'4' => EntryType::BlockDevice,
            b'5' => EntryType::Directory,
            b'6' => EntryType::Fifo,
            other => EntryType::Other(other),
        };
        // Only now: the name of a file with holes says nothing about what it is.
        let path = sparse.as_ref().and_then(|sparse| sparse.name.clone()).unwrap_or(path);
        // Links, devices and directories have no content whatever their size says, as in Go.
        let has_content = matches!(entry_type, EntryType::File | EntryType::Other(_));
        self.remaining = if has_content { extended.size.unwrap_or(size) } else { 0 };
        self.padding = self.remaining.wrapping_neg() % BLOCK as u64;
        let map = match sparse {
            _ if flag == b'S' => Some(self.gnu_map(start, header)?),
            Some(_) if !has_content => return Err(malformed("something else than a file has holes")),
            Some(sparse) => {
                let regions = match sparse.regions {
                    Some(regions) => regions,
                    None => self.leading_map(start)?,
                };
                Some((regions, sparse.size))
            }
            None => None,
        };
        let stored = self.remaining;
        if let Some((regions, size)) = map {
            let map = Map::new(regions, size, stored);
            self.map = Some(map.ok_or_else(|| malformed("the map of a file with holes is impossible"))?);
        }
        let size = self.map.as_ref().map_or(stored, Map::size);
        let number = |extended: Option<u64>, field: io::Result<u64>| {
            u32::try_from(extended.or(field.ok()).unwrap_or(0)).unwrap_or(u32::MAX)
        };
        Ok(TarEntry {
            entry_type,
            path,
            link,
            mode: u16::try_from(header.mode().unwrap_or(0) & 0o7777).unwrap_or(0),
            uid: number(extended.uid, header.uid()),
            gid: number(extended.gid, header.gid()),
            size,
            holes: size - stored,
        })
    }

    /// The map of GNU's own form, which goes on in blocks of its own, and the size of the file.
    fn gnu_map(&mut self, start: u64, header: &Header) -> Result<(Vec<(u64, u64)>, u64), ReadError> {
        let malformed =
            || ReadError::Tar(TarError { offset: start, reason: "the map of a file with holes is malformed" });
        let gnu = header.as_gnu().ok_or_else(malformed)?;
        let size = gnu.real_size().map_err(|_| malformed())?;
        let mut regions = Vec::new();
        let mut add = |entries: &[GnuSparseHeader]| {
            // An empty offset ends the list, as in Go and GNU tar.
            for entry in entries.iter().take_while(|entry| entry.offset[0] != 0) {
                regions.push((entry.offset().ok()?, entry.length().ok()?));
            }
            (regions.len() <= MAX_REGIONS).then_some(())
        };
        add(&gnu.sparse).ok_or_else(malformed)?;
        let mut goes_on = gnu.is_extended();
        while goes_on {
            let mut block = GnuExtSparseHeader::new();
            self.fill(block.as_mut_bytes()).and_then(|filled| if filled { Ok(()) } else { Err(self.cut()) })?;
            self.offset += BLOCK as u64;
            add(block.sparse()).ok_or_else(malformed)?;
            goes_on = block.is_extended();
        }
        Ok((regions, size))
    }

    /// The map of pax form 1.0: lines with numbers before the content, padded to whole blocks.
    fn leading_map(&mut self, start: u64) -> Result<Vec<(u64, u64)>, ReadError> {
        let malformed =
            || ReadError::Tar(TarError { offset: start, reason: "the map of a file with holes is malformed" });
        let mut numbers: Vec<u64> = Vec::new();
        let mut line = Vec::new();
        loop {
            let mut block = [0; BLOCK];
            self.remaining = self.remaining.checked_sub(BLOCK as u64).ok_or_else(malformed)?;
            if !self.fill(&mut block)? {
                return Err(self.cut());
            }
            self.offset += BLOCK as u64;
            for byte in block {
                if byte != b'\n' {
                    line.push(byte);
                    continue;
                }
                numbers.push(number(&line).filter(|_| !line.is_empty()).ok_or_else(malformed)?);
                line.clear();
                let count = numbers.first().copied().unwrap_or(0);
                if count > MAX_REGIONS as u64 {
                    return Err(malformed());
                }
                if numbers.len() as u64 > 2 * count {
                    return sparse::regions(numbers.get(1..).unwrap_or_default()).ok_or_else(malformed);
                }
            }
            if line.len() > BLOCK {
                return Err(malformed());
            }
        }
    }

    /// One header; `None` at the end-of-archive mark or the end of the stream.
    fn header(&mut self) -> Result<Option<Header>, ReadError> {
        let mut header = Header::new_old();
        if !self.fill(header.as_mut_bytes())? || header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let has_sum = {
            let bytes = header.as_bytes();
            // The checksum field counts as blanks. Old archivers summed signed bytes.
            let fields =
                || bytes.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte });
            let unsigned: i64 = fields().map(i64::from).sum();
            let signed: i64 = fields().map(|byte| i64::from(byte.cast_signed())).sum();
            header.cksum().is_ok_and(|sum| i64::from(sum) == unsigned || i64::from(sum) == signed)
        };
        if !has_sum {
            return Err(ReadError::Tar(TarError { offset: self.offset, reason: "a header has a wrong checksum" }));
        }
        self.offset += BLOCK as u64;
        Ok(Some(header))
    }

    /// Reads one block; false at the end of the stream.
    fn fill(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, ReadError> {
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(self.cut()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
        Ok(true)
    }

    /// The content of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        if size > HEADER_BYTES {
            let reason = "an extended header has more than 1048576 bytes";
            return Err(ReadError::Tar(TarError { offset: self.offset - BLOCK as u64, reason }));
        }
        let mut content = Vec::new();
        (&mut self.input).take(size).read_to_end(&mut content).map_err(ReadError::Io)?;
        if (content.len() as u64) < size {
            return Err(self.cut());
        }
        self.offset += size;
        self.skip(size.wrapping_neg() % BLOCK as u64)?;
        Ok(content)
    }

    /// The next bytes of the current entry's content; empty at its end. Call [`TarStream::consume`] with their number.
    pub(crate) fn chunk(&mut self) -> Result<&[u8], ReadError> {
        let count = match self.map.as_mut().map(Map::piece) {
            Some(Piece::Hole(count)) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                return Ok(ZEROS.get(..count).unwrap_or(&ZEROS));
            }
            Some(Piece::Stored(count)) => count.min(self.remaining),
            Some(Piece::End) => 0,
            None => self.remaining,
        };
        if count == 0 {
            return Ok(&[]);
        }
        let offset = self.offset;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let buffer = self.input.fill_buf().map_err(ReadError::Io)?;
        if buffer.is_empty() {
            return Err(ReadError::Tar(TarError { offset, reason: "the archive ends inside an entry" }));
        }
        Ok(buffer.get(..count).unwrap_or(buffer))
    }

    /// Marks `count` bytes of the last chunk as used.
    pub(crate) fn consume(&mut self, count: usize) {
        if let Some(map) = &mut self.map {
            let is_hole = matches!(map.piece(), Piece::Hole(_));
            map.advance(count as u64);
            if is_hole {
                return;
            }
        }
        self.input.consume(count);
        self.offset += count as u64;
        self.remaining = self.remaining.saturating_sub(count as u64);
    }

    /// Reads whatever follows the archive, so that the stream is verified to its end.
    pub(crate) fn drain(&mut self) -> Result<(), ReadError> {
        loop {
            let count = self.input.fill_buf().map_err(ReadError::Io)?.len();
            if count == 0 {
                return Ok(());
            }
            self.input.consume(count);
        }
    }

    fn skip(&mut self, mut count: u64) -> Result<(), ReadError> {
        while count > 0 {
            let available = self.input.fill_buf().map_err(ReadError::Io)?.len();
            if available == 0 {
                return Err(self.cut());
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(available);
            self.input.consume(step);
            self.offset += step as u64;
            count -= step as u64;
        }
        Ok(())
    }

    fn cut(&self) -> ReadError {
        ReadError::Tar(TarError { offset: self.offset, reason: "the archive ends inside an entry" })
    }
}

/// The size field; `None` if it is negative or no number.
fn size(header: &Header) -> Option<u64> {
    let field = header.as_old().size;
    if field[0] == 0xff {
        return None;
    }
    header.entry_size().ok().filter(|size| i64::try_from(*size).is_ok())
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests;
