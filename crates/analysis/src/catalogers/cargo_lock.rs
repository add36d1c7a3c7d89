//! Crates that a `Cargo.lock` asks for.
//!
//! Format: the Cargo book, "Cargo.toml vs Cargo.lock", and `cargo` itself (`core/resolver/encode.rs`): versions 1 to 4
//! differ in checksums and in how dependencies are written, not in names and versions.

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::{Cataloger, Found, WantedFile, Wants, declared, document};

/// Finds the crates of lock files.
pub(super) struct CargoLock;

#[derive(Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    version: String,
    /// Absent for the packages of the workspace itself, which are no published crates.
    source: Option<String>,
}

impl Cataloger for CargoLock {
    fn name(&self) -> &'static str {
        "cargo-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Rust]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/Cargo.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(lock) = document::toml::<Lock>(file, found) else { return };
        let published = lock.package.iter().filter(|entry| entry.source.is_some());
        found
            .packages
            .extend(published.map(|entry| declared(PackageKind::Rust, &entry.name, &entry.version, file.path)));
    }
}
