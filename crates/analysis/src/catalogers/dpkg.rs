//! dpkg: the package database of Debian and its relatives (deb-control(5), dpkg-query(1)).
//!
//! `var/lib/dpkg/status` is rewritten whole by each layer; distroless images have one file per package in
//! `status.d/` with checksums beside it, chiselled ones a manifest ([`chisel`]). File lists (`info/*.list`, `*.md5sums`,
//! `*.conffiles`), diversions and copyright files lie wherever their layer put them, so packages, lists and licences are
//! read apart and joined at the end. Alternatives are links that no package owns, and nothing depends on them here.
//!
//! Packages count as installed in the states `installed`, `triggers-pending`, `triggers-awaited`, `unpacked`,
//! `half-configured` and `half-installed`: their files are, or may be, there. `config-files` and `not-installed`
//! leave no program behind. A package whose status is `deinstall`ed but still `installed` is installed.

mod chisel;
mod copyright;
mod diversions;
mod lists;

use std::collections::HashMap;

use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use killick_model::tree;

use crate::catalogers::deb822::{self, Paragraph};
use crate::catalogers::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, package};

const STATUS_FOLDER: &[u8] = b"var/lib/dpkg/status.d/";
const INFO: &[u8] = b"var/lib/dpkg/info/";
const DIVERSIONS: &str = "var/lib/dpkg/diversions";
const CHISEL: &str = "var/lib/chisel/manifest.wall";

/// What anything is read from. Others (descriptions above all) are not even copied.
const FIELDS: &[&str] = &[
    "package",
    "status",
    "version",
    "architecture",
    "source",
    "maintainer",
    "installed-size",
    "conffiles",
    "essential",
    "multi-arch",
];

/// Finds the packages of dpkg.
pub(crate) struct Dpkg;

impl Cataloger for Dpkg {
    fn name(&self) -> &'static str {
        "dpkg"
    }

    fn revision(&self) -> u32 {
        2
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
                DIVERSIONS,
                CHISEL,
                "usr/share/doc/*/copyright",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let path = file.path.as_bytes();
        if path.ends_with(b"/copyright") {
            found.pieces.extend(copyright::licenses(file.bytes).into_iter().map(String::into_bytes));
        } else if path == CHISEL.as_bytes() {
            chisel::read(file, found);
        } else if path.starts_with(INFO) || path.ends_with(b".md5sums") || path == DIVERSIONS.as_bytes() {
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
        let diversions = diversions::Diversions::of(&by_path);
        for (path, layer, found) in image.found {
            joined.problems.extend(found.problems.iter().cloned());
            for package in &found.packages {
                let mut package = package.clone();
                package.layer = introduced.layer(*layer, &package);
                self.name().clone_into(&mut package.cataloger);
                if path.as_bytes() != CHISEL.as_bytes() {
                    package.files = lists::Lists::of(&package, &by_path).files(&package, &diversions);
                }
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
    for paragraph in deb822::paragraphs(file.bytes, FIELDS) {
        // Without a status the package is there: so in `status.d`, where it is the folder that says so.
        let installed = paragraph.get("status").map_or(in_folder, |status| is_installed(state(status)));
        let name = paragraph.get("package");
        match (name, paragraph.get("version"), installed) {
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

fn deb(name: &str, version: &str, paragraph: &Paragraph, location: &ImagePath) -> Package {
    let field = |name: &str| paragraph.get(name).map(str::to_owned);
    let mut package = package(PackageKind::Deb, name, version, location);
    package.architecture = field("architecture");
    package.source = paragraph.get("source").and_then(|source| source_package(source, version));
    package.origin = field("maintainer");
    // In KiB, rounded by the packager's tools.
    package.size_bytes = paragraph.get("installed-size").and_then(|size| size.parse::<u64>().ok()?.checked_mul(1024));
    let essential = paragraph.get("essential") == Some("yes");
    let multi_arch = field("multi-arch").filter(|value| value != "no");
    let state = paragraph.get("status").map(state).filter(|state| *state != "installed").map(str::to_owned);
    if essential || multi_arch.is_some() || state.is_some() {
        package.details = PackageDetails::Deb { essential, multi_arch, state };
    }
    // Kept until the join as files: `/etc/x MD5 [obsolete]`, one a line.
    for line in paragraph.get("conffiles").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let (Some(path), Some(md5)) = (words.next(), words.next()) else { continue };
        let Some(path) = ImagePath::new(path.as_bytes()) else { continue };
        let digest = lists::is_md5(md5.as_bytes()).then(|| ("md5".to_owned(), md5.to_ascii_lowercase()));
        package.files.push(OwnedFile { path, digest, mode: None, size: None, is_config: true });
    }
    package
}

/// `name` or `name (version)`.
pub(super) fn source_package(source: &str, version: &str) -> Option<SourcePackage> {
    let (name, stated) = match source.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end().trim_end_matches(')').trim()),
        None => (source.trim(), version),
    };
    let version = if stated.is_empty() { version } else { stated };
    (!name.is_empty()).then(|| SourcePackage { name: name.to_owned(), version: version.to_owned() })
}

/// `want flag state`, as in `install ok installed`.
pub(super) fn state(status: &str) -> &str {
    status.split_whitespace().nth(2).unwrap_or_default()
}

pub(super) fn is_installed(state: &str) -> bool {
    matches!(
        state,
        "installed" | "triggers-pending" | "triggers-awaited" | "unpacked" | "half-configured" | "half-installed"
    )
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
        for (status, want) in [
            ("install ok installed", true),
            ("deinstall ok installed", true),
            ("install reinstreq half-installed", true),
            ("install ok unpacked", true),
            ("install ok half-configured", true),
            ("install ok triggers-awaited", true),
            ("deinstall ok config-files", false),
            ("purge ok not-installed", false),
            ("", false),
        ] {
            assert_eq!(is_installed(state(status)), want, "{status}");
        }
    }
}
