//! `NuGet` packages that a lock file or a project asks for.
//!
//! Formats: `NuGet` documentation, "Package references in project files" (with "Enable repeatable package restore" for
//! `packages.lock.json`, of which versions 1 to 3 differ in the types of dependencies) and "packages.config reference";
//! "Central Package Management". A project gives the lowest version it takes, which is the one a restore takes where
//! nothing else asks for more; a range or a floating version is none.

use std::collections::{BTreeMap, BTreeSet};

use killick_model::package::PackageKind;
use killick_model::problem::Problem;
use serde::Deserialize;

use super::xml::{self, Element};
use super::{Cataloger, Found, WantedFile, Wants, declared, document};

/// Finds the packages that are asked for.
pub(super) struct Nuget;

/// Properties that are followed to resolve one version.
const REFERENCES: usize = 8;

/// Bytes of a resolved version.
const VERSION_BYTES: usize = 200;

#[derive(Deserialize)]
struct Lock {
    /// By target framework, then by name.
    #[serde(default)]
    dependencies: BTreeMap<String, BTreeMap<String, Locked>>,
}

#[derive(Deserialize)]
struct Locked {
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Projects of the same solution have none.
    resolved: Option<String>,
}

/// What a restore left for the build.
#[derive(Deserialize)]
struct Assets {
    #[serde(default)]
    libraries: BTreeMap<String, Library>,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl Cataloger for Nuget {
    fn name(&self) -> &'static str {
        "nuget"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Dotnet]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/packages.lock.json",
                "**/packages.*.lock.json",
                "**/obj/project.assets.json",
                "**/packages.config",
                "**/packages.*.config",
                "**/*.{cs,fs,vb}proj",
                "**/Directory.Packages.props",
                "**/Directory.Build.{props,targets}",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let name = file.path.file_name();
        let packages = if name.ends_with(b".lock.json") {
            locked(file, found)
        } else if name.ends_with(b".assets.json") {
            restored(file, found)
        } else if name.ends_with(b".config") {
            configured(file, found)
        } else {
            project(file, found)
        };
        let packages = packages.iter().map(|(name, version)| declared(PackageKind::Dotnet, name, version, file.path));
        found.packages.extend(packages);
    }
}

/// Name and version.
type Wanted = BTreeSet<(String, String)>;

fn locked(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let Some(lock) = document::json::<Lock>(file, found) else { return Wanted::new() };
    let all = lock.dependencies.into_values().flatten();
    let packages = all.filter(|(_, locked)| locked.kind.as_deref() != Some("Project"));
    packages.filter_map(|(name, locked)| Some((name, locked.resolved?))).collect()
}

fn restored(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let Some(assets) = document::json::<Assets>(file, found) else { return Wanted::new() };
    let packages = assets.libraries.iter().filter(|(_, library)| library.kind.as_deref() == Some("package"));
    let ids = packages.filter_map(|(id, _)| id.rsplit_once('/'));
    ids.map(|(name, version)| (name.to_owned(), version.to_owned())).collect()
}

fn configured(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let Some(root) = xml::read(file, found) else { return Wanted::new() };
    let packages =
        root.all("package").filter_map(|package| Some((package.attribute("id")?, package.attribute("version")?)));
    packages.filter_map(|(name, version)| exact(version).map(|version| (name.to_owned(), version))).collect()
}

/// `PackageReference` of a project, `PackageVersion` of what many projects share.
fn project(file: &WantedFile<'_>, found: &mut Found) -> Wanted {
    let Some(root) = xml::read(file, found) else { return Wanted::new() };
    let groups = |name| root.all(name).flat_map(|group| &group.children);
    let mut properties: BTreeMap<String, &str> = BTreeMap::new();
    for property in groups("PropertyGroup") {
        // The first is the default; others have conditions, or the build has its reasons to repeat them.
        properties.entry(property.name.to_ascii_lowercase()).or_insert_with(|| property.text().unwrap_or_default());
    }
    let mut wanted = Wanted::new();
    let mut unresolved = 0;
    for item in groups("ItemGroup") {
        let is_asked_for = ["PackageReference", "GlobalPackageReference", "PackageVersion", "DotNetCliToolReference"]
            .iter()
            .any(|name| item.name.eq_ignore_ascii_case(name));
        let name = item.attribute("Include").or_else(|| item.attribute("Update")).filter(|name| !name.is_empty());
        let (Some(name), true) = (name, is_asked_for) else { continue };
        // Without a version it is given elsewhere, where it is found.
        let Some(version) = value(item, "VersionOverride").or_else(|| value(item, "Version")) else { continue };
        match resolved(version, &properties) {
            Some(version) => wanted.extend(exact(&version).map(|version| (name.to_owned(), version))),
            None => unresolved += 1,
        }
    }
    if unresolved > 0 {
        let message = format!("{unresolved} versions use properties that this file does not set: left out");
        found.problems.push(Problem::new("unresolved-version", file.path.to_string(), message));
    }
    wanted
}

/// An attribute, or the element of the same name.
fn value<'a>(item: &'a Element, name: &str) -> Option<&'a str> {
    item.attribute(name).or_else(|| item.text_of(name))
}

/// The text with its `$(Property)` replaced, if all of them are known.
fn resolved(text: &str, properties: &BTreeMap<String, &str>) -> Option<String> {
    let mut text = text.to_owned();
    for _ in 0..REFERENCES {
        let Some((before, rest)) = text.split_once("$(") else { return Some(text) };
        let (name, after) = rest.split_once(')')?;
        text = format!("{before}{}{after}", properties.get(&name.trim().to_ascii_lowercase())?);
        if text.len() > VERSION_BYTES {
            return None;
        }
    }
    None
}

/// The one version that is meant: `1.2.3`, or `[1.2.3]`.
fn exact(version: &str) -> Option<String> {
    let version = version.trim();
    let version = version.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(version).trim();
    let is_exact = version.starts_with(|first: char| first.is_ascii_digit())
        && version.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '+'));
    is_exact.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_are_one() {
        for (text, want) in [
            ("1.2.3", Some("1.2.3")),
            (" [1.2.3] ", Some("1.2.3")),
            ("1.2.3-beta.1+abc", Some("1.2.3-beta.1+abc")),
            ("1.*", None),
            ("[1.0,2.0)", None),
            ("(1.0,)", None),
            ("$(X)", None),
            ("", None),
        ] {
            assert_eq!(exact(text).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn properties_are_followed_and_end() {
        let properties = [("a", "1.$(B)"), ("b", "2"), ("self", "$(Self)x$(Self)")];
        let properties = properties.map(|(name, value)| (name.to_owned(), value)).into();
        assert_eq!(resolved("$(A).3", &properties).as_deref(), Some("1.2.3"));
        assert_eq!(resolved("$(C)", &properties), None);
        assert_eq!(resolved("$(Self)", &properties), None);
        assert_eq!(resolved("$(", &properties), None);
    }
}
