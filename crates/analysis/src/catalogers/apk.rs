//! apk: the package database of Alpine and its relatives (apk-tools, "Installed database").
//!
//! One file, `lib/apk/db/installed` or `usr/lib/apk/db/installed`, rewritten whole by each layer; paragraphs of
//! lines `LETTER:value`. Directories (`F:`) and files (`R:`) follow each other, with owner and mode (`M:`, `a:`) and
//! SHA-1 (`Z:`) behind the line they belong to. Only paragraphs with a name and a version are packages.

use killick_model::package::{OwnedFile, Package, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::catalogers::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, package};

/// Bytes of one line that are looked at.
const LINE_BYTES: usize = 64 << 10;

/// Finds the packages of apk.
pub(crate) struct Apk;

impl Cataloger for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Apk]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["lib/apk/db/installed", "usr/lib/apk/db/installed"], executables: &[] }
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
        for (path, layer, found) in image.found {
            let first = joined.packages.len();
            joined.take(self.name(), path, *layer, found);
            for package in joined.packages.iter_mut().skip(first) {
                package.layer = introduced.layer(path, *layer, package);
            }
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
    folder: Vec<u8>,
    files: Vec<OwnedFile>,
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
            b'F' => {
                self.folder = value.to_vec();
                self.file(value);
            }
            b'R' => {
                let path = [self.folder.as_slice(), b"/", value].concat();
                self.file(&path);
            }
            b'M' | b'a' => {
                // `uid:gid:mode`, in octal.
                let mode = text().split(':').nth(2).and_then(|mode| u32::from_str_radix(mode, 8).ok());
                if let Some(file) = self.files.last_mut() {
                    file.mode = mode;
                }
            }
            b'Z' => {
                if let Some(file) = self.files.last_mut() {
                    file.digest = checksum(value).map(|sum| ("sha1".to_owned(), sum));
                }
            }
            _ => {}
        }
    }

    /// Adds a file. A path that leaves the root is kept out.
    fn file(&mut self, path: &[u8]) {
        if let Some(path) = ImagePath::new(path).filter(|path| !path.as_bytes().is_empty()) {
            self.files.push(OwnedFile { path, digest: None, mode: None, size: None, is_config: false });
        }
    }

    fn into_package(self, location: &ImagePath) -> Option<Package> {
        if self.name.is_empty() || self.version.is_empty() {
            return None;
        }
        let mut package = package(PackageKind::Apk, &self.name, &self.version, location);
        // An origin is built at once: its version is the package's.
        package.source = self.origin.map(|name| SourcePackage { name, version: self.version });
        package.architecture = self.architecture;
        package.licenses = self.license.into_iter().collect();
        package.origin = self.maintainer;
        package.size_bytes = self.size;
        package.files = self.files;
        Some(package)
    }
}

/// `Q1` and a SHA-1 in base 64, as hexadecimal digits. Other algorithms (`Q2`) are not spoken of.
fn checksum(value: &[u8]) -> Option<String> {
    let digits = value.trim_ascii().strip_prefix(b"Q1")?;
    let digits = digits.strip_suffix(b"=").unwrap_or(digits);
    if digits.len() != 27 {
        return None;
    }
    let mut raw = Vec::with_capacity(21);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            let value = group.get(at).map_or(Some(0), |digit| base64_value(*digit))?;
            bits = bits << 6 | value;
        }
        raw.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    raw.truncate(20);
    Some(hex::encode(raw))
}

fn base64_value(digit: u8) -> Option<u32> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ALPHABET.iter().position(|&letter| letter == digit).and_then(|at| u32::try_from(at).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        assert_eq!(
            checksum(b"Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=").as_deref(),
            Some("da39a3ee5e6b4b0d3255bfef95601890afd80709")
        );
        assert_eq!(checksum(b"Q1notbase64!"), None);
        assert_eq!(checksum(b"Q2x"), None);
    }
}
