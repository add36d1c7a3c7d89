//! Haskell packages: what GHC's package databases hold, and what Stack and Cabal locked.
//!
//! Formats: GHC User's Guide, "Packages", and Cabal's `InstalledPackageInfo` (`*.conf`, one package a file); Stack
//! documentation, "Lock files" and "Package locations"; Cabal documentation, `cabal freeze` and `cabal.project`.

use killick_model::package::{Package, PackageKind};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::deb822::paragraphs;
use super::published::repository;
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, declared, document, package};

/// Finds Haskell packages.
pub(super) struct Haskell;

/// `stack.yaml.lock`.
#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    completed: Option<Location>,
    original: Option<Location>,
}

/// `stack.yaml`, as far as it names versions.
#[derive(Deserialize)]
struct Project {
    #[serde(rename = "extra-deps", default)]
    extra: Option<Vec<Extra>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Extra {
    Text(String),
    Location(Location),
    Other(IgnoredAny),
}

/// Where Stack gets a package: the registry, a repository, an archive.
#[derive(Deserialize)]
struct Location {
    hackage: Option<String>,
    name: Option<String>,
    version: Option<String>,
    git: Option<String>,
    hg: Option<String>,
    commit: Option<String>,
    #[serde(alias = "archive")]
    url: Option<String>,
}

impl Cataloger for Haskell {
    fn name(&self) -> &'static str {
        "haskell"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Hackage]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/package.conf.d/*.conf",
                "**/package.db/*.conf",
                "**/pkgdb/*.conf",
                "**/stack.yaml.lock",
                "**/stack.yaml",
                "**/cabal.project*.freeze",
                "**/cabal.config",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        match file.path.file_name() {
            b"stack.yaml.lock" => {
                let Some(lock) = document::yaml::<Lock>(file, found) else { return };
                let locations = lock.packages.iter().filter_map(|locked| {
                    locked.completed.as_ref().and_then(|location| location.package(file)).or_else(|| {
                        // Before Stack 2 completed what it found.
                        locked.original.as_ref()?.package(file)
                    })
                });
                found.packages.extend(locations);
            }
            b"stack.yaml" => {
                let Some(project) = document::yaml::<Project>(file, found) else { return };
                let extra = project.extra.unwrap_or_default();
                found.packages.extend(extra.iter().filter_map(|extra| match extra {
                    Extra::Text(text) => from_hackage(text, file),
                    Extra::Location(location) => location.package(file),
                    Extra::Other(_) => None,
                }));
            }
            name if name.ends_with(b".conf") => installed(file, found),
            _ => freeze(file, found),
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let has_lock = |path: &[u8]| {
            let lock = [path, b".lock"].concat();
            image.found.binary_search_by(|(found, ..)| found.as_bytes().cmp(&lock)).is_ok()
        };
        for (path, layer, found) in image.found {
            // The lock file says the same, and more.
            if path.file_name() != b"stack.yaml" || !has_lock(path.as_bytes()) {
                joined.take(self.name(), path, *layer, found);
            }
        }
    }
}

impl Location {
    fn package(&self, file: &WantedFile<'_>) -> Option<Package> {
        if let Some(identity) = &self.hackage {
            return from_hackage(identity, file);
        }
        let mut package = declared(PackageKind::Hackage, self.name.as_ref()?, self.version.as_ref()?, file.path);
        let commit = self.commit.as_deref();
        package.fetched_from = match (&self.git, &self.hg) {
            (Some(git), _) => repository("git", git, commit),
            (None, Some(hg)) => repository("hg", hg, commit),
            (None, None) => self.url.clone(),
        };
        Some(package)
    }
}

/// `name-version[@sha256:DIGEST,SIZE]` or `…@rev:N`; anything else is a path or an address.
fn from_hackage(identity: &str, file: &WantedFile<'_>) -> Option<Package> {
    let identity = identity.split('@').next().unwrap_or_default().trim();
    let (name, version) = identity.rsplit_once('-')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_name && is_version(version)).then(|| declared(PackageKind::Hackage, name, version, file.path))
}

fn is_version(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn installed(file: &WantedFile<'_>, found: &mut Found) {
    const FIELDS: &[&str] = &["name", "package-name", "version", "license", "maintainer", "author"];
    let Some(text) = document::short_text(file, found) else { return };
    // A file is one package; its empty lines, if it has any, are in the description.
    let fields: Vec<_> = paragraphs(text.as_bytes(), FIELDS).collect();
    let field = |name: &str| fields.iter().find_map(|paragraph| paragraph.get(name));
    // An internal library has a name of its own, made up of that of its package.
    let (Some(name), Some(version)) = (field("package-name").or_else(|| field("name")), field("version")) else {
        return document::malformed(file, "a package of GHC without name or version", found);
    };
    let mut package = package(PackageKind::Hackage, name, version, file.path);
    package.licenses = field("license").into_iter().map(str::to_owned).collect();
    package.origin = field("maintainer").or_else(|| field("author")).map(str::to_owned);
    found.packages.push(package);
}

/// `constraints: any.name ==version, name +flag, …`.
fn freeze(file: &WantedFile<'_>, found: &mut Found) {
    let Some(text) = document::short_text(file, found) else { return };
    let mut constraints = String::new();
    let mut is_inside = false;
    for line in text.lines().filter(|line| !line.trim_start().starts_with("--")) {
        if !line.starts_with([' ', '\t']) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            is_inside = field.trim().eq_ignore_ascii_case("constraints");
            constraints.push_str(if is_inside { value } else { "" });
            // Fields may come several times.
            constraints.push(',');
        } else if is_inside {
            constraints.push_str(line);
        }
    }
    for constraint in constraints.split(',') {
        // A constraint that leaves a choice locks nothing, nor does one that sets flags.
        let Some((name, version)) = constraint.split_once("==") else { continue };
        let (name, version) = (name.trim(), version.trim());
        // `any.` holds for the dependency wherever it is used, `setup.` for building alone.
        let (is_development, name) = match name.split_once('.') {
            Some((qualifier, name)) => (qualifier == "setup", name.rsplit('.').next().unwrap_or(name)),
            None => (false, name),
        };
        if !name.is_empty() && is_version(version) {
            let package = declared(PackageKind::Hackage, name, version, file.path);
            found.packages.push(Package { is_development, ..package });
        }
    }
}
