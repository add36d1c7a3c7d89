//! pacman: the package database of Arch Linux and its relatives (pacman source, `lib/libalpm/be_local.c`).
//!
//! `var/lib/pacman/local/NAME-VERSION/` has `desc` with the package, `files` with what it owns, and `mtree`, compressed,
//! with the modes, sizes and digests of that ([`mtree`]). `SteamOS` has the same under `usr/lib/holo/pacmandb`.

mod mtree;

use std::collections::{BTreeMap, HashMap};

use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::catalogers::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, package};

/// Bytes of one line that are looked at; none is longer than a path.
const LINE_BYTES: usize = 8 << 10;

/// Values of one field, where it may have several.
const MAX_VALUES: usize = 2000;

/// Bytes of all file lists of an image, unpacked: a desktop with all its languages has some fifty megabytes.
const LIST_BYTES: usize = 256 << 20;

/// Finds the packages of pacman.
pub(crate) struct Pacman;

impl Cataloger for Pacman {
    fn name(&self) -> &'static str {
        "pacman"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Pacman]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "var/lib/pacman/local/*/desc",
                "var/lib/pacman/local/*/files",
                "var/lib/pacman/local/*/mtree",
                "usr/lib/holo/pacmandb/local/*/desc",
                "usr/lib/holo/pacmandb/local/*/files",
                "usr/lib/holo/pacmandb/local/*/mtree",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name() == b"desc" {
            let Some(package) = desc(file) else {
                let message = "no package name or no version, skipped";
                found.problems.push(Problem::new("malformed-database", file.path.to_string(), message));
                return;
            };
            found.packages.push(package);
        } else {
            // Kept as it is, compressed where it is: it means nothing without its package.
            found.pieces.push(file.bytes.to_vec());
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let introduced = Introduced::new(image);
        let by_path: HashMap<&[u8], &Found> =
            image.found.iter().map(|(path, _, found)| (path.as_bytes(), *found)).collect();
        let mut allowance = LIST_BYTES;
        for (path, layer, found) in image.found {
            joined.problems.extend(found.problems.iter().cloned());
            for package in &found.packages {
                let mut package = package.clone();
                package.layer = introduced.layer(*layer, &package);
                self.name().clone_into(&mut package.cataloger);
                let beside = |name: &str| {
                    let path = [path.parent().unwrap_or_default(), b"/", name.as_bytes()].concat();
                    by_path.get(path.as_slice()).and_then(|found| found.pieces.first()).map(Vec::as_slice)
                };
                let mut files = files(beside("files").unwrap_or_default());
                if let Some(list) = beside("mtree")
                    && let Err(fault) = mtree::read(list, &mut allowance, &mut files)
                {
                    let (kind, message) = fault;
                    let subject = path.to_string().replace("/desc", "/mtree");
                    joined.problems.push(Problem::new(kind, subject, message));
                }
                package.files = files.into_values().collect();
                joined.packages.push(package);
            }
        }
    }
}

/// The package of `desc`.
fn desc(file: &WantedFile<'_>) -> Option<Package> {
    let mut sections: HashMap<&[u8], Vec<String>> = HashMap::new();
    for (section, value) in lines(file.bytes) {
        let values = sections.entry(section).or_default();
        if values.len() < MAX_VALUES {
            values.push(String::from_utf8_lossy(value).trim().to_owned());
        }
    }
    let mut all = |name: &str| sections.remove(name.as_bytes()).unwrap_or_default();
    let mut one = |name: &str| all(name).into_iter().next().filter(|value| !value.is_empty());
    let (name, version) = (one("NAME")?, one("VERSION")?);
    let mut package = package(PackageKind::Pacman, &name, &version, file.path);
    package.source =
        one("BASE").filter(|base| *base != name).map(|name| SourcePackage { name, version: version.clone() });
    package.architecture = one("ARCH");
    package.origin = one("PACKAGER").filter(|packager| packager != "Unknown Packager");
    package.size_bytes = one("SIZE").and_then(|size| size.parse().ok());
    let is_dependency = one("REASON").as_deref() == Some("1");
    package.licenses = all("LICENSE");
    let (validation, provides) = (all("VALIDATION"), all("PROVIDES"));
    package.details = PackageDetails::Pacman { validation, provides, is_dependency };
    Some(package)
}

/// The files of `files`, by path. What is to be backed up is configuration; its MD5 is that of the package's version.
fn files(bytes: &[u8]) -> BTreeMap<ImagePath, OwnedFile> {
    let mut files = BTreeMap::new();
    for (section, line) in lines(bytes) {
        match section {
            b"FILES" => {
                add(&mut files, line);
            }
            b"BACKUP" => {
                let tab = line.iter().position(|&byte| byte == b'\t').unwrap_or(line.len());
                let (path, sum) = line.split_at(tab);
                if let Some(file) = add(&mut files, path) {
                    file.is_config = true;
                    file.digest = digest("md5", sum.trim_ascii());
                }
            }
            _ => {}
        }
    }
    files
}

fn add<'f>(files: &'f mut BTreeMap<ImagePath, OwnedFile>, path: &[u8]) -> Option<&'f mut OwnedFile> {
    let path = ImagePath::new(path).filter(|path| !path.as_bytes().is_empty())?;
    let file = OwnedFile { path: path.clone(), digest: None, mode: None, size: None, is_config: false };
    Some(files.entry(path).or_insert(file))
}

/// A digest of one of the two algorithms that occur.
fn digest(algorithm: &str, digits: &[u8]) -> Option<(String, String)> {
    let length = if algorithm == "md5" { 32 } else { 64 };
    let is_digest = digits.len() == length && digits.iter().all(u8::is_ascii_hexdigit);
    is_digest.then(|| (algorithm.to_owned(), String::from_utf8_lossy(digits).to_ascii_lowercase()))
}

/// The lines of all sections, each with the name of its section: `%NAME%`, values, an empty line.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut section: &[u8] = b"";
    bytes.split(|&byte| byte == b'\n').filter_map(move |line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(name) = line.strip_prefix(b"%").and_then(|rest| rest.strip_suffix(b"%")) {
            section = name;
            return None;
        }
        (!line.is_empty() && line.len() <= LINE_BYTES).then_some((section, line))
    })
}
