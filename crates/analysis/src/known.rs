//! Copied files: the library of a distribution that a build copied out of another image, without the package's record.
//!
//! What images with package databases have teaches which packages contain which contents
//! ([`analyze_with_lessons`](crate::analyze::analyze_with_lessons)); a file of an image that no package there owns is looked up
//! by its digest, and the package that contains it is told as [`PackageEvidence::Copied`]. It is judged by its own distribution.
//!
//! A content may be in several packages. Of those the one wins that explains most files of the image; then one of the
//! image's own distribution; then the newest version, because a file that an update left as it was has what the update
//! fixed, if it ever had it; then the first by name.
//!
//! Only programs, libraries, kernel modules and archives of classes are taught and looked up. Scripts and texts are copied by
//! programs too, as the templates of `git` are into every checkout, where nothing of the package is run.
//!
//! What is taught is what a database says, as far as the file agrees with it: whoever makes images for an account can
//! teach it wrong things. So a copied package adds to what is found, and takes nothing away.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use killick_model::analysis::Analysis;
use killick_model::distribution::Distribution;
use killick_model::file::{FileEntry, FileKind};
use killick_model::package::{OwnedFile, Package, PackageDetails, PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use killick_model::version::compare;
use killick_model::{tree, verification};
use serde::{Deserialize, Serialize};

use crate::facts::{EntryKind, LayerFacts};

pub mod folder;

/// What packages found by this are said to be found by.
const CATALOGER: &str = "copied-files";

/// Smaller files are in many packages, or could be.
const MIN_BYTES: u64 = 4096;

/// Files of one image that are looked up, and that are learnt.
const MAX_FILES: usize = 50_000;

/// Remembers which packages contain which files.
pub trait KnownFiles: Send + Sync {
    /// The packages that contain any of these contents, given by SHA-256, each with those that it contains; in any
    /// order. A failure finds nothing, and is the store's to report.
    fn find(&self, contents: &[[u8; 32]]) -> Vec<KnownPackage>;
}

/// A package of a distribution, and contents of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownPackage {
    /// What tells it from others, its distribution included, and nothing of the image that had it.
    pub package: Package,
    /// SHA-256 of its files, in order.
    pub files: Vec<[u8; 32]>,
}

/// Contents of an image that are machine code. The entries of [`Limits::tree_bytes`](crate::limits::Limits::tree_bytes) bound
/// how many.
pub(crate) struct Code(HashSet<[u8; 32]>);

impl Code {
    pub(crate) fn of(layers: &[LayerFacts]) -> Self {
        let entries = layers.iter().flat_map(LayerFacts::entries).map(|(_, entry)| entry);
        let code = entries.filter(|entry| entry.kind == EntryKind::Code && entry.size >= MIN_BYTES);
        Self(code.map(|entry| entry.sha256).collect())
    }

    /// Whether the content of the file tells where it is from: programs, libraries, kernel modules and archives of classes that
    /// are not tiny. Scripts, texts, licences and the like are in many packages.
    fn is_telling(&self, file: &FileEntry) -> bool {
        let Some(sha256) = file.sha256.filter(|_| file.kind == FileKind::File && file.size >= MIN_BYTES) else {
            return false;
        };
        let name = file.path.file_name();
        let is_library = name.ends_with(b".so") || memchr::memmem::find(name, b".so.").is_some();
        let is_code = (is_library || file.mode & 0o111 != 0) && self.0.contains(&sha256);
        is_code || name.ends_with(b".jar") || name.ends_with(b".ko")
    }
}

/// What an analysed image teaches: files of installed packages of its distribution that are as their database says, or,
/// where that cannot be compared, came with the package's own layer.
pub(crate) fn lessons(analysis: &Analysis, code: &Code) -> Vec<KnownPackage> {
    let Some(distribution) = &analysis.distribution else { return Vec::new() };
    let files = analysis.files.as_slice();
    let mut left = MAX_FILES;
    let mut learnt: BTreeMap<String, KnownPackage> = BTreeMap::new();
    let installed = analysis.packages.iter().filter(|package| package.evidence.is_installed() && package.kind.is_os());
    for package in installed.filter(|package| package.distribution.is_none()) {
        let brought = package.files.iter().filter(|record| !record.is_config).filter_map(|record| {
            let file = tree::at_place(files, record.path.as_bytes()).filter(|file| code.is_telling(file))?;
            agrees(package, record, file).then_some(file.sha256?)
        });
        let brought: BTreeSet<[u8; 32]> = brought.take(left).collect();
        left -= brought.len();
        if brought.is_empty() {
            continue;
        }
        let package = identity(package, distribution);
        let known = learnt.entry(key(&package)).or_insert_with(|| KnownPackage { package, files: Vec::new() });
        known.files.extend(brought);
        known.files.sort_unstable();
        known.files.dedup();
    }
    learnt.into_values().collect()
}

/// Adds the packages that files of the image were copied from. `packages` are those that were found otherwise.
pub(crate) fn add_copied(
    packages: &mut Vec<Package>,
    files: &[FileEntry],
    own: Option<&Distribution>,
    known: &dyn KnownFiles,
    code: &Code,
    problems: &mut Vec<Problem>,
) {
    let owned = owned(packages, files);
    let mut nobodys: Vec<&FileEntry> =
        files.iter().filter(|file| code.is_telling(file) && !owned.contains(file.path.as_bytes())).collect();
    if nobodys.len() > MAX_FILES {
        let message = format!("{} more files are not looked up as copies", nobodys.len() - MAX_FILES);
        problems.push(Problem::new("limit-copied-files", "image", message));
        nobodys.truncate(MAX_FILES);
    }
    let mut contents: BTreeMap<[u8; 32], Vec<&FileEntry>> = BTreeMap::new();
    for file in nobodys {
        contents.entry(file.sha256.unwrap_or_default()).or_default().push(file);
    }
    let digests: Vec<[u8; 32]> = contents.keys().copied().collect();
    let mut candidates = if digests.is_empty() { Vec::new() } else { known.find(&digests) };
    for candidate in &mut candidates {
        candidate.files.retain(|content| contents.contains_key(content));
        if candidate.package.distribution.as_ref().zip(own).is_some_and(|(a, b)| is_release(a, b)) {
            candidate.package.distribution = None;
        }
    }
    candidates.sort_by(order);
    let mut taken: HashSet<[u8; 32]> = HashSet::new();
    for candidate in candidates {
        let of_it = candidate.files.iter().filter(|content| taken.insert(**content));
        let mut copies: Vec<&FileEntry> =
            of_it.filter_map(|content| contents.get(content)).flatten().copied().collect();
        copies.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let Some(first) = copies.first() else { continue };
        let file = |file: &&FileEntry| OwnedFile {
            path: file.path.clone(),
            digest: file.sha256.map(|digest| ("sha256".to_owned(), hex::encode(digest))),
            mode: None,
            size: None,
            is_config: false,
        };
        leave_out_same(packages, &candidate.package, &copies);
        packages.push(Package {
            location: first.path.clone(),
            layer: first.layer,
            cataloger: CATALOGER.to_owned(),
            files: copies.iter().map(file).collect(),
            evidence: PackageEvidence::Copied,
            ..candidate.package
        });
    }
}

/// Takes these files from packages that are told as copied already, by what the files say of themselves, where that is the
/// same in other words: the source package, in the same version.
fn leave_out_same(packages: &mut Vec<Package>, known: &Package, copies: &[&FileEntry]) {
    packages.retain_mut(|package| {
        let is_same = package.evidence == PackageEvidence::Copied
            && package.cataloger != CATALOGER
            && package.kind == known.kind
            && [known.name.as_str(), known.source_name()].contains(&package.name.as_str())
            && [known.version.as_str(), known.source_version()].contains(&package.version.as_str());
        if !is_same || package.files.is_empty() {
            return true;
        }
        package.files.retain(|file| {
            let at = copies.binary_search_by(|copy| copy.path.cmp(&file.path));
            at.is_err()
        });
        match package.files.first() {
            Some(first) => package.location = first.path.clone(),
            None => return false,
        }
        true
    });
}

/// Whether the file is the one that the package brought.
fn agrees(package: &Package, record: &OwnedFile, file: &FileEntry) -> bool {
    match verification::digests(package.kind, record, file) {
        Some((expected, actual)) => expected.eq_ignore_ascii_case(&actual),
        None => file.layer == package.layer,
    }
}

/// Paths that packages of the image own. Of a program that was recognised by its bytes nobody knows who brought it.
fn owned<'a>(packages: &'a [Package], files: &'a [FileEntry]) -> HashSet<&'a [u8]> {
    let owners =
        packages.iter().filter(|package| package.evidence.is_installed() && package.kind != PackageKind::Binary);
    let records = owners.flat_map(|package| &package.files);
    let places = records.filter_map(|record| {
        tree::at(files, record.path.as_bytes()).or_else(|| tree::follow(files, record.path.as_bytes()))
    });
    places.map(|file| file.path.as_bytes()).collect()
}

/// The package without anything of its image.
fn identity(package: &Package, distribution: &Distribution) -> Package {
    let details = match &package.details {
        PackageDetails::Rpm { epoch, source_rpm, module, vendor, .. } => PackageDetails::Rpm {
            epoch: *epoch,
            source_rpm: source_rpm.clone(),
            module: module.clone(),
            vendor: vendor.clone(),
            signatures: Vec::new(),
        },
        _ => PackageDetails::None,
    };
    let distribution = Distribution {
        id: distribution.id.clone(),
        version: distribution.version.clone(),
        codename: distribution.codename.clone(),
        ..Distribution::default()
    };
    Package {
        architecture: package.architecture.clone(),
        source: package.source.clone(),
        origin: package.origin.clone(),
        distribution: Some(distribution),
        details,
        ..Package::new(package.kind, &package.name, &package.version, ImagePath::default())
    }
}

fn key(package: &Package) -> String {
    let distribution = package.distribution.as_ref().map(Distribution::label).unwrap_or_default();
    let architecture = package.architecture.as_deref().unwrap_or_default();
    format!("{distribution} {} {} {} {architecture}", package.kind, package.name, package.version)
}

/// Whether the package is of the image's own release.
fn is_release(of: &Distribution, own: &Distribution) -> bool {
    (&of.id, &of.version, &of.codename) == (&own.id, &own.version, &own.codename)
}

/// The order in which candidates may take files.
fn order(a: &KnownPackage, b: &KnownPackage) -> Ordering {
    let (a_is, b_is) = (&a.package, &b.package);
    let newest_first = || {
        let scheme = a_is.kind.scheme();
        // What is no version comes last, so that this is an order whatever a database says.
        let is_version = |version: &str| compare(scheme, version, version).is_some();
        let versions = is_version(&b_is.version).cmp(&is_version(&a_is.version));
        let newest = compare(scheme, &b_is.version, &a_is.version).unwrap_or(Ordering::Equal);
        versions.then(newest).then_with(|| b_is.version.cmp(&a_is.version))
    };
    b.files
        .len()
        .cmp(&a.files.len())
        .then_with(|| a_is.distribution.is_some().cmp(&b_is.distribution.is_some()))
        .then_with(|| (a_is.kind, &a_is.name).cmp(&(b_is.kind, &b_is.name)))
        .then_with(newest_first)
        .then_with(|| key(a_is).cmp(&key(b_is)))
}

/// Joins packages that several stores, or several rows, tell of.
pub fn merged(packages: impl IntoIterator<Item = KnownPackage>) -> Vec<KnownPackage> {
    let mut all: HashMap<String, KnownPackage> = HashMap::new();
    for known in packages {
        match all.entry(key(&known.package)) {
            std::collections::hash_map::Entry::Occupied(mut entry) => entry.get_mut().files.extend(known.files),
            std::collections::hash_map::Entry::Vacant(entry) => drop(entry.insert(known)),
        }
    }
    let mut all: Vec<KnownPackage> = all.into_values().collect();
    for known in &mut all {
        known.files.sort_unstable();
        known.files.dedup();
    }
    all.sort_by_cached_key(|known| key(&known.package));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_file_says_of_itself_is_not_told_twice() {
        let file = |path: &str| -> FileEntry {
            let file = json!({"path": path, "kind": "file", "mode": 0o755, "uid": 0, "gid": 0, "size": 1, "layer": 0});
            serde_json::from_value(file).expect("a file")
        };
        let of = |cataloger: &str, name: &str, version: &str, paths: &[&str]| -> Package {
            let files: Vec<_> = paths.iter().map(|path| json!({ "path": path })).collect();
            let package = json!({"kind": "rpm", "name": name, "version": version, "location": paths[0], "layer": 0,
                "cataloger": cataloger, "evidence": "copied", "files": files});
            serde_json::from_value(package).expect("a package")
        };
        let known: Package =
            serde_json::from_value(json!({"kind": "rpm", "name": "openssl-libs", "version": "1:3.0.7-1.el9",
            "source": {"name": "openssl", "version": "3.0.7-1.el9"}, "location": "/", "layer": 0, "cataloger": ""}))
            .expect("a package");
        let copies = [file("/srv/libcrypto.so"), file("/srv/libssl.so")];
        let mut packages = vec![
            of("elf-note", "openssl", "3.0.7-1.el9", &["/srv/libcrypto.so", "/srv/libssl.so"]),
            of("elf-note", "openssl", "3.0.7-2.el9", &["/srv/libssl.so"]),
            of("elf-note", "zlib", "3.0.7-1.el9", &["/srv/libssl.so"]),
            of("elf-note", "openssl", "3.0.7-1.el9", &["/srv/libssl.so", "/srv/other.so"]),
        ];
        leave_out_same(&mut packages, &known, &copies.iter().collect::<Vec<_>>());
        let left: Vec<_> = packages
            .iter()
            .map(|package| format!("{} {} {}", package.name, package.version, package.location))
            .collect();
        // What says something else is told beside it.
        assert_eq!(
            left,
            [
                "openssl 3.0.7-2.el9 /srv/libssl.so",
                "zlib 3.0.7-1.el9 /srv/libssl.so",
                "openssl 3.0.7-1.el9 /srv/other.so"
            ]
        );
    }
}
