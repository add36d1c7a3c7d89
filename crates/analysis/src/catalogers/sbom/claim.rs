//! What a document says of one package, whatever its format.

use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use killick_model::purl::parse;

use super::CLAIMED;
use killick_model::package::cpe;

/// Licences and CPE names kept of one package.
const MAX_NAMES: usize = 100;

/// One package, as it is claimed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::catalogers) struct Claim {
    pub(in crate::catalogers) name: Option<String>,
    pub(in crate::catalogers) version: Option<String>,
    pub(in crate::catalogers) purl: Option<String>,
    pub(in crate::catalogers) cpes: Vec<String>,
    pub(in crate::catalogers) licenses: Vec<String>,
    pub(in crate::catalogers) origin: Option<String>,
}

/// Why a claim yields no package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::catalogers) enum NoPackage {
    /// Nothing says which package it is, or in which version.
    Nameless,
    /// It is something else: an image, a file, a model.
    OfAnotherKind,
}

impl Claim {
    /// The package, claimed by the document at `location`.
    pub(in crate::catalogers) fn into_package(self, location: &ImagePath) -> Result<Package, NoPackage> {
        let version = self.version.map(|version| version.trim().to_owned()).filter(|version| !version.is_empty());
        let cpes: Vec<String> = self.cpes.iter().take(MAX_NAMES).filter_map(|name| cpe::written(name)).collect();
        let mut package = match (&self.purl, &self.name, &version) {
            (Some(purl), ..) => {
                let (package, distribution) = parse::package(purl, location).ok_or(NoPackage::OfAnotherKind)?;
                Package { distribution, ..package }
            }
            // A name alone could be anything; a CPE says which software it is.
            (None, Some(name), Some(version)) if !cpes.is_empty() => {
                Package::new(PackageKind::Binary, name.trim(), version, location.clone())
            }
            _ => return Err(NoPackage::Nameless),
        };
        if package.version.is_empty() {
            package.version = version.unwrap_or_default();
        }
        if package.version.is_empty() || package.name.is_empty() {
            return Err(NoPackage::Nameless);
        }
        package.evidence = CLAIMED;
        package.cpes = cpes;
        package.licenses = self.licenses.into_iter().filter(|license| is_stated(license)).take(MAX_NAMES).collect();
        package.licenses.dedup();
        package.origin = self.origin.filter(|origin| is_stated(origin));
        Ok(package)
    }
}

/// Whether a value says anything.
fn is_stated(value: &str) -> bool {
    !matches!(value.trim(), "" | "NOASSERTION" | "NONE" | "UNKNOWN")
}
