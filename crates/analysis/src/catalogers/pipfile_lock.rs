//! Python distributions that a `Pipfile.lock` asks for.
//!
//! Format: pipenv documentation, "Pipfile & Pipfile.lock", and pipenv itself: specification 6. Each category but `_meta`
//! is a section of its own; `develop` is the one for developers.

use std::collections::BTreeMap;

use killick_model::package::PackageKind;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::declarations::{Declaration, Declarations, is_development_group, is_inside};
use super::{Cataloger, Found, WantedFile, Wants, document, requirements};

/// Finds the distributions of pipenv's lock files.
pub(super) struct PipfileLock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default, rename = "_meta")]
    _meta: IgnoredAny,
    #[serde(flatten)]
    sections: BTreeMap<String, BTreeMap<String, Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    /// `==1.0`. Absent for repositories and folders, whose version nobody wrote down.
    version: Option<String>,
    /// Address of an archive.
    file: Option<String>,
    git: Option<String>,
    #[serde(rename = "ref")]
    revision: Option<String>,
    /// A folder, or an archive in one.
    path: Option<String>,
}

impl Cataloger for PipfileLock {
    fn name(&self) -> &'static str {
        "pipfile-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/Pipfile.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "site-packages") {
            return;
        }
        let Some(lock) = document::json::<Lock>(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Python, file.path);
        for (section, entries) in &lock.sections {
            for (name, entry) in entries {
                let address = entry.file.as_deref().or(entry.path.as_deref());
                let told = address.and_then(|address| address.rsplit('/').next()).and_then(requirements::distribution);
                // A folder of the project.
                if entry.path.is_some() && told.is_none() {
                    continue;
                }
                let pinned = entry.version.as_deref().and_then(|version| version.strip_prefix("=="));
                let repository = entry.git.as_deref().map(|url| {
                    let revision = entry.revision.as_deref().unwrap_or_default();
                    super::declarations::repository("git", url, revision)
                });
                packages.add(Declaration {
                    name,
                    version: pinned.or(told.map(|(_, version)| version)).unwrap_or_default(),
                    fetched_from: repository.as_deref().or(address),
                    is_development: is_development_group(section),
                });
            }
        }
        packages.finish(found);
    }
}
