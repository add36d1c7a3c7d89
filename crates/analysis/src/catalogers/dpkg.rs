//! dpkg: the package database of Debian and its relatives (deb-control(5), dpkg-query(1)).
//!
//! `var/lib/dpkg/status` is rewritten whole by each layer; distroless images have one file per package in
//! `status.d/` with checksums beside it. File lists (`info/*.list`, `*.md5sums`, `*.conffiles`) and copyright files
//! lie wherever their layer put them, so packages, lists and licences are read apart and joined at the end.
//!
//! Packages count as installed in the states `installed`, `triggers-pending`, `triggers-awaited`, `unpacked`,
//! `half-configured` and `half-installed`: their files are, or may be, there. `config-files` and `not-installed`
//! leave no program behind. A package whose status is `deinstall`ed but still `installed` is installed.

mod copyright;
mod lists;

use std::collections::HashMap;

use killick_model::package::{OwnedFile, Package, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::catalogers::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, package};
use crate::tree;

const STATUS_FOLDER: &[u8] = b"var/lib/dpkg/status.d/";
const INFO: &[u8] = b"var/lib/dpkg/info/";

/// Bytes of one field that are kept; longer ones are cut, as nothing that long is shown.
const FIELD_BYTES: usize = 64 << 10;

/// Finds the packages of dpkg.
pub(crate) struct Dpkg;

impl Cataloger for Dpkg {
    fn name(&self) -> &'static str {
        "dpkg"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Deb]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "var/lib/dpkg/status",
                "var/lib/dpkg/status.d/*",
                "var/lib/dpkg/info/*.list",
                "var/lib/dpkg/info/*.md5sums",
                "var/lib/dpkg/info/*.conffiles",
                "usr/share/doc/*/copyright",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let path = file.path.as_bytes();
        if path.ends_with(b"/copyright") {
            found.pieces.extend(copyright::licenses(file.bytes).into_iter().map(String::into_bytes));
        } else if path.starts_with(INFO) || path.ends_with(b".md5sums") {
            // Kept as it is: it is as small as anything made of it, and means nothing without its package.
            found.pieces.push(file.bytes.to_vec());
        } else {
            status(file, found);
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let introduced = Introduced::new(image);
        let mut by_path: HashMap<&[u8], &Found> = HashMap::new();
        for (path, _, found) in image.found {
            by_path.insert(path.as_bytes(), found);
        }
        for (path, layer, found) in image.found {
            joined.problems.extend(found.problems.iter().cloned());
            for package in &found.packages {
                let mut package = package.clone();
                package.layer = introduced.layer(*layer, &package);
                self.name().clone_into(&mut package.cataloger);
                let lists = lists::Lists::of(&package, &by_path);
                package.files = lists.files(&package);
                package.licenses = licenses(&package, image, &by_path);
                joined.packages.push(package);
            }
        }
    }
}

/// Licences from the copyright file, which may be reached through a link of the documentation folder.
fn licenses(package: &Package, image: &Image<'_>, by_path: &HashMap<&[u8], &Found>) -> Vec<String> {
    let path = [b"usr/share/doc/", package.name.as_bytes(), b"/copyright"].concat();
    let found = by_path.get(path.as_slice()).or_else(|| {
        let file = tree::follow(image.files, &path)?;
        by_path.get(file.path.as_bytes())
    });
    let pieces = found.map(|found| found.pieces.as_slice()).unwrap_or_default();
    pieces.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

/// Reads a status file, paragraph by paragraph. One bad paragraph does not spoil the next.
fn status(file: &WantedFile<'_>, found: &mut Found) {
    let in_folder = file.path.as_bytes().starts_with(STATUS_FOLDER);
    let mut incomplete = 0_usize;
    for paragraph in paragraphs(file.bytes) {
        // Without a status the package is there: so in `status.d`, where it is the folder that says so.
        let installed = paragraph.get("status").map_or(in_folder, |status| is_installed(status));
        let name = paragraph.get("package").map(|name| name.trim()).filter(|name| !name.is_empty());
        let version = paragraph.get("version").map(|version| version.trim()).filter(|version| !version.is_empty());
        match (name, version, installed) {
            (Some(name), Some(version), true) => found.packages.push(deb(name, version, &paragraph, file.path)),
            (_, _, false) if name.is_some() => {}
            _ => incomplete += 1,
        }
    }
    if incomplete > 0 {
        let message = format!("{incomplete} paragraphs have no package name or no version, skipped");
        found.problems.push(Problem::new("malformed-database", file.path.to_string(), message));
    }
}

fn deb(name: &str, version: &str, paragraph: &HashMap<String, String>, location: &ImagePath) -> Package {
    let field = |name: &str| paragraph.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    let mut package = package(PackageKind::Deb, name, version, location);
    package.architecture = field("architecture").map(str::to_owned);
    package.source = field("source").and_then(|source| source_package(source, version));
    package.origin = field("maintainer").map(str::to_owned);
    // In KiB, rounded by the packager's tools.
    package.size_bytes = field("installed-size").and_then(|size| size.parse::<u64>().ok()?.checked_mul(1024));
    // Kept until the join as files: `/etc/x MD5 [obsolete]`, one a line.
    for line in paragraph.get("conffiles").map(String::as_str).unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let (Some(path), Some(md5)) = (words.next(), words.next()) else { continue };
        let Some(path) = ImagePath::new(path.as_bytes()) else { continue };
        let digest = lists::is_md5(md5.as_bytes()).then(|| ("md5".to_owned(), md5.to_ascii_lowercase()));
        package.files.push(OwnedFile { path, digest, mode: None, size: None, is_config: true });
    }
    package
}

/// `name` or `name (version)`.
fn source_package(source: &str, version: &str) -> Option<SourcePackage> {
    let (name, stated) = match source.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end().trim_end_matches(')').trim()),
        None => (source.trim(), version),
    };
    let version = if stated.is_empty() { version } else { stated };
    (!name.is_empty()).then(|| SourcePackage { name: name.to_owned(), version: version.to_owned() })
}

/// `want flag state`, as in `install ok installed`.
fn is_installed(status: &str) -> bool {
    let state = status.split_whitespace().nth(2).unwrap_or_default();
    matches!(
        state,
        "installed" | "triggers-pending" | "triggers-awaited" | "unpacked" | "half-configured" | "half-installed"
    )
}

/// Fields by lower-case name; continuation lines are joined by newlines.
fn paragraphs(bytes: &[u8]) -> impl Iterator<Item = HashMap<String, String>> {
    /// What anything is read from. Others (descriptions above all) are not even copied.
    const FIELDS: &[&str] =
        &["package", "status", "version", "architecture", "source", "maintainer", "installed-size", "conffiles"];
    let mut lines = bytes.split(|&byte| byte == b'\n');
    std::iter::from_fn(move || {
        let mut paragraph: HashMap<String, String> = HashMap::new();
        let mut current: Option<String> = None;
        let mut is_any = false;
        loop {
            let Some(line) = lines.next() else { return is_any.then_some(paragraph) };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.iter().all(u8::is_ascii_whitespace) {
                if is_any {
                    return Some(paragraph);
                }
                continue;
            }
            is_any = true;
            let shown = line.get(..FIELD_BYTES).unwrap_or(line);
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                let value = current.as_ref().and_then(|name| paragraph.get_mut(name));
                if let Some(value) = value.filter(|value| value.len() < 16 * FIELD_BYTES) {
                    value.push('\n');
                    value.push_str(String::from_utf8_lossy(shown).trim());
                }
                continue;
            }
            let colon = shown.iter().position(|&byte| byte == b':').unwrap_or(shown.len());
            let (name, value) = shown.split_at(colon);
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            current = FIELDS.contains(&name.as_str()).then_some(name);
            if let Some(name) = &current {
                let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
                paragraph.insert(name.clone(), value.trim().to_owned());
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for (text, want) in [
            ("glibc", Some(("glibc", "1-2"))),
            ("gcc-12 (12.2.0-14)", Some(("gcc-12", "12.2.0-14"))),
            ("x (", Some(("x", "1-2"))),
            ("(", None),
        ] {
            let source = source_package(text, "1-2");
            assert_eq!(source.as_ref().map(|source| (source.name.as_str(), source.version.as_str())), want);
        }
    }

    #[test]
    fn states() {
        assert!(is_installed("install ok installed"));
        assert!(is_installed("deinstall ok installed"));
        assert!(!is_installed("deinstall ok config-files"));
        assert!(!is_installed("purge ok not-installed"));
        assert!(!is_installed(""));
    }
}
