//! What files a package has: `info/NAME[:ARCH].list`, `.md5sums`, `.conffiles`, or `status.d/NAME.md5sums`.

use std::collections::{BTreeMap, HashMap};

use killick_model::package::{OwnedFile, Package};
use killick_model::path::ImagePath;

use super::diversions::Diversions;
use super::{INFO, STATUS_FOLDER};
use crate::catalogers::Found;

/// The raw lists of one package.
pub(super) struct Lists<'a> {
    list: &'a [u8],
    md5sums: &'a [u8],
    conffiles: &'a [u8],
}

impl<'a> Lists<'a> {
    /// The lists of a package among all wanted files.
    pub(super) fn of(package: &Package, by_path: &HashMap<&[u8], &'a Found>) -> Self {
        let piece = |path: &[u8]| by_path.get(path).and_then(|found| found.pieces.first()).map(Vec::as_slice);
        let beside = |extension: &str| {
            if package.location.as_bytes().starts_with(STATUS_FOLDER) {
                return piece(&[package.location.as_bytes(), extension.as_bytes()].concat());
            }
            let architecture = package.architecture.as_deref().unwrap_or_default();
            // Packages that can be installed for several architectures carry theirs.
            piece(&[INFO, package.name.as_bytes(), b":", architecture.as_bytes(), extension.as_bytes()].concat())
                .or_else(|| piece(&[INFO, package.name.as_bytes(), extension.as_bytes()].concat()))
        };
        let list = |extension| beside(extension).unwrap_or_default();
        Self { list: list(".list"), md5sums: list(".md5sums"), conffiles: list(".conffiles") }
    }

    /// The files, ordered by the path that the package gives them. `package.files` has the configuration files of the status paragraph.
    pub(super) fn files(&self, package: &Package, diversions: &Diversions<'_>) -> Vec<OwnedFile> {
        let mut files: BTreeMap<ImagePath, OwnedFile> = BTreeMap::new();
        for path in lines(self.list) {
            add(&mut files, path);
        }
        for line in lines(self.md5sums) {
            let Some((sum, rest)) = line.split_at_checked(32).filter(|(sum, _)| is_md5(sum)) else { continue };
            let path = rest.trim_ascii_start();
            if let Some(file) = add(&mut files, path.strip_prefix(b"*").unwrap_or(path)) {
                file.digest = Some(("md5".to_owned(), String::from_utf8_lossy(sum).to_ascii_lowercase()));
            }
        }
        for line in lines(self.conffiles) {
            if let Some(file) = add(&mut files, line.strip_prefix(b"remove-on-upgrade ").unwrap_or(line)) {
                file.is_config = true;
            }
        }
        for config in &package.files {
            if let Some(file) = add(&mut files, config.path.as_bytes()) {
                file.is_config = true;
                file.digest = config.digest.clone().or(file.digest.take());
            }
        }
        let mut files: Vec<OwnedFile> = files.into_values().collect();
        for file in &mut files {
            file.path = diversions.place(std::mem::take(&mut file.path), &package.name);
        }
        files
    }
}

fn add<'f>(files: &'f mut BTreeMap<ImagePath, OwnedFile>, path: &[u8]) -> Option<&'f mut OwnedFile> {
    let path = ImagePath::new(path).filter(|path| !path.as_bytes().is_empty())?;
    let file = OwnedFile { path: path.clone(), digest: None, mode: None, size: None, is_config: false };
    Some(files.entry(path).or_insert(file))
}

pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end).filter(|line| !line.is_empty() && line.len() <= 4096)
}

pub(super) fn is_md5(text: &[u8]) -> bool {
    text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit)
}
