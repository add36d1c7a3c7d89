//! Packages that a `deno.lock` asks for.
//!
//! Format: the `deno_lockfile` crate's documentation; versions 2 to 5. Packages of npm and of JSR are listed under
//! `name@version`; what is imported by its address (`remote`) has neither.

use std::collections::BTreeMap;

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::declarations::{Declaration, Declarations, is_inside};
use super::document::Keys;
use super::yarn_lock::split;
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the packages of Deno's lock files.
pub(super) struct DenoLock;

#[derive(Deserialize)]
struct Lock {
    /// Version 3.
    #[serde(default)]
    packages: Packages,
    /// Since version 4. In version 2 the keys were `specifiers` and `packages`, the latter with packages in it.
    #[serde(default)]
    npm: BTreeMap<String, Keys>,
    #[serde(default)]
    jsr: Keys,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Packages {
    npm: Keys,
    jsr: Keys,
}

impl Cataloger for DenoLock {
    fn name(&self) -> &'static str {
        "deno-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Npm]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/deno.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside(file.path, "node_modules") {
            return;
        }
        let Some(lock) = document::json::<Lock>(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Npm, file.path);
        let version_2 = lock.npm.get("packages").into_iter().flat_map(|packages| &packages.0);
        for key in lock.npm.keys().chain(&lock.packages.npm.0).chain(version_2) {
            let Some((name, version)) = split(key) else { continue };
            // `_` begins what it was resolved among.
            let version = version.split('_').next().unwrap_or(version);
            packages.add(Declaration { name, version, ..Declaration::default() });
        }
        for key in lock.jsr.0.iter().chain(&lock.packages.jsr.0) {
            let Some((name, version)) = split(key) else { continue };
            packages.add(Declaration { name: &npm_name(name), version, ..Declaration::default() });
        }
        packages.finish(found);
    }
}

/// A package of JSR under its name for npm: `@scope/name` is `@jsr/scope__name`.
///
/// JSR has no package URLs of its own, and to npm a scope of the same name belongs to somebody else.
fn npm_name(name: &str) -> String {
    format!("@jsr/{}", name.trim_start_matches('@').replacen('/', "__", 1))
}
