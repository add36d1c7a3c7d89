//! PHP packages that Composer installed: `installed.json` and, where only that is left, `installed.php`, both in
//! `vendor/composer`.
//!
//! Format: Composer itself (`Repository/FilesystemRepository.php`): up to version 1 a list of packages, since version 2
//! an object with `packages`. `installed.php` is generated code that returns an array, without licences.

use std::collections::HashSet;

use killick_model::package::{Package, PackageKind};
use killick_model::problem::Problem;
use serde::Deserialize;
use serde_json::Value;

use super::declarations::{address, repository};
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, document, package, php};

/// Finds packages that Composer installed.
pub(super) struct Composer;

#[derive(Deserialize)]
#[serde(untagged)]
enum Installed {
    List(Vec<Entry>),
    Object { packages: Vec<Entry> },
}

/// A package as `composer.lock` and `installed.json` write it.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    #[serde(default)]
    license: Value,
    #[serde(default)]
    authors: Value,
    source: Option<Origin>,
    dist: Option<Origin>,
    #[serde(rename = "notification-url")]
    notification_url: Option<String>,
}

#[derive(Deserialize)]
struct Origin {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    url: String,
    reference: Option<String>,
}

impl Cataloger for Composer {
    fn name(&self) -> &'static str {
        "composer"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Composer]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/composer/installed.json", "**/composer/installed.php"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name().ends_with(b".php") {
            generated(file, found);
            return;
        }
        let Some(installed) = document::json::<Installed>(file, found) else { return };
        let (Installed::List(entries) | Installed::Object { packages: entries }) = installed;
        found.packages.extend(entries.iter().map(|entry| Package {
            licenses: entry.licenses(),
            origin: entry.author(),
            fetched_from: entry.fetched_from(),
            ..package(PackageKind::Composer, &entry.name, &entry.version, file.path)
        }));
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let records = image.found.iter().filter(|(path, ..)| path.file_name().ends_with(b".json"));
        let folders: HashSet<_> = records.filter_map(|(path, ..)| path.parent()).collect();
        for (path, layer, found) in image.found {
            let repeats =
                path.file_name().ends_with(b".php") && path.parent().is_some_and(|folder| folders.contains(folder));
            if !repeats {
                joined.take(self.name(), path, *layer, found);
            }
        }
    }
}

impl Entry {
    pub(super) fn licenses(&self) -> Vec<String> {
        super::npm::all_licenses(&self.license)
    }

    pub(super) fn author(&self) -> Option<String> {
        let first = self.authors.get(0)?;
        let name = first["name"].as_str()?;
        Some(first["email"].as_str().map_or_else(|| name.to_owned(), |email| format!("{name} <{email}>")))
    }

    /// Nothing for what came from Packagist or a registry like it, which are told of installations; else the
    /// repository or archive.
    pub(super) fn fetched_from(&self) -> Option<String> {
        if self.notification_url.is_some() {
            return None;
        }
        if let Some(source) = self.source.as_ref().filter(|source| !source.url.is_empty()) {
            return Some(repository(&source.kind, &source.url, source.reference.as_deref().unwrap_or_default()));
        }
        let dist = self.dist.as_ref().filter(|dist| !dist.url.is_empty())?;
        Some(if dist.kind == "path" { format!("file:{}", dist.url) } else { address(&dist.url) })
    }

    /// A folder of the project.
    pub(super) fn is_folder(&self) -> bool {
        self.source.is_none() && self.dist.as_ref().is_some_and(|dist| dist.kind == "path")
    }
}

/// `installed.php`: `versions` by name; those without a version are only replaced or provided by others.
fn generated(file: &WantedFile<'_>, found: &mut Found) {
    let Some(text) = document::text(file, found) else { return };
    let installed = match php::returned_array(&text) {
        Ok(installed) => installed,
        Err(message) => {
            found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            return;
        }
    };
    let root = installed["root"]["name"].as_str();
    for (name, entry) in installed["versions"].as_object().into_iter().flatten() {
        let Some(version) = entry["pretty_version"].as_str().filter(|_| Some(name.as_str()) != root) else { continue };
        found.packages.push(package(PackageKind::Composer, name, version, file.path));
    }
}
