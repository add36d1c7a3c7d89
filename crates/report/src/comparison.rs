//! What is different between two images: packages, files, configuration, vulnerabilities.
//!
//! A function of two analyses and their matches, so that reports which were stored can be compared as images are. What
//! the two have in common is counted, not listed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::file::{FileEntry, FileKind};
use killick_model::matching::Matches;
use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::severity::Severity;
use killick_model::version;
use serde::Serialize;
use serde_json::Value;

mod text;

pub use text::{markdown, text};

/// One of the two images.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The image as the user named it.
    pub source: &'a str,
    /// What it consists of.
    pub analysis: &'a Analysis,
    /// What is known to be wrong with it.
    pub matches: &'a Matches,
}

/// What is different between an image as it was, or a base, and as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The one.
    pub before: Compared,
    /// The other.
    pub after: Compared,
    /// Layers.
    pub layers: LayerChanges,
    /// Of the distribution and the configuration: what a container that is started has of it.
    pub settings: Vec<SettingChange>,
    /// Packages, ordered by kind and name.
    pub packages: Vec<PackageChange>,
    /// Files, ordered by path.
    pub files: Vec<FileChange>,
    /// Vulnerabilities.
    pub vulnerabilities: VulnerabilityChanges,
}

impl Comparison {
    /// Whether nothing is different.
    pub fn is_same(&self) -> bool {
        self.layers.removed.is_empty()
            && self.layers.added.is_empty()
            && self.settings.is_empty()
            && self.packages.is_empty()
            && self.files.is_empty()
            && self.vulnerabilities.appeared.is_empty()
            && self.vulnerabilities.gone.is_empty()
    }
}

/// Which image was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// As the user named it.
    pub source: String,
    /// Digest of its manifest.
    pub digest: Digest,
    /// How many packages it has.
    pub packages: usize,
    /// How many entries its merged file system has.
    pub files: usize,
    /// Bytes of it, as a tar.
    pub size_bytes: u64,
    /// How many vulnerabilities: pairs of a vulnerability and a package.
    pub vulnerabilities: usize,
}

/// Layers by the digests of their uncompressed tars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerChanges {
    /// How many the two have in common at their bottom.
    pub shared: usize,
    /// What is above them in the one.
    pub removed: Vec<Digest>,
    /// What is above them in the other.
    pub added: Vec<Digest>,
}

/// One setting with other values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Its name, as in the configuration: `User`, `Env PATH`, `Labels maintainer`, … , or `distribution`, `platform`.
    pub name: String,
    /// The value before; `None` where it was not set.
    pub before: Option<String>,
    /// The value after.
    pub after: Option<String>,
}

/// How something is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Only the other has it.
    Added,
    /// Only the one has it.
    Removed,
    /// Both have it; the other's version is newer.
    Upgraded,
    /// Both have it; the other's version is older.
    Downgraded,
    /// Both have it, otherwise than before.
    Changed,
}

/// One package that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// How.
    pub change: Change,
    /// Packaging system.
    pub kind: PackageKind,
    /// Name; for Java with its group.
    pub name: String,
    /// Version before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Version after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Where it is, in the image that has it, the other if both have.
    pub location: String,
    /// Index of the layer that brought it, in the same image.
    pub layer: u32,
}

/// One file that is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// How: added, removed or changed.
    pub change: Change,
    /// Where.
    pub path: ImagePath,
    /// What of it, for changed files: `kind`, `content`, `mode`, `owner`, `target`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub what: Vec<&'static str>,
    /// Bytes before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_before: Option<u64>,
    /// Bytes after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_after: Option<u64>,
}

/// What became of vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VulnerabilityChanges {
    /// Only the other has them, the worst first.
    pub appeared: Vec<VulnerabilityChange>,
    /// Only the one has them, the worst first.
    pub gone: Vec<VulnerabilityChange>,
    /// How many both have.
    pub shared: usize,
}

/// One vulnerability of one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct VulnerabilityChange {
    /// Its name, as in lists of vulnerabilities.
    pub vulnerability: String,
    /// How bad it is.
    pub severity: Severity,
    /// Packaging system of the package.
    pub kind: PackageKind,
    /// Name of the package.
    pub package: String,
    /// Version of the package, in the image that has the vulnerability.
    pub version: String,
    /// Version of the package in the image that has it not; `None` if the package is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_version: Option<String>,
}

/// Compares two images.
pub fn compare(before: &Side<'_>, after: &Side<'_>) -> Comparison {
    Comparison {
        before: compared(before),
        after: compared(after),
        layers: layers(before.analysis, after.analysis),
        settings: settings(before.analysis, after.analysis),
        packages: packages(before.analysis, after.analysis),
        files: files(&before.analysis.files, &after.analysis.files),
        vulnerabilities: vulnerabilities(before, after),
    }
}

fn compared(side: &Side<'_>) -> Compared {
    Compared {
        source: side.source.to_owned(),
        digest: side.analysis.manifest_digest.clone(),
        packages: side.analysis.packages.len(),
        files: side.analysis.files.len(),
        size_bytes: side.analysis.size_bytes(),
        vulnerabilities: side.matches.matches.len(),
    }
}

fn layers(before: &Analysis, after: &Analysis) -> LayerChanges {
    let pairs = before.layers.iter().zip(&after.layers);
    let shared = pairs.take_while(|(one, other)| one.diff_id == other.diff_id).count();
    let above = |analysis: &Analysis| analysis.layers.iter().skip(shared).map(|layer| layer.diff_id.clone()).collect();
    LayerChanges { shared, removed: above(before), added: above(after) }
}

fn settings(before: &Analysis, after: &Analysis) -> Vec<SettingChange> {
    let (before, after) = (settings_of(before), settings_of(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| SettingChange {
            name: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

/// Every setting by its name. Lists of names with values, such as `Env`, are told apart by the names.
fn settings_of(analysis: &Analysis) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    if let Some(distribution) = &analysis.distribution {
        all.insert("distribution".to_owned(), distribution.label());
    }
    let variant = analysis.config.variant.as_ref().map(|variant| format!("/{variant}")).unwrap_or_default();
    all.insert("platform".to_owned(), format!("{}/{}{variant}", analysis.config.os, analysis.config.architecture));
    let Value::Object(config) = &analysis.config.config else { return all };
    for (name, value) in config {
        match value {
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) if name == "Env" => {
                for item in items.iter().filter_map(Value::as_str) {
                    let (variable, value) = item.split_once('=').unwrap_or((item, ""));
                    all.insert(format!("Env {variable}"), value.to_owned());
                }
            }
            Value::Object(entries) => {
                for (entry, value) in entries {
                    let is_set = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
                    all.insert(format!("{name} {entry}"), if is_set { "set".to_owned() } else { plain(value) });
                }
            }
            value => {
                all.insert(name.clone(), plain(value));
            }
        }
    }
    all
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What makes packages of two images the same but for their version.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
struct PackageKey<'a> {
    kind: PackageKind,
    name: &'a str,
    group: Option<&'a str>,
    architecture: Option<&'a str>,
}

impl<'a> PackageKey<'a> {
    fn of(package: &'a Package) -> Self {
        let group = match &package.details {
            PackageDetails::Java { group, .. } => group.as_deref(),
            _ => None,
        };
        Self { kind: package.kind, name: &package.name, group, architecture: package.architecture.as_deref() }
    }

    /// The same on another architecture.
    fn on_any(self) -> Self {
        Self { architecture: None, ..self }
    }

    fn name(&self) -> String {
        self.group.map_or_else(|| self.name.to_owned(), |group| format!("{group}:{}", self.name))
    }
}

fn packages(before: &Analysis, after: &Analysis) -> Vec<PackageChange> {
    let mut keys: BTreeMap<PackageKey<'_>, (Vec<&Package>, Vec<&Package>)> = BTreeMap::new();
    // Of an image for another platform, each package is for another architecture.
    let is_other = is_for_another(before, after);
    let key = |package| if is_other { PackageKey::of(package).on_any() } else { PackageKey::of(package) };
    for package in &before.packages {
        keys.entry(key(package)).or_default().0.push(package);
    }
    for package in &after.packages {
        keys.entry(key(package)).or_default().1.push(package);
    }
    let mut changes = Vec::new();
    for (key, (mut before, mut after)) in keys {
        take_pairs(&mut before, &mut after, |package| (package.version.clone(), package.virtual_path()));
        // At another place is no other package.
        take_pairs(&mut before, &mut after, |package| package.version.clone());
        let at_its_place = take_pairs(&mut before, &mut after, Package::virtual_path);
        let scheme = key.kind.scheme();
        before.sort_by(|one, other| version::order(scheme, &one.version, &other.version));
        after.sort_by(|one, other| version::order(scheme, &one.version, &other.version));
        let both = before.len().min(after.len());
        let (removed, added) = (before.split_off(both), after.split_off(both));
        for (one, other) in at_its_place.into_iter().chain(before.into_iter().zip(after)) {
            let change = match version::compare(scheme, &one.version, &other.version) {
                Some(Ordering::Less) => Change::Upgraded,
                Some(Ordering::Greater) => Change::Downgraded,
                Some(Ordering::Equal) | None => Change::Changed,
            };
            changes.push(package_change(&key, change, Some(one), Some(other)));
        }
        changes.extend(removed.into_iter().map(|one| package_change(&key, Change::Removed, Some(one), None)));
        changes.extend(added.into_iter().map(|other| package_change(&key, Change::Added, None, Some(other))));
    }
    changes
}

/// Whether the images are for different processors, as far as both say.
fn is_for_another(before: &Analysis, after: &Analysis) -> bool {
    let (one, other) = (&before.config, &after.config);
    !one.architecture.is_empty()
        && !other.architecture.is_empty()
        && (&one.architecture, &one.variant) != (&other.architecture, &other.variant)
}

/// Takes pairs with the same key out of both lists, each package once.
fn take_pairs<'a, K: Ord>(
    before: &mut Vec<&'a Package>,
    after: &mut Vec<&'a Package>,
    key: impl Fn(&Package) -> K,
) -> Vec<(&'a Package, &'a Package)> {
    let mut others: BTreeMap<K, Vec<&'a Package>> = BTreeMap::new();
    for package in after.drain(..).rev() {
        others.entry(key(package)).or_default().push(package);
    }
    let mut pairs = Vec::new();
    before.retain(|one| match others.get_mut(&key(one)).and_then(Vec::pop) {
        Some(other) => {
            pairs.push((*one, other));
            false
        }
        None => true,
    });
    after.extend(others.into_values().flatten());
    pairs
}

fn package_change(
    key: &PackageKey<'_>,
    change: Change,
    before: Option<&Package>,
    after: Option<&Package>,
) -> PackageChange {
    let shown = after.or(before);
    PackageChange {
        change,
        kind: key.kind,
        name: key.name(),
        before: before.map(|package| package.version.clone()),
        after: after.map(|package| package.version.clone()),
        location: shown.map(Package::virtual_path).unwrap_or_default(),
        layer: shown.map_or(0, |package| package.layer),
    }
}

/// Both lists are ordered by path.
fn files(before: &[FileEntry], after: &[FileEntry]) -> Vec<FileChange> {
    let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return changes,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.path.cmp(&other.path),
        };
        let one = if order.is_le() { before.next() } else { None };
        let other = if order.is_ge() { after.next() } else { None };
        changes.extend(file_change(one, other));
    }
}

fn file_change(before: Option<&FileEntry>, after: Option<&FileEntry>) -> Option<FileChange> {
    let (change, what) = match (before, after) {
        (Some(one), Some(other)) => {
            let what = differences(one, other);
            if what.is_empty() {
                return None;
            }
            (Change::Changed, what)
        }
        (Some(_), None) => (Change::Removed, Vec::new()),
        _ => (Change::Added, Vec::new()),
    };
    let size = |file: &FileEntry| (file.kind == FileKind::File).then_some(file.size);
    Some(FileChange {
        change,
        path: after.or(before)?.path.clone(),
        what,
        size_before: before.and_then(size),
        size_after: after.and_then(size),
    })
}

fn differences(one: &FileEntry, other: &FileEntry) -> Vec<&'static str> {
    let all = [
        ("kind", one.kind != other.kind),
        ("content", one.sha256 != other.sha256),
        ("mode", one.mode != other.mode),
        ("owner", (one.uid, one.gid) != (other.uid, other.gid)),
        ("target", one.link_target != other.link_target),
    ];
    all.into_iter().filter(|(_, is_other)| *is_other).map(|(name, _)| name).collect()
}

fn vulnerabilities(before: &Side<'_>, after: &Side<'_>) -> VulnerabilityChanges {
    let (one, other) = (vulnerable(before), vulnerable(after));
    let shared = one.keys().filter(|key| other.contains_key(*key)).count();
    VulnerabilityChanges {
        appeared: only_in(&other, &one, before.analysis),
        gone: only_in(&one, &other, after.analysis),
        shared,
    }
}

/// A vulnerability of a package, whatever its version: an upgrade that fixes nothing leaves it.
type VulnerableKey<'a> = (&'a str, PackageKind, &'a str, Option<&'a str>);

fn vulnerable<'a>(side: &Side<'a>) -> BTreeMap<VulnerableKey<'a>, VulnerabilityChange> {
    let matches = side.matches.matches.iter().map(|found| {
        let package = side.analysis.package(found.package);
        let vulnerability = found.anchore_id(package);
        let change = VulnerabilityChange {
            vulnerability: vulnerability.to_owned(),
            severity: found.severity,
            kind: package.kind,
            package: PackageKey::of(package).name(),
            version: package.version.clone(),
            other_version: None,
        };
        ((vulnerability, package.kind, package.name.as_str(), PackageKey::of(package).group), change)
    });
    matches.collect()
}

fn only_in(
    these: &BTreeMap<VulnerableKey<'_>, VulnerabilityChange>,
    others: &BTreeMap<VulnerableKey<'_>, VulnerabilityChange>,
    other: &Analysis,
) -> Vec<VulnerabilityChange> {
    let mut versions: BTreeMap<(PackageKind, String), &str> = BTreeMap::new();
    for package in &other.packages {
        versions.entry((package.kind, PackageKey::of(package).name())).or_insert(&package.version);
    }
    let only = these.iter().filter(|(key, _)| !others.contains_key(*key)).map(|(_, change)| {
        let other_version = versions.get(&(change.kind, change.package.clone())).map(|version| (*version).to_owned());
        VulnerabilityChange { other_version, ..change.clone() }
    });
    let mut only: Vec<VulnerabilityChange> = only.collect();
    only.sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| one.cmp(other)));
    only
}

#[cfg(test)]
pub(crate) mod tests;
