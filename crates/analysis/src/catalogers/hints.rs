//! Hints: what the author of an image says is in it, `anchore_hints.json` at its root, as Anchore Engine reads it where
//! `ANCHORE_HINTS_ENABLED` is set.
//!
//! `{"packages": [{"name": …, "version": …, "type": …}]}`, the type one of those of the engine. A hint is a claim like an
//! SBOM's: it is told as one and judged as one, it owns no file, and it takes nothing away from what is found.

use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageKind, SourcePackage};
use killick_model::problem::Problem;
use serde::Deserialize;

use crate::catalogers::sbom::lenient::{List, Text, Words};
use crate::catalogers::{Cataloger, Found, WantedFile, Wants, document, package};

/// Packages of one file.
const MAX_HINTS: usize = 10_000;

/// Licences of one package.
const MAX_LICENSES: usize = 100;

/// Hints that are told one by one as what they lack.
const MAX_REFUSED: usize = 20;

/// Finds the packages that hints claim.
pub(crate) struct Hints;

#[derive(Deserialize)]
struct Document {
    packages: List<Hint>,
}

#[derive(Debug, Clone, Deserialize)]
struct Hint {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default)]
    release: Text,
    #[serde(default)]
    arch: Text,
    #[serde(default, alias = "sourcepkg")]
    source: Text,
    #[serde(default)]
    license: Text,
    #[serde(default)]
    licenses: Words,
    #[serde(default)]
    origin: Text,
    #[serde(default)]
    origins: Words,
}

impl Cataloger for Hints {
    fn name(&self) -> &'static str {
        "hints"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[
            PackageKind::Deb,
            PackageKind::Rpm,
            PackageKind::Apk,
            PackageKind::Python,
            PackageKind::Npm,
            PackageKind::Gem,
            PackageKind::Java,
            PackageKind::Go,
            PackageKind::Binary,
        ]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["anchore_hints.json"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        let Some(document) = document::json::<Document>(file, found) else { return };
        let place = file.path.to_string();
        let all = document.packages.0.len();
        let mut refused = 0;
        for (number, hint) in (1_usize..).zip(document.packages.0).take(MAX_HINTS) {
            match claimed(hint, file) {
                Ok(package) => found.packages.push(package),
                Err(reason) => {
                    refused += 1;
                    if refused <= MAX_REFUSED {
                        let message = format!("hint {number} {reason}, skipped");
                        found.problems.push(Problem::new("malformed-hint", place.as_str(), message));
                    }
                }
            }
        }
        if refused > MAX_REFUSED {
            let message = format!("{} more hints are skipped", refused - MAX_REFUSED);
            found.problems.push(Problem::new("malformed-hint", place.as_str(), message));
        }
        if all > MAX_HINTS {
            let message = format!("{} packages are left out", all - MAX_HINTS);
            found.problems.push(Problem::new("limit-packages", place, message));
        }
    }
}

/// The package of a hint, or what it lacks.
fn claimed(hint: Hint, file: &WantedFile<'_>) -> Result<Package, &'static str> {
    let stated = |text: Text| text.0.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let name = stated(hint.name).ok_or("has no name")?;
    let mut version = stated(hint.version).ok_or("has no version")?;
    let kind = match stated(hint.kind).ok_or("has no type")?.to_lowercase().as_str() {
        "dpkg" => PackageKind::Deb,
        "rpm" => PackageKind::Rpm,
        "apkg" => PackageKind::Apk,
        "python" => PackageKind::Python,
        "npm" => PackageKind::Npm,
        "gem" => PackageKind::Gem,
        "java" => PackageKind::Java,
        "go" => PackageKind::Go,
        "binary" => PackageKind::Binary,
        _ => return Err("has a type that is none of apkg, binary, dpkg, gem, go, java, npm, python, rpm"),
    };
    if let Some(release) = stated(hint.release).filter(|_| matches!(kind, PackageKind::Deb | PackageKind::Rpm)) {
        version = format!("{version}-{release}");
    }
    if kind == PackageKind::Apk && !is_apk_version(&version) {
        return Err("has a version without a release, `-rN`");
    }
    let source = stated(hint.source);
    let mut package = Package { evidence: PackageEvidence::Claimed, ..package(kind, &name, &version, file.path) };
    match kind {
        PackageKind::Rpm => {
            let plain = version.split_once(':').map_or(version.as_str(), |(_, plain)| plain);
            let source_rpm = source.unwrap_or_else(|| format!("{name}-{plain}.src.rpm"));
            let epoch = version.split_once(':').and_then(|(epoch, _)| epoch.parse().ok());
            package.source = SourcePackage::of_rpm(&source_rpm);
            package.details = PackageDetails::Rpm {
                epoch,
                source_rpm: Some(source_rpm),
                module: None,
                vendor: None,
                signatures: Vec::new(),
            };
        }
        PackageKind::Deb | PackageKind::Apk => {
            package.source = source.filter(|source| *source != name).map(|name| SourcePackage { name, version });
        }
        PackageKind::Java => {
            package.details = PackageDetails::Java {
                group: None,
                specification_version: None,
                implementation_version: None,
                maven_version: None,
                pom_properties: None,
                extension: "jar".to_owned(),
            };
        }
        _ => {}
    }
    package.architecture = stated(hint.arch).filter(|_| kind.is_os());
    let licenses = hint.licenses.0.into_iter().chain(hint.license.0);
    package.licenses = licenses.filter(|license| !license.trim().is_empty()).take(MAX_LICENSES).collect();
    package.licenses.dedup();
    package.origin = hint.origins.0.into_iter().next().or(hint.origin.0).filter(|origin| !origin.trim().is_empty());
    Ok(package)
}

/// Whether it ends with `-rN`.
fn is_apk_version(version: &str) -> bool {
    let release = version.rsplit_once("-r").map(|(_, release)| release);
    release.is_some_and(|release| !release.is_empty() && release.bytes().all(|byte| byte.is_ascii_digit()))
}
