//! Whether the files of distribution packages are as the package databases say.
//!
//! dpkg has MD5 digests and no modes; apk has SHA-1, or SHA-256 whole or cut to that length, and modes where they are not
//! the usual ones; RPM has sizes, modes, and digests of the algorithm its header names. Databases may speak of `lib/x`
//! where the file is `usr/lib/x`, so paths are followed as in a container. Directories are looked at for their presence
//! and mode, links for their presence, and in apk databases for their target.

use killick_model::file::{FileEntry, FileKind};
use killick_model::inspection::{ChangedFile, Difference, Inspection};
use killick_model::package::{OwnedFile, Package, PackageId, PackageKind};
use killick_model::problem::Problem;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{Asks, Digesting, Inspector, Seen};
use crate::inspectors::settings::{Settings, SettingsError};
use crate::tree;

/// Most files told; an image of which more are different is a wreck.
const MAX_CHANGED: usize = 200_000;

/// Mode of a file in an apk database that has no word on it.
const APK_MODE: u32 = 0o644;

/// The inspector.
pub(super) struct PackageFiles;

impl Inspector for PackageFiles {
    fn name(&self) -> &'static str {
        "package-files"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn asks(&self, settings: &Settings) -> Result<Option<Asks>, SettingsError> {
        Ok(settings.package_files.then(|| Asks { digesting: Digesting::Packaged, ..Asks::default() }))
    }

    fn join(&self, seen: &Seen<'_>, inspection: &mut Inspection, problems: &mut Vec<Problem>) {
        let mut changed = Vec::new();
        let mut left_out = 0_u64;
        for (id, package) in (0..).zip(seen.packages).filter(|(_, package)| package.kind.is_os()) {
            for file in &package.files {
                let differences = differences(package, file, seen.files);
                if differences.is_empty() {
                    continue;
                }
                if changed.len() >= MAX_CHANGED {
                    left_out += 1;
                    continue;
                }
                let (package, path) = (PackageId(id), file.path.clone());
                changed.push(ChangedFile { package, path, differences, is_config: file.is_config });
            }
        }
        if left_out > 0 {
            let message = format!("{left_out} more files of packages are not as they should be");
            problems.push(Problem::new("limit-package-files", "image", message));
        }
        changed.sort_by(|a, b| (a.package, &a.path).cmp(&(b.package, &b.path)));
        inspection.package_files = Some(changed);
    }
}

fn differences(package: &Package, record: &OwnedFile, files: &[FileEntry]) -> Vec<Difference> {
    let Some(file) = tree::at_place(files, record.path.as_bytes()) else { return vec![Difference::Missing] };
    let mut differences = Vec::new();
    let compared = digest(package, record, file);
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
    let expected = match (record.mode, package.kind) {
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
fn digest<'r>(package: &Package, record: &'r OwnedFile, file: &FileEntry) -> Option<(&'r String, String)> {
    let (algorithm, expected) = record.digest.as_ref().filter(|(_, expected)| !expected.is_empty())?;
    let actual = match (file.kind, algorithm.as_str()) {
        (FileKind::File, "md5") => hex::encode(file.md5?),
        (FileKind::File, "sha1") => hex::encode(file.sha1.as_ref()?.as_slice()),
        (FileKind::File, "sha256") => hex::encode(file.sha256?),
        (FileKind::File, "sha256-160") => hex::encode(file.sha256?.get(..20)?),
        (FileKind::Symlink, "sha1") if package.kind == PackageKind::Apk => {
            hex::encode(Sha1::digest(file.link_target.as_ref()?))
        }
        (FileKind::Symlink, "sha256-160") if package.kind == PackageKind::Apk => {
            hex::encode(Sha256::digest(file.link_target.as_ref()?).get(..20)?)
        }
        _ => return None,
    };
    Some((expected, actual))
}
