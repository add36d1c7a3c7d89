//! Zip archives, held in memory or in parts (PKWARE APPNOTE.TXT 6.3, sections 4.3 and 4.5.3).
//!
//! A reader of our own because the archives are hostile: nothing is allocated by a declared size or count, members
//! that overlap cost what they unpack to, and everything unpacked is paid for from one [`Allowance`]. Only stored
//! and deflated members are read; encrypted ones are not, and checksums are not verified.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::bufread::DeflateDecoder;

use crate::content;
use crate::limits::Limits;

const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// The end record and the longest comment after it.
const END_SEARCH: u64 = 22 + 0xffff;

/// Bytes of a local header without name and extra field.
const LOCAL_BYTES: u64 = 30;

/// Bytes that the extra field of a local header usually has at most.
const EXTRA_BYTES: u64 = 64;

/// Bytes that the end record and the directory of a nested archive usually have at most.
const DIRECTORY_BYTES: u64 = 128 << 10;

/// What the members of any file may be unpacked to at one time, however small it is itself.
const SPARE_BYTES: u64 = 4 << 20;

/// Bytes by which memory for a member grows.
const STEP_BYTES: usize = 16 << 10;

/// What a member may unpack to, whatever its ratio.
const FREE_BYTES: u64 = 1 << 20;

/// What all members of a file may unpack to, whatever their ratio.
const FREE_FILE_BYTES: u64 = 16 << 20;

/// What the open members of an archive of `size` bytes may be unpacked to at one time, all levels together. An archive
/// in an archive is rarely larger than the outer one, because it has been compressed before.
pub(in crate::catalogers) fn unpacks(size: u64, limits: &Limits) -> u64 {
    size.saturating_mul(2).max(SPARE_BYTES).min(limits.held_bytes.saturating_sub(size))
}

/// Whether the file is an archive that says of itself that it is one of Java: with a manifest or Maven's own folder.
/// Silent about anything else.
pub(in crate::catalogers) fn says_java(file: content::Content<'_>, limits: &Limits) -> bool {
    let Ok(archive) = Archive::open(file, &mut Allowance::new(limits, file.size())) else { return false };
    archive.entries.iter().any(|entry| {
        entry.name.eq_ignore_ascii_case(b"META-INF/MANIFEST.MF") || entry.name.starts_with(b"META-INF/maven/")
    })
}

/// The first member named `name` of the archive `bytes`, or `None` if there is none.
///
/// The error says which bound was hit or what is wrong with the archive.
pub(in crate::catalogers) fn member(bytes: &[u8], name: &str, limits: &Limits) -> Result<Option<Vec<u8>>, String> {
    let file = content::Content::whole(bytes);
    let mut allowance = Allowance::new(limits, file.size());
    let archive = Archive::open(file, &mut allowance)?;
    let Some(entry) = archive.entries.iter().find(|entry| entry.name == name.as_bytes()) else { return Ok(None) };
    let most = usize::try_from(unpacks(bytes.len() as u64, limits)).unwrap_or(usize::MAX);
    let content = archive.read(entry, most, &mut allowance)?;
    if content.is_cut {
        return Err(format!("limit-held-bytes: `{name}` has more than {most} bytes"));
    }
    Ok(Some(content.bytes.into_owned()))
}

/// What the archives of one file may still cost, all levels together.
#[derive(Debug)]
pub(in crate::catalogers) struct Allowance {
    bytes: u64,
    entries: u64,
    ratio: u64,
}

impl Allowance {
    /// For a file of `size` bytes. Members may overlap, so the ratio also holds for the file.
    pub(in crate::catalogers) fn new(limits: &Limits, size: u64) -> Self {
        let by_ratio = size.saturating_mul(limits.compression_ratio).max(FREE_FILE_BYTES);
        let bytes = limits.archive_bytes.min(by_ratio);
        Self { bytes, entries: limits.archive_entries, ratio: limits.compression_ratio }
    }
}

/// The members of an archive.
#[derive(Debug)]
pub(in crate::catalogers) struct Archive<'a> {
    file: content::Content<'a>,
    /// In the order of the central directory.
    pub(in crate::catalogers) entries: Vec<Entry<'a>>,
}

/// One line of the central directory.
#[derive(Debug, Clone, Copy)]
pub(in crate::catalogers) struct Entry<'a> {
    pub(in crate::catalogers) name: &'a [u8],
    flags: u16,
    method: u16,
    stored_bytes: u64,
    /// Of the local header.
    at: u64,
}

impl Entry<'_> {
    /// Neither compressed nor encrypted: reading it takes no memory.
    pub(in crate::catalogers) fn is_stored(&self) -> bool {
        self.method == 0 && self.flags & 1 == 0
    }
}

/// What was read of a member.
#[derive(Debug)]
pub(in crate::catalogers) struct Content<'a> {
    pub(in crate::catalogers) bytes: Cow<'a, [u8]>,
    /// There is more than was asked for.
    pub(in crate::catalogers) is_cut: bool,
}

impl<'a> Archive<'a> {
    /// Reads the central directory. Bytes before the archive, such as a script that starts it, are no hindrance.
    pub(in crate::catalogers) fn open(file: content::Content<'a>, allowance: &mut Allowance) -> Result<Self, String> {
        let (directory, shift) = directory(file)?;
        let mut entries = Vec::new();
        let mut rest = directory;
        while rest.starts_with(CENTRAL) {
            let Some((entry, after)) = central(rest, shift) else {
                return Err("the central directory is cut short".to_owned());
            };
            rest = after;
            allowance.entries = allowance
                .entries
                .checked_sub(1)
                .ok_or_else(|| "limit-archive-entries: too many members, nested archives included".to_owned())?;
            entries.push(entry);
        }
        Ok(Self { file, entries })
    }

    /// Unpacks at most `most` bytes of a member.
    pub(in crate::catalogers) fn read(
        &self,
        entry: &Entry<'_>,
        most: usize,
        allowance: &mut Allowance,
    ) -> Result<Content<'a>, String> {
        let name = || String::from_utf8_lossy(entry.name.get(..200).unwrap_or(entry.name)).into_owned();
        if entry.flags & 1 != 0 {
            return Err(format!("member `{}` is encrypted", name()));
        }
        let outside = || format!("member `{}` lies outside the archive", name());
        let header = LOCAL_BYTES + entry.name.len() as u64 + EXTRA_BYTES;
        self.file.ahead(entry.at, entry.stored_bytes.saturating_add(header));
        let part = self.part(entry).ok_or_else(outside)?;
        let stored = part.get(0, part.size()).ok_or_else(outside)?;
        match entry.method {
            0 => {
                let is_cut = stored.len() > most;
                Ok(Content { bytes: Cow::Borrowed(stored.get(..most).unwrap_or(stored)), is_cut })
            }
            8 => {
                let by_ratio = (stored.len() as u64).saturating_mul(allowance.ratio).max(FREE_BYTES);
                let bound = by_ratio.min(allowance.bytes).min(most as u64);
                let mut unpacked = Vec::new();
                let one_more = usize::try_from(bound).unwrap_or(usize::MAX).saturating_add(1);
                let outcome = read_at_most(&mut DeflateDecoder::new(stored), one_more, &mut unpacked);
                let is_cut = unpacked.len() as u64 > bound;
                allowance.bytes = allowance.bytes.saturating_sub(unpacked.len() as u64);
                if is_cut && bound < most as u64 {
                    let limit = if bound == by_ratio { "limit-compression-ratio" } else { "limit-archive-bytes" };
                    return Err(format!("{limit}: member `{}` unpacks to more than {bound} bytes", name()));
                }
                outcome.map_err(|error| format!("member `{}` does not unpack: {error}", name()))?;
                unpacked.truncate(most);
                Ok(Content { bytes: Cow::Owned(unpacked), is_cut })
            }
            method => Err(format!("member `{}` is compressed by method {method}, which is not read", name())),
        }
    }

    /// A member that is not compressed, as a file of its own; `None` if it lies outside the archive.
    pub(in crate::catalogers) fn stored(&self, entry: &Entry<'_>) -> Option<content::Content<'a>> {
        // The directory of an archive is at its end.
        let end = entry.at.saturating_add(LOCAL_BYTES + entry.name.len() as u64).saturating_add(entry.stored_bytes);
        let directory = entry.stored_bytes.min(DIRECTORY_BYTES);
        self.file.ahead(end.saturating_sub(directory), directory + EXTRA_BYTES);
        self.part(entry)
    }

    /// The bytes of a member as they are stored. The local header has lengths of its own for name and extra field.
    fn part(&self, entry: &Entry<'_>) -> Option<content::Content<'a>> {
        let header = self.file.get(entry.at, LOCAL_BYTES)?;
        if !header.starts_with(LOCAL) {
            return None;
        }
        let names = u64::from(u16_at(header, 26)?) + u64::from(u16_at(header, 28)?);
        let start = entry.at.checked_add(LOCAL_BYTES + names)?;
        let end = start.checked_add(entry.stored_bytes)?;
        (end <= self.file.size()).then(|| self.file.part(start, entry.stored_bytes))
    }
}

/// Reads up to `most` bytes, without memory for more than those.
pub(super) fn read_at_most(input: &mut impl Read, most: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let mut step = [0; STEP_BYTES];
    while out.len() < most {
        let count = match input.read(&mut step) {
            Ok(0) => break,
            Ok(count) => count.min(most - out.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if out.capacity() - out.len() < count {
            out.reserve_exact(out.len().max(STEP_BYTES).min(most - out.len()));
        }
        out.extend_from_slice(step.get(..count).unwrap_or_default());
    }
    Ok(())
}

/// The central directory, and how far all offsets lie behind what is declared.
fn directory(file: content::Content<'_>) -> Result<(&[u8], u64), String> {
    let from = file.size().saturating_sub(END_SEARCH);
    let tail = file.at_most(from, END_SEARCH).unwrap_or_default();
    // Backwards, as the comment may contain anything; an end record whose directory is not one is part of a comment.
    let mut found_any = false;
    for at in memchr::memmem::rfind_iter(tail, END) {
        found_any = true;
        let end = from + at as u64;
        if let Some(found) = end64(file, end).or_else(|| end32(file, end)) {
            return Ok(found);
        }
    }
    Err(if found_any { "the end record points nowhere" } else { "not a zip archive, or cut short" }.to_owned())
}

fn end32(file: content::Content<'_>, end: u64) -> Option<(&[u8], u64)> {
    let record = file.get(end, 22)?;
    placed(file, end, u32_at(record, 12)?.into(), u32_at(record, 16)?.into())
}

fn end64(file: content::Content<'_>, end: u64) -> Option<(&[u8], u64)> {
    let locator = file.get(end.checked_sub(20)?, 20)?;
    if !locator.starts_with(LOCATOR64) {
        return None;
    }
    // Where it should be, and where it is if there are bytes before the archive.
    let declared = u64_at(locator, 8)?;
    for at in [Some(declared), end.checked_sub(76)].into_iter().flatten() {
        let Some(record) = file.get(at, 56).filter(|record| record.starts_with(END64)) else { continue };
        return placed(file, at, u64_at(record, 40)?, u64_at(record, 48)?);
    }
    None
}

/// The directory ends where the end record begins; what lies between there and the declared place was put in front.
fn placed(file: content::Content<'_>, end: u64, size: u64, offset: u64) -> Option<(&[u8], u64)> {
    let start = end.checked_sub(size)?;
    let directory = file.get(start, size)?;
    if let Some(shift) = start.checked_sub(offset).filter(|_| directory.is_empty() || directory.starts_with(CENTRAL)) {
        return Some((directory, shift));
    }
    // Padding between directory and end record.
    let directory = file.get(offset, size)?;
    directory.starts_with(CENTRAL).then_some((directory, 0))
}

/// The first line of a central directory, and what follows it.
fn central(bytes: &[u8], shift: u64) -> Option<(Entry<'_>, &[u8])> {
    let name_end = 46 + usize::from(u16_at(bytes, 28)?);
    let extra_end = name_end + usize::from(u16_at(bytes, 30)?);
    let after = extra_end + usize::from(u16_at(bytes, 32)?);
    let extra = bytes.get(name_end..extra_end)?;
    let (mut stored_bytes, mut at) = (u64::from(u32_at(bytes, 20)?), u64::from(u32_at(bytes, 42)?));
    if let Some(wide) = zip64(extra) {
        // Only the values that do not fit are there, in this order.
        let mut values = wide.chunks_exact(8).filter_map(|value| u64_at(value, 0));
        if u32_at(bytes, 24)? == u32::MAX {
            values.next();
        }
        for value in [&mut stored_bytes, &mut at] {
            if *value == u64::from(u32::MAX) {
                *value = values.next().unwrap_or(*value);
            }
        }
    }
    let entry = Entry {
        name: bytes.get(46..name_end)?,
        flags: u16_at(bytes, 8)?,
        method: u16_at(bytes, 10)?,
        stored_bytes,
        at: at.checked_add(shift)?,
    };
    Some((entry, bytes.get(after..)?))
}

/// The zip64 block among the extra fields.
fn zip64(mut extra: &[u8]) -> Option<&[u8]> {
    loop {
        let (tag, size) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let body = extra.get(4..4 + size)?;
        if tag == 1 {
            return Some(body);
        }
        extra = extra.get(4 + size..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|raw| u16::from_le_bytes(*raw))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|raw| u32::from_le_bytes(*raw))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|raw| u64::from_le_bytes(*raw))
}
