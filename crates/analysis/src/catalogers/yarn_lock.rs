//! Node packages that a `yarn.lock` asks for.
//!
//! Formats: of Yarn 1, a text of its own (`yarnpkg/lockfile`), and of Yarn 2 and later, YAML with `__metadata` (Yarn
//! documentation, "Lockfile"). Neither tells what is for developers only.

use std::collections::BTreeMap;

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::declarations::{Declaration, Declarations, is_inside};
use super::package_lock::{is_registry, of_archive};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the packages of Yarn's lock files.
pub(super) struct YarnLock;

impl Cataloger for YarnLock {
    fn name(&self) -> &'static str {
        "yarn-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Npm]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/yarn.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "node_modules") {
            return;
        }
        let Some(text) = document::text(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Npm, file.path);
        if text.lines().any(|line| line.starts_with("__metadata:")) {
            berry(file, &mut packages, found);
        } else {
            classic(&text, &mut packages);
        }
        packages.finish(found);
    }
}

/// Yarn 1: `name@range, name@range:`, below it fields indented by two.
fn classic(text: &str, packages: &mut Declarations<'_>) {
    let (mut pattern, mut version, mut resolved) = ("", "", "");
    for line in text.lines().chain(["end:"]) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(field) = line.strip_prefix("  ").filter(|field| !field.starts_with(' ')) {
            let (key, value) = field.split_once(' ').unwrap_or((field, ""));
            match unquoted(key) {
                "version" => version = unquoted(value),
                "resolved" => resolved = unquoted(value),
                _ => {}
            }
        } else if !line.starts_with(' ') {
            add_classic(pattern, version, resolved, packages);
            (version, resolved) = ("", "");
            // Any of the patterns has the name; a quoted one may have commas in it.
            pattern = match line.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next().unwrap_or_default(),
                None => line.split([',', ':']).next().unwrap_or_default(),
            };
        }
    }
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    match text.strip_prefix('"') {
        // Without its end the text was cut short.
        Some(quoted) => quoted.strip_suffix('"').unwrap_or_default(),
        None => text,
    }
}

fn add_classic(pattern: &str, version: &str, resolved: &str, packages: &mut Declarations<'_>) {
    let Some((name, range)) = split(pattern) else { return };
    // `alias@npm:real@range`.
    let name = range.strip_prefix("npm:").and_then(|real| Some(split(real)?.0)).unwrap_or(name);
    let is_folder = resolved.is_empty() && (range.starts_with("file:") || range.starts_with("link:"));
    // Folders have no archive; one that has is a file beside the project.
    if is_folder && !range.ends_with("gz") {
        return;
    }
    let address = if is_folder { range } else { resolved };
    // Asked for by its address, it may be called anything.
    let name = if range.starts_with("http") { of_archive(name, address).0 } else { name };
    let fetched_from = Some(address).filter(|address| !is_registry(address));
    packages.add(Declaration { name, version, fetched_from, is_development: false });
}

/// Name and the rest of `name@rest`, in which a scoped name begins with `@`.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let at = text.char_indices().skip(1).find(|(_, letter)| *letter == '@')?.0;
    Some((&text[..at], &text[at + 1..]))
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    version: String,
    /// `name@protocol:…`; absent in `__metadata`.
    resolution: Option<String>,
}

/// Yarn 2 and later.
fn berry(file: &WantedFile<'_>, packages: &mut Declarations<'_>, found: &mut Found) {
    let Some(entries) = document::yaml::<BTreeMap<String, Entry>>(file, found) else { return };
    for entry in entries.values() {
        let Some((name, reference)) = entry.resolution.as_deref().and_then(split) else { continue };
        // `::` begins what locates the project.
        let reference = reference.split("::").next().unwrap_or(reference);
        let protocol = reference.split_once(':').map_or(reference, |(protocol, _)| protocol);
        let fetched_from = match protocol {
            // A package of the registry, also where it is patched.
            "npm" | "patch" => None,
            "workspace" | "link" | "portal" | "virtual" | "exec" => continue,
            // `./folder#./folder` and `./file.tgz`.
            "file" => match reference.split('#').next() {
                Some(path) if path.ends_with("gz") => Some(path),
                _ => continue,
            },
            _ => Some(reference).filter(|reference| !is_registry(reference)),
        };
        let name = if protocol.starts_with("http") { of_archive(name, reference).0 } else { name };
        packages.add(Declaration { name, version: &entry.version, fetched_from, is_development: false });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([a-z@:/\", \u{e9}#.-]{0,20}\n| {2}(version|resolved) [a-z\"@:#]{0,9}\n){0,9}") {
            let location = killick_model::path::ImagePath::from("/yarn.lock");
            classic(&text, &mut Declarations::new(PackageKind::Npm, &location));
        }
    }
}
