//! Which distribution package a language package came with, and which programs are a package's.

use std::collections::{HashMap, HashSet};

use killick_model::file::FileEntry;
use killick_model::package::{OwnedFile, Package, PackageDetails, PackageEvidence, PackageId, PackageKind};
use killick_model::{tree, verification};

use crate::analyze::FoundFiles;
use crate::catalogers::{Found, binary};

/// Sets `owner` of every language package whose evidence a distribution package lists among its files, and brought: a
/// file that somebody put in the place of the distribution's is none of its business.
pub(crate) fn assign(packages: &mut [Package], files: &[FileEntry], found: &FoundFiles) {
    let evidence = packages.iter().filter(|package| !package.kind.is_os()).map(|package| package.location.as_bytes());
    let owners = owners_of(evidence, packages, files, |owner| owner.kind.is_os() && owner.evidence.is_installed());
    let mut owners: Vec<Option<usize>> = packages
        .iter()
        .map(|package| owners.get(package.location.as_bytes()).copied().filter(|_| !package.kind.is_os()))
        .collect();
    leave_out_replaced(&mut owners, packages, files, found);
    for (package, owner) in packages.iter_mut().zip(owners) {
        package.owner = owner.and_then(|at| u32::try_from(at).ok()).map(PackageId);
    }
}

/// Takes back owners whose layer had something else at the place of the evidence. A layer that writes the same file
/// once more, as a change of its permissions does, replaces nothing.
fn leave_out_replaced(owners: &mut [Option<usize>], packages: &[Package], files: &[FileEntry], found: &FoundFiles) {
    // Evidence that is of a higher layer than its owner: what to look up in which layer.
    let mut later: HashMap<(&str, &[u8], u32), Option<&Found>> = HashMap::new();
    let place = |package: &Package, owner: Option<usize>| -> Option<(u32, u32)> {
        let file = tree::at(files, package.location.as_bytes())?;
        let owner = packages.get(owner?)?;
        (file.layer > owner.layer).then_some((owner.layer, file.layer))
    };
    for (package, owner) in packages.iter().zip(&*owners) {
        if let Some((then, now)) = place(package, *owner) {
            for layer in [then, now] {
                later.insert((&package.cataloger, package.location.as_bytes(), layer), None);
            }
        }
    }
    if later.is_empty() {
        return;
    }
    for (reader, path, layer, found) in found.hidden.iter().chain(&found.visible) {
        if let Some(seen) = later.get_mut(&(reader.as_str(), path.as_bytes(), *layer)) {
            *seen = Some(found.as_ref());
        }
    }
    for (package, owner) in packages.iter().zip(owners) {
        let Some((then, now)) = place(package, *owner) else { continue };
        let seen = |layer| later.get(&(package.cataloger.as_str(), package.location.as_bytes(), layer)).copied()?;
        if let (Some(then), Some(now)) = (seen(then), seen(now))
            && then != now
        {
            *owner = None;
        }
    }
}

/// Leaves out programs that are a package's, and those of which the build information of Go or the release file of a
/// Java runtime tells as much: they are there already. Of a program with several files, those are left out; its location
/// becomes the first of the rest.
pub(crate) fn leave_out_known_programs(packages: &mut Vec<Package>, files: &[FileEntry]) {
    let is_program = |package: &Package| match package.evidence {
        PackageEvidence::Installed => package.kind == PackageKind::Binary,
        // A file says what it was built for: its package is there, or it was copied.
        evidence => evidence == PackageEvidence::Copied,
    };
    let of_programs = packages.iter().filter(|package| is_program(package)).flat_map(|package| &package.files);
    let owners = owners_of(of_programs.map(|file| file.path.as_bytes()), packages, files, answers_for_files);
    let owned: HashSet<Vec<u8>> = owners.into_keys().map(<[u8]>::to_vec).collect();
    let modules = main_modules(packages);
    let runtimes = java_runtimes(packages);
    packages.retain_mut(|package| {
        if !is_program(package) || package.files.is_empty() {
            return true;
        }
        let mut rest = std::mem::take(&mut package.files);
        rest.retain(|file| {
            let module = modules.get(file.path.as_bytes());
            let is_known = module.is_some_and(|module| binary::is_known_by_module(package, module))
                || matches!(package.name.as_str(), "openjdk" | "jdk") && is_below(file.path.as_bytes(), &runtimes);
            !is_known && !owned.contains(file.path.as_bytes())
        });
        package.files = rest;
        let Some(first) = package.files.first() else { return false };
        if package.location != first.path {
            package.location = first.path.clone();
            package.layer = tree::at(files, first.path.as_bytes()).map_or(package.layer, |file| file.layer);
        }
        true
    });
}

/// Kinds whose packages are judged by what they are, so that their programs are not judged once more.
fn answers_for_files(package: &Package) -> bool {
    package.evidence.is_installed()
        && (package.kind.is_os() || matches!(package.kind, PackageKind::Conda | PackageKind::Nix | PackageKind::Snap))
}

/// Main modules of Go whose version is known, by the file they are in.
fn main_modules(packages: &[Package]) -> HashMap<Vec<u8>, String> {
    let is_known = |version: &str| version.starts_with('v') && !version.starts_with("v0.0.0-");
    let mains = packages.iter().filter(|package| matches!(package.details, PackageDetails::Go { main: true, .. }));
    let mains = mains.filter(|package| package.nested.is_empty() && is_known(&package.version));
    // A revision after no known version is less than what the bytes tell.
    let known = mains.filter(|package| {
        !matches!(&package.details, PackageDetails::Go { version_from: Some(from), .. } if from == "vcs.revision")
    });
    known.map(|package| (package.location.as_bytes().to_vec(), package.name.clone())).collect()
}

/// Folders of Java runtimes whose release file tells more than their programs.
fn java_runtimes(packages: &[Package]) -> Vec<Vec<u8>> {
    let told = packages.iter().filter(|package| package.kind == PackageKind::Binary && package.cataloger == "jdk");
    told.filter_map(|package| package.location.parent().map(<[u8]>::to_vec)).collect()
}

fn is_below(path: &[u8], folders: &[Vec<u8>]) -> bool {
    folders.iter().any(|folder| path.strip_prefix(folder.as_slice()).is_some_and(|rest| rest.starts_with(b"/")))
}

/// The first package among those that may own files, of each path that one lists. Paths are compared as the merged
/// image resolves them: a database may speak of `lib/x` where the file is `usr/lib/x`. A file that is not as the database
/// says, where that can be told, is not the package's.
fn owners_of<'a>(
    paths: impl Iterator<Item = &'a [u8]>,
    packages: &[Package],
    files: &[FileEntry],
    may_own: impl Fn(&Package) -> bool,
) -> HashMap<&'a [u8], usize> {
    let mut owners: HashMap<&[u8], Option<usize>> = paths.map(|path| (path, None)).collect();
    if owners.is_empty() {
        return HashMap::new();
    }
    for (at, package) in packages.iter().enumerate().filter(|(_, package)| may_own(package)) {
        for record in &package.files {
            let listed = record.path.as_bytes();
            let file = match tree::at(files, listed) {
                Some(file) => Some(file),
                // Only what is not there by its own name can be there by another.
                None => tree::follow(files, listed),
            };
            let Some(file) = file else { continue };
            if let Some(owner @ None) = owners.get_mut(file.path.as_bytes())
                && !is_changed(package, record, file)
            {
                *owner = Some(at);
            }
        }
    }
    owners.into_iter().filter_map(|(path, owner)| Some((path, owner?))).collect()
}

fn is_changed(package: &Package, record: &OwnedFile, file: &FileEntry) -> bool {
    let digests = verification::digests(package.kind, record, file);
    digests.is_some_and(|(expected, actual)| !expected.eq_ignore_ascii_case(&actual))
}
