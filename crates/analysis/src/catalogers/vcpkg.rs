//! vcpkg packages, of C and C++: the database of an installation, and manifests.
//!
//! Formats: vcpkg itself, `src/vcpkg/paragraphs.cpp` and `vcpkglib.cpp` (`status`, with what happened since in
//! `updates/`; one paragraph for each port and for each of its features; `info/*.list` has the files); vcpkg
//! documentation, "vcpkg.json Reference". A version is written `1.2.3#4`, with the revision of the port unless it is 0.

use std::collections::{BTreeMap, HashMap};

use killick_model::package::{OwnedFile, Package, PackageKind};
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};

use super::deb822::{Paragraph, paragraphs};
use super::published::Published;
use super::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, declared, document, package};

/// Finds vcpkg packages.
pub(super) struct Vcpkg;

/// Files of one port; the largest real ones have some ten thousand.
const FILES: usize = 200_000;

/// What a file tells the join.
#[derive(Debug, Serialize, Deserialize)]
enum Piece {
    /// A port that was removed, by name and architecture.
    Removed(String, String),
    /// What `info/NAME_VERSION_ARCHITECTURE.list` lists.
    Files(Vec<String>),
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    dependencies: Vec<Dependency>,
    #[serde(default)]
    overrides: Vec<Override>,
    #[serde(rename = "builtin-baseline")]
    baseline: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    Name(String),
    Fields {
        name: String,
        #[serde(default)]
        host: bool,
    },
}

#[derive(Deserialize)]
struct Override {
    name: String,
    #[serde(alias = "version-string", alias = "version-semver", alias = "version-date")]
    version: Option<String>,
    #[serde(rename = "port-version", default)]
    port_version: u64,
}

impl Cataloger for Vcpkg {
    fn name(&self) -> &'static str {
        "vcpkg"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Vcpkg]
    }

    fn wants(&self) -> Wants {
        let globs = &["**/vcpkg/status", "**/vcpkg/updates/*", "**/vcpkg/info/*.list", "**/vcpkg.json"];
        Wants { globs, executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let name = file.path.file_name();
        if name == b"vcpkg.json" {
            manifest(file, found);
        } else if let Some(text) = document::text(file, found) {
            if name.ends_with(b".list") {
                // Folders end with a slash.
                let files = text.lines().filter(|line| !line.is_empty() && !line.ends_with('/'));
                piece(&Piece::Files(files.take(FILES).map(str::to_owned).collect()), found);
            } else {
                database(&text, file, found);
            }
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let introduced = Introduced::new(image);
        let mut lists: HashMap<&[u8], &Found> = HashMap::new();
        // By folder of the database, then by name and architecture; `updates/` comes after `status`.
        let mut databases: BTreeMap<Vec<u8>, BTreeMap<(String, String), Package>> = BTreeMap::new();
        for (path, layer, found) in image.found {
            if path.file_name().ends_with(b".list") {
                lists.insert(path.as_bytes(), found);
                continue;
            }
            if path.file_name() == b"vcpkg.json" {
                joined.take(self.name(), path, *layer, found);
                continue;
            }
            joined.problems.extend(found.problems.iter().cloned());
            let database = databases.entry(root(path)).or_default();
            for piece in &found.pieces {
                if let Ok(Piece::Removed(name, architecture)) = postcard::from_bytes(piece) {
                    database.remove(&(name, architecture));
                }
            }
            for package in &found.packages {
                let mut package = package.clone();
                package.layer = introduced.layer(*layer, &package);
                self.name().clone_into(&mut package.cataloger);
                let architecture = package.architecture.clone().unwrap_or_default();
                database.insert((package.name.clone(), architecture), package);
            }
        }
        for (folder, database) in databases {
            for ((name, architecture), mut package) in database {
                let version = package.version.split('#').next().unwrap_or_default();
                let list = format!("/info/{name}_{version}_{architecture}.list");
                let list = lists.get([folder.as_slice(), list.as_bytes()].concat().as_slice());
                package.files = list.map(|found| files(&folder, found)).unwrap_or_default();
                joined.packages.push(package);
            }
        }
    }
}

fn piece(piece: &Piece, found: &mut Found) {
    found.pieces.push(postcard::to_stdvec(piece).expect("a piece serialises into memory"));
}

/// The folder of the database that a file belongs to.
fn root(path: &ImagePath) -> Vec<u8> {
    let folder = path.parent().unwrap_or_default();
    folder.strip_suffix(b"/updates").unwrap_or(folder).to_vec()
}

/// Listed files are relative to the folder above that of the database.
fn files(folder: &[u8], found: &Found) -> Vec<OwnedFile> {
    let Some(base) = ImagePath::new(folder).and_then(|folder| ImagePath::new(folder.parent()?)) else {
        return Vec::new();
    };
    let lists = found.pieces.iter().filter_map(|piece| match postcard::from_bytes(piece) {
        Ok(Piece::Files(files)) => Some(files),
        _ => None,
    });
    let owned = |file: String| {
        Some(OwnedFile { path: base.join(file.as_bytes())?, digest: None, mode: None, size: None, is_config: false })
    };
    lists.flatten().filter_map(owned).collect()
}

fn database(text: &str, file: &WantedFile<'_>, found: &mut Found) {
    const FIELDS: &[&str] =
        &["package", "version", "port-version", "architecture", "status", "feature", "maintainer", "license"];
    let mut incomplete = 0_usize;
    for paragraph in paragraphs(text.as_bytes(), FIELDS) {
        let field = |name: &str| paragraph.get(name);
        let (Some(name), Some(status)) = (field("package"), field("status")) else {
            incomplete += 1;
            continue;
        };
        // Features have paragraphs of their own, and go with their port.
        if field("feature").is_some() {
            continue;
        }
        let architecture = field("architecture").unwrap_or_default();
        if status.split_whitespace().nth(2) != Some("installed") {
            piece(&Piece::Removed(name.to_owned(), architecture.to_owned()), found);
            continue;
        }
        match field("version") {
            Some(version) => found.packages.push(port(name, version, architecture, &paragraph, file.path)),
            None => incomplete += 1,
        }
    }
    if incomplete > 0 {
        let message = format!("{incomplete} paragraphs have no port, version or status, skipped");
        document::malformed(file, message, found);
    }
}

fn port(name: &str, version: &str, architecture: &str, fields: &Paragraph, path: &ImagePath) -> Package {
    let revision = fields.get("port-version").and_then(|revision| revision.parse().ok()).unwrap_or(0);
    let mut package = package(PackageKind::Vcpkg, name, &written(version, revision), path);
    package.architecture = Some(architecture).filter(|name| !name.is_empty()).map(str::to_owned);
    package.licenses = fields.get("license").into_iter().map(str::to_owned).collect();
    package.origin = fields.get("maintainer").map(str::to_owned);
    package
}

/// A version with the revision of its port.
fn written(version: &str, revision: u64) -> String {
    if revision == 0 { version.to_owned() } else { format!("{version}#{revision}") }
}

/// What a project overrides has a version. Of the rest the baseline, a revision of the registry, decides.
fn manifest(file: &WantedFile<'_>, found: &mut Found) {
    let path = file.path.as_bytes();
    // A port of the registry itself: every one has a manifest, and none is thereby asked for.
    let is_port = path.rsplit(|&byte| byte == b'/').nth(2).is_some_and(|folder| matches!(folder, b"ports" | b"share"));
    if is_port {
        return;
    }
    let Some(manifest) = document::json::<Manifest>(file, found) else { return };
    for Override { name, version, port_version } in &manifest.overrides {
        let Some(version) = version else { continue };
        found.packages.push(declared(PackageKind::Vcpkg, name, &written(version, *port_version), file.path));
    }
    let Some(baseline) = manifest.baseline.as_deref() else { return };
    for dependency in &manifest.dependencies {
        let (name, is_development) = match dependency {
            Dependency::Name(name) => (name, false),
            Dependency::Fields { name, host } => (name, *host),
        };
        if manifest.overrides.iter().any(|other| other.name == *name) {
            continue;
        }
        let package = declared(PackageKind::Vcpkg, name, "", file.path);
        let package = Published::default().qualifier("repository_revision", Some(baseline)).of(package);
        found.packages.push(Package { is_development, ..package });
    }
}
