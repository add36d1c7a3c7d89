//! Go executables: the modules that the toolchain records in every binary.
//!
//! Format: Go source, package `debug/buildinfo` (package documentation and `buildinfo.go`): a 32-byte header with the
//! magic `\xff Go buildinf:`, then, since Go 1.18, the version and module texts inline as length-prefixed strings;
//! before, pointers to Go string headers in the data segments. `debug.BuildInfo.String` gives the form of the text.

use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use memchr::memmem;
use object::{Object as _, ObjectSegment as _};

use super::{Cataloger, Found, WantedFile, Wants, executable, package};

/// Finds the modules of Go executables.
pub(super) struct Go;

const MAGIC: &[u8] = b"\xff Go buildinf:";

/// The header is aligned to this within its segment.
const ALIGNMENT: usize = 16;

/// Bits of the flags: the byte order of the pointers, and whether the texts are inline.
const BIG_ENDIAN: u8 = 1;
const INLINE: u8 = 2;

const MARK_BYTES: usize = 16;

/// Places with the magic that are tried.
const CANDIDATES: usize = 64;

/// Bytes of the module text; real ones have some ten kilobytes.
const TEXT_BYTES: usize = 4 << 20;

/// Modules of one executable; real ones have some thousand.
const MODULES: usize = 50_000;

impl Cataloger for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Go]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &[], executables: executable::BEGINNINGS }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some((toolchain, modules)) = build_info(file.bytes) else { return };
        found.packages.extend(packages(&toolchain, &modules, file.path));
    }
}

/// Version of the toolchain and text of the modules.
fn build_info(bytes: &[u8]) -> Option<(String, String)> {
    // Segments and sections are aligned in the file as they are in memory, so one search of the whole file finds the
    // header without them, and rejects what no Go toolchain made before anything is parsed.
    let mut candidates = memmem::find_iter(bytes, MAGIC).filter(|at| at % ALIGNMENT == 0).take(CANDIDATES).peekable();
    candidates.peek()?;
    let executable = object::File::parse(bytes).ok()?;
    // Programs that read or contain Go executables have the magic elsewhere too: where there is a section, it decides.
    let section = executable::section(&executable, &[b".go.buildinfo", b"__go_buildinfo"]);
    let named = section.map(|(at, _)| at);
    named.into_iter().chain(candidates).find_map(|at| read_header(&executable, bytes.get(at..)?))
}

fn read_header(executable: &object::File<'_>, header: &[u8]) -> Option<(String, String)> {
    if !header.starts_with(MAGIC) {
        return None;
    }
    let pointer_size = usize::from(*header.get(14)?);
    let flags = *header.get(15)?;
    let (toolchain, modules) = if flags & INLINE != 0 {
        let (toolchain, rest) = length_prefixed(header.get(32..)?)?;
        (toolchain, length_prefixed(rest)?.0)
    } else {
        let big_endian = flags & BIG_ENDIAN != 0;
        let pointer = |at: usize| unsigned(header.get(at..at.checked_add(pointer_size)?)?, big_endian);
        let string = |address| go_string(executable, address, pointer_size, big_endian);
        (string(pointer(16)?)?, string(pointer(16 + pointer_size)?).unwrap_or_default())
    };
    let toolchain = std::str::from_utf8(toolchain).ok()?;
    if !toolchain.starts_with("go") && !toolchain.starts_with("devel") {
        return None;
    }
    Some((toolchain.to_owned(), String::from_utf8_lossy(unmarked(modules)).into_owned()))
}

/// The text stands between two marks of 16 bytes that let a program find it in memory.
fn unmarked(modules: &[u8]) -> &[u8] {
    let text = modules.get(MARK_BYTES..modules.len().saturating_sub(MARK_BYTES)).unwrap_or_default();
    if text.ends_with(b"\n") { text } else { &[] }
}

/// A varint and that many bytes; then what follows.
fn length_prefixed(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0;
    // Five bytes are more than any length within the limit needs.
    for (at, byte) in data.iter().enumerate().take(5) {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let length = usize::try_from(length).ok().filter(|length| *length <= TEXT_BYTES)?;
            return data.get(at + 1..)?.split_at_checked(length);
        }
    }
    None
}

/// A Go string header, pointer and length, at `address`.
fn go_string<'a>(
    executable: &object::File<'a>,
    address: u64,
    pointer_size: usize,
    big_endian: bool,
) -> Option<&'a [u8]> {
    let header = at_address(executable, address, 2 * pointer_size)?;
    let start = unsigned(header.get(..pointer_size)?, big_endian)?;
    let length = usize::try_from(unsigned(header.get(pointer_size..)?, big_endian)?).ok()?;
    if length > TEXT_BYTES {
        return None;
    }
    at_address(executable, start, length)
}

fn at_address<'a>(executable: &object::File<'a>, address: u64, length: usize) -> Option<&'a [u8]> {
    executable.segments().find_map(|segment| {
        let offset = usize::try_from(address.checked_sub(segment.address())?).ok()?;
        segment.data().ok()?.get(offset..offset.checked_add(length)?)
    })
}

fn unsigned(bytes: &[u8], big_endian: bool) -> Option<u64> {
    Some(match (bytes.len(), big_endian) {
        (4, true) => u32::from_be_bytes(bytes.try_into().ok()?).into(),
        (4, false) => u32::from_le_bytes(bytes.try_into().ok()?).into(),
        (8, true) => u64::from_be_bytes(bytes.try_into().ok()?),
        (8, false) => u64::from_le_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// The standard library, then the modules: lines `mod`, `dep` and `=>` (the replacement of the module above), each
/// with path, version and checksum, separated by tabs.
fn packages(toolchain: &str, modules: &str, path: &ImagePath) -> Vec<Package> {
    let mut packages = Vec::new();
    // `go1.22.1 X:boringcrypto`, `devel go1.23-aaa`: the release is the word that begins so.
    if let Some(release) = toolchain.split(' ').find(|word| word.starts_with("go1")) {
        packages.push(module(path, "stdlib", release, None, false, toolchain));
    }
    for line in modules.lines().take(MODULES) {
        let mut fields = line.split('\t');
        let (kind, name, version) = (fields.next(), fields.next(), fields.next());
        let (Some(kind), Some(name)) = (kind, name.filter(|name| !name.is_empty())) else { continue };
        // A main module of a build outside version control has no version.
        let version = version.filter(|version| !version.is_empty()).unwrap_or("(devel)");
        let checksum = fields.next().filter(|checksum| !checksum.is_empty());
        match kind {
            "mod" | "dep" => packages.push(module(path, name, version, checksum, kind == "mod", toolchain)),
            "=>" => {
                if let Some(last) = packages.last_mut().filter(|last| last.name != "stdlib") {
                    // A folder instead of a module: the code is of the module, in no published version.
                    let name = if name.starts_with(['.', '/']) { last.name.clone() } else { name.to_owned() };
                    let main = matches!(last.details, PackageDetails::Go { main: true, .. });
                    *last = module(path, &name, version, checksum, main, toolchain);
                }
            }
            _ => {}
        }
    }
    packages
}

fn module(path: &ImagePath, name: &str, version: &str, checksum: Option<&str>, main: bool, toolchain: &str) -> Package {
    let mut package = package(PackageKind::Go, name, version, path);
    package.details =
        PackageDetails::Go { main, toolchain: Some(toolchain.to_owned()), checksum: checksum.map(str::to_owned) };
    package
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn module_lines_are_read() {
        let text = "path\texample.org/app\nmod\texample.org/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.1.0\th1:aa=\n\
                    dep\texample.org/old\tv1.0.0\n=>\texample.org/new\tv1.2.0\th1:bb=\n\
                    dep\texample.org/fork\tv1.0.0\n=>\t../fork\t(devel)\t\nbuild\t-compiler=gc\n";
        let found = packages("go1.21.3 X:boringcrypto", text, &ImagePath::default());
        let pairs: Vec<(&str, &str)> =
            found.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("stdlib", "go1.21.3"),
                ("example.org/app", "(devel)"),
                ("golang.org/x/net", "v0.1.0"),
                ("example.org/new", "v1.2.0"),
                ("example.org/fork", "(devel)")
            ]
        );
    }

    #[test]
    fn length_prefixes_are_bounded() {
        assert_eq!(length_prefixed(b"\x02abc"), Some((b"ab".as_slice(), b"c".as_slice())));
        assert_eq!(length_prefixed(b"\x05abc"), None);
        assert_eq!(length_prefixed(b"\xff\xff\xff\xff\xff\xff"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(before in 0..40_usize, flags in 0..4_u8, bytes in vec(any::<u8>(), 0..300)) {
            let elf = [b"\x7fELF\x02\x01\x01\x00".as_slice(), &[0; 8 + 16 * 3], &vec![0; 16 * before]].concat();
            let _ = build_info(&[&elf, MAGIC, &[8, flags], &bytes].concat());
            let _ = build_info(&[b"\x7fELF\x02\x01\x01\x00".as_slice(), &bytes, MAGIC].concat());
            let _ = length_prefixed(&bytes);
            let _ = unmarked(&bytes);
        }
    }
}
