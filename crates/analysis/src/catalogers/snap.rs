//! Snaps: `snap/NAME/REVISION/meta/snap.yaml` of those that are mounted or unpacked, or `meta/snap.yaml` where the image is
//! one (snapcraft documentation, "The snap format" and "snap.yaml").
//!
//! Snaps that are there as files (`var/lib/snapd/snaps/NAME_REVISION.snap`, and those to be installed at the first boot in
//! `seed/snaps/`) are file systems of their own, which are not opened: their names and revisions are known, not their
//! versions. What packages a snap was made of, its `snap/manifest.yaml` claims, and a base's `usr/share/snappy/dpkg.list`.

use std::collections::{BTreeMap, HashMap, HashSet};

use killick_model::distribution::Distribution;
use killick_model::file::{FileEntry, FileKind};
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::catalogers::{Cataloger, Found, Image, Joined, WantedFile, Wants, document, package};

const SNAPS: &[u8] = b"var/lib/snapd/snaps/";
const SEEDS: &[u8] = b"var/lib/snapd/seed/snaps/";

/// Packages that one snap claims, and snaps that one file names.
const MAX_PACKAGES: usize = 20_000;

/// Finds snaps.
pub(crate) struct Snap;

#[derive(Deserialize)]
struct Meta {
    name: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    base: Option<String>,
    #[serde(default)]
    architectures: Vec<String>,
    #[serde(default)]
    license: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default, rename = "primed-stage-packages")]
    primed: Option<Vec<String>>,
    #[serde(default)]
    parts: Option<BTreeMap<String, Part>>,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default, rename = "stage-packages")]
    staged: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Seed {
    #[serde(default)]
    snaps: Vec<Follows>,
}

#[derive(Deserialize)]
struct State {
    data: StateData,
}

#[derive(Deserialize)]
struct StateData {
    #[serde(default)]
    snaps: BTreeMap<String, StateSnap>,
}

#[derive(Deserialize)]
struct StateSnap {
    #[serde(default)]
    channel: Option<String>,
}

/// Which channel a snap follows.
#[derive(Serialize, Deserialize)]
struct Follows {
    name: String,
    #[serde(default)]
    channel: Option<String>,
}

impl Cataloger for Snap {
    fn name(&self) -> &'static str {
        "snap"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Snap, PackageKind::Deb]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "meta/snap.yaml",
                "snap/*/*/meta/snap.yaml",
                "var/lib/snapd/snap/*/*/meta/snap.yaml",
                "snap/manifest.yaml",
                "snap/*/*/snap/manifest.yaml",
                "var/lib/snapd/snap/*/*/snap/manifest.yaml",
                "usr/share/snappy/dpkg.list",
                "snap/*/*/usr/share/snappy/dpkg.list",
                "var/lib/snapd/snap/*/*/usr/share/snappy/dpkg.list",
                "var/lib/snapd/seed/seed.yaml",
                "var/lib/snapd/state.json",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let follows = match file.path.file_name() {
            b"snap.yaml" => {
                if let Some(meta) = document::yaml(file, found) {
                    found.packages.push(snap(meta, file.path));
                }
                return;
            }
            b"manifest.yaml" => return manifest(file, found),
            b"dpkg.list" => return dpkg_list(file, found),
            b"seed.yaml" => document::yaml::<Seed>(file, found).map(|seed| seed.snaps).unwrap_or_default(),
            _ => document::json::<State>(file, found)
                .map(|state| state.data.snaps)
                .unwrap_or_default()
                .into_iter()
                .map(|(name, StateSnap { channel })| Follows { name, channel })
                .collect(),
        };
        if !follows.is_empty() {
            found.pieces.extend(serde_json::to_vec(follows.get(..MAX_PACKAGES).unwrap_or(&follows)));
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut channels: HashMap<String, String> = HashMap::new();
        for (path, layer, found) in image.found {
            joined.take(self.name(), path, *layer, found);
            let follows = found.pieces.iter().filter_map(|piece| serde_json::from_slice::<Vec<Follows>>(piece).ok());
            channels.extend(follows.flatten().filter_map(|snap| Some((snap.name, snap.channel?))));
        }
        let mut seen: HashSet<(String, Option<String>)> = HashSet::new();
        for package in &joined.packages {
            if let PackageDetails::Snap { revision, .. } = &package.details {
                seen.insert((package.name.clone(), revision.clone()));
            }
        }
        for (folder, evidence) in [(SNAPS, PackageEvidence::Installed), (SEEDS, PackageEvidence::Declared)] {
            for (file, name, revision) in files(image.files, folder) {
                if seen.insert((name.to_owned(), Some(revision.to_owned()))) {
                    let message = "a file system in a file (squashfs), which is not opened: what is in it is not known";
                    joined.problems.push(Problem::new("unopened-file", file.path.to_string(), message));
                    joined.packages.push(Package {
                        evidence,
                        layer: file.layer,
                        cataloger: self.name().to_owned(),
                        details: details(None, None, Some(revision.to_owned())),
                        ..package(PackageKind::Snap, name, "", &file.path)
                    });
                }
            }
        }
        for package in &mut joined.packages {
            if let PackageDetails::Snap { channel, .. } = &mut package.details {
                *channel = channels.get(&package.name).cloned();
            }
        }
        of_ubuntu(&mut joined.packages);
    }
}

/// Sets the distribution of what is inside of snaps: the Ubuntu release of their bases, whatever they are installed on.
fn of_ubuntu(packages: &mut [Package]) {
    let release_of_snap = |package: &Package| {
        let PackageDetails::Snap { snap_type, base, .. } = &package.details else { return None };
        let folder = package.location.as_bytes().strip_suffix(b"meta/snap.yaml")?.to_vec();
        let base = match (snap_type.as_str(), base) {
            ("base" | "core" | "os", _) => package.name.as_str(),
            (_, Some(base)) => base,
            (_, None) => "core",
        };
        Some((folder, release(base)?))
    };
    let releases: HashMap<Vec<u8>, &'static str> = packages.iter().filter_map(release_of_snap).collect();
    for package in packages.iter_mut().filter(|package| package.kind == PackageKind::Deb) {
        let path = package.location.as_bytes();
        let lists: [&[u8]; 2] = [b"snap/manifest.yaml", b"usr/share/snappy/dpkg.list"];
        let folder = lists.into_iter().find_map(|list| path.strip_suffix(list));
        let version = folder.and_then(|folder| releases.get(folder)).map(|&release| release.to_owned());
        package.distribution = Some(Distribution { id: "ubuntu".to_owned(), version, ..Distribution::default() });
    }
}

/// The Ubuntu release that a base is made of: <https://snapcraft.io/docs/base-snaps>.
fn release(base: &str) -> Option<&'static str> {
    Some(match base {
        "core" | "core16" => "16.04",
        "core18" => "18.04",
        "core20" => "20.04",
        "core22" => "22.04",
        "core24" => "24.04",
        _ => return None,
    })
}

fn snap(meta: Meta, path: &ImagePath) -> Package {
    let mut package = package(PackageKind::Snap, &meta.name, &meta.version.unwrap_or_default(), path);
    package.architecture = meta.architectures.into_iter().next().filter(|architecture| architecture != "all");
    package.licenses = meta.license.into_iter().collect();
    // `…/NAME/REVISION/meta/snap.yaml`.
    let mut segments = path.as_bytes().rsplit(|&byte| byte == b'/').skip(2);
    let revision = segments.next().map(|revision| String::from_utf8_lossy(revision).into_owned());
    let revision = revision.filter(|revision| segments.next().is_some() && revision != "current");
    package.details = details(meta.kind, meta.base, revision);
    package
}

fn details(kind: Option<String>, base: Option<String>, revision: Option<String>) -> PackageDetails {
    PackageDetails::Snap { snap_type: kind.unwrap_or_else(|| "app".to_owned()), base, revision, channel: None }
}

/// The snaps that are files of this folder: file, name, revision.
fn files<'a>(files: &'a [FileEntry], folder: &[u8]) -> impl Iterator<Item = (&'a FileEntry, &'a str, &'a str)> {
    let first = files.partition_point(|file| file.path.as_bytes() < folder);
    let in_folder = files.get(first..).unwrap_or_default().iter();
    let in_folder = in_folder.map_while(move |file| Some((file, file.path.as_bytes().strip_prefix(folder)?)));
    in_folder.filter_map(|(file, name)| {
        let stem = std::str::from_utf8(name).ok()?.strip_suffix(".snap").filter(|_| file.kind == FileKind::File)?;
        let (name, revision) = stem.rsplit_once('_')?;
        Some((file, name, revision))
    })
}

/// `NAME[:ARCHITECTURE]=VERSION` of what was staged and is still there, or of what was staged where that is not told.
fn manifest(file: &WantedFile<'_>, found: &mut Found) {
    let Some(manifest) = document::yaml::<Manifest>(file, found) else { return };
    let staged =
        || manifest.parts.into_iter().flatten().flat_map(|(_, part)| part.staged.unwrap_or_default()).collect();
    let claims: Vec<String> = manifest.primed.unwrap_or_else(staged);
    let mut seen = HashSet::new();
    for claim in claims.iter().take(MAX_PACKAGES) {
        let Some((name, version)) = claim.split_once('=').filter(|_| seen.insert(claim)) else { continue };
        let (name, architecture) = name.split_once(':').map_or((name, None), |(name, arch)| (name, Some(arch)));
        claim_deb(name, version, architecture, file, found);
    }
}

/// The output of `dpkg -l`: state, name, version, architecture, description.
fn dpkg_list(file: &WantedFile<'_>, found: &mut Found) {
    let Some(text) = document::text(file, found) else { return };
    let mut is_any = false;
    for line in text.lines().take(MAX_PACKAGES) {
        let mut words = line.split_whitespace();
        if words.next() != Some("ii") {
            continue;
        }
        let (Some(name), Some(version), Some(architecture)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        claim_deb(name, version, Some(architecture), file, found);
        is_any = true;
    }
    if !is_any {
        let message = "not the list of packages it should be";
        found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
    }
}

fn claim_deb(name: &str, version: &str, architecture: Option<&str>, file: &WantedFile<'_>, found: &mut Found) {
    if name.is_empty() || version.is_empty() {
        return;
    }
    found.packages.push(Package {
        evidence: PackageEvidence::Claimed,
        architecture: architecture.map(str::to_owned),
        ..package(PackageKind::Deb, name, version, file.path)
    });
}
