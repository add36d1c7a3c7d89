//! Packages of a Nix or Guix store: `nix/store/HASH-NAME-VERSION[-OUTPUT]/`, `gnu/store/…` (Nix manual, "Store Path").
//!
//! The folders are the truth: images made from a store rarely have its database. Where there is one, or the derivation a
//! folder was built by, they tell what a name does not: where it ends and the version begins, the output, the size
//! ([`derivation`], [`database`]). Folders without a version are sources, scripts and configuration; so are files.

mod database;
mod derivation;

use std::collections::{BTreeMap, HashMap};

use killick_model::file::{FileEntry, FileKind};
use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};

use crate::catalogers::{Cataloger, Found, Image, Joined, WantedFile, Wants, package};

const STORES: &[&[u8]] = &[b"nix/store/", b"gnu/store/"];

/// Letters of a hash: 160 bits, five each.
const HASH: usize = 32;
const HASH_LETTERS: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Finds the packages of a store.
pub(crate) struct Nix;

/// What a derivation or the database says of a path.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Fact {
    path: String,
    name: Option<String>,
    version: Option<String>,
    output: Option<String>,
    system: Option<String>,
    deriver: Option<String>,
    size: Option<u64>,
}

impl Cataloger for Nix {
    fn name(&self) -> &'static str {
        "nix"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Nix]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &["nix/store/*.drv", "gnu/store/*.drv", "nix/var/nix/db/db.sqlite", "var/guix/db/db.sqlite"],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let facts = if file.path.as_bytes().ends_with(b".drv") {
            derivation::read(file, found)
        } else {
            database::read(file, found)
        };
        if !facts.is_empty() {
            found.pieces.extend(serde_json::to_vec(&facts));
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut facts: HashMap<String, Fact> = HashMap::new();
        for (_, _, found) in image.found {
            joined.problems.extend(found.problems.iter().cloned());
            let pieces = found.pieces.iter().filter_map(|piece| serde_json::from_slice::<Vec<Fact>>(piece).ok());
            for fact in pieces.flatten() {
                facts.entry(fact.path.clone()).or_default().merge(fact);
            }
        }
        for store in STORES {
            for (name, folder) in folders(image.files, store) {
                let path = [*store, name].concat();
                let fact = facts.remove(&format!("/{}", String::from_utf8_lossy(&path))).unwrap_or_default();
                let Some(path) = ImagePath::new(&path).filter(|_| folder.is_folder) else { continue };
                if let Some(mut package) = store_package(name, fact, &path) {
                    package.layer = folder.layer;
                    self.name().clone_into(&mut package.cataloger);
                    joined.packages.push(package);
                }
            }
        }
    }
}

impl Fact {
    /// Takes what is not known yet.
    fn merge(&mut self, other: Self) {
        let Self { path, name, version, output, system, deriver, size } = other;
        self.path = path;
        self.name = self.name.take().or(name);
        self.version = self.version.take().or(version);
        self.output = self.output.take().or(output);
        self.system = self.system.take().or(system);
        self.deriver = self.deriver.take().or(deriver);
        self.size = self.size.or(size);
    }
}

struct Folder {
    is_folder: bool,
    /// The lowest layer that has anything of it: a store path never changes.
    layer: u32,
}

/// What lies right in a store.
fn folders<'a>(files: &'a [FileEntry], store: &[u8]) -> BTreeMap<&'a [u8], Folder> {
    let first = files.partition_point(|file| file.path.as_bytes() < store);
    let mut folders: BTreeMap<&[u8], Folder> = BTreeMap::new();
    for file in files.get(first..).unwrap_or_default() {
        let Some(rest) = file.path.as_bytes().strip_prefix(store) else { break };
        let name = rest.split(|&byte| byte == b'/').next().unwrap_or_default();
        let is_itself = name.len() == rest.len();
        let folder = folders.entry(name).or_insert(Folder { is_folder: false, layer: file.layer });
        folder.layer = folder.layer.min(file.layer);
        folder.is_folder |= !is_itself || file.kind == FileKind::Directory;
    }
    folders
}

/// The package of a path in a store, if it has a version.
fn store_package(name: &[u8], fact: Fact, path: &ImagePath) -> Option<Package> {
    let (hash, rest) = name.split_at_checked(HASH)?;
    let is_hash = hash.iter().all(|letter| HASH_LETTERS.contains(letter));
    let full = std::str::from_utf8(rest.strip_prefix(b"-")?).ok().filter(|_| is_hash)?;
    let (name, version, suffix) = match (&fact.name, &fact.version) {
        (Some(name), Some(version)) => (name.as_str(), version.as_str(), None),
        _ => split(full)?,
    };
    let mut package = package(PackageKind::Nix, name, version, path);
    package.architecture = fact.system.and_then(|system| Some(system.split_once('-')?.0.to_owned()));
    package.size_bytes = fact.size;
    package.details = PackageDetails::Nix {
        hash: String::from_utf8_lossy(hash).into_owned(),
        output: fact.output.or(suffix.map(str::to_owned)).filter(|output| output != "out"),
        deriver: fact.deriver,
    };
    Some(package)
}

/// Name, version and what follows it. The version begins at the first dash that no letter follows (Nix manual,
/// `builtins.parseDrvName`). A word at its end is the output, or what the folder is for, such as `env`.
fn split(full: &str) -> Option<(&str, &str, Option<&str>)> {
    let bytes = full.as_bytes();
    let is_start = |at: &usize| bytes.get(at + 1).is_some_and(|next| !next.is_ascii_alphabetic());
    let at = full.match_indices('-').map(|(at, _)| at).find(is_start)?;
    let (name, version) = (full.get(..at)?, full.get(at + 1..)?);
    if name.is_empty() || !version.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_release = |word: &str| ["alpha", "beta", "git", "pre", "rc", "snapshot", "unstable"].contains(&word);
    match version.rsplit_once('-') {
        Some((version, word)) if word.bytes().all(|byte| byte.is_ascii_lowercase()) && !is_release(word) => {
            Some((name, version, Some(word)))
        }
        _ => Some((name, version, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions() {
        for (full, want) in [
            ("hello-2.12.1", Some(("hello", "2.12.1", None))),
            ("openssl-3.0.13-bin", Some(("openssl", "3.0.13", Some("bin")))),
            ("gcc-13.2.0-libgcc", Some(("gcc", "13.2.0", Some("libgcc")))),
            ("glibc-2.38-27", Some(("glibc", "2.38-27", None))),
            ("glibc-2.38-27-getent", Some(("glibc", "2.38-27", Some("getent")))),
            ("python3.11-requests-2.31.0", Some(("python3.11-requests", "2.31.0", None))),
            ("foo-unstable-2023-01-02", Some(("foo-unstable", "2023-01-02", None))),
            ("foo-1.0-rc", Some(("foo", "1.0-rc", None))),
            ("source", None),
            ("stdenv-linux", None),
            ("-1.0", None),
            ("x-", None),
            ("x-_", None),
        ] {
            assert_eq!(split(full), want, "{full}");
        }
    }
}
