//! A tar archive as a stream of entries, read as container engines read it (Go's `archive/tar`).
//!
//! Formats: POSIX.1-2017 pax interchange, ustar, GNU long names, v7. Header fields are decoded by the `tar` crate;
//! its iterator is not used because it holds extended headers of any length and ends at the first oddity.
//! What an engine refuses (wrong checksum, malformed size or extended header, end inside an entry) is an error.
//! Sparse members are given with their claimed size and without content: nothing expands a claim.

use std::io::{self, BufRead, Read};

use tar::Header;

use crate::error::{ReadError, TarError};

const BLOCK: usize = 512;

/// Bytes of one extended header, as in Go.
const HEADER_BYTES: u64 = 1 << 20;

/// What an entry is, before squashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryType {
    File,
    /// A file with holes, whose content is not given.
    Sparse,
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
    /// Size of the file; bytes that follow for anything but sparse files.
    pub(crate) size: u64,
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
}

#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    /// A pax sparse member and its claimed size.
    sparse: Option<u64>,
}

impl<R: BufRead> TarStream<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, offset: 0, remaining: 0, padding: 0, headers: 0 }
    }

    /// What the archive is read from.
    pub(crate) fn input(&self) -> &R {
        &self.input
    }

    /// The next entry, or `None` at the end of the archive. Skips what was not read of the current one.
    pub(crate) fn next_entry(&mut self, max_headers: u64) -> Result<Option<TarEntry>, ReadError> {
        self.skip(self.remaining.saturating_add(self.padding))?;
        (self.remaining, self.padding) = (0, 0);
        let mut extended = Extended::default();
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
                b'x' | b'X' => {
                    let records = self.extension(size)?;
                    pax(&records, &mut extended).ok_or_else(|| malformed("an extended header is malformed"))?;
                }
                // Engines ignore global headers.
                b'g' => drop(self.extension(size)?),
                b'L' => extended.path = Some(until_nul(&self.extension(size)?)),
                b'K' => extended.link = Some(until_nul(&self.extension(size)?)),
                _ => return Ok(Some(self.entry(&header, flag, size, extended))),
            }
        }
    }

    fn entry(&mut self, header: &Header, flag: u8, size: u64, extended: Extended) -> TarEntry {
        let path = extended.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extended
            .link
            .unwrap_or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default());
        let entry_type = match flag {
            0 if path.last() == Some(&b'/') => EntryType::Directory,
            0 | b'0' | b'7' if extended.sparse.is_some() => EntryType::Sparse,
            0 | b'0' | b'7' => EntryType::File,
            b'S' => EntryType::Sparse,
            b'1' => EntryType::HardLink,
            b'2' => EntryType::Symlink,
            b'3' => EntryType::CharacterDevice,
            b'4' => EntryType::BlockDevice,
            b'5' => EntryType::Directory,
            b'6' => EntryType::Fifo,
            other => EntryType::Other(other),
        };
        let size = extended.size.unwrap_or(size);
        // Links, devices and directories have no content whatever their size says, as in Go.
        let has_content = matches!(entry_type, EntryType::File | EntryType::Sparse | EntryType::Other(_));
        self.remaining = if has_content { size } else { 0 };
        self.padding = self.remaining.wrapping_neg() % BLOCK as u64;
        let claimed = match (entry_type, header.as_gnu()) {
            (EntryType::Sparse, Some(gnu)) if flag == b'S' => gnu.real_size().unwrap_or(0),
            (EntryType::Sparse, _) => extended.sparse.unwrap_or(0),
            _ => self.remaining,
        };
        let number = |extended: Option<u64>, field: io::Result<u64>| {
            u32::try_from(extended.or(field.ok()).unwrap_or(0)).unwrap_or(u32::MAX)
        };
        TarEntry {
            entry_type,
            path,
            link,
            mode: u16::try_from(header.mode().unwrap_or(0) & 0o7777).unwrap_or(0),
            uid: number(extended.uid, header.uid()),
            gid: number(extended.gid, header.gid()),
            size: claimed,
        }
    }

    /// One header; `None` at the end-of-archive mark or the end of the stream.
    fn header(&mut self) -> Result<Option<Header>, ReadError> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        // `as_mut_bytes` is a fixed array of one block, so slicing from `filled` stays inside.
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.input.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.cut()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::Io(error)),
            }
        }
        if block.iter().all(|&byte| byte == 0) {
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

    /// The content of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        if size > HEADER_BYTES {
            return Err(ReadError::Limit("limit-header-bytes", HEADER_BYTES));
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
        if self.remaining == 0 {
            return Ok(&[]);
        }
        let offset = self.offset;
        let remaining = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let buffer = self.input.fill_buf().map_err(ReadError::Io)?;
        if buffer.is_empty() {
            return Err(ReadError::Tar(TarError { offset, reason: "the archive ends inside an entry" }));
        }
        Ok(buffer.get(..remaining).unwrap_or(buffer))
    }

    /// Marks `count` bytes of the last chunk as used.
    pub(crate) fn consume(&mut self, count: usize) {
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

/// Reads pax records, `LENGTH KEY=VALUE\n`; `None` if one is malformed.
fn pax(mut records: &[u8], extended: &mut Extended) -> Option<()> {
    while !records.is_empty() {
        let blank = records.iter().position(|&byte| byte == b' ')?;
        let length: usize = number(records.get(..blank)?)?;
        let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
        records = records.get(length..)?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let (key, value) = (record.get(..equals)?, record.get(equals + 1..)?);
        match key {
            b"" => return None,
            b"path" | b"linkpath" | b"GNU.sparse.name" if value.contains(&0) => return None,
            // An empty value takes the record back.
            b"path" | b"GNU.sparse.name" => extended.path = Some(value.to_vec()).filter(|value| !value.is_empty()),
            b"linkpath" => extended.link = Some(value.to_vec()).filter(|value| !value.is_empty()),
            b"size" => extended.size = Some(number(value).filter(|size| i64::try_from(*size).is_ok())?),
            b"uid" => extended.uid = Some(number(value)?),
            b"gid" => extended.gid = Some(number(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => extended.sparse = Some(number(value)?),
            b"GNU.sparse.major" => extended.sparse = extended.sparse.or(Some(0)),
            _ => {}
        }
    }
    Some(())
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let mut stream = TarStream::new(bytes.as_slice());
            while let Ok(Some(_)) = stream.next_entry(100) {}
        }

        #[test]
        fn any_pax_records_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = pax(&bytes, &mut Extended::default());
        }
    }

    #[test]
    fn pax_records() {
        let mut extended = Extended::default();
        assert!(pax(b"12 path=a/b\n18 uid=4294967294\n", &mut extended).is_some());
        assert_eq!((extended.path, extended.uid), (Some(b"a/b".to_vec()), Some(4_294_967_294)));
        for bad in [
            "99999999999999999999 path=x\n",
            "-5 path=x\n",
            "0 path=x\n",
            "10 path",
            "3 =\n",
            "12 path=a\0b\n",
            "11 size=-1\n",
        ] {
            assert!(pax(bad.as_bytes(), &mut Extended::default()).is_none(), "{bad:?}");
        }
    }
}
