//! Python distributions that a `pylock.toml` asks for.
//!
//! Format: PEP 751 and the Python Packaging User Guide, "pylock.toml Specification"; lock version 1.0.

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::declarations::{Declaration, Declarations, is_inside, repository};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the distributions of standard lock files.
pub(super) struct Pylock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    /// Absent where it may change: folders, and repositories whose version is computed.
    version: Option<String>,
    /// Code of the project itself.
    directory: Option<serde::de::IgnoredAny>,
    vcs: Option<Repository>,
    archive: Option<Archive>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Repository {
    #[serde(rename = "type")]
    system: String,
    url: Option<String>,
    path: Option<String>,
    commit_id: Option<String>,
}

#[derive(Deserialize)]
struct Archive {
    url: Option<String>,
    path: Option<String>,
}

impl Cataloger for Pylock {
    fn name(&self) -> &'static str {
        "pylock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/pylock.toml", "**/pylock.*.toml"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "site-packages") {
            return;
        }
        let Some(lock) = document::toml::<Lock>(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Python, file.path);
        for entry in lock.packages.iter().filter(|entry| entry.directory.is_none()) {
            let repository = entry.vcs.as_ref().map(|vcs| {
                let url = vcs.url.as_deref().or(vcs.path.as_deref()).unwrap_or_default();
                repository(&vcs.system, url, vcs.commit_id.as_deref().unwrap_or_default())
            });
            let archive = entry.archive.as_ref().and_then(|archive| archive.url.as_deref().or(archive.path.as_deref()));
            packages.add(Declaration {
                name: &entry.name,
                version: entry.version.as_deref().unwrap_or_default(),
                fetched_from: repository.as_deref().or(archive),
                is_development: false,
            });
        }
        packages.finish(found);
    }
}
