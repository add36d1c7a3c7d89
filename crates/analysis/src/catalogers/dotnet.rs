//! .NET: what applications, frameworks and package folders say about the `NuGet` packages in them, and assemblies of
//! which nothing tells.
//!
//! A `*.deps.json` names the packages an application was put together from (`dependencies`), the same document may lie
//! inside a single-file application (`bundle`), a `.nuspec` in a package folder is the package's own manifest, and
//! every assembly has a name and versions in itself (`portable`). Which of them speaks for a file is decided when the
//! image is joined: an assembly that a package put there is not a package of its own.

mod bundle;
mod dependencies;
mod metadata;
mod nuspec;
mod portable;
mod resource;

use std::collections::HashSet;

use killick_model::package::{PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use killick_model::tree;
use serde::{Deserialize, Serialize};

use self::dependencies::Library;
use self::portable::Portable;
use super::{Cataloger, Found, Image, Joined, WantedFile, Wants, executable, package};

/// Finds `NuGet` packages and assemblies.
pub(super) struct Dotnet;

/// What one file says, for the join.
#[derive(Debug, Serialize, Deserialize)]
enum Piece {
    /// A `*.deps.json`, by itself or in a single-file application.
    Libraries(Vec<Library>),
    /// A file of the PE format.
    Portable(Portable),
    /// A package folder: everything below it is of the package that was found with it.
    Folder,
}

impl Cataloger for Dotnet {
    fn name(&self) -> &'static str {
        "dotnet"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Dotnet, PackageKind::Binary]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &["**/*.deps.json", "**/*.nuspec", "**/*.[dD][lL][lL]", "**/*.[eE][xX][eE]"],
            executables: executable::BEGINNINGS,
        }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let name = file.path.file_name();
        let is_held = file.content.bytes().is_some();
        let piece = if !is_held {
            let bundle = bundle::read(file, found).map(Piece::Libraries);
            let beginning = file.content.at_most(0, 18).unwrap_or_default();
            let is_native = executable::is_program(beginning) && !beginning.starts_with(b"MZ");
            if bundle.is_none() && !is_native {
                let message = format!("{} bytes, too many to be searched for assemblies", file.content.size());
                found.problems.push(Problem::new("limit-file-bytes", file.path.to_string(), message));
            }
            bundle
        } else if name.ends_with(b".deps.json") {
            dependencies::read(file, found).map(Piece::Libraries)
        } else if name.ends_with(b".nuspec") {
            nuspec::read(file, found).then_some(Piece::Folder)
        } else {
            let bundle = bundle::read(file, found).map(Piece::Libraries);
            bundle.or_else(|| portable::read(file.bytes, name).map(Piece::Portable))
        };
        // What was made here can be written.
        found.pieces.extend(piece.and_then(|piece| serde_json::to_vec(&piece).ok()));
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        let mut owned = Owned::default();
        let mut images = Vec::new();
        for (path, layer, found) in image.found {
            joined.take(self.name(), path, *layer, found);
            for piece in found.pieces.iter().filter_map(|piece| serde_json::from_slice(piece).ok()) {
                match piece {
                    Piece::Libraries(libraries) => {
                        let found = owned.libraries(libraries, path, image);
                        joined.take(self.name(), path, *layer, &found);
                    }
                    Piece::Folder => owned.folders.extend(path.parent()),
                    Piece::Portable(portable) => images.push((*path, *layer, portable)),
                }
            }
        }
        for (path, layer, portable) in images {
            if !owned.has(path) {
                joined.take(self.name(), path, layer, &portable.found(path));
            }
        }
    }
}

/// Files that packages put where they are.
#[derive(Default)]
struct Owned<'a> {
    files: HashSet<Vec<u8>>,
    folders: HashSet<&'a [u8]>,
}

impl Owned<'_> {
    /// The packages of the libraries that the document at `path` lists.
    ///
    /// A library is installed if any of its files is there. Without one nothing says that it is more than a name: the
    /// document also lists what was needed for building, and what the framework brings in a newer version.
    fn libraries(&mut self, libraries: Vec<Library>, path: &ImagePath, image: &Image<'_>) -> Found {
        let mut found = Found::default();
        let folder = path.parent().unwrap_or_default();
        for library in libraries {
            let files =
                library.files.iter().filter_map(|file| ImagePath::new(&[folder, b"/", file.as_bytes()].concat()));
            let there: Vec<ImagePath> = files.filter(|file| tree::at(image.files, file.as_bytes()).is_some()).collect();
            let mut package = library.package(path);
            if there.is_empty() && !library.is_bundled {
                package.evidence = PackageEvidence::Declared;
            }
            self.files.extend(there.into_iter().map(|file| file.as_bytes().to_vec()));
            found.packages.push(package);
        }
        found
    }

    fn has(&self, path: &ImagePath) -> bool {
        let path = path.as_bytes();
        let mut folders = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        self.files.contains(path)
            || folders.any(|(at, _)| path.get(..at).is_some_and(|folder| self.folders.contains(folder)))
    }
}

impl Portable {
    fn found(&self, path: &ImagePath) -> Found {
        let kind = if self.is_managed { PackageKind::Dotnet } else { PackageKind::Binary };
        let mut package = package(kind, &self.name, &self.version, path);
        package.origin.clone_from(&self.company);
        // Reference assemblies are for compilers, and satellites hold translations: neither holds code.
        let is_reference = path.as_bytes().split(|&byte| byte == b'/').any(|part| part == b"ref");
        let is_satellite = self.name.ends_with(".resources");
        let packages = if is_reference || is_satellite { Vec::new() } else { vec![package] };
        Found { packages: packages.into(), ..Found::default() }
    }
}
