//! Conda packages that an environment asks for: `conda-lock.yml`, explicit lists (`conda-linux-64.lock`), and what
//! `environment.yml` pins.
//!
//! Formats: conda-lock documentation, "Output"; conda documentation, "Managing environments" and "Package match
//! specifications". Of an `environment.yml` only what is pinned counts: `name==version`, `name=version=build`;
//! `name=version` stands for all versions that begin so. What pip is to install is a Python distribution.

use killick_model::package::{PackageDetails, PackageKind};
use serde::Deserialize;

use super::conda::channel;
use super::declarations::{Declaration, Declarations, is_development_group};
use super::{Cataloger, Found, WantedFile, Wants, document, requirements};

/// Finds the packages that environments ask for.
pub(super) struct CondaLock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    /// `conda` or `pip`.
    manager: String,
    #[serde(default)]
    url: String,
    category: Option<String>,
}

#[derive(Deserialize)]
struct Environment {
    #[serde(default)]
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    Conda(String),
    Pip {
        #[serde(default)]
        pip: Vec<String>,
    },
}

impl Cataloger for CondaLock {
    fn name(&self) -> &'static str {
        "conda-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Conda, PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/conda-lock.yml",
                "**/*.conda-lock.yml",
                "**/conda-*.lock",
                "**/environment.yml",
                "**/environment.yaml",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let mut conda = Declarations::new(PackageKind::Conda, file.path);
        let mut python = Declarations::new(PackageKind::Python, file.path);
        let name = file.path.file_name();
        if name.ends_with(b"conda-lock.yml") {
            let Some(lock) = document::yaml::<Lock>(file, found) else { return };
            lock.package.iter().for_each(|entry| add_locked(entry, &mut conda, &mut python));
        } else if name.ends_with(b".lock") {
            let Some(text) = document::text(file, found) else { return };
            text.lines().for_each(|line| add_explicit(line.trim(), &mut conda));
        } else if let Some(environment) = document::yaml::<Environment>(file, found) {
            for dependency in &environment.dependencies {
                match dependency {
                    Dependency::Conda(text) => add_pinned(text, &mut conda),
                    Dependency::Pip { pip } => pip.iter().filter_map(|line| requirements::pin(line)).for_each(|pin| {
                        python.add(pin);
                    }),
                }
            }
        }
        conda.finish(found);
        python.finish(found);
    }
}

fn add_locked(entry: &Entry, conda: &mut Declarations<'_>, python: &mut Declarations<'_>) {
    let is_development = entry.category.as_deref().is_some_and(is_development_group);
    let declaration = Declaration { name: &entry.name, version: &entry.version, fetched_from: None, is_development };
    if entry.manager == "pip" {
        python.add(declaration);
    } else {
        add(declaration, file_name(&entry.url).map_or("", |(_, _, build)| build), &entry.url, conda);
    }
}

/// A line of an explicit list: the address of an archive, perhaps with its digest.
fn add_explicit(line: &str, conda: &mut Declarations<'_>) {
    if line.starts_with('@') || line.starts_with('#') || line.is_empty() {
        return;
    }
    let url = line.split('#').next().unwrap_or(line);
    if let Some((name, version, build)) = file_name(url) {
        add(Declaration { name, version, ..Declaration::default() }, build, url, conda);
    }
}

/// A package of an archive. One version in several builds, for several platforms, is one package of no known build.
fn add(declaration: Declaration<'_>, build: &str, url: &str, conda: &mut Declarations<'_>) {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let subdir = url.rsplit('/').nth(1).and_then(some);
    let channel = if url.contains("://") { some(&channel(url)) } else { None };
    let build = some(build);
    let is_known = conda.has(declaration.name, declaration.version);
    let Some(package) = conda.add(declaration) else { return };
    match &mut package.details {
        PackageDetails::Conda { build: known, subdir: place, .. } if is_known => {
            if *known != build {
                *known = None;
            }
            if *place != subdir {
                (*place, package.architecture) = (None, None);
            }
        }
        details => {
            package.architecture.clone_from(&subdir);
            *details = PackageDetails::Conda { build, channel, subdir };
        }
    }
}

/// Name, version and build of `name-version-build.tar.bz2` and `.conda`.
fn file_name(url: &str) -> Option<(&str, &str, &str)> {
    let file = url.rsplit('/').next()?;
    let stem = file.strip_suffix(".conda").or_else(|| file.strip_suffix(".tar.bz2"))?;
    let (rest, build) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    (!name.is_empty()).then_some((name, version, build))
}

/// A dependency of an `environment.yml`: `channel::name==version`, `name=version=build`, `name ==version`.
fn add_pinned(text: &str, conda: &mut Declarations<'_>) {
    let text = text.split('#').next().unwrap_or(text).trim();
    let (channel, text) = text.rsplit_once("::").map_or((None, text), |(channel, text)| (Some(channel), text));
    let Some(end) = text.find(|letter: char| letter == '=' || letter.is_whitespace()) else { return };
    let (name, rest) = text.split_at(end);
    let rest = rest.trim();
    let (version, build) = match rest.strip_prefix("==") {
        Some(exact) => exact.trim().split_once(['=', ' ']).unwrap_or((exact.trim(), "")),
        None => match rest.strip_prefix('=').and_then(|rest| rest.split_once('=')) {
            Some(pinned) => pinned,
            None => return,
        },
    };
    let is_one = |text: &str| !text.contains(|letter: char| "=*<>!~|,[]".contains(letter));
    if !is_one(version) || !is_one(name) {
        return;
    }
    if let Some(package) = conda.add(Declaration { name, version, ..Declaration::default() }) {
        let build = Some(build.trim().to_owned()).filter(|build| !build.is_empty() && is_one(build));
        let channel = channel.map(|channel| channel.split('/').next().unwrap_or(channel).to_owned());
        package.details = PackageDetails::Conda { build, channel, subdir: None };
    }
}

#[cfg(test)]
mod tests {
    use killick_model::path::ImagePath;
    use proptest::prelude::*;

    use super::*;

    fn pinned(text: &str) -> Vec<String> {
        let location = ImagePath::from("/environment.yml");
        let mut conda = Declarations::new(PackageKind::Conda, &location);
        add_pinned(text, &mut conda);
        let mut found = Found::default();
        conda.finish(&mut found);
        found
            .packages
            .iter()
            .map(|package| format!("{} {} {:?}", package.name, package.version, package.details))
            .collect()
    }

    #[test]
    fn pins() {
        let details = |build, channel| PackageDetails::Conda {
            build: Option::<&str>::map(build, str::to_owned),
            channel: Option::<&str>::map(channel, str::to_owned),
            subdir: None,
        };
        for (text, want) in [
            ("numpy==1.21.0", Some(("numpy 1.21.0", details(None, None)))),
            ("numpy=1.21.0=py39_0", Some(("numpy 1.21.0", details(Some("py39_0"), None)))),
            (
                "conda-forge/linux-64::numpy==1.21.0=py39_0",
                Some(("numpy 1.21.0", details(Some("py39_0"), Some("conda-forge")))),
            ),
            ("numpy ==1.21.0", Some(("numpy 1.21.0", details(None, None)))),
            ("numpy=1.21", None),
            ("numpy=1.*=py39*", None),
            ("numpy>=1.21", None),
            ("numpy", None),
            ("numpy==1.21|==1.22", None),
            ("", None),
        ] {
            let want: Vec<String> =
                want.map(|(package, details)| format!("{package} {details:?}")).into_iter().collect();
            assert_eq!(pinned(text), want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a:=# <,*/.\u{e9}-]{0,20}") {
            pinned(&text);
            file_name(&text);
        }
    }
}
