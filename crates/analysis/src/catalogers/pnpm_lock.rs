//! Node packages that a `pnpm-lock.yaml` asks for.
//!
//! Format: pnpm itself (`packages/lockfile.types`); versions 3 to 9. A package's key is `/name/version` up to version 5,
//! `/name@version` in 6, `name@version` since 9, each with what it was resolved among behind it. Up to 6 each package
//! tells whether it is for developers; since 9 that follows from the importers.

use std::collections::{BTreeMap, HashMap, HashSet};

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::declarations::{Declaration, Declarations, is_inside, repository};
use super::package_lock::{is_registry, version_of_archive};
use super::yarn_lock::split;
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the packages of pnpm's lock files.
pub(super) struct PnpmLock;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lock {
    #[serde(default)]
    packages: BTreeMap<String, Entry>,
    /// Since version 9.
    snapshots: Option<HashMap<String, Option<Snapshot>>>,
    #[serde(default)]
    importers: BTreeMap<String, Importer>,
}

#[derive(Deserialize)]
struct Entry {
    /// Where the key does not tell.
    name: Option<String>,
    version: Option<String>,
    resolution: Option<Resolution>,
    #[serde(default)]
    dev: bool,
}

#[derive(Deserialize)]
struct Resolution {
    /// `git`, `directory`; absent for archives.
    #[serde(rename = "type")]
    kind: Option<String>,
    tarball: Option<String>,
    repo: Option<String>,
    commit: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Snapshot {
    dependencies: HashMap<String, String>,
    optional_dependencies: HashMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Importer {
    dependencies: HashMap<String, Direct>,
    optional_dependencies: HashMap<String, Direct>,
}

/// Up to version 5 the version alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Direct {
    Described { version: String },
    Version(String),
}

impl Cataloger for PnpmLock {
    fn name(&self) -> &'static str {
        "pnpm-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Npm]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &["**/pnpm-lock.yaml", "**/shrinkwrap.yaml", "**/node_modules/.pnpm/lock.yaml"],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name() != b"lock.yaml" && is_inside(file.path, "node_modules") {
            return;
        }
        let Some(lock) = document::yaml::<Lock>(file, found) else { return };
        let snapshots = lock.snapshots.as_ref().filter(|_| !lock.importers.is_empty());
        let needed = snapshots.map(|snapshots| needed(&lock, snapshots));
        let mut packages = Declarations::new(PackageKind::Npm, file.path);
        for (key, entry) in &lock.packages {
            let resolution = entry.resolution.as_ref();
            let fetched_from = match resolution.and_then(|resolution| resolution.kind.as_deref()) {
                // Code of the project itself.
                Some("directory") => continue,
                Some("git") => {
                    let repo = resolution.and_then(|resolution| resolution.repo.as_deref()).unwrap_or_default();
                    let commit = resolution.and_then(|resolution| resolution.commit.as_deref()).unwrap_or_default();
                    Some(repository("git", repo, commit))
                }
                _ => resolution.and_then(|resolution| resolution.tarball.clone()),
            };
            let Some((name, version)) = name_and_version(key, entry) else { continue };
            packages.add(Declaration {
                name,
                version,
                fetched_from: fetched_from.as_deref().filter(|address| !is_registry(address)),
                is_development: needed.as_ref().map_or(entry.dev, |needed| !needed.contains(bare(key))),
            });
        }
        packages.finish(found);
    }
}

/// A key without what the package was resolved among: `name@1.0.0(react@17.0.2)`.
fn bare(key: &str) -> &str {
    key.split('(').next().unwrap_or(key)
}

fn name_and_version<'a>(key: &'a str, entry: &'a Entry) -> Option<(&'a str, &'a str)> {
    let (name, version) = of_key(bare(key));
    let name = entry.name.as_deref().or(name)?;
    // An address in the key may end in the name of an archive.
    let version = entry.version.as_deref().or(version).or_else(|| version_of_archive(name, bare(key)))?;
    Some((name, version))
}

/// Name and version as far as a key tells them.
fn of_key(key: &str) -> (Option<&str>, Option<&str>) {
    // The revision of a repository has no dot.
    let is_version = |text: &&str| {
        text.starts_with(|letter: char| letter.is_ascii_digit()) && text.contains('.') && !text.contains('/')
    };
    // `/name@1.0.0` and `name@1.0.0`; a registry other than the default stood before the first `/`.
    let path = key.strip_prefix('/').unwrap_or(key);
    if let Some((name, version)) = split(path)
        && name.matches('/').count() <= usize::from(name.starts_with('@'))
    {
        // `_` began what it was resolved among in version 5, whose versions have no `@` before it.
        if !version.contains('_') || !path.contains(&['/'][..]) || name.starts_with('@') {
            return (Some(name), Some(version).filter(is_version));
        }
    }
    // `/name/1.0.0_react@17.0.2`, `host/name/1.0.0/react@17.0.2`.
    let parts: Vec<&str> = key.split('/').collect();
    let first = usize::from(parts.len() > 2 || key.starts_with('/'));
    let scoped = parts.get(first).is_some_and(|part| part.starts_with('@'));
    let name_parts = if scoped { 2 } else { 1 };
    let before: usize = parts.iter().take(first).map(|part| part.len() + 1).sum();
    let length: usize = parts.iter().skip(first).take(name_parts).map(|part| part.len() + 1).sum();
    let name = key.get(before..(before + length).saturating_sub(1));
    let version = parts.get(first + name_parts).and_then(|part| part.split('_').next()).filter(is_version);
    (name.filter(|_| version.is_some()), version)
}

/// Keys of the packages that are reached from the importers other than for development.
fn needed<'a>(lock: &'a Lock, snapshots: &'a HashMap<String, Option<Snapshot>>) -> HashSet<&'a str> {
    let mut open: Vec<(&str, &str)> = Vec::new();
    for importer in lock.importers.values() {
        for (name, direct) in importer.dependencies.iter().chain(&importer.optional_dependencies) {
            let (Direct::Described { version } | Direct::Version(version)) = direct;
            open.push((name, version));
        }
    }
    let (mut seen, mut needed) = (HashSet::new(), HashSet::new());
    while let Some((name, version)) = open.pop() {
        // Aliases and addresses have the whole key for a version.
        let key = format!("{name}@{version}");
        let Some((key, snapshot)) = snapshots.get_key_value(&key).or_else(|| snapshots.get_key_value(version)) else {
            continue;
        };
        if seen.insert(key.as_str()) {
            needed.insert(bare(key));
            let edges = snapshot
                .iter()
                .flat_map(|snapshot| snapshot.dependencies.iter().chain(&snapshot.optional_dependencies));
            open.extend(edges.map(|(name, version)| (name.as_str(), version.as_str())));
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys() {
        for (key, want) in [
            ("/debug/4.3.4", (Some("debug"), Some("4.3.4"))),
            ("/debug/4.3.4_supports-color@8.1.1", (Some("debug"), Some("4.3.4"))),
            ("/@babel/core/7.22.5", (Some("@babel/core"), Some("7.22.5"))),
            ("/@babel/helper/7.0.0_@babel+core@7.22.5", (Some("@babel/helper"), Some("7.0.0"))),
            ("registry.example.org/debug/4.3.4", (Some("debug"), Some("4.3.4"))),
            ("registry.example.org/@a/b/4.3.4", (Some("@a/b"), Some("4.3.4"))),
            ("/debug@4.3.4", (Some("debug"), Some("4.3.4"))),
            ("/@babel/core@7.22.5", (Some("@babel/core"), Some("7.22.5"))),
            ("debug@4.3.4", (Some("debug"), Some("4.3.4"))),
            ("@babel/core@7.22.5", (Some("@babel/core"), Some("7.22.5"))),
            ("from-git@git+https://host/a.git#0123", (Some("from-git"), None)),
            ("github.com/a/b/0123abc", (None, None)),
            ("example.org/a.git/98e0a6f", (None, None)),
            ("@host/a/-/a-1.0.0.tgz", (None, None)),
            ("file:local", (None, None)),
            ("", (None, None)),
        ] {
            assert_eq!(of_key(key), want, "{key}");
        }
    }

    proptest! {
        #[test]
        fn no_key_makes_it_panic(key in "[a@/_.0-9:(\u{e9}]{0,20}") {
            of_key(bare(&key));
        }
    }
}
