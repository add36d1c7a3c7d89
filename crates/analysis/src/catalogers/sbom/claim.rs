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
pub(crate) struct Claim {
    pub(crate) name: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) purl: Option<String>,
    pub(crate) cpes: Vec<String>,
    pub(crate) licenses: Vec<String>,
    pub(crate) origin: Option<String>,
    /// The name by which the document refers to it.
    pub(crate) id: Option<String>,
    /// What else is said of it.
    pub(crate) hints: Hints,
}

/// What documents say of a package besides, each in its own way. It counts only where the document is all there is of an
/// image: inside an image it is enough to know which package is meant.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Hints {
    /// The packaging system, in Syft's words.
    pub(crate) kind: Option<String>,
    /// Name and version of the source package.
    pub(crate) source: (Option<String>, Option<String>),
    /// File name of the source RPM.
    pub(crate) source_rpm: Option<String>,
    /// The processor.
    pub(crate) architecture: Option<String>,
    /// Where it is; within an archive with the names of members behind `:`.
    pub(crate) location: Option<String>,
    /// Digest of the layer that it is in, packed or not.
    pub(crate) layer: Option<String>,
    /// It may be no package but what others belong to: a lock file, an application.
    pub(crate) is_group: bool,
    /// What documents of ours say.
    pub(crate) facts: Option<String>,
}

/// Why a claim yields no package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPackage {
    /// Nothing says which package it is, or in which version.
    Nameless,
    /// It is something else: an image, a file, a model.
    OfAnotherKind,
}

impl Claim {
    /// The package, claimed by the document at `location`.
    pub(crate) fn into_package(self, location: &ImagePath) -> Result<Package, NoPackage> {
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
