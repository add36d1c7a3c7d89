//! Pods: `Podfile.lock`, and the copy of it that stands for what is installed in `Pods/`.
//!
//! Format: `CocoaPods` Core, `lib/cocoapods-core/lockfile.rb`. Subspecs are parts of a pod with its version, and are
//! listed one by one: `Pod/Part`.

use std::collections::HashMap;

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use serde::Deserialize;

use super::published::{Published, repository};
use super::{Cataloger, Found, WantedFile, Wants, declared, document, package};

/// Finds pods.
pub(super) struct Cocoapods;

#[derive(Deserialize)]
struct Lock {
    #[serde(rename = "PODS", default)]
    pods: Vec<Pod>,
    /// Where pods come from that are in no registry.
    #[serde(rename = "EXTERNAL SOURCES", default)]
    external: HashMap<String, Source>,
    /// The commits that were checked out of these.
    #[serde(rename = "CHECKOUT OPTIONS", default)]
    checkouts: HashMap<String, Source>,
    /// SHA-1 of the specifications.
    #[serde(rename = "SPEC CHECKSUMS", default)]
    checksums: HashMap<String, String>,
    /// Pods by the registry they come from.
    #[serde(rename = "SPEC REPOS", default)]
    registries: HashMap<String, Vec<String>>,
}

/// `Name (Version)`, or that with its dependencies.
#[derive(Deserialize)]
#[serde(untagged)]
enum Pod {
    Alone(String),
    WithDependencies(HashMap<String, Vec<String>>),
}

#[derive(Deserialize, Default)]
struct Source {
    #[serde(rename = ":git")]
    git: Option<String>,
    #[serde(rename = ":commit")]
    commit: Option<String>,
    #[serde(rename = ":tag")]
    tag: Option<String>,
    #[serde(rename = ":path")]
    path: Option<String>,
    #[serde(rename = ":podspec")]
    podspec: Option<String>,
    #[serde(rename = ":http")]
    http: Option<String>,
}

impl Cataloger for Cocoapods {
    fn name(&self) -> &'static str {
        "cocoapods"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Cocoapods]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/Podfile.lock", "**/Pods/Manifest.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(lock) = document::yaml::<Lock>(file, found) else { return };
        let is_installed = file.path.file_name() == b"Manifest.lock";
        let make = if is_installed { package } else { declared };
        let registries: HashMap<&str, &str> = lock
            .registries
            .iter()
            .flat_map(|(registry, pods)| pods.iter().map(move |pod| (pod.as_str(), registry.as_str())))
            .collect();
        for pod in &lock.pods {
            let text = match pod {
                Pod::Alone(text) => text.as_str(),
                Pod::WithDependencies(map) => map.keys().next().map_or("", String::as_str),
            };
            let Some((name, version)) = text.strip_suffix(')').and_then(|text| text.split_once(" (")) else {
                document::malformed(file, format!("a pod without version: `{text}`"), found);
                continue;
            };
            found.packages.extend(lock.pod(name, version, registries.get(root(name)).copied(), make, file.path));
        }
    }
}

impl Lock {
    /// `None` for what lies in a folder of the project itself.
    fn pod(
        &self,
        name: &str,
        version: &str,
        registry: Option<&str>,
        make: fn(PackageKind, &str, &str, &ImagePath) -> Package,
        path: &ImagePath,
    ) -> Option<Package> {
        let none = Source::default();
        let external = self.external.get(root(name)).unwrap_or(&none);
        if external.path.is_some() {
            return None;
        }
        let mut package = make(PackageKind::Cocoapods, name, version, path);
        let checkout = self.checkouts.get(root(name)).unwrap_or(external);
        package.fetched_from = match &checkout.git {
            Some(git) => repository("git", git, checkout.commit.as_deref().or(checkout.tag.as_deref())),
            None => external.http.clone().or_else(|| external.podspec.clone()),
        };
        // `trunk` is the public one; others have the address of their index.
        let registry = registry.filter(|name| *name != "trunk" && !name.contains("github.com/CocoaPods/Specs"));
        let registry = registry.filter(|name| name.contains("://"));
        let checksum = self.checksums.get(root(name));
        let published = Published::default().qualifier("repository_url", registry);
        Some(published.checksum("sha1", checksum.map(String::as_str)).of(package))
    }
}

/// The pod that a subspec is part of.
fn root(name: &str) -> &str {
    name.split_once('/').map_or(name, |(root, _)| root)
}
