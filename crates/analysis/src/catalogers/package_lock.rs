//! Node packages that a lock file of npm asks for: `package-lock.json`, `npm-shrinkwrap.json`, and
//! `node_modules/.package-lock.json`, which is npm's record of what it installed.
//!
//! Format: npm documentation, "package-lock.json". Version 1 nests `dependencies`; version 3 lists `packages` by their
//! place; version 2 has both, of which the places are taken.

use std::collections::BTreeMap;

use killick_model::package::PackageKind;
use serde::Deserialize;
use serde_json::Value;

use super::declarations::{Declaration, Declarations, is_inside};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the packages of npm's lock files.
pub(super) struct PackageLock;

#[derive(Deserialize)]
struct Lock {
    packages: Option<BTreeMap<String, Placed>>,
    #[serde(default)]
    dependencies: BTreeMap<String, Nested>,
}

/// A package at its place in the folder.
#[derive(Deserialize)]
struct Placed {
    /// Where the place is named otherwise.
    name: Option<String>,
    version: Option<String>,
    resolved: Option<Value>,
    license: Option<Value>,
    /// Stands for a folder of the project.
    #[serde(default)]
    link: bool,
    #[serde(default)]
    dev: bool,
}

/// A package of version 1 with those that only it sees.
#[derive(Deserialize)]
struct Nested {
    /// A version, an alias (`npm:name@version`), or an address.
    version: Option<String>,
    resolved: Option<Value>,
    #[serde(default)]
    dev: bool,
    #[serde(default)]
    dependencies: BTreeMap<String, Nested>,
}

impl Cataloger for PackageLock {
    fn name(&self) -> &'static str {
        "package-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Npm]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &["**/package-lock.json", "**/npm-shrinkwrap.json", "**/node_modules/.package-lock.json"],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name() != b".package-lock.json" && is_inside(file.path, "node_modules") {
            return;
        }
        let Some(lock) = document::json::<Lock>(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Npm, file.path);
        match &lock.packages {
            Some(placed) => placed.iter().for_each(|(place, entry)| add_placed(place, entry, &mut packages)),
            None => add_nested(&lock.dependencies, &mut packages),
        }
        packages.finish(found);
    }
}

fn add_placed(place: &str, entry: &Placed, packages: &mut Declarations<'_>) {
    // Outside `node_modules` are the project and its workspaces.
    let Some((_, folder)) = place.rsplit_once("node_modules/") else { return };
    if entry.link {
        return;
    }
    let resolved = entry.resolved.as_ref().and_then(Value::as_str);
    let added = packages.add(Declaration {
        name: entry.name.as_deref().unwrap_or(folder),
        version: entry.version.as_deref().unwrap_or_default(),
        fetched_from: resolved.filter(|address| !is_registry(address)),
        is_development: entry.dev,
    });
    if let (Some(package), Some(license)) = (added, &entry.license)
        && package.licenses.is_empty()
    {
        package.licenses = super::npm::all_licenses(license);
    }
}

/// The parser bounds how deep they are nested.
fn add_nested(dependencies: &BTreeMap<String, Nested>, packages: &mut Declarations<'_>) {
    for (name, entry) in dependencies {
        let written = entry.version.as_deref().unwrap_or_default();
        let resolved = entry.resolved.as_ref().and_then(Value::as_str);
        let (name, version) = written
            .strip_prefix("npm:")
            .and_then(|alias| alias.rsplit_once('@'))
            .filter(|(real, _)| !real.is_empty())
            .unwrap_or((name, written));
        let is_address = version.contains(':') || version.contains('/');
        if is_address && !version.ends_with("gz") && version.starts_with("file:") {
            continue;
        }
        let (name, version, fetched_from) = if is_address {
            of_archive(name, version)
        } else {
            (name, version, resolved.filter(|url| !is_registry(url)))
        };
        packages.add(Declaration { name, version, fetched_from, is_development: entry.dev });
        add_nested(&entry.dependencies, packages);
    }
}

/// Whether an address is one of a registry, from which its own name and version came. No lock file tells; registries
/// have `/-/` before the file, and that of GitHub `/download/` before the name.
pub(super) fn is_registry(address: &str) -> bool {
    let is_web = address.starts_with("https://") || address.starts_with("http://");
    // npm writes `true` for what is bundled, and nothing where registries are not to be recorded.
    address.is_empty() || is_web && (address.contains("/-/") || address.contains("npm.pkg.github.com/download/"))
}

/// Name, version and origin of what an address leads to, as far as it tells. An archive of a registry is a package of
/// that registry, whatever it is called here.
pub(super) fn of_archive<'a>(name: &'a str, address: &'a str) -> (&'a str, &'a str, Option<&'a str>) {
    if is_registry(address)
        && let Some((path, _)) = address.split_once("/-/")
    {
        let bare = path.rfind('/').map_or(0, |at| at + 1);
        let scope = path[..bare.saturating_sub(1)].rfind('/').map_or(0, |at| at + 1);
        let real = if path[scope..].starts_with('@') { &path[scope..] } else { &path[bare..] };
        if let Some(version) = version_of_archive(real, address) {
            return (real, version, None);
        }
    }
    (name, version_of_archive(name, address).unwrap_or_default(), Some(address))
}

/// `name-version.tgz` at the end of an address; the scope is not in it.
pub(super) fn version_of_archive<'a>(name: &str, address: &'a str) -> Option<&'a str> {
    let file = address.split(['#', '?']).next()?.rsplit(['/', ':']).next()?;
    let bare = name.rsplit('/').next()?;
    let version = file.strip_suffix(".tgz").or_else(|| file.strip_suffix(".tar.gz"))?;
    let version = version.strip_prefix(bare)?.strip_prefix('-')?;
    version.starts_with(|letter: char| letter.is_ascii_digit()).then_some(version)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn archives() {
        for (address, want) in [
            ("https://registry.example.org/semver/-/semver-5.7.1.tgz", ("semver", "5.7.1", None)),
            ("https://host/npm/@a/b/-/b-1.0.0-rc.1.tgz#00", ("@a/b", "1.0.0-rc.1", None)),
            ("https://host/called-2.0.0.tgz", ("called", "2.0.0", Some("https://host/called-2.0.0.tgz"))),
            ("https://host/-/x.tgz", ("called", "", Some("https://host/-/x.tgz"))),
            ("file:called-1.tar.gz", ("called", "1", Some("file:called-1.tar.gz"))),
        ] {
            assert_eq!(of_archive("called", address), want, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_address_makes_it_panic(address in "(https://)?[/a@\u{e9}-]{0,9}(/-/)?[/a@.\u{e9}1-]{0,9}(.tgz)?") {
            of_archive("a", &address);
        }
    }
}
