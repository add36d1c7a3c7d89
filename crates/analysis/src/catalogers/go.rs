//! Go executables: the modules that the toolchain records in every binary, and which of their functions are in it.
//!
//! Format: Go source, package `debug/buildinfo` (package documentation and `buildinfo.go`): a 32-byte header with the
//! magic `\xff Go buildinf:`, then, since Go 1.18, the version and module texts inline as length-prefixed strings;
//! before, pointers to Go string headers in the data segments. `debug.BuildInfo.String` gives the form of the text.

mod symbols;
mod version;

use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use memchr::memmem;

use super::executable::{Executable, executables, unsigned};
use super::{Cataloger, Found, WantedFile, Wants, executable, package};

/// Finds the modules of Go executables.
pub(super) struct Go;

const MAGIC: &[u8] = b"\xff Go buildinf:";

/// Sections that begin with the header.
const SECTIONS: &[&[u8]] = &[b".go.buildinfo", b"__go_buildinfo"];

/// The header is aligned to this within its segment.
const ALIGNMENT: usize = 16;

/// Bits of the flags: the byte order of the pointers, and whether the texts are inline.
const BIG_ENDIAN: u8 = 1;
const INLINE: u8 = 2;

const MARK_BYTES: usize = 16;

/// Places with the magic that are tried.
const CANDIDATES: usize = 64;

/// Bytes of the module text; real ones have some ten kilobytes.
const TEXT_BYTES: u64 = 4 << 20;

/// Modules of one executable; real ones have some thousand.
const MODULES: usize = 50_000;

impl Cataloger for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn revision(&self) -> u32 {
        3
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Go]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &[], executables: executable::BEGINNINGS }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        for executable in executables(file.content) {
            if let Some((toolchain, text)) = build_info(&executable) {
                let modules = Modules::read(&toolchain, &text);
                for package in modules.packages(&executable, file.path) {
                    // The programs of a universal file are one program for several processors.
                    let is_it = |other: &Package| (&other.name, &other.version) == (&package.name, &package.version);
                    if !found.packages.iter().any(is_it) {
                        found.packages.push(package);
                    }
                }
            } else if executable.is_packed() {
                let message = "packed with UPX: what it was built from cannot be seen";
                found.problems.push(Problem::new("packed-executable", file.path.to_string(), message));
            }
        }
    }
}

/// Version of the toolchain and text of the modules.
fn build_info(executable: &Executable<'_>) -> Option<(String, String)> {
    // Programs that read or contain Go executables have the magic elsewhere too: where there is a section, it decides.
    let section = executable.section(SECTIONS);
    if let Some(read) = section.and_then(|section| read_header(executable, section.offset)) {
        return Some(read);
    }
    // Segments are aligned in the file as they are in memory, so a search of the whole file finds the header.
    let bytes = executable.content.bytes()?;
    let mut candidates = memmem::find_iter(bytes, MAGIC).filter(|at| at % ALIGNMENT == 0).take(CANDIDATES);
    candidates.find_map(|at| read_header(executable, at as u64))
}

fn read_header(executable: &Executable<'_>, at: u64) -> Option<(String, String)> {
    let header = executable.content.get(at, 32)?;
    if !header.starts_with(MAGIC) {
        return None;
    }
    let pointer_size = usize::from(*header.get(14)?);
    let flags = *header.get(15)?;
    let (toolchain, modules) = if flags & INLINE != 0 {
        let (toolchain, next) = length_prefixed(executable, at.checked_add(32)?)?;
        (toolchain, length_prefixed(executable, next)?.0)
    } else {
        let is_big_endian = flags & BIG_ENDIAN != 0;
        let pointer = |at: usize| unsigned(header.get(at..at.checked_add(pointer_size)?)?, is_big_endian);
        let string = |address| go_string(executable, address, pointer_size, is_big_endian);
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

/// A varint and that many bytes; and where they end.
fn length_prefixed<'a>(executable: &Executable<'a>, at: u64) -> Option<(&'a [u8], u64)> {
    let mut length = 0;
    // Five bytes are more than any length within the limit needs.
    for (number, byte) in executable.content.at_most(at, 5)?.iter().enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * number);
        if byte & 0x80 == 0 {
            let start = at.checked_add(number as u64 + 1)?;
            let text = executable.content.get(start, Some(length).filter(|length| *length <= TEXT_BYTES)?)?;
            return Some((text, start + length));
        }
    }
    None
}

/// A Go string header, pointer and length, at `address`.
fn go_string<'a>(
    executable: &Executable<'a>,
    address: u64,
    pointer_size: usize,
    is_big_endian: bool,
) -> Option<&'a [u8]> {
    let header = executable.at_address(address, 2 * pointer_size as u64)?;
    let start = unsigned(header.get(..pointer_size)?, is_big_endian)?;
    let length = unsigned(header.get(pointer_size..)?, is_big_endian)?;
    if length > TEXT_BYTES {
        return None;
    }
    executable.at_address(start, length)
}

/// What the text says.
#[derive(Default)]
struct Modules<'a> {
    toolchain: &'a str,
    /// Import path of the main package.
    main_package: &'a str,
    /// In their order.
    all: Vec<Module<'a>>,
    settings: Vec<(String, String)>,
}

struct Module<'a> {
    /// By which its packages are imported.
    path: &'a str,
    /// As it is published: another where it was replaced.
    name: &'a str,
    version: &'a str,
    checksum: Option<&'a str>,
    is_main: bool,
}

impl<'a> Modules<'a> {
    /// Lines `path` (the main package), `mod`, `dep` and `=>` (the replacement of the module above), each with path,
    /// version and checksum, separated by tabs, and `build` with a setting.
    fn read(toolchain: &'a str, text: &'a str) -> Self {
        let mut read = Self { toolchain, ..Self::default() };
        for line in text.lines().take(MODULES) {
            let mut fields = line.split('\t');
            let (kind, name, version) = (fields.next(), fields.next(), fields.next());
            let (Some(kind), Some(name)) = (kind, name.filter(|name| !name.is_empty())) else { continue };
            // A main module of a build outside version control has no version.
            let version = version.filter(|version| !version.is_empty()).unwrap_or("(devel)");
            let checksum = fields.next().filter(|checksum| !checksum.is_empty());
            match kind {
                "path" => read.main_package = name,
                "mod" | "dep" => {
                    read.all.push(Module { path: name, name, version, checksum, is_main: kind == "mod" });
                }
                "=>" => {
                    if let Some(last) = read.all.last_mut() {
                        // A folder instead of a module: the code is of the module, in no published version.
                        let name = if name.starts_with(['.', '/']) { last.name } else { name };
                        *last = Module { name, version, checksum, ..*last };
                    }
                }
                "build" => read.settings.extend(setting(line)),
                _ => {}
            }
        }
        read
    }

    /// The standard library, then the modules.
    fn packages(&self, executable: &Executable<'_>, path: &ImagePath) -> Vec<Package> {
        let paths: Vec<&str> = self.all.iter().map(|module| module.path).collect();
        let mut symbols = symbols::by_module(executable, &paths, self.main_package).unwrap_or_default().into_iter();
        let mut packages = Vec::new();
        for module in &self.all {
            let told = if module.is_main && module.version == "(devel)" {
                version::of_settings(&self.settings, module.path, self.main_package)
            } else {
                None
            };
            let (version, version_from) = match told {
                Some((version, from)) => (version, Some(from)),
                None => (module.version.to_owned(), None),
            };
            // The packages of a module that stands in for another (`replace`) go by the path of the other, by which no
            // advisory about it names them.
            let symbols = symbols.next().filter(|_| module.name == module.path);
            let mut package = package(PackageKind::Go, module.name, &version, path);
            package.details = PackageDetails::Go {
                main: module.is_main,
                toolchain: Some(self.toolchain.to_owned()),
                checksum: module.checksum.map(str::to_owned),
                version_from,
                symbols,
            };
            packages.push(package);
        }
        // `go1.22.1 X:boringcrypto`, `devel go1.23-aaa`: the release is the word that begins so.
        if let Some(release) = self.toolchain.split(' ').find(|word| word.starts_with("go1")) {
            let mut package = package(PackageKind::Go, "stdlib", release, path);
            package.details = PackageDetails::Go {
                main: false,
                toolchain: Some(self.toolchain.to_owned()),
                checksum: None,
                version_from: None,
                symbols: symbols.next(),
            };
            packages.insert(0, package);
        }
        packages
    }
}

/// A line `build`, a tab, `KEY=VALUE`, where either is quoted as Go quotes strings if it has blanks.
fn setting(line: &str) -> Option<(String, String)> {
    let text = line.split_once('\t')?.1;
    let end = if text.starts_with('"') { text.find("\"=")? + 1 } else { text.find('=')? };
    Some((unquoted(text.get(..end)?), unquoted(text.get(end + 1..)?)))
}

/// A string of Go without its quotes. Escapes that stand for other characters than the one that follows are rare in
/// flags, and stay.
fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else { return text.to_owned() };
    let mut out = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\' | '\'')) => out.push(escaped),
                Some('t' | 'n') => out.push(' '),
                Some(other) => out.extend(['\\', other]),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::content::Content;

    #[test]
    fn module_lines_are_read() {
        let text = "path\texample.org/app\nmod\texample.org/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.1.0\th1:aa=\n\
                    dep\texample.org/old\tv1.0.0\n=>\texample.org/new\tv1.2.0\th1:bb=\n\
                    dep\texample.org/fork\tv1.0.0\n=>\t../fork\t(devel)\t\nbuild\t-compiler=gc\n\
                    build\t-ldflags=\"-X \\\"main.name=a b\\\" -s\"\n";
        let read = Modules::read("go1.21.3 X:boringcrypto", text);
        let modules: Vec<_> = read.all.iter().map(|module| (module.path, module.name, module.version)).collect();
        assert_eq!(
            modules,
            [
                ("example.org/app", "example.org/app", "(devel)"),
                ("golang.org/x/net", "golang.org/x/net", "v0.1.0"),
                ("example.org/old", "example.org/new", "v1.2.0"),
                ("example.org/fork", "example.org/fork", "(devel)")
            ]
        );
        assert_eq!(read.main_package, "example.org/app");
        let flags = ("-ldflags".to_owned(), "-X \"main.name=a b\" -s".to_owned());
        assert_eq!(read.settings, [("-compiler".to_owned(), "gc".to_owned()), flags]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(before in 0..40_usize, flags in 0..4_u8, bytes in vec(any::<u8>(), 0..300)) {
            let elf = [b"\x7fELF\x02\x01\x01\x00".as_slice(), &[0; 8 + 16 * 3], &vec![0; 16 * before]].concat();
            let files = [
                [&elf, MAGIC, &[8, flags], &bytes].concat(),
                [b"\x7fELF\x02\x01\x01\x00".as_slice(), &bytes, MAGIC].concat(),
                [&elf, b"\xf1\xff\xff\xff\0\0\x01\x08".as_slice(), &bytes, b"\0runtime."].concat(),
            ];
            for file in files {
                for executable in executables(Content::whole(&file)) {
                    let _ = build_info(&executable);
                    let _ = symbols::by_module(&executable, &["a"], "a");
                }
            }
            let _ = setting(&String::from_utf8_lossy(&bytes));
        }
    }
}
