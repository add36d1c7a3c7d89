//! Go modules that sources ask for (`go.mod`, `go.sum`) or have with them (`vendor/modules.txt`, the module cache).
//!
//! Formats: Go Modules Reference, "go.mod files", "go.sum files", "Vendoring", "Module cache". Since Go 1.17 a `go.mod`
//! lists every module that a build needs. Before, it lists what is imported directly, and `go.sum` beside it has the
//! rest, among versions that were looked at only to choose: those have no checksum of their content, and of what has
//! one the highest was chosen.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::version::{Scheme, compare};
use serde::{Deserialize, Serialize};

use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, document, package};

/// Finds modules of sources.
pub(super) struct GoMod;

/// Lines of one file that are read; the longest real `go.sum` has some thousand.
const LINES: usize = 200_000;

/// The first release whose `go.mod` is complete.
const COMPLETE: (u32, u32) = (1, 17);

/// What a `go.mod` says of itself, for the join.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// It lists all modules that a build needs.
    is_complete: bool,
    /// It is of the toolchain's own sources, whose modules are part of the standard library.
    is_toolchain: bool,
}

impl Cataloger for GoMod {
    fn name(&self) -> &'static str {
        "go-mod"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Go]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &["**/go.mod", "**/go.sum", "**/vendor/modules.txt", "**/pkg/mod/cache/download/**/@v/*.ziphash"],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let name = file.path.file_name();
        if name.ends_with(b".ziphash") {
            found.packages.extend(cached(file));
            return;
        }
        // The manifests of modules in the cache say what those ask for, not what is there, and test data is no source.
        let is_foreign = [b"/pkg/mod/".as_slice(), b"/testdata/"]
            .iter()
            .any(|part| memchr::memmem::find(&[b"/", file.path.as_bytes()].concat(), part).is_some());
        if is_foreign {
            return;
        }
        let Some(text) = document::text(file, found) else { return };
        match name {
            b"go.mod" => manifest(&text, file.path, found),
            b"go.sum" => sums(&text, file.path, found),
            _ => vendored(&text, file.path, found),
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut manifests: HashMap<&[u8], Manifest> = HashMap::new();
        let mut summed: HashMap<&[u8], HashSet<&str>> = HashMap::new();
        for (path, _, found) in image.found {
            let folder = path.parent().unwrap_or_default();
            if let Some(manifest) = found.pieces.first().and_then(|piece| serde_json::from_slice(piece).ok()) {
                manifests.insert(folder, manifest);
            } else if path.file_name() == b"go.sum" {
                summed.insert(folder, found.packages.iter().map(|package| package.name.as_str()).collect());
            }
        }
        for (path, layer, found) in image.found {
            let folder = path.parent().unwrap_or_default();
            let above = folder.strip_suffix(b"/vendor").or_else(|| folder.strip_suffix(b"vendor")).unwrap_or(folder);
            let manifest = manifests.get(above);
            if manifest.is_some_and(|manifest| manifest.is_toolchain) {
                continue;
            }
            let is_complete = manifest.is_some_and(|manifest| manifest.is_complete);
            let mut found = (*found).clone();
            match path.file_name() {
                b"go.sum" if is_complete => found.packages.clear(),
                b"go.mod" if !is_complete => {
                    let in_sums = summed.get(folder);
                    found.packages.retain(|package| in_sums.is_none_or(|names| !names.contains(package.name.as_str())));
                }
                _ => {}
            }
            joined.take(self.name(), path, *layer, &found);
        }
    }
}

/// The directives of a `go.mod`, one after another: each word of a line, blocks resolved.
fn directives(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let mut block: Option<&str> = None;
    text.lines().take(LINES).filter_map(move |line| {
        let line = line.split_once("//").map_or(line, |(line, _)| line).trim();
        let mut words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
        match (block, words.as_slice()) {
            (_, []) => return None,
            (Some(_), [")"]) => {
                block = None;
                return None;
            }
            (None, [name, "("]) => {
                block = Some(name);
                return None;
            }
            _ => {}
        }
        // Without a blank before it: `require(`.
        if let (None, [name]) = (block, words.as_slice())
            && let Some(name) = name.strip_suffix('(')
        {
            block = Some(name);
            return None;
        }
        if let Some(name) = block {
            words.insert(0, name);
        }
        Some(words)
    })
}

/// A module, or a folder: by name, and by version where that is given.
type Selector<'a> = (&'a str, Option<&'a str>);

fn manifest(text: &str, path: &ImagePath, found: &mut Found) {
    let (mut required, mut seen) = (Vec::new(), HashSet::new());
    let mut replaced: HashMap<Selector<'_>, Selector<'_>> = HashMap::new();
    let mut manifest = Manifest { is_complete: false, is_toolchain: false };
    for words in directives(text) {
        match words.as_slice() {
            ["module", name] => manifest.is_toolchain = matches!(*name, "std" | "cmd"),
            ["go", version] => manifest.is_complete = release(version) >= COMPLETE,
            ["toolchain", name] if name.starts_with("go1") => {
                let name = name.split('-').next().unwrap_or(name);
                found.packages.push(declared(PackageKind::Go, "stdlib", name, path));
            }
            ["require", name, version] if is_version(version) && seen.insert((*name, *version)) => {
                required.push((*name, *version));
            }
            ["replace", name, "=>", new] => drop(replaced.insert((name, None), (new, None))),
            ["replace", name, "=>", new, to] => drop(replaced.insert((name, None), (new, Some(to)))),
            ["replace", name, from, "=>", new] => drop(replaced.insert((name, Some(from)), (new, None))),
            ["replace", name, from, "=>", new, to] => drop(replaced.insert((name, Some(from)), (new, Some(to)))),
            _ => {}
        }
    }
    for (name, version) in required {
        let by = replaced.get(&(name, Some(version))).or_else(|| replaced.get(&(name, None)));
        let (name, version) = match by {
            Some((name, Some(version))) => (*name, *version),
            // A folder: the code is among the sources, in no published version.
            Some((_, None)) => continue,
            None => (name, version),
        };
        found.packages.push(module(declared(PackageKind::Go, name, version, path), None));
    }
    found.pieces.extend(serde_json::to_vec(&manifest).ok());
}

/// The highest version of each module whose content has a checksum.
fn sums(text: &str, path: &ImagePath, found: &mut Found) {
    let mut highest: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for line in text.lines().take(LINES) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(version), Some(sum)) = (words.next(), words.next(), words.next()) else { continue };
        if version.ends_with("/go.mod") || !is_version(version) {
            continue;
        }
        let known = highest.entry(name).or_insert((version, sum));
        if compare(Scheme::Go, version, known.0) == Some(Ordering::Greater) {
            *known = (version, sum);
        }
    }
    let packages = highest
        .into_iter()
        .map(|(name, (version, sum))| module(declared(PackageKind::Go, name, version, path), Some(sum)));
    found.packages.extend(packages);
}

/// The modules whose sources lie beside the list: lines `# MODULE VERSION` and `# MODULE VERSION => MODULE VERSION`.
fn vendored(text: &str, path: &ImagePath, found: &mut Found) {
    for line in text.lines().take(LINES) {
        let Some(line) = line.strip_prefix("# ") else { continue };
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, version) = match words.as_slice() {
            [name, version] | [_, _, "=>", name, version] if is_version(version) => (name, version),
            _ => continue,
        };
        found.packages.push(module(package(PackageKind::Go, name, version, path), None));
    }
}

/// A module in the cache: its path is in the file's, capital letters written as `!` and the small one.
fn cached(file: &WantedFile<'_>) -> Option<Package> {
    let path = std::str::from_utf8(file.path.as_bytes()).ok()?;
    let (_, escaped) = path.split_once("/cache/download/")?;
    let (name, version) =
        escaped.strip_suffix(".ziphash")?.rsplit_once("/@v/").filter(|(_, version)| is_version(version))?;
    let sum =
        std::str::from_utf8(file.bytes).ok().map(str::trim).filter(|sum| sum.starts_with("h1:") && sum.len() < 100);
    Some(module(package(PackageKind::Go, &unescaped(name)?, &unescaped(version)?, file.path), sum))
}

fn unescaped(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(if letter == '!' { letters.next()?.to_ascii_uppercase() } else { letter });
    }
    Some(out)
}

fn module(mut package: Package, sum: Option<&str>) -> Package {
    package.details = PackageDetails::Go {
        main: false,
        toolchain: None,
        checksum: sum.map(str::to_owned),
        version_from: None,
        symbols: None,
    };
    package
}

fn is_version(text: &str) -> bool {
    text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}

/// `1.17`, `1.21.3`, `1.22rc1`: the first two numbers.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| {
        let digits =
            part.find(|letter: char| !letter.is_ascii_digit()).map_or(part, |end| part.get(..end).unwrap_or_default());
        digits.parse().unwrap_or_default()
    });
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}
