//! Holding the files of an image against what a package database says of them.
//!
//! dpkg has MD5 digests and no modes; apk has SHA-1, or SHA-256 whole or cut to that length, and modes where they are not
//! the usual ones; RPM has sizes, modes, and digests of the algorithm its header names. Databases may speak of `lib/x`
//! where the file is `usr/lib/x`, so paths are followed as in a container. Directories are looked at for their presence
//! and mode, links for their presence, and in apk databases for their target.

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::file::{FileEntry, FileKind};
use crate::inspection::Difference;
use crate::package::{OwnedFile, PackageKind};
use crate::tree;

/// Mode of a file in an apk database that has no word on it.
const APK_MODE: u32 = 0o644;

/// What is different about the file of `record`, in a database of packages of `kind`; `files` are those of the image,
/// ordered by path.
pub fn differences(kind: PackageKind, record: &OwnedFile, files: &[FileEntry]) -> Vec<Difference> {
    let Some(file) = tree::at_place(files, record.path.as_bytes()) else { return vec![Difference::Missing] };
    let mut differences = Vec::new();
    let compared = digests(kind, record, file);
    match &compared {
        Some((expected, actual)) if !expected.eq_ignore_ascii_case(actual) => {
            let algorithm = record.digest.as_ref().map(|(algorithm, _)| algorithm.clone()).unwrap_or_default();
            differences.push(Difference::Digest { algorithm, expected: (*expected).clone(), actual: actual.clone() });
        }
        _ => {}
    }
    if let Some(expected) = record.size.filter(|&size| compared.is_none() && size != 0 && size != file.size)
        && file.kind == FileKind::File
    {
        differences.push(Difference::Size { expected, actual: file.size });
    }
    // A mode of nothing at all is none.
    let expected = match (record.mode.filter(|&mode| mode != 0), kind) {
        // With file type bits, or without.
        (Some(mode), _) => Some(mode & 0o7777),
        (None, PackageKind::Apk) if file.kind == FileKind::File => Some(APK_MODE),
        (None, _) => None,
    };
    if let Some(expected) = expected.filter(|&mode| mode != file.mode)
        && matches!(file.kind, FileKind::File | FileKind::Directory)
    {
        differences.push(Difference::Mode { expected, actual: file.mode });
    }
    differences
}

/// The digest of the database and that of the file, where there are both.
pub fn digests<'r>(kind: PackageKind, record: &'r OwnedFile, file: &FileEntry) -> Option<(&'r String, String)> {
    let (algorithm, expected) = record.digest.as_ref().filter(|(_, expected)| !expected.is_empty())?;
    let actual = match (file.kind, algorithm.as_str()) {
        (FileKind::File, "md5") => hex::encode(file.md5?),
        (FileKind::File, "sha1") => hex::encode(file.sha1.as_ref()?.as_slice()),
        (FileKind::File, "sha256") => hex::encode(file.sha256?),
        (FileKind::File, "sha256-160") => hex::encode(file.sha256?.get(..20)?),
        (FileKind::Symlink, "sha1") if kind == PackageKind::Apk => {
            hex::encode(Sha1::digest(file.link_target.as_ref()?))
        }
        (FileKind::Symlink, "sha256-160") if kind == PackageKind::Apk => {
            hex::encode(Sha256::digest(file.link_target.as_ref()?).get(..20)?)
        }
        _ => return None,
    };
    Some((expected, actual))
}
