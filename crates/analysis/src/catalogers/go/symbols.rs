//! The functions of a Go executable, by module.
//!
//! Format: Go source, `internal/abi` and `debug/gosym`, "pclntab": a header with a magic number for each of its versions,
//! then, at an offset that it has, the names of all functions, each ended by a NUL. The names of functions that were
//! inlined everywhere are there too. Before Go 1.16 names lie among other things, and those of inlined functions cannot be
//! told: of such executables nothing is said.
//!
//! The runtime needs the table, so it is there where symbols were stripped.

use std::borrow::Cow;
use std::collections::HashMap;

use killick_model::package::symbols::{Symbols, hash};
use memchr::memmem;

use super::super::executable::{Executable, Format};

/// Sections that begin with the table.
const SECTIONS: &[&[u8]] = &[b".gopclntab", b".data.rel.ro.gopclntab", b"__gopclntab"];

/// Magic numbers of Go 1.16, 1.18 and 1.20.
const MAGICS: [u32; 3] = [0xffff_fffa, 0xffff_fff0, 0xffff_fff1];

/// Bytes of all names; large real ones have some ten million.
const NAMES_BYTES: u64 = 32 << 20;

/// Bytes of one name.
const NAME_BYTES: usize = 4096;

/// Places that are tried where no section says where the table is.
const CANDIDATES: usize = 64;

/// The functions of each module, which are named by their paths, and last those of the standard library; `None` if the
/// executable does not tell. `main` is the import path of the main package.
pub(super) fn by_module(executable: &Executable<'_>, modules: &[&str], main: &str) -> Option<Vec<Symbols>> {
    let names = names(executable)?;
    let numbers: HashMap<&str, usize> = modules.iter().enumerate().rev().map(|(at, path)| (*path, at)).collect();
    let mut hashes: Vec<Vec<u64>> = vec![Vec::new(); modules.len() + 1];
    let mut last = (String::new(), None);
    for name in names.split(|&byte| byte == 0).filter(|name| name.len() <= NAME_BYTES) {
        let Some((path, symbol)) = std::str::from_utf8(name).ok().and_then(split) else { continue };
        let path = if path == "main" { Cow::Borrowed(main) } else { path };
        if last.0 != path {
            last = (path.to_string(), module_of(&path, &numbers, modules.len()));
            // A package that comes again is there once all the same.
            if let Some(hashes) = last.1.and_then(|module: usize| hashes.get_mut(module)) {
                hashes.push(hash(&path, None));
            }
        }
        if let Some(hashes) = last.1.and_then(|module| hashes.get_mut(module)) {
            hashes.push(hash(&path, Some(&symbol)));
        }
    }
    Some(hashes.into_iter().map(Symbols::of_hashes).collect())
}

/// The module with the longest path that the package is below; the standard library, number `stdlib`, for a path that
/// begins with no domain.
fn module_of(path: &str, modules: &HashMap<&str, usize>, stdlib: usize) -> Option<usize> {
    let mut rest = path;
    loop {
        if let Some(number) = modules.get(rest) {
            return Some(*number);
        }
        match rest.rsplit_once('/') {
            Some((above, _)) => rest = above,
            None => return (!rest.contains('.')).then_some(stdlib),
        }
    }
}

/// The import path and the function of a name in the table: `net/http.(*Client).Do.func1` is `Client.Do` of `net/http`.
fn split(name: &str) -> Option<(Cow<'_, str>, String)> {
    if name.starts_with("type:") || name.starts_with("type..") || name.starts_with("go:") {
        return None;
    }
    let before_types = name.find(['(', '[']).map_or(name, |at| name.get(..at).unwrap_or(name));
    let folder = before_types.rfind('/').map_or(0, |slash| slash + 1);
    let dot = folder + before_types.get(folder..)?.find('.')?;
    let path = unescape(name.get(..dot)?);
    let function = without_types(name.get(dot + 1..)?);
    let (first, rest) = match function.strip_prefix("(*").and_then(|rest| rest.split_once(')')) {
        Some((receiver, rest)) => (receiver, rest.strip_prefix('.')?),
        None => function.split_once('.').unwrap_or((&function, "")),
    };
    // `-fm` and `-range1` are parts of functions too.
    let first = first.split('-').next().unwrap_or_default();
    let second = rest.split(['.', '-']).next().unwrap_or_default();
    if first.is_empty() {
        return None;
    }
    Some((path, if is_of_compiler(second) { first.to_owned() } else { format!("{first}.{second}") }))
}

/// Whether the compiler gave the name to a part of a function.
fn is_of_compiler(name: &str) -> bool {
    let number = ["func", "gowrap", "deferwrap"].iter().find_map(|word| name.strip_prefix(word)).unwrap_or(name);
    number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The last element of a path has bytes as `%2e` that would end it.
fn unescape(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let (mut out, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *byte == b'%');
        let escaped = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        out.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// Without type parameters, which are in brackets, and may be in others.
fn without_types(function: &str) -> Cow<'_, str> {
    if !function.contains('[') {
        return Cow::Borrowed(function);
    }
    let mut depth = 0_usize;
    let outside = function.chars().filter(|character| {
        let is_outside = depth == 0 && *character != '[';
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_outside
    });
    Cow::Owned(outside.collect())
}

/// The names of all functions.
fn names<'a>(executable: &Executable<'a>) -> Option<&'a [u8]> {
    if let Some(section) = executable.section(SECTIONS) {
        return names_at(executable, section.offset);
    }
    // PE has no such section, and those of others may be stripped.
    let bytes = executable.content.bytes().filter(|_| executable.format != Format::MachO)?;
    let order = |number: u32| if executable.is_big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    MAGICS.iter().rev().find_map(|magic| {
        let magic = order(*magic);
        let mut places = memmem::find_iter(bytes, &magic).take(CANDIDATES);
        places.find_map(|at| names_at(executable, at as u64))
    })
}

fn names_at<'a>(executable: &Executable<'a>, start: u64) -> Option<&'a [u8]> {
    let header = executable.content.at_most(start, 8 + 8 * 8)?;
    let magic = u32::try_from(executable.number(header.get(..4)?)?).ok()?;
    let (zeros, word) = (header.get(4..6)?, usize::from(*header.get(7)?));
    // The unit of instructions, then the size of pointers.
    if zeros != [0, 0] || !matches!(header.get(6)?, 1 | 2 | 4) || !matches!(word, 4 | 8) {
        return None;
    }
    let field = |number: usize| executable.number(header.get(8 + number * word..8 + (number + 1) * word)?);
    // Numbers of functions and of files, since Go 1.18 the address of the code, then the offsets of names and of units.
    let first = match MAGICS.iter().position(|known| *known == magic)? {
        0 => 2,
        _ => 3,
    };
    let (from, to) = (field(first)?, field(first + 1)?);
    let size = to.checked_sub(from).filter(|size| (1..=NAMES_BYTES).contains(size))?;
    let names = executable.content.get(start.checked_add(from)?, size)?;
    memmem::find(names, b"\0runtime.").is_some().then_some(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_as_advisories_have_them() {
        for (name, want) in [
            ("net/http.(*Client).Do", Some(("net/http", "Client.Do"))),
            ("net/http.(*Client).Do.func1", Some(("net/http", "Client.Do"))),
            ("net/http.(*Client).Do.func1.2", Some(("net/http", "Client.Do"))),
            ("net/http.(*Client).Do-fm", Some(("net/http", "Client.Do"))),
            ("crypto/elliptic.CurveParams.Add", Some(("crypto/elliptic", "CurveParams.Add"))),
            ("gopkg.in/yaml%2ev3.Unmarshal", Some(("gopkg.in/yaml.v3", "Unmarshal"))),
            ("gopkg.in/yaml%2ev3.(*parser).peek", Some(("gopkg.in/yaml.v3", "parser.peek"))),
            ("github.com/a/b/v2.New.func3", Some(("github.com/a/b/v2", "New"))),
            ("github.com/a/b.init.0", Some(("github.com/a/b", "init"))),
            ("github.com/a/b.F.gowrap1", Some(("github.com/a/b", "F"))),
            ("github.com/a/b.F.deferwrap2", Some(("github.com/a/b", "F"))),
            ("github.com/a/b.F-range1", Some(("github.com/a/b", "F"))),
            ("slices.SortFunc[...]", Some(("slices", "SortFunc"))),
            ("sync/atomic.(*Pointer[go.shape.struct { net/http.x }]).Load", Some(("sync/atomic", "Pointer.Load"))),
            ("maps.Keys[go.shape.map[string]int].func1", Some(("maps", "Keys"))),
            ("main.main", Some(("main", "main"))),
            ("type:.eq.net/http.Client", None),
            ("type..eq.net/http.Client", None),
            ("go:buildid", None),
            ("runtime/cgo(.text)", None),
            ("callbackasm", None),
            ("glob..func1", None),
            ("a.", None),
            ("", None),
        ] {
            let found = split(name);
            let found = found.as_ref().map(|(path, symbol)| (path.as_ref(), symbol.as_str()));
            assert_eq!(found, want, "{name}");
        }
    }

    #[test]
    fn packages_are_of_the_nearest_module() {
        let modules = HashMap::from([("example.org/a", 0), ("example.org/a/b", 1), ("demo", 2)]);
        for (path, want) in [
            ("example.org/a", Some(0)),
            ("example.org/a/c/d", Some(0)),
            ("example.org/a/b/c", Some(1)),
            ("example.org/ab", None),
            ("demo/cmd", Some(2)),
            ("net/http", Some(3)),
            ("vendor/golang.org/x/net/http2", Some(3)),
        ] {
            assert_eq!(module_of(path, &modules, 3), want, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in "[a-z/.%(*)\\[\\]0-9é-]{0,40}") {
            let _ = split(&name);
        }
    }
}
