//! Single-file applications: a native host with the files of the application appended.
//!
//! Format: .NET runtime, `src/native/corehost/bundle` and dotnet/designs, "The Single-file Bundler". Eight bytes before
//! a signature in the host say where the manifest of the bundle is. Versions: 1 (.NET Core 3), 2 (.NET 5), 6 (since
//! .NET 6, with a compressed size for each file).

use std::collections::HashSet;
use std::io::Read as _;

use flate2::read::DeflateDecoder;
use killick_model::problem::Problem;
use memchr::memmem;

use super::dependencies::{self, Library};
use crate::catalogers::executable::{Executable, executables};
use crate::catalogers::{Found, WantedFile};
use crate::content::Content;

/// SHA-256 of `.net core bundle` and a newline.
const SIGNATURE: &[u8] = b"\x8b\x12\x02\xb9\x6a\x61\x20\x38\x72\x7b\x93\x02\x14\xd7\xa0\x32\
                           \x13\xf5\xb9\xe6\xef\xae\x33\x18\xee\x3b\x2d\xce\x24\xb3\x6a\xae";

/// Places with the signature that are tried: programs that make bundles have it too.
const CANDIDATES: usize = 16;

/// Files of a bundle; real ones have some hundred.
const FILES: usize = 20_000;

/// Bytes of the list of files.
const MANIFEST_BYTES: u64 = 4 << 20;

/// Bytes of the initialised data of a host that is too large to be held; those of hosts have some hundred thousand.
const DATA_BYTES: u64 = 8 << 20;

/// Bytes of an unpacked document.
const DOCUMENT_BYTES: u64 = 8 << 20;

/// The type of `deps.json` among the types of files.
const DEPENDENCIES: u8 = 3;

/// One file of a bundle.
struct Entry<'a> {
    path: &'a str,
    kind: u8,
    offset: usize,
    size: usize,
    /// Zero if it is not compressed.
    compressed: usize,
}

/// The libraries of the application, if the file is a bundle.
pub(super) fn read(file: &WantedFile<'_>, found: &mut Found) -> Option<Vec<Library>> {
    let content = file.content;
    let entries = signatures(content).into_iter().filter_map(|at| entries(content, at));
    let entries = entries.into_iter().find(|entries| !entries.is_empty())?;
    let mut libraries = Vec::new();
    let names: HashSet<&str> = entries.iter().map(|entry| entry.path).collect();
    for entry in entries.iter().filter(|entry| entry.kind == DEPENDENCIES) {
        let Some(bytes) = unpacked(content, entry) else {
            let message = format!("`{}` of the bundle cannot be read", entry.path);
            found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            continue;
        };
        let document = WantedFile::whole(file.path, &bytes, file.limits);
        libraries.extend(dependencies::read(&document, found).unwrap_or_default().into_iter().map(|library| {
            let is_bundled = library.files.iter().any(|file| names.contains(file.as_str()));
            Library { nested: Some(entry.path.to_owned()), is_bundled, ..library }
        }));
    }
    Some(libraries)
}

/// Where the signature is: anywhere in a file that is held, in the initialised data of one that is not.
fn signatures(content: Content<'_>) -> Vec<u64> {
    let find = |bytes: &[u8], start: u64| {
        memmem::find_iter(bytes, SIGNATURE).take(CANDIDATES).map(|at| start + at as u64).collect()
    };
    if let Some(bytes) = content.bytes() {
        return find(bytes, 0);
    }
    let of_program = |program: Executable<'_>| {
        let section = program.section(&[b".data", b"__data"])?;
        Some(find(program.bytes_of(section, DATA_BYTES)?, section.offset))
    };
    // Of a universal file each program has a bundle of its own, with offsets of its own.
    match <[Executable<'_>; 1]>::try_from(executables(content)) {
        Ok([program]) => of_program(program).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// The files of the bundle that the header before the signature at `at` points to.
fn entries(content: Content<'_>, at: u64) -> Option<Vec<Entry<'_>>> {
    let header = content.get(at.checked_sub(8)?, 8)?.first_chunk().map(|raw| u64::from_le_bytes(*raw))?;
    // Zero in a host without a bundle.
    let header = Some(header).filter(|header| *header > at && *header < content.size())?;
    let mut reader = Reader(content.at_most(header, MANIFEST_BYTES)?);
    let (major, _minor) = (reader.u32()?, reader.u32()?);
    let count = usize::try_from(reader.u32()?).ok()?.min(FILES);
    reader.text()?;
    if major >= 2 {
        // Where two of the files are, which their entries say as well, and flags.
        reader.take(40)?;
    }
    let mut entries = Vec::new();
    for _ in 0..count {
        let (offset, size) = (reader.size()?, reader.size()?);
        let compressed = if major >= 6 { reader.size()? } else { 0 };
        let kind = *reader.take(1)?.first()?;
        entries.push(Entry { path: reader.text()?, kind, offset, size, compressed });
    }
    Some(entries)
}

fn unpacked(content: Content<'_>, entry: &Entry<'_>) -> Option<Vec<u8>> {
    let stored = if entry.compressed == 0 { entry.size } else { entry.compressed };
    let stored = content.get(entry.offset as u64, Some(stored as u64).filter(|size| *size <= DOCUMENT_BYTES)?)?;
    if entry.compressed == 0 {
        return Some(stored.to_vec());
    }
    let mut unpacked = Vec::new();
    DeflateDecoder::new(stored).take(DOCUMENT_BYTES).read_to_end(&mut unpacked).ok()?;
    (unpacked.len() == entry.size).then_some(unpacked)
}

/// Little-endian numbers and texts, one after another.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|raw| u32::from_le_bytes(*raw))
    }

    fn size(&mut self) -> Option<usize> {
        self.take(8)?.first_chunk().and_then(|raw| usize::try_from(u64::from_le_bytes(*raw)).ok())
    }

    /// A text after its length, of which each byte holds seven bits.
    fn text(&mut self) -> Option<&'a str> {
        let low = usize::from(*self.take(1)?.first()?);
        // Two bytes are enough for any path.
        let length = if low & 0x80 == 0 { low } else { usize::from(*self.take(1)?.first()?) << 7 | low & 0x7f };
        std::str::from_utf8(self.take(length)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0..60_u64, bytes in any::<Vec<u8>>()) {
            let bundle = [&at.to_le_bytes(), SIGNATURE, &[6, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0], &bytes].concat();
            let content = Content::whole(&bundle);
            for entry in entries(content, 8).unwrap_or_default() {
                let _ = unpacked(content, &entry);
            }
        }
    }
}
