//! Which distribution package a language package came with.

use std::collections::HashMap;

use killick_model::file::FileEntry;
use killick_model::package::{Package, PackageId};

use crate::tree;

/// Sets `owner` of every language package whose evidence a distribution package lists among its files. Paths are
/// compared as the merged image resolves them: a database may speak of `lib/x` where the file is `usr/lib/x`.
pub(crate) fn assign(packages: &mut [Package], files: &[FileEntry]) {
    let mut evidence: HashMap<&[u8], Option<PackageId>> = HashMap::new();
    for package in packages.iter().filter(|package| !package.kind.is_os()) {
        evidence.insert(package.location.as_bytes(), None);
    }
    if evidence.is_empty() {
        return;
    }
    for (id, package) in (0..).zip(packages.iter()).filter(|(_, package)| package.kind.is_os()) {
        for file in &package.files {
            let listed = file.path.as_bytes();
            let owned = match evidence.get_mut(listed) {
                Some(owned) => Some(owned),
                // Only what is not there by its own name can be there by another.
                None if tree::at(files, listed).is_some() => None,
                None => tree::follow(files, listed).and_then(|file| evidence.get_mut(file.path.as_bytes())),
            };
            if let Some(owned) = owned {
                owned.get_or_insert(PackageId(id));
            }
        }
    }
    let owners: Vec<Option<PackageId>> = packages
        .iter()
        .map(|package| if package.kind.is_os() { None } else { *evidence.get(package.location.as_bytes())? })
        .collect();
    for (package, owner) in packages.iter_mut().zip(owners) {
        package.owner = owner;
    }
}
