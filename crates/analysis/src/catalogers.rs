//! Catalogers: each finds the packages that one kind of evidence declares.
//!
//! To add one: a file in `catalogers/`, its line in [`CATALOGERS`], a folder of cases in
//! `testdata/catalogers/<name>/`.

use std::collections::HashMap;
use std::io::{self, Read, Seek};

use killick_model::file::FileEntry;
use killick_model::package::{Package, PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::content::Content;
use crate::inspectors::SeenFile;
use crate::inspectors::rules::Rule;
use crate::limits::Limits;
mod apk;
pub(crate) mod binary;
mod bitnami;
mod bun_lock;
mod cargo_lock;
mod cocoapods;
mod composer;
mod composer_lock;
mod conan;
mod conda;
mod conda_lock;
mod dart;
mod deb822;
mod declarations;
mod deno_lock;
mod document;
mod dotnet;
mod dpkg;
mod elf_note;
pub(crate) mod executable;
mod gem;
mod gemfile_lock;
mod github_actions;
mod go;
mod go_mod;
mod gradle;
mod haskell;
mod hex;
mod hints;
mod java;
mod jdk;
mod julia;
mod linux_kernel;
mod luarocks;
mod maven;
mod native_image;
mod nesting;
mod nix;
mod npm;
mod nuget;
mod opam;
mod opkg;
mod otp;
mod package_list;
mod package_lock;
mod pacman;
mod pages;
mod pdm_lock;
mod pear;
mod perl;
mod php;
mod pipfile_lock;
mod pnpm_lock;
mod poetry_lock;
mod portage;
mod published;
mod pylock;
mod python;
mod r;
mod requirements;
mod rpm;
mod rust;
pub(crate) mod sbom;
mod snap;
mod sqlite;
mod swift;
mod terraform;
mod tokens;
mod uv_lock;
mod vcpkg;
mod wordpress;
mod xml;
mod yarn_lock;

pub use package_list::PackageList;

/// Every cataloger, in the order their packages are found.
pub const CATALOGERS: &[&dyn Cataloger] = &[
    &apk::Apk,
    &dpkg::Dpkg,
    &rpm::Rpm,
    &pacman::Pacman,
    &portage::Portage,
    &opkg::Opkg,
    &nix::Nix,
    &snap::Snap,
    &linux_kernel::LinuxKernel,
    &python::Python,
    &conda::Conda,
    &npm::Npm,
    &gem::Gem,
    &composer::Composer,
    &pear::Pear,
    &java::Java,
    &go::Go,
    &rust::Rust,
    &native_image::NativeImage,
    &elf_note::ElfNote,
    &dotnet::Dotnet,
    &requirements::Requirements,
    &pipfile_lock::PipfileLock,
    &poetry_lock::PoetryLock,
    &pdm_lock::PdmLock,
    &uv_lock::UvLock,
    &pylock::Pylock,
    &conda_lock::CondaLock,
    &package_lock::PackageLock,
    &yarn_lock::YarnLock,
    &pnpm_lock::PnpmLock,
    &bun_lock::BunLock,
    &deno_lock::DenoLock,
    &gemfile_lock::GemfileLock,
    &composer_lock::ComposerLock,
    &cargo_lock::CargoLock,
    &nuget::Nuget,
    &maven::Maven,
    &gradle::Gradle,
    &jdk::Jdk,
    &go_mod::GoMod,
    &hex::Hex,
    &otp::Otp,
    &dart::Dart,
    &swift::Swift,
    &cocoapods::Cocoapods,
    &conan::Conan,
    &vcpkg::Vcpkg,
    &haskell::Haskell,
    &opam::Opam,
    &r::R,
    &luarocks::Luarocks,
    &perl::Perl,
    &julia::Julia,
    &wordpress::Wordpress,
    &terraform::Terraform,
    &github_actions::GithubActions,
    &binary::Binary,
    &bitnami::Bitnami,
    &sbom::Sbom,
    &hints::Hints,
];

/// Finds the packages that one kind of evidence declares.
///
/// Reading is per layer and cached with it; joining is per image and cheap. A package database is rewritten
/// whole by each layer that touches it, while the files beside it (`info/*.list`, `RECORD`) may lie in other
/// layers: so `read` looks at one file alone, and `join` puts together what survived in the merged image.
pub trait Cataloger: Sync {
    /// Stable name, shown in the SBOM and accepted on the command line.
    fn name(&self) -> &'static str;

    /// Bumped when the result for the same bytes changes; invalidates cached layer facts.
    fn revision(&self) -> u32;

    /// The content types of the v1 API, or kinds, it can yield.
    fn kinds(&self) -> &'static [PackageKind];

    /// The files it wants to see.
    fn wants(&self) -> Wants;

    /// Bytes that it may hold besides a file of `size` bytes, for what it unpacks from it: taken from the shared
    /// budget together with the file. At most what `limits.held_bytes` leaves.
    fn unpacks(&self, _size: u64, _limits: &Limits) -> u64 {
        0
    }

    /// Whether it can do with parts of an executable that is too large to be held: it asks [`WantedFile::content`] for
    /// them, which refuses what it has not, and is called again once that is there.
    fn reads_parts(&self) -> bool {
        false
    }

    /// What it looks for in programs (ELF, PE, Mach-O), whatever their size: in the common pass over them, that nothing
    /// is held for. What was found is in [`Image::hits`].
    fn rules(&self) -> Vec<Rule> {
        Vec::new()
    }

    /// Whether what its rules find in a file of this path may mean something, even if the file is neither executable nor a
    /// library. Those that are need not be asked for.
    fn knows_program(&self, _path: &ImagePath) -> bool {
        false
    }

    /// Reads one file by itself. Returns what it says: complete packages, or raw pieces for [`Cataloger::join`],
    /// or both. Whatever is wrong with the file is a problem in `found`, never a panic.
    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found);

    /// Joins what was read from the files that survive in the merged image. The default takes every package
    /// that `read` found.
    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        for (path, layer, found) in image.found {
            joined.take(self.name(), path, *layer, found);
        }
    }
}

/// What a cataloger wants to see.
#[derive(Debug, Clone, Copy)]
pub struct Wants {
    /// Globs over the whole path without leading `/`; `**` crosses directories. `var/lib/dpkg/status`,
    /// `**/*.dist-info/METADATA`.
    pub globs: &'static [&'static str],
    /// Also every regular file that is executable, or whose name contains `.so`, and begins with one of these
    /// bytes (`\x7fELF`). Empty for none.
    pub executables: &'static [&'static [u8]],
}

/// One file of one layer.
pub struct WantedFile<'a> {
    /// Where it is.
    pub path: &'a ImagePath,
    /// Its bytes, all held in memory; none of a file that only its parts are held of.
    pub bytes: &'a [u8],
    /// Its bytes, or the parts of it that are held.
    pub content: Content<'a>,
    /// The bounds in force.
    pub limits: &'a Limits,
}

impl<'a> WantedFile<'a> {
    /// A file that is held whole.
    pub fn whole(path: &'a ImagePath, bytes: &'a [u8], limits: &'a Limits) -> Self {
        Self::of(path, Content::whole(bytes), limits)
    }

    pub(crate) fn of(path: &'a ImagePath, content: Content<'a>, limits: &'a Limits) -> Self {
        Self { path, bytes: content.bytes().unwrap_or_default(), content, limits }
    }

    /// The bytes as a seekable reader.
    pub fn reader(&self) -> impl Read + Seek {
        io::Cursor::new(self.bytes)
    }
}

/// What one file says. Cached with its layer, so it holds nothing of the image around it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Found {
    /// Packages; `layer`, `cataloger` and `owner` are filled in by the join.
    pub packages: PackageList,
    /// Pieces for the join, in a form of the cataloger's own (postcard or JSON of a private struct).
    pub pieces: Vec<Vec<u8>>,
    /// What was wrong with the file.
    pub problems: Vec<Problem>,
}

/// The merged image, as one cataloger's join sees it.
pub struct Image<'a> {
    /// What this cataloger's `read` found, for each wanted file that survives: path, layer of the file, found.
    /// Ordered by path.
    pub found: &'a [(&'a ImagePath, u32, &'a Found)],
    /// The same for files of lower layers that were replaced or deleted, lowest layer first: needed to tell
    /// which layer introduced a package of a database that is rewritten whole.
    pub hidden: &'a [(&'a ImagePath, u32, &'a Found)],
    /// Programs in which the cataloger's rules found something, ordered by path and layer.
    pub hits: &'a [SeenFile<'a>],
    /// Files of the merged image, ordered by path.
    pub files: &'a [FileEntry],
}

/// The outcome of a join.
#[derive(Debug, Default)]
pub struct Joined {
    /// Packages of the image.
    pub packages: Vec<Package>,
    /// Problems.
    pub problems: Vec<Problem>,
}

impl Joined {
    /// Takes all packages and problems of one file as they are, in `layer`.
    pub fn take(&mut self, cataloger: &str, _path: &ImagePath, layer: u32, found: &Found) {
        self.packages.extend(found.packages.iter().map(|package| {
            let mut package = package.clone();
            package.layer = layer;
            cataloger.clone_into(&mut package.cataloger);
            package
        }));
        self.problems.extend(found.problems.iter().cloned());
    }
}

/// A package with nothing but the fields that all have; the join fills in layer and cataloger.
pub(crate) fn package(kind: PackageKind, name: &str, version: &str, location: &ImagePath) -> Package {
    Package::new(kind, name, version, location.clone())
}

/// A package that a lock file or a manifest asks for, in the same way.
pub(crate) fn declared(kind: PackageKind, name: &str, version: &str, location: &ImagePath) -> Package {
    Package { evidence: PackageEvidence::Declared, ..package(kind, name, version, location) }
}

/// For databases that each layer rewrites whole: the lowest layer in which a database already had a package in this
/// version. Whatever the database was called there: distributions move and convert theirs.
///
/// A table, because each layer of a hostile image may bring another database with as many packages as fit.
pub(crate) struct Introduced<'a>(HashMap<Identity<'a>, u32>);

/// Name, version, architecture.
type Identity<'a> = (&'a str, &'a str, Option<&'a str>);

impl<'a> Introduced<'a> {
    pub(crate) fn new(image: &Image<'a>) -> Self {
        let mut layers = HashMap::new();
        for (_, layer, found) in image.hidden.iter().chain(image.found) {
            for package in &found.packages {
                let lowest: &mut u32 = layers.entry(identity(package)).or_insert(*layer);
                *lowest = (*lowest).min(*layer);
            }
        }
        Self(layers)
    }

    /// `layer` is where the package is now.
    pub(crate) fn layer(&self, layer: u32, package: &Package) -> u32 {
        self.0.get(&identity(package)).copied().unwrap_or(layer)
    }
}

fn identity(package: &Package) -> Identity<'_> {
    (&package.name, &package.version, package.architecture.as_deref())
}
