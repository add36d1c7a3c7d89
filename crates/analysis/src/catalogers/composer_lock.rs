//! PHP packages that a `composer.lock` asks for.
//!
//! Format: Composer documentation, "composer.lock", and Composer itself (`Package/Locker.php`).

use killick_model::package::PackageKind;
use serde::Deserialize;

use super::composer::Entry;
use super::declarations::{Declaration, Declarations};
use super::{Cataloger, Found, WantedFile, Wants, document};

/// Finds the packages of Composer's lock files.
pub(super) struct ComposerLock;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Lock {
    #[serde(default)]
    packages: Vec<Entry>,
    /// Null if the lock file was made without those for developers.
    packages_dev: Option<Vec<Entry>>,
}

impl Cataloger for ComposerLock {
    fn name(&self) -> &'static str {
        "composer-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Composer]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["**/composer.lock"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if is_inside_package(file.path.as_bytes()) {
            return;
        }
        let Some(lock) = document::json::<Lock>(file, found) else { return };
        let mut packages = Declarations::new(PackageKind::Composer, file.path);
        let development = lock.packages_dev.iter().flatten().map(|entry| (entry, true));
        let all = lock.packages.iter().map(|entry| (entry, false)).chain(development);
        for (entry, is_development) in all.filter(|(entry, _)| !entry.is_folder()) {
            let fetched_from = entry.fetched_from();
            let declaration = Declaration {
                name: &entry.name,
                version: &entry.version,
                fetched_from: fetched_from.as_deref(),
                is_development,
            };
            if let Some(package) = packages.add(declaration) {
                package.licenses = entry.licenses();
                package.origin = entry.author();
            }
        }
        packages.finish(found);
    }
}

/// Whether the file is `vendor/OWNER/NAME/composer.lock`: then it tells how that package is developed.
fn is_inside_package(path: &[u8]) -> bool {
    let mut parts = path.split(|&byte| byte == b'/').rev();
    parts.nth(3) == Some(b"vendor")
}
