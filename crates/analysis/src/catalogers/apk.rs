//! apk: the package database of Alpine, Wolfi, newer `OpenWrt` and their relatives (apk-tools, `src/database.c`; Alpine
//! wiki, "Apk spec", "Installed Database V2").
//!
//! One file, `lib/apk/db/installed` or since the merge of `/usr` `usr/lib/apk/db/installed`, rewritten whole by each
//! layer; `OpenWrt` has one more for volumes. Paragraphs of lines `LETTER:value`. Directories (`F:`) and files (`R:`)
//! follow each other, with owner and mode (`M:`, `a:`) and digest (`Z:`) behind the line they belong to. Only paragraphs
//! with a name and a version are packages.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::catalogers::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, package};

/// Bytes of one line that are looked at.
const LINE_BYTES: usize = 64 << 10;

/// Names that a package provides, at most; a language runtime has some hundred.
const MAX_PROVIDES: usize = 2000;

/// Finds the packages of apk.
pub(crate) struct Apk;

impl Cataloger for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Apk]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &["lib/apk/db/installed", "usr/lib/apk/db/installed", "lib/apk/db-uvol/installed"],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let mut incomplete = 0_usize;
        let mut paragraph = Paragraph::default();
        for line in file.bytes.split(|&byte| byte == b'\n').chain([&b""[..]]) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                paragraph.line(line.get(..LINE_BYTES).unwrap_or(line));
            } else if paragraph.is_any {
                match std::mem::take(&mut paragraph).into_package(file.path) {
                    Some(package) => found.packages.push(package),
                    None => incomplete += 1,
                }
            }
        }
        if incomplete > 0 {
            let message = format!("{incomplete} paragraphs have no package name or no version, skipped");
            found.problems.push(Problem::new("malformed-database", file.path.to_string(), message));
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let introduced = Introduced::new(image);
        // Both places may have the database, when it was moved and the old one was left.
        let mut seen = HashSet::new();
        for (path, layer, found) in image.found {
            let first = joined.packages.len();
            joined.take(self.name(), path, *layer, found);
            let mut packages = joined.packages.split_off(first);
            packages.retain(|package| {
                seen.insert((package.name.clone(), package.version.clone(), package.architecture.clone()))
            });
            for package in &mut packages {
                package.layer = introduced.layer(*layer, package);
            }
            joined.packages.append(&mut packages);
        }
    }
}

/// Lines gathered until a blank one.
#[derive(Default)]
struct Paragraph {
    is_any: bool,
    name: String,
    version: String,
    architecture: Option<String>,
    license: Option<String>,
    origin: Option<String>,
    maintainer: Option<String>,
    size: Option<u64>,
    checksum: Option<(String, String)>,
    provides: Vec<String>,
    repository_tag: Option<String>,
    /// SHA-256 digests are cut to the length of SHA-1, and marked as such: `f:S` of packages in the format of apk 3.
    is_cut_sha256: bool,
    folder: Vec<u8>,
    files: Vec<OwnedFile>,
    /// What `M:`, `a:` and `Z:` speak of is the last of `files`, and not a path that was left out.
    has_current: bool,
}

impl Paragraph {
    fn line(&mut self, line: &[u8]) {
        self.is_any = true;
        let Some((&letter, [b':', value @ ..])) = line.split_first() else { return };
        let text = || String::from_utf8_lossy(value).trim().to_owned();
        let some = || Some(text()).filter(|text| !text.is_empty());
        match letter {
            b'P' => self.name = text(),
            b'V' => self.version = text(),
            b'A' => self.architecture = some(),
            b'L' => self.license = some(),
            b'o' => self.origin = some(),
            b'm' => self.maintainer = some(),
            b'I' => self.size = text().parse().ok(),
            b'C' => self.checksum = checksum(value),
            b'p' => self.provides = text().split_whitespace().take(MAX_PROVIDES).map(str::to_owned).collect(),
            b's' => self.repository_tag = some(),
            b'f' => self.is_cut_sha256 = value.contains(&b'S'),
            b'F' => {
                self.folder = value.to_vec();
                self.file(value, false);
            }
            b'R' => {
                let path = [self.folder.as_slice(), b"/", value].concat();
                self.file(&path, is_config(&path));
            }
            b'M' | b'a' => {
                // `uid:gid:mode`, the mode in octal; then perhaps a digest of extended attributes.
                let mode = text().split(':').nth(2).and_then(|mode| u32::from_str_radix(mode, 8).ok());
                if let Some(file) = self.current() {
                    file.mode = mode;
                }
            }
            b'Z' => {
                if let Some(file) = self.current() {
                    file.digest = checksum(value);
                }
            }
            _ => {}
        }
    }

    /// Adds a file. A path that leaves the root is kept out, and the root itself.
    fn file(&mut self, path: &[u8], is_config: bool) {
        let path = ImagePath::new(path).filter(|path| !path.as_bytes().is_empty());
        self.has_current = path.is_some();
        self.files.extend(path.map(|path| OwnedFile { path, digest: None, mode: None, size: None, is_config }));
    }

    fn current(&mut self) -> Option<&mut OwnedFile> {
        self.files.last_mut().filter(|_| self.has_current)
    }

    fn into_package(mut self, location: &ImagePath) -> Option<Package> {
        if self.name.is_empty() || self.version.is_empty() {
            return None;
        }
        if self.is_cut_sha256 {
            let digests = self.files.iter_mut().filter_map(|file| file.digest.as_mut()).chain(&mut self.checksum);
            for (algorithm, _) in digests.filter(|(algorithm, _)| algorithm == "sha1") {
                "sha256-160".clone_into(algorithm);
            }
        }
        let mut package = package(PackageKind::Apk, &self.name, &self.version, location);
        // An origin is built at once: its version is the package's. OpenWrt gives it with its place in the tree.
        package.source = self.origin.map(|origin| {
            let name = origin.rsplit('/').next().unwrap_or_default().to_owned();
            SourcePackage { name, version: self.version }
        });
        package.architecture = self.architecture;
        package.licenses = self.license.into_iter().collect();
        package.origin = self.maintainer;
        package.size_bytes = self.size;
        package.files = self.files;
        package.details = PackageDetails::Apk {
            checksum: self.checksum,
            provides: self.provides,
            repository_tag: self.repository_tag,
        };
        Some(package)
    }
}

/// Whether apk spares the file on upgrades when it was changed: the default of `protected_paths.d`.
fn is_config(path: &[u8]) -> bool {
    path.starts_with(b"etc/") && !path.starts_with(b"etc/init.d/")
}

/// `Q` or `X` for base 64 or hexadecimal, `1` or `2` for SHA-1 or SHA-256, and the digest.
fn checksum(value: &[u8]) -> Option<(String, String)> {
    let value = value.trim_ascii();
    let (form, digits) = value.split_at_checked(2)?;
    let raw = match form {
        b"Q1" | b"Q2" => STANDARD.decode(digits).ok()?,
        b"X1" | b"X2" => hex::decode(digits).ok()?,
        _ => return None,
    };
    let algorithm = match (form, raw.len()) {
        ([_, b'1'], 20) => "sha1",
        ([_, b'2'], 32) => "sha256",
        _ => return None,
    };
    Some((algorithm.to_owned(), hex::encode(raw)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (text, want) in [
            ("Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=", Some(("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"))),
            ("X1da39a3ee5e6b4b0d3255bfef95601890afd80709", Some(("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"))),
            ("Q247DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", Some(("sha256", sha256))),
            ("Q1notbase64!", None),
            ("Q12jmj7l5rSw0yVb/vlWAYkK/Y", None),
            ("Q2x", None),
            ("Q", None),
            ("Q3AAAA", None),
        ] {
            let found = checksum(text.as_bytes());
            assert_eq!(found.as_ref().map(|(name, digits)| (name.as_str(), digits.as_str())), want, "{text}");
        }
    }

    #[test]
    fn what_apk_spares_is_configuration() {
        for (path, want) in
            [("etc/passwd", true), ("etc/init.d/sshd", false), ("etcetera", false), ("usr/etc/x", false)]
        {
            assert_eq!(is_config(path.as_bytes()), want, "{path}");
        }
    }
}
