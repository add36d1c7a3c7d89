//! Node packages that Bun's lock files ask for: `bun.lock` and, up to Bun 1.1, the binary `bun.lockb`.
//!
//! Format of the text: Bun documentation, `BunLockFile`: JSON with comments and trailing commas. Each package is a list
//! that begins with `name@resolution`; its key is its place, as in `node_modules`.

use std::collections::{BTreeMap, HashSet};

use killick_model::package::PackageKind;
use killick_model::problem::Problem;
use serde::Deserialize;
use serde_json::Value;

use super::declarations::{Declaration, Declarations, is_inside};
use super::package_lock::of_archive;
use super::yarn_lock::split;
use super::{Cataloger, Found, WantedFile, Wants, document};

mod binary;

/// Finds the packages of Bun's lock files.
pub(super) struct BunLock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    workspaces: BTreeMap<String, Workspace>,
    #[serde(default)]
    packages: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Workspace {
    name: Option<String>,
    dependencies: BTreeMap<String, Value>,
    optional_dependencies: BTreeMap<String, Value>,
    peer_dependencies: BTreeMap<String, Value>,
}

impl Cataloger for BunLock {
    fn name(&self) -> &'static str {
        "bun-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Npm]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/bun.lock", "**/bun.lockb"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "node_modules") {
            return;
        }
        let mut packages = Declarations::new(PackageKind::Npm, file.path);
        if file.path.file_name() == b"bun.lockb" {
            if let Err(message) = binary::read(file.bytes, &mut packages) {
                found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
            }
        } else if let Some(lock) = document::json_with_comments::<Lock>(file, found) {
            text(&lock, &mut packages);
        }
        packages.finish(found);
    }
}

fn text(lock: &Lock, packages: &mut Declarations<'_>) {
    let needed = needed(lock);
    for (place, entry) in &lock.packages {
        let Some((name, resolution)) = entry.first().and_then(Value::as_str).and_then(split) else { continue };
        let (version, fetched_from) = match origin(resolution) {
            Origin::Registry => (resolution, None),
            Origin::Elsewhere => {
                let (_, version, fetched_from) = of_archive(name, resolution);
                (version, fetched_from)
            }
            Origin::Project => continue,
        };
        let is_development = !lock.workspaces.is_empty() && !needed.contains(place.as_str());
        packages.add(Declaration { name, version, fetched_from, is_development });
    }
}

enum Origin {
    Registry,
    Elsewhere,
    /// Code of the project itself.
    Project,
}

fn origin(resolution: &str) -> Origin {
    match resolution.split_once(':') {
        Some(("workspace" | "link" | "file" | "root", _)) => Origin::Project,
        Some(_) => Origin::Elsewhere,
        None if resolution.ends_with("gz") => Origin::Elsewhere,
        None => Origin::Registry,
    }
}

/// Places of the packages that are reached from the workspaces other than for development.
fn needed(lock: &Lock) -> HashSet<&str> {
    // The place from which a dependency is looked for, and its name.
    let mut open: Vec<(&str, &str)> = Vec::new();
    for workspace in lock.workspaces.values() {
        let from = workspace.name.as_deref().unwrap_or_default();
        let direct = [&workspace.dependencies, &workspace.optional_dependencies, &workspace.peer_dependencies];
        open.extend(direct.into_iter().flat_map(BTreeMap::keys).map(|name| (from, name.as_str())));
    }
    let mut needed = HashSet::new();
    while let Some((from, name)) = open.pop() {
        let Some((place, entry)) = visible(lock, from, name) else { continue };
        if !needed.insert(place) {
            continue;
        }
        let Some(Value::Object(info)) = entry.iter().find(|value| value.is_object()) else { continue };
        for field in ["dependencies", "optionalDependencies", "peerDependencies"] {
            let names = info.get(field).and_then(Value::as_object).into_iter().flat_map(|names| names.keys());
            open.extend(names.map(|name| (place, name.as_str())));
        }
    }
    needed
}

/// The package that `name` means at the place `from`: the one below it, or below what is above it, as node looks it up.
fn visible<'a>(lock: &'a Lock, from: &str, name: &str) -> Option<(&'a str, &'a Vec<Value>)> {
    let mut from = from;
    while !from.is_empty() {
        if let Some((place, entry)) = lock.packages.get_key_value(&format!("{from}/{name}")) {
            return Some((place, entry));
        }
        let parent = from.rsplit_once('/').map_or("", |(parent, _)| parent);
        // A scope is part of the name below it.
        let last = parent.rsplit('/').next().unwrap_or_default();
        from = if last.starts_with('@') { parent.rsplit_once('/').map_or("", |(parent, _)| parent) } else { parent };
    }
    lock.packages.get_key_value(name).map(|(place, entry)| (place.as_str(), entry))
}
