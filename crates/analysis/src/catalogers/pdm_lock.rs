//! Python distributions that a `pdm.lock` asks for.
//!
//! Format: PDM itself (`project/lockfile/pdm_lock.py`); lock versions 2 to 4.5. Extras of a distribution are entries of
//! their own with the same name. Groups are there since 4.4; whether one is for developers, only its name tells.

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::declarations::{Declaration, Declarations, is_development_group, is_inside, repository};
use super::{Cataloger, Found, WantedFile, Wants, document, requirements};

/// Finds the distributions of PDM's lock files.
pub(super) struct PdmLock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    /// Absent for folders whose version is computed.
    version: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    git: Option<String>,
    revision: Option<String>,
    url: Option<String>,
    /// A folder, or an archive in one.
    path: Option<String>,
}

impl Cataloger for PdmLock {
    fn name(&self) -> &'static str {
        "pdm-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/pdm.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "site-packages") {
            return;
        }
        let Some(lock) = document::toml::<Lock>(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Python, file.path);
        for entry in &lock.package {
            let is_archive = |path: &String| path.rsplit('/').next().and_then(requirements::distribution).is_some();
            if entry.path.as_ref().is_some_and(|path| !is_archive(path)) {
                continue;
            }
            let repository = entry.git.as_deref().map(|url| {
                let revision = entry.revision.as_deref().unwrap_or_default();
                repository("git", url, revision)
            });
            packages.add(Declaration {
                name: &entry.name,
                version: entry.version.as_deref().unwrap_or_default(),
                fetched_from: repository.as_deref().or(entry.url.as_deref()).or(entry.path.as_deref()),
                is_development: !entry.groups.is_empty()
                    && entry.groups.iter().all(|group| is_development_group(group)),
            });
        }
        packages.finish(found);
    }
}
