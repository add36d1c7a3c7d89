//! opkg: the package database of `OpenWrt` before version 25, of Yocto images and of Entware (opkg source,
//! `libopkg/pkg_parse.c`; `OpenWrt` source, `include/package-pack.mk`).
//!
//! `status` says what is installed, in paragraphs like dpkg's; `info/NAME.control` says what the package is, `.list` what
//! it owns, `.conffiles` what of that is configuration. They lie in `usr/lib/opkg`, `var/lib/opkg` or `opt/lib/opkg`.

use std::collections::{BTreeMap, HashMap};

use killick_model::package::{OwnedFile, Package, PackageDetails, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;

use crate::catalogers::deb822::{self, Paragraph};
use crate::catalogers::{Cataloger, Found, Image, Introduced, Joined, WantedFile, Wants, dpkg, package};
use killick_model::package::cpe;

const FIELDS: &[&str] = &[
    "package",
    "status",
    "version",
    "architecture",
    "conffiles",
    "essential",
    "installed-size",
    "license",
    "maintainer",
    "source",
    "sourcename",
    "oe",
    "cpe-id",
];

/// Bytes of one line of a list; a path is no longer.
const LINE_BYTES: usize = 4096;

/// Finds the packages of opkg.
pub(crate) struct Opkg;

impl Cataloger for Opkg {
    fn name(&self) -> &'static str {
        "opkg"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Opkg]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "{usr,var,opt}/lib/opkg/status",
                "{usr,var,opt}/lib/opkg/info/*.control",
                "{usr,var,opt}/lib/opkg/info/*.list",
                "{usr,var,opt}/lib/opkg/info/*.conffiles",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let path = file.path.as_bytes();
        if path.ends_with(b".list") || path.ends_with(b".conffiles") {
            found.pieces.push(file.bytes.to_vec());
            return;
        }
        let is_status = path.ends_with(b"/status");
        let mut incomplete = 0_usize;
        for paragraph in deb822::paragraphs(file.bytes, FIELDS) {
            let installed = !is_status || dpkg::is_installed(dpkg::state(paragraph.get("status").unwrap_or_default()));
            match (paragraph.get("package"), paragraph.get("version")) {
                (Some(name), Some(version)) if installed => found.packages.push(read(name, version, &paragraph, file)),
                // An installed package has a version; one that was removed, or is only wanted, needs none.
                (Some(_), _) if !installed => {}
                _ => incomplete += 1,
            }
        }
        if incomplete > 0 {
            let message = format!("{incomplete} paragraphs have no package name or no version, skipped");
            found.problems.push(Problem::new("malformed-database", file.path.to_string(), message));
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let introduced = Introduced::new(image);
        let by_path: HashMap<&[u8], &Found> =
            image.found.iter().map(|(path, _, found)| (path.as_bytes(), *found)).collect();
        for (path, layer, found) in image.found {
            joined.problems.extend(found.problems.iter().cloned());
            let is_status = path.file_name() == b"status";
            let folder = if is_status { path.parent() } else { path.parent().and_then(parent) };
            let folder = folder.unwrap_or_default();
            // Where the status was removed to save space, the packages still say what they are.
            let has_status = by_path.contains_key([folder, b"/status"].concat().as_slice());
            if !is_status && has_status {
                continue;
            }
            for package in &found.packages {
                let info = [folder, b"/info/", package.name.as_bytes()].concat();
                let beside = |extension: &str| by_path.get([&info, extension.as_bytes()].concat().as_slice()).copied();
                let mut package = package.clone();
                package.layer = introduced.layer(*layer, &package);
                let control = beside(".control").and_then(|found| found.packages.first());
                if let Some(control) = control.filter(|control| is_status && control.version == package.version) {
                    merge(&mut package, control);
                }
                self.name().clone_into(&mut package.cataloger);
                package.files = files(&package, piece(beside(".list")), piece(beside(".conffiles")));
                joined.packages.push(package);
            }
        }
    }
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    path.get(..path.iter().rposition(|&byte| byte == b'/')?)
}

fn piece(found: Option<&Found>) -> &[u8] {
    found.and_then(|found| found.pieces.first()).map(Vec::as_slice).unwrap_or_default()
}

fn read(name: &str, version: &str, paragraph: &Paragraph, file: &WantedFile<'_>) -> Package {
    let field = |name: &str| paragraph.get(name).map(str::to_owned);
    let mut package = package(PackageKind::Opkg, name, version, file.path);
    package.architecture = field("architecture");
    package.source = source(paragraph)
        .filter(|source| source != name)
        .map(|name| SourcePackage { name, version: version.to_owned() });
    package.origin = field("maintainer");
    package.licenses = field("license").into_iter().collect();
    // In bytes, unlike dpkg's.
    package.size_bytes = paragraph.get("installed-size").and_then(|size| size.parse().ok());
    package.cpes = paragraph.get("cpe-id").and_then(|name| cpe::from_uri(name, Some(version))).into_iter().collect();
    let essential = paragraph.get("essential") == Some("yes");
    let state = paragraph.get("status").map(dpkg::state).filter(|state| *state != "installed").map(str::to_owned);
    if essential || state.is_some() {
        package.details = PackageDetails::Deb { essential, multi_arch: None, state };
    }
    // Kept until the join as files: `/etc/x DIGEST`, one a line.
    for line in paragraph.get("conffiles").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        let Some(path) = words.next().and_then(|path| ImagePath::new(path.as_bytes())) else { continue };
        let digest = words.next().and_then(digest);
        package.files.push(OwnedFile { path, digest, mode: None, size: None, is_config: true });
    }
    package
}

/// `OpenWrt` names the source and its folder (`feeds/packages/net/curl`), Yocto the recipe and its file
/// (`curl_7.82.0.bb`).
fn source(paragraph: &Paragraph) -> Option<String> {
    let named = paragraph.get("sourcename").or(paragraph.get("oe"));
    let from_path = || {
        let path = paragraph
            .get("source")
            .filter(|source| !source.contains(char::is_whitespace) && !source.contains("://"))?;
        let last = path.rsplit('/').next()?;
        Some(last.split_once('_').map_or(last, |(name, _)| name))
    };
    named.or_else(from_path).filter(|name| !name.is_empty()).map(str::to_owned)
}

/// MD5 in older versions, SHA-256 since.
fn digest(digits: &str) -> Option<(String, String)> {
    let algorithm = match digits.len() {
        32 => "md5",
        64 => "sha256",
        _ => return None,
    };
    let is_digest = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| (algorithm.to_owned(), digits.to_ascii_lowercase()))
}

/// Takes over what only the control file tells.
fn merge(package: &mut Package, control: &Package) {
    let Package { architecture, source, licenses, origin, size_bytes, cpes, files, .. } = control.clone();
    package.architecture = package.architecture.take().or(architecture);
    package.source = package.source.take().or(source);
    package.origin = package.origin.take().or(origin);
    package.size_bytes = package.size_bytes.or(size_bytes);
    if package.licenses.is_empty() {
        package.licenses = licenses;
    }
    if package.cpes.is_empty() {
        package.cpes = cpes;
    }
    if package.files.is_empty() {
        package.files = files;
    }
}

/// The files, ordered by path. `package.files` has the configuration files of its paragraph.
fn files(package: &Package, list: &[u8], conffiles: &[u8]) -> Vec<OwnedFile> {
    let mut files: BTreeMap<ImagePath, OwnedFile> = BTreeMap::new();
    for line in lines(list) {
        // Yocto gives the mode behind the path, and the target of a link behind that.
        let mut fields = line.split(|&byte| byte == b'\t');
        let mode = |text: &[u8]| u32::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok();
        let Some(path) = fields.next().and_then(path) else { continue };
        let mode = fields.next().and_then(mode);
        files.insert(path.clone(), OwnedFile { path, digest: None, mode, size: None, is_config: false });
    }
    let listed = lines(conffiles).filter_map(path);
    let listed = listed.map(|path| OwnedFile { path, digest: None, mode: None, size: None, is_config: true });
    for config in listed.chain(package.files.iter().cloned()) {
        let file = files.entry(config.path.clone()).or_insert_with(|| config.clone());
        file.is_config = true;
        file.digest = config.digest.or(file.digest.take());
    }
    files.into_values().collect()
}

fn path(path: &[u8]) -> Option<ImagePath> {
    ImagePath::new(path).filter(|path| !path.as_bytes().is_empty())
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.filter(|line| !line.is_empty() && line.len() <= LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        for (text, want) in [
            ("Source: feeds/packages/net/curl\nSourceName: curl", Some("curl")),
            ("Source: package/network/utils/curl", Some("curl")),
            ("Source: busybox_1.36.1.bb\nOE: busybox", Some("busybox")),
            ("Source: busybox_1.36.1.bb", Some("busybox")),
            ("Source: https://example.com/x.tar.gz file://y.patch", None),
            ("License: MIT", None),
        ] {
            let paragraph = deb822::paragraphs(text.as_bytes(), FIELDS).next().unwrap();
            assert_eq!(source(&paragraph).as_deref(), want, "{text}");
        }
    }
}
