//! eStargz: a footer says where the list is, which is the last file of the archive.

use std::io::{self, Read};

use flate2::bufread::{GzDecoder, MultiGzDecoder};
use killick_model::digest::Digest;
use killick_model::listing::{ListedEntry, ListedKind};
use tar::Header;

use super::build::ESTARGZ_NAME;
use super::{Format, Hashing, PartSource, Table, check_table, unusable};
use crate::limits::Limits;

const BLOCK: u64 = 512;

/// Bytes of the footer: an empty gzip member whose extra field has the offset; and of an older form of it.
const FOOTER: usize = 51;
const OLD_FOOTER: usize = 47;

/// Stored bytes behind the last file that are looked at, and what they may unpack to.
const TAIL: u64 = 16 << 20;
const UNPACKED_TAIL: u64 = 256 << 20;

pub(super) fn footer(last: &[u8], size: u64) -> Option<(u64, u64)> {
    /// Magic, deflate, an extra field and nothing else.
    const GZIP: &[u8] = &[0x1f, 0x8b, 8, 4];
    let last = |count: usize| last.get(last.len().checked_sub(count)?..).filter(|footer| footer.starts_with(GZIP));
    let field = |footer: &'_ [u8], head: &[u8]| -> Option<[u8; 22]> {
        footer.get(10..)?.strip_prefix(head)?.get(..22)?.try_into().ok()
    };
    let new = last(FOOTER).and_then(|footer| field(footer, &[26, 0, b'S', b'G', 22, 0]));
    let old = || last(OLD_FOOTER).and_then(|footer| field(footer, &[22, 0]));
    let (field, footer) = new.map(|field| (field, FOOTER)).or_else(|| old().map(|field| (field, OLD_FOOTER)))?;
    let digits = field.strip_suffix(b"STARGZ").filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    let offset = u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    let footer = footer as u64;
    (offset < size.checked_sub(footer)?).then_some((offset, footer))
}

/// The list as a file of its archive.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) entry: ListedEntry,
    /// Where it is stored.
    pub(super) offset: u64,
}

/// Fetches the list and verifies it.
pub(super) fn fetch(source: &PartSource, size: u64, expected: &Digest, limits: &Limits) -> io::Result<(Table, Own)> {
    let mut last = Vec::new();
    source.open(size.saturating_sub(FOOTER as u64)..size)?.read_to_end(&mut last)?;
    let (offset, footer) =
        footer(&last, size).ok_or_else(|| unusable("the layer has no footer that tells where it is"))?;
    let end = size.saturating_sub(footer);
    if end.saturating_sub(offset) > limits.table_bytes {
        return Err(unusable("it is too large"));
    }
    let mut packed = Vec::new();
    source.open(offset..end)?.read_to_end(&mut packed)?;
    let damaged = |error: io::Error| unusable(format!("it cannot be unpacked: {error}"));
    let mut decoder = GzDecoder::new(packed.as_slice());
    let mut header = Header::new_old();
    decoder.read_exact(header.as_mut_bytes()).map_err(damaged)?;
    let own = own_entry(&header, expected).filter(|own| own.size <= limits.table_bytes);
    let own = own.ok_or_else(|| unusable("another file is where it should be, or it is too large"))?;
    let mut json = Hashing::new(decoder.take(own.size));
    let outcome = super::read(&mut json, Format::Estargz, offset, limits);
    // A list of another digest is worse than one that cannot be read.
    check_table(source, expected, json.digest().map_err(damaged)?)?;
    Ok((outcome?, Own { entry: own, offset }))
}

/// What the header of the list says.
fn own_entry(header: &Header, digest: &Digest) -> Option<ListedEntry> {
    if *header.path_bytes() != *ESTARGZ_NAME.as_bytes() || !header.entry_type().is_file() {
        return None;
    }
    let number = |field: io::Result<u64>| u32::try_from(field.unwrap_or(0)).unwrap_or(u32::MAX);
    Some(ListedEntry {
        kind: ListedKind::File,
        path: ESTARGZ_NAME.as_bytes().into(),
        link: Box::default(),
        mode: u16::try_from(header.mode().unwrap_or(0) & 0o7777).unwrap_or(0),
        uid: number(header.uid()),
        gid: number(header.gid()),
        size: header.entry_size().ok().filter(|size| *size > 0)?,
        sha256: *digest.as_bytes(),
    })
}

/// Where the stored bytes begin that have the end of the last file, and what lies behind it.
pub(super) fn tail_start(table: &Table) -> u64 {
    table.last_piece().map_or(0, |piece| piece.first)
}

/// Whether the archive ends before the list: then whoever reads the archive does not see the list. Writers differ in it,
/// and only the bytes behind the last file tell.
pub(super) fn ends_before_list(source: &PartSource, table: &Table, offset: u64) -> io::Result<bool> {
    let first = tail_start(table);
    let inside = table.last_piece().map_or(0, |piece| piece.inner.saturating_add(piece.size));
    let size = table.entries().iter().rev().map(|entry| entry.size).find(|size| *size > 0).unwrap_or(0);
    let before = inside.saturating_add(size.wrapping_neg() % BLOCK);
    if offset.saturating_sub(first) > TAIL || before > UNPACKED_TAIL {
        return Err(unusable("its last file is too large to look behind it"));
    }
    let mut packed = Vec::new();
    source.open(first..offset)?.read_to_end(&mut packed)?;
    tail_ends(&packed, before).map_err(|error| unusable(format!("what lies behind the last file is odd: {error}")))
}

/// The same, of the stored bytes and how many of them, once unpacked, belong to files.
fn tail_ends(packed: &[u8], before: u64) -> io::Result<bool> {
    let mut tail = MultiGzDecoder::new(packed).take(before.saturating_add(UNPACKED_TAIL));
    let skip = |tail: &mut dyn Read, count: u64| match io::copy(&mut tail.take(count), &mut io::sink()) {
        Ok(skipped) if skipped < count => Err(io::ErrorKind::UnexpectedEof.into()),
        outcome => outcome,
    };
    skip(&mut tail, before)?;
    loop {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        if tail.read(&mut block[..1])? == 0 {
            return Ok(false);
        }
        tail.read_exact(&mut block[1..])?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(true);
        }
        let [flag] = header.as_old().linkflag;
        let size = header.entry_size()?;
        match flag {
            b'x' | b'g' | b'L' | b'K' => {
                skip(&mut tail, size.saturating_add(size.wrapping_neg() % BLOCK))?;
            }
            0 | b'0' if size > 0 => return Err(io::Error::other("a file that is not listed")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn new_footer(offset: &str) -> Vec<u8> {
        let header = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0, b'S', b'G', 22, 0];
        [&header, offset.as_bytes(), b"STARGZ", &[1, 0, 0, 0xff, 0xff], &[0; 8]].concat()
    }

    #[test]
    fn footers_are_read() {
        let new = new_footer("00000000000001f4");
        let old = [&new[..10], &[22, 0], &new[16..]].concat();
        let (new_size, old_size) = (new.len() as u64, old.len() as u64);
        assert_eq!((new_size, old_size), (51, 47));
        assert_eq!(footer(&new, 1000), Some((500, 51)));
        assert_eq!(footer(&old, 1000), Some((500, 47)));
        assert_eq!(footer(&[b"file".as_slice(), &old].concat(), 1000), Some((500, 47)));
        assert_eq!(footer(&new, 551), None, "there would be no list");
        assert_eq!(footer(&new, 50), None);
        assert_eq!(footer(&new[1..], 1000), None);
        assert_eq!(footer(b"", 1000), None);
        for odd in ["+0000000000001f4", "00000000000001fg", "ffffffffffffffff"] {
            assert_eq!(footer(&new_footer(odd), 1000), None, "{odd}");
        }
    }

    #[test]
    fn what_lies_behind_the_last_file_tells_where_the_archive_ends() {
        let header = |flag: u8, size: u64| {
            let mut header = Header::new_ustar();
            header.as_old_mut().linkflag = [flag];
            header.set_size(size);
            header.as_bytes().to_vec()
        };
        let pack = |parts: &[&[u8]]| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            gzip.write_all(&parts.concat()).unwrap();
            gzip.finish().unwrap()
        };
        let (file, zeros) = ([b'x'; 512], [0; 512]);
        let (directory, long) = (header(b'5', 0), [header(b'L', 3), zeros.to_vec()].concat());
        for (parts, want) in [
            (&[file.as_slice()][..], Some(false)),
            (&[&file, &zeros, &zeros], Some(true)),
            (&[&file, &directory, &zeros], Some(true)),
            (&[&file, &long, &directory], Some(false)),
            (&[&file, &header(b'1', 7), &directory], Some(false)),
            (&[&file, &header(b'0', 0)], Some(false)),
            (&[&file, &header(b'0', 7)], None),
            (&[&file, &directory[..100]], None),
            (&[&file[..100]], None),
        ] {
            assert_eq!(tail_ends(&pack(parts), 512).ok(), want);
        }
        assert!(!tail_ends(&[pack(&[&file]), pack(&[&directory])].concat(), 512).unwrap(), "in several members");
        assert!(tail_ends(b"no gzip", 0).is_err());
    }
}
