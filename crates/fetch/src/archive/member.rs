//! The headers of an archive, one after the other (POSIX pax, ustar, GNU).
//!
//! The `tar` crate's own iteration reads GNU long names and pax headers of any size into memory; only its header
//! type is used here.

use std::borrow::Cow;
use std::io::{self, Read, Seek, SeekFrom};

use crate::limits::Limits;

const BLOCK: u64 = 512;
/// Bytes of a long name or a pax header.
const EXTENSION_BYTES: u64 = 1 << 20;
/// Bytes of all names together.
const NAME_BYTES: usize = 16 << 20;

/// What a member is. Directories, devices and the like are not reported.
pub(super) enum Kind {
    File { offset: u64, size: u64 },
    SymbolicLink { target: Vec<u8> },
    HardLink { target: Vec<u8> },
}

/// Why a scan ended early.
pub(super) enum ScanError {
    Read(io::Error),
    NotAnArchive,
    Truncated { member: String },
    Malformed { position: u64, reason: &'static str },
    TooLarge { limit: u64, what: &'static str },
}

/// Called for every member with its name and content.
type Visit<'a> = dyn FnMut(&[u8], Kind, &mut dyn Read) -> io::Result<()> + 'a;

/// A reader that can pass over bytes.
pub(super) trait Skip: Read {
    /// Passes over `count` bytes, or over as many as there are. Returns how many.
    fn skip(&mut self, count: u64) -> io::Result<u64>;
}

/// Skips by seeking.
pub(super) struct Seeking {
    file: fs_err::File,
    length: u64,
}

impl Seeking {
    pub(super) fn new(mut file: fs_err::File) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        Ok(Self { file, length })
    }
}

impl Read for Seeking {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.file.read(out)
    }
}

impl Skip for Seeking {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        let position = self.file.stream_position()?;
        let count = count.min(self.length.saturating_sub(position));
        self.file.seek(SeekFrom::Start(position + count))?;
        Ok(count)
    }
}

/// Skips by reading.
pub(super) struct Streaming<R>(pub(super) R);

impl<R: Read> Read for Streaming<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl<R: Read> Skip for Streaming<R> {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        io::copy(&mut self.0.by_ref().take(count), &mut io::sink())
    }
}

/// Names and sizes that extension headers give to the next member.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

/// Counts what passes, so that positions are known without asking the reader.
struct Counting<'a, R> {
    inner: &'a mut R,
    position: u64,
}

impl<R: Skip> Read for Counting<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Visits every file and link of the archive.
pub(super) fn scan<R: Skip>(reader: &mut R, limits: &Limits, visit: &mut Visit<'_>) -> Result<(), ScanError> {
    let mut reader = Counting { inner: reader, position: 0 };
    let mut extension = Extension::default();
    let mut members = 0_usize;
    let mut name_bytes = 0_usize;
    loop {
        let position = reader.position;
        let Some(header) = next_header(&mut reader)? else { return Ok(()) };
        let malformed = |reason| ScanError::Malformed { position, reason };
        let mut size = header.entry_size().map_err(|_| malformed("the size of a member is no number"))?;
        let kind = header.entry_type();
        if let b'L' | b'K' | b'x' | b'g' = kind.as_byte() {
            let bytes = extension_bytes(&mut reader, size, position)?;
            match kind.as_byte() {
                b'L' => extension.name = Some(until_nul(bytes)),
                b'K' => extension.link = Some(until_nul(bytes)),
                b'x' => pax(&bytes, &mut extension).ok_or_else(|| malformed("a pax header is no list of records"))?,
                _ => {}
            }
            continue;
        }
        let Extension { name, link, size: pax_size } = std::mem::take(&mut extension);
        size = pax_size.unwrap_or(size);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        members += 1;
        name_bytes = name_bytes.saturating_add(name.len());
        if members > limits.archive_members {
            return Err(ScanError::TooLarge { limit: limits.archive_members as u64, what: "members" });
        }
        if name_bytes > NAME_BYTES {
            return Err(ScanError::TooLarge { limit: NAME_BYTES as u64, what: "bytes of names" });
        }
        let target = || link.clone().or_else(|| header.link_name_bytes().map(Cow::into_owned));
        let end = reader.position.checked_add(size).ok_or_else(|| malformed("a member is larger than any file"))?;
        if end > limits.archive_bytes {
            return Err(ScanError::TooLarge { limit: limits.archive_bytes, what: "bytes" });
        }
        let found = match kind.as_byte() {
            b'0' | 0 | b'7' => Some(Kind::File { offset: reader.position, size }),
            b'1' => Some(Kind::HardLink { target: target().unwrap_or_default() }),
            b'2' => Some(Kind::SymbolicLink { target: target().unwrap_or_default() }),
            _ => None,
        };
        if matches!(found, Some(Kind::HardLink { .. } | Kind::SymbolicLink { .. })) {
            size = 0;
        }
        let end = reader.position.saturating_add(size);
        if let Some(found) = found {
            visit(&name, found, &mut Read::take(&mut reader, size)).map_err(ScanError::Read)?;
        }
        let rest = end.saturating_sub(reader.position);
        if skip(&mut reader, rest)? < rest {
            return Err(ScanError::Truncated { member: String::from_utf8_lossy(&name).into_owned() });
        }
        // A missing padding after the last member harms nobody.
        skip(&mut reader, padding(size))?;
    }
}

fn skip<R: Skip>(reader: &mut Counting<'_, R>, count: u64) -> Result<u64, ScanError> {
    let passed = reader.inner.skip(count).map_err(ScanError::Read)?;
    reader.position = reader.position.saturating_add(passed);
    Ok(passed)
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK
}

/// `None` at the end of the archive: a block of zeros, or no more bytes.
fn next_header<R: Skip>(reader: &mut Counting<'_, R>) -> Result<Option<tar::Header>, ScanError> {
    let position = reader.position;
    let mut block = Vec::with_capacity(512);
    Read::take(&mut *reader, BLOCK).read_to_end(&mut block).map_err(ScanError::Read)?;
    let is_first = position == 0;
    if block.is_empty() && !is_first || block.len() == 512 && block.iter().all(|&byte| byte == 0) {
        return if is_first { Err(ScanError::NotAnArchive) } else { Ok(None) };
    }
    let mut header = tar::Header::new_old();
    if block.len() != 512 {
        return Err(if is_first {
            ScanError::NotAnArchive
        } else {
            ScanError::Truncated { member: "a header".to_owned() }
        });
    }
    header.as_mut_bytes().copy_from_slice(&block);
    let sum: u32 =
        block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) }).sum();
    if header.cksum().ok() != Some(sum) {
        return Err(if is_first {
            ScanError::NotAnArchive
        } else {
            ScanError::Malformed { position, reason: "the checksum of a header is wrong" }
        });
    }
    Ok(Some(header))
}

fn extension_bytes<R: Skip>(reader: &mut Counting<'_, R>, size: u64, position: u64) -> Result<Vec<u8>, ScanError> {
    if size > EXTENSION_BYTES {
        return Err(ScanError::Malformed { position, reason: "a name or pax header is too long" });
    }
    let mut bytes = Vec::new();
    Read::take(&mut *reader, size).read_to_end(&mut bytes).map_err(ScanError::Read)?;
    if bytes.len() as u64 != size {
        return Err(ScanError::Truncated { member: "a header".to_owned() });
    }
    skip(reader, padding(size))?;
    Ok(bytes)
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|&byte| byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// Reads records `LENGTH KEY=VALUE\n`, where the length counts itself.
fn pax(mut rest: &[u8], extension: &mut Extension) -> Option<()> {
    while !rest.is_empty() {
        let space = rest.iter().take(20).position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(rest.get(..space)?).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
        rest = rest.get(length..)?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
        match key {
            b"path" => extension.name = Some(value.to_owned()),
            b"linkpath" => extension.link = Some(value.to_owned()),
            b"size" => extension.size = Some(std::str::from_utf8(value).ok()?.parse().ok()?),
            _ => {}
        }
    }
    Some(())
}
