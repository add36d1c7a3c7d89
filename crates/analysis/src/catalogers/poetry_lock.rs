//! Python distributions that a `poetry.lock` asks for.
//!
//! Format: Poetry itself (`packages/locker.py`); lock versions 1.0 to 2.1. They differ in where hashes stand, and in how
//! they say what is for developers: `category` up to 1.1 and in early 2.0, `groups` since 2.1, nothing between.

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::declarations::{Declaration, Declarations, is_inside, repository};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the distributions of Poetry's lock files.
pub(super) struct PoetryLock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    category: Option<String>,
    groups: Option<Vec<String>>,
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    /// `legacy` is another index; anything else is no registry.
    #[serde(rename = "type")]
    kind: Option<String>,
    url: String,
    reference: Option<String>,
    resolved_reference: Option<String>,
}

impl Cataloger for PoetryLock {
    fn name(&self) -> &'static str {
        "poetry-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/poetry.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "site-packages") {
            return;
        }
        let Some(lock) = document::toml::<Lock>(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Python, file.path);
        for entry in &lock.package {
            let fetched_from = match &entry.source {
                None => None,
                Some(source) => match source.kind.as_deref() {
                    // Code of the project itself.
                    Some("directory") => continue,
                    None | Some("legacy") => None,
                    Some(system @ ("git" | "hg" | "svn" | "bzr")) => {
                        let revision = source.resolved_reference.as_deref().or(source.reference.as_deref());
                        Some(repository(system, &source.url, revision.unwrap_or_default()))
                    }
                    Some(_) => Some(source.url.clone()),
                },
            };
            packages.add(Declaration {
                name: &entry.name,
                version: &entry.version,
                fetched_from: fetched_from.as_deref(),
                is_development: is_development(entry),
            });
        }
        packages.finish(found);
    }
}

fn is_development(entry: &Entry) -> bool {
    match (&entry.groups, &entry.category) {
        (Some(groups), _) => !groups.is_empty() && !groups.iter().any(|group| group == "main"),
        (None, Some(category)) => category != "main",
        (None, None) => false,
    }
}
