//! Python distributions: wheels (`*.dist-info`), eggs (`*.egg-info`, `EGG-INFO`) and the flat files of distutils.
//!
//! Formats: Python Packaging User Guide, "Core metadata specifications" and "Recording installed projects"; the
//! setuptools guide, "The Internal Structure of Python Eggs". `METADATA` says what is there; `RECORD` and the other files
//! beside it may lie in other layers, so they are read as pieces and joined. A folder installed for development has its
//! `egg-info` with the code, where it is found without the `egg-link` that leads there.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use killick_model::package::{OwnedFile, PackageDetails, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::declarations::{address, repository};
use super::java::archive;
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, document, package};
use crate::limits::Limits;

/// Finds Python distributions.
pub(super) struct Python;

/// Lines of one file that are read; the longest real `RECORD` has some ten thousand.
const LINES: usize = 200_000;

/// What a file beside the metadata says, for the join.
#[derive(Debug, Serialize, Deserialize)]
enum Piece {
    /// `top_level.txt`.
    TopLevel(Vec<String>),
    /// `INSTALLER`: what installed it.
    Installer(String),
    /// `direct_url.json`: where it was fetched from, if not from an index.
    Address(String),
    /// `RECORD` or `installed-files.txt`, with paths relative to the installation folder or the metadata folder.
    Files { relative_to_metadata: bool, files: Vec<(String, Option<String>, Option<u64>)> },
}

/// Python Packaging User Guide, "Direct URL Data Structure".
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    vcs_info: Option<Repository>,
    dir_info: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Repository {
    vcs: String,
    commit_id: String,
}

impl DirectUrl {
    /// Nothing for an archive that lay on the disk: builds put wheels of an index there.
    fn address(&self) -> Option<String> {
        match &self.vcs_info {
            Some(vcs) => Some(repository(&vcs.vcs, &self.url, &vcs.commit_id)),
            None if self.dir_info.is_none() && self.url.starts_with("file:") => None,
            None => Some(address(&self.url)),
        }
    }
}

impl Cataloger for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Python]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/*.dist-info/METADATA",
                "**/*.dist-info/RECORD",
                "**/*.dist-info/top_level.txt",
                "**/*.dist-info/direct_url.json",
                "**/*.dist-info/INSTALLER",
                "**/*.egg-info/PKG-INFO",
                "**/*.egg-info/top_level.txt",
                "**/*.egg-info/installed-files.txt",
                "**/*.egg-info",
                "**/EGG-INFO/PKG-INFO",
                "**/EGG-INFO/top_level.txt",
                "**/*.egg",
            ],
            executables: &[],
        }
    }

    fn unpacks(&self, size: u64, limits: &Limits) -> u64 {
        archive::unpacks(size, limits)
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        match file.path.file_name() {
            b"top_level.txt" => piece(&Piece::TopLevel(names(file.bytes)), found),
            b"INSTALLER" => {
                names(file.bytes).into_iter().take(1).for_each(|name| piece(&Piece::Installer(name), found));
            }
            b"direct_url.json" => {
                if let Some(address) = document::json::<DirectUrl>(file, found).and_then(|direct| direct.address()) {
                    piece(&Piece::Address(address), found);
                }
            }
            b"RECORD" => piece(&Piece::Files { relative_to_metadata: false, files: record(file.bytes) }, found),
            b"installed-files.txt" => {
                let files = names(file.bytes).into_iter().map(|path| (path, None, None)).collect();
                piece(&Piece::Files { relative_to_metadata: true, files }, found);
            }
            name if name.ends_with(b".egg") => zipped_egg(file, found),
            _ => metadata(file.bytes, file.path, found),
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        // Pieces by the folder they lie in.
        let mut beside: BTreeMap<&[u8], Vec<Piece>> = BTreeMap::new();
        for (path, _, found) in image.found {
            for bytes in &found.pieces {
                if let (Some(folder), Ok(piece)) = (path.parent(), postcard::from_bytes(bytes)) {
                    beside.entry(folder).or_default().push(piece);
                }
            }
        }
        for (path, layer, found) in image.found {
            let from = joined.packages.len();
            joined.take(self.name(), path, *layer, found);
            let Some(pieces) = path.parent().and_then(|folder| beside.get(folder)) else { continue };
            for package in &mut joined.packages[from..] {
                let PackageDetails::Python { site_packages, top_level, installer } = &mut package.details else {
                    continue;
                };
                for piece in pieces {
                    match piece {
                        Piece::TopLevel(names) => top_level.clone_from(names),
                        Piece::Installer(name) => *installer = Some(name.clone()),
                        Piece::Address(address) => package.fetched_from = Some(address.clone()),
                        Piece::Files { relative_to_metadata, files } => {
                            let base =
                                if *relative_to_metadata { path.parent() } else { Some(site_packages.as_bytes()) };
                            let base = base.and_then(ImagePath::new).unwrap_or_default();
                            package.files = files.iter().filter_map(|entry| owned(&base, entry)).collect();
                        }
                    }
                }
            }
        }
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn piece(piece: &Piece, found: &mut Found) {
    found.pieces.push(postcard::to_stdvec(piece).expect("a piece serialises into memory"));
}

/// The lines of `top_level.txt` or `installed-files.txt`.
fn names(bytes: &[u8]) -> Vec<String> {
    text(bytes).lines().take(LINES).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Lines of `path,sha256=…,size`; a path with a comma or quote is quoted as in CSV.
fn record(bytes: &[u8]) -> Vec<(String, Option<String>, Option<u64>)> {
    let mut files = Vec::new();
    for line in text(bytes).lines().take(LINES) {
        let (path, rest) = match line.strip_prefix('"') {
            Some(quoted) => match quoted.rsplit_once("\",") {
                Some((path, rest)) => (path.replace("\"\"", "\""), rest),
                None => continue,
            },
            None => match line.split_once(',') {
                Some((path, rest)) => (path.to_owned(), rest),
                None => continue,
            },
        };
        let (digest, size) = rest.split_once(',').unwrap_or((rest, ""));
        let digest = digest.strip_prefix("sha256=").and_then(|code| URL_SAFE_NO_PAD.decode(code).ok()).map(hex::encode);
        if !path.is_empty() {
            files.push((path, digest, size.trim().parse().ok()));
        }
    }
    files
}

fn owned(base: &ImagePath, (path, digest, size): &(String, Option<String>, Option<u64>)) -> Option<OwnedFile> {
    Some(OwnedFile {
        path: base.join(path.as_bytes())?,
        digest: digest.as_ref().map(|hex| ("sha256".to_owned(), hex.clone())),
        mode: None,
        size: *size,
        is_config: false,
    })
}

/// The header fields of `METADATA` or `PKG-INFO`; the description after the empty line is not read.
fn metadata(bytes: &[u8], path: &ImagePath, found: &mut Found) {
    let text = text(bytes);
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.lines().take(LINES).take_while(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            // A folded line continues the field above; only single-line fields matter here.
            if let Some(value) = last.as_ref().and_then(|key| fields.get_mut(key)).and_then(|values| values.last_mut())
            {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            let key = key.trim().to_ascii_lowercase();
            fields.entry(key.clone()).or_default().push(value.trim().to_owned());
            last = Some(key);
        }
    }
    let first = |key: &str| {
        fields.get(key).and_then(|values| values.first()).filter(|value| !value.is_empty() && *value != "UNKNOWN")
    };
    let (Some(name), Some(version)) = (first("name"), first("version")) else {
        found.problems.push(Problem::new(
            "malformed-package",
            path.to_string(),
            "Python metadata without name or version",
        ));
        return;
    };
    let mut package = package(PackageKind::Python, name, version, path);
    package.licenses = licenses(&fields);
    package.origin = match (first("author"), first("author-email")) {
        (Some(author), Some(email)) => Some(format!("{author} <{email}>")),
        (Some(author), None) => Some(author.clone()),
        (None, Some(email)) => Some(email.clone()),
        (None, None) => None,
    };
    let site_packages = installation_folder(path);
    package.details = PackageDetails::Python { site_packages, top_level: Vec::new(), installer: None };
    found.packages.push(package);
}

/// The licence expression, else the free text if it is one line, else the classifiers.
fn licenses(fields: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let usable = |value: &&String| !value.is_empty() && *value != "UNKNOWN" && value.len() <= 200;
    for key in ["license-expression", "license"] {
        if let Some(value) = fields.get(key).and_then(|values| values.first()).filter(usable) {
            return vec![value.clone()];
        }
    }
    let classifiers = fields.get("classifier").map_or(&[][..], Vec::as_slice);
    classifiers
        .iter()
        .filter_map(|classifier| classifier.strip_prefix("License ::"))
        .filter_map(|rest| rest.rsplit("::").next())
        .map(|name| name.trim().to_owned())
        .filter(|name| name != "OSI Approved")
        .collect()
}

/// The folder that holds the code: above `X.dist-info` and `X.egg-info`, above `EGG-INFO` the egg itself.
fn installation_folder(path: &ImagePath) -> ImagePath {
    let parent = |path: &ImagePath| path.parent().and_then(ImagePath::new).unwrap_or_default();
    match path.file_name() {
        name if name.ends_with(b".egg") => path.clone(),
        name if name.ends_with(b".egg-info") => parent(path),
        _ => parent(&parent(path)),
    }
}

/// An egg that was left zipped.
fn zipped_egg(file: &WantedFile<'_>, found: &mut Found) {
    let member = |name: &str| archive::member(file.bytes, name, file.limits);
    match member("EGG-INFO/PKG-INFO") {
        Ok(Some(bytes)) => metadata(&bytes, file.path, found),
        Ok(None) => {}
        Err(message) => found.problems.push(Problem::new("malformed-archive", file.path.to_string(), message)),
    }
    let Some(package) = found.packages.last_mut() else { return };
    package.nested = vec!["EGG-INFO/PKG-INFO".to_owned()];
    if let (PackageDetails::Python { top_level, .. }, Ok(Some(bytes))) =
        (&mut package.details, member("EGG-INFO/top_level.txt"))
    {
        *top_level = names(&bytes);
    }
}
