//! Julia packages: manifests, and the packages of a depot.
//!
//! Formats: Pkg.jl documentation, "Project.toml and Manifest.toml" (format 1 has the packages at its top level, format
//! 2 under `deps`) and "Glossary", "depot" (`packages/NAME/SLUG/`). A standard library has the version of Julia unless
//! it has one of its own. Names are not unique; the UUID tells packages apart.

use std::collections::BTreeMap;

use killick_model::package::{Package, PackageKind};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::published::{Published, repository};
use super::{Cataloger, Found, WantedFile, Wants, declared, document, package};

/// Finds Julia packages.
pub(super) struct Julia;

#[derive(Deserialize)]
struct Manifest {
    julia_version: Option<String>,
    deps: Option<BTreeMap<String, Vec<Entry>>>,
}

/// Format 1: all but a few keys are names.
#[derive(Deserialize)]
struct FlatManifest {
    #[serde(flatten)]
    packages: BTreeMap<String, Packages>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Packages {
    Entries(Vec<Entry>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct Entry {
    uuid: Option<String>,
    version: Option<String>,
    #[serde(rename = "git-tree-sha1")]
    tree: Option<String>,
    #[serde(rename = "repo-url")]
    url: Option<String>,
    #[serde(rename = "repo-rev")]
    revision: Option<String>,
}

#[derive(Deserialize)]
struct Project {
    name: Option<String>,
    uuid: Option<String>,
    version: Option<String>,
}

impl Cataloger for Julia {
    fn name(&self) -> &'static str {
        "julia"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Julia]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/Manifest.toml",
                "**/JuliaManifest.toml",
                "**/Manifest-v*.toml",
                "**/packages/*/*/Project.toml",
                "**/packages/*/*/JuliaProject.toml",
                "**/share/julia/stdlib/*/*/Project.toml",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name().ends_with(b"Project.toml") {
            return installed(file, found);
        }
        let Some(manifest) = document::toml::<Manifest>(file, found) else { return };
        let packages = match manifest.deps {
            Some(packages) => packages,
            None => flat(file, found),
        };
        for (name, entries) in &packages {
            for entry in entries {
                found.packages.extend(declared_package(name, entry, manifest.julia_version.as_deref(), file));
            }
        }
    }
}

fn flat(file: &WantedFile<'_>, found: &mut Found) -> BTreeMap<String, Vec<Entry>> {
    let Some(manifest) = document::toml::<FlatManifest>(file, found) else { return BTreeMap::new() };
    let entries = |(name, packages)| match packages {
        Packages::Entries(entries) => Some((name, entries)),
        Packages::Other(_) => None,
    };
    manifest.packages.into_iter().filter_map(entries).collect()
}

fn declared_package(name: &str, entry: &Entry, julia: Option<&str>, file: &WantedFile<'_>) -> Option<Package> {
    // Nothing of Julia's own has a tree to fetch; format 1 does not tell which Julia it is.
    let version = entry.version.as_deref().or_else(|| julia.filter(|_| entry.tree.is_none()))?;
    let mut package = declared(PackageKind::Julia, name, version, file.path);
    let revision = entry.revision.as_deref();
    package.fetched_from = entry.url.as_ref().and_then(|url| repository("git", url, revision));
    Some(identified(package, entry.uuid.as_deref()))
}

fn identified(package: Package, uuid: Option<&str>) -> Package {
    Published::default().qualifier("uuid", uuid.map(str::to_lowercase).as_deref()).of(package)
}

/// A folder of a depot, or of the standard libraries, in a folder that is named after the release of Julia.
fn installed(file: &WantedFile<'_>, found: &mut Found) {
    let Some(project) = document::toml::<Project>(file, found) else { return };
    let (Some(name), Some(uuid)) = (project.name, project.uuid) else { return };
    // Standard libraries before 1.9 have no version, and their folder only the first two numbers of one.
    let Some(version) = project.version else { return };
    let package = package(PackageKind::Julia, &name, &version, file.path);
    found.packages.push(identified(package, Some(&uuid)));
}
