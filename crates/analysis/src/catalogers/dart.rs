//! Dart and Flutter packages: `pubspec.lock`, and the `pubspec.yaml` of packages in a pub cache.
//!
//! Formats: dart.dev, "The pubspec file", "Package dependencies" and "What not to commit"; `pub` itself
//! (`lib/src/lock_file.dart`, `lib/src/source/`): the cache has `hosted/HOST/NAME-VERSION/` and `git/NAME-COMMIT/`.

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageKind};
use serde::Deserialize;

use super::published::{Published, repository};
use super::{Cataloger, Found, WantedFile, Wants, declared, document, package};

/// Finds packages of Dart.
pub(super) struct Dart;

/// Where packages come from if nothing else is said, under its names of old and new.
const REGISTRIES: [&str; 2] = ["https://pub.dev", "https://pub.dartlang.org"];

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
struct Locked {
    /// `direct main`, `direct dev`, `transitive`, …
    #[serde(default)]
    dependency: String,
    description: Option<Description>,
    #[serde(default)]
    source: String,
    version: String,
}

/// What a source needs to know; of an SDK its name alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Description {
    Fields {
        name: Option<String>,
        url: Option<String>,
        sha256: Option<String>,
        #[serde(rename = "resolved-ref")]
        revision: Option<String>,
    },
    #[expect(dead_code, reason = "tells the forms apart")]
    Name(String),
}

#[derive(Deserialize)]
struct Pubspec {
    name: Option<String>,
    version: Option<String>,
}

impl Cataloger for Dart {
    fn name(&self) -> &'static str {
        "dart"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Pub]
    }

    fn wants(&self) -> Wants {
        let globs = &["**/pubspec.lock", "**/hosted/*/*/pubspec.yaml", "**/.pub-cache/git/*/**/pubspec.yaml"];
        Wants { globs, executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name() == b"pubspec.lock" {
            let Some(lock) = document::yaml::<Lock>(file, found) else { return };
            found.packages.extend(lock.packages.iter().filter_map(|(name, locked)| self::locked(name, locked, file)));
            return;
        }
        let Some(spec) = document::yaml::<Pubspec>(file, found) else { return };
        // The packages of a repository that holds several, and examples, need have no version.
        let (Some(name), Some(version)) = (spec.name, spec.version) else { return };
        found.packages.push(package(PackageKind::Pub, &name, &version, file.path));
    }
}

fn locked(name: &str, locked: &Locked, file: &WantedFile<'_>) -> Option<Package> {
    // A folder of the same project, or of the machine it was locked on.
    if locked.source == "path" {
        return None;
    }
    let mut package = declared(PackageKind::Pub, name, &locked.version, file.path);
    package.is_development = locked.dependency == "direct dev";
    let Some(Description::Fields { name, url, sha256, revision }) = &locked.description else { return Some(package) };
    if locked.source == "git" {
        package.fetched_from = url.as_ref().and_then(|url| repository("git", url, revision.as_deref()));
        return Some(package);
    }
    // A package may go by another name than the one it is published under.
    if let Some(name) = name {
        package.name.clone_from(name);
    }
    let registry = url.as_deref().filter(|url| !REGISTRIES.contains(&url.trim_end_matches('/')));
    let published = Published::default().qualifier("repository_url", registry).checksum("sha256", sha256.as_deref());
    Some(published.of(package))
}
