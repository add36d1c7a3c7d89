//! Python distributions that a `uv.lock` asks for.
//!
//! Format: uv documentation, "Locking and syncing", and uv itself (`crates/uv-resolver/src/lock`); version 1 with its
//! revisions, and the files from before it in which a source is one text (`registry+https://…`).

use std::collections::{BTreeMap, HashMap, HashSet};

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::declarations::{Declaration, Declarations, is_inside, repository};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the distributions of uv's lock files.
pub(super) struct UvLock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default, alias = "distribution")]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    name: String,
    /// Absent where it is computed.
    version: Option<String>,
    source: Source,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<Dependency>>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    /// `git+https://…`, before version 1.
    Text(String),
    /// One of `registry`, `git`, `url`, `path`, `directory`, `editable`, `virtual`, and perhaps `subdirectory`.
    Table(BTreeMap<String, String>),
}

enum Origin {
    Registry,
    Elsewhere(String),
    /// Code of the project itself.
    Project,
}

impl Source {
    fn origin(&self) -> Origin {
        match self {
            Self::Text(text) => text.split_once('+').map_or(Origin::Project, |(kind, value)| origin(kind, value)),
            Self::Table(table) => {
                let known = table.iter().find(|(key, _)| *key != "subdirectory");
                known.map_or(Origin::Project, |(kind, value)| origin(kind, value))
            }
        }
    }
}

fn origin(kind: &str, value: &str) -> Origin {
    match kind {
        "registry" => Origin::Registry,
        "git" => Origin::Elsewhere(repository("git", value, value.rsplit_once('#').map_or("", |(_, commit)| commit))),
        // `direct` and `path` are archives.
        "url" | "direct" | "path" => Origin::Elsewhere(value.to_owned()),
        _ => Origin::Project,
    }
}

impl Cataloger for UvLock {
    fn name(&self) -> &'static str {
        "uv-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/uv.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "site-packages") {
            return;
        }
        let Some(lock) = document::toml::<Lock>(file, found) else { return };
        let needed = needed(&lock);
        let mut packages = Declarations::new(PackageKind::Python, file.path);
        for entry in &lock.package {
            let fetched_from = match entry.source.origin() {
                Origin::Registry => None,
                Origin::Elsewhere(address) => Some(address),
                Origin::Project => continue,
            };
            packages.add(Declaration {
                name: &entry.name,
                version: entry.version.as_deref().unwrap_or_default(),
                fetched_from: fetched_from.as_deref(),
                is_development: needed.as_ref().is_some_and(|needed| !needed.contains(entry.name.as_str())),
            });
        }
        packages.finish(found);
    }
}

/// Names of what the project needs other than for developing it; `None` if the lock file names no project.
///
/// Only the project's own entries have groups for developers; what is reached without them is needed.
fn needed(lock: &Lock) -> Option<HashSet<&str>> {
    let mut by_name: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in &lock.package {
        by_name.entry(&entry.name).or_default().push(entry);
    }
    let projects = lock.package.iter().filter(|entry| matches!(entry.source.origin(), Origin::Project));
    let mut open: Vec<&str> = projects.map(|entry| entry.name.as_str()).collect();
    if open.is_empty() {
        return None;
    }
    let mut needed = HashSet::new();
    while let Some(name) = open.pop() {
        if needed.insert(name) {
            for entry in by_name.get(name).into_iter().flatten() {
                let optional = entry.optional_dependencies.values().flatten();
                open.extend(entry.dependencies.iter().chain(optional).map(|dependency| dependency.name.as_str()));
            }
        }
    }
    Some(needed)
}
