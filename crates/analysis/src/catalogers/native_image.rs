//! Java libraries of executables that `GraalVM` made: the SBOM that it embeds.
//!
//! Format: `GraalVM` documentation, "Software Bill of Materials (SBOM) in Native Image": the symbol `sbom` is the address of
//! a CycloneDX document in JSON, compressed by gzip, the symbol `sbom_length` that of its length, in eight bytes.

use std::collections::HashSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use killick_model::purl::{parse, purl};
use serde::Deserialize;

use super::executable::{Executable, executables};
use super::sbom::lenient::{List, Maybe, Text};
use super::{Cataloger, Found, WantedFile, Wants, executable, package};

/// Finds the libraries of native images.
pub(super) struct NativeImage;

/// Bytes of the document, packed and unpacked; real ones have some hundred kilobytes.
const DOCUMENT_BYTES: u64 = 16 << 20;

/// Components of a document.
const COMPONENTS: usize = 50_000;

/// Licences of a component.
const LICENSES: usize = 100;

/// What of a document is of interest.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    components: List<Component>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    purl: Text,
    #[serde(default)]
    group: Text,
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default)]
    licenses: List<LicenseChoice>,
}

#[derive(Deserialize)]
struct LicenseChoice {
    #[serde(default)]
    expression: Text,
    #[serde(default)]
    license: Maybe<License>,
}

#[derive(Default, Deserialize)]
struct License {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    name: Text,
}

impl Cataloger for NativeImage {
    fn name(&self) -> &'static str {
        "native-image"
    }

    fn revision(&self) -> u32 {
        2
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Java]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &[], executables: executable::BEGINNINGS }
    }

    fn reads_parts(&self) -> bool {
        true
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        // Universal files have the same libraries for each processor.
        let mut seen = HashSet::new();
        for executable in executables(file.content) {
            let Some([start, length]) = executable.addresses([b"sbom", b"sbom_length"]) else { continue };
            match document(&executable, start, length) {
                Ok(document) => {
                    let components = document.components.0.into_iter().take(COMPONENTS);
                    let libraries = components.filter_map(|component| library(component, file.path));
                    found.packages.extend(libraries.filter(|library| seen.insert(purl(library, None))));
                }
                Err(fault) => {
                    let message = format!("the SBOM of the native image is {fault}");
                    found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
                }
            }
        }
    }
}

fn document(executable: &Executable<'_>, start: u64, length: u64) -> Result<Document, String> {
    let length = executable.at_address(length, 8).and_then(|bytes| executable.number(bytes));
    let length = length.filter(|length| *length <= DOCUMENT_BYTES).ok_or("of unknown or unlikely length")?;
    let packed = executable.at_address(start, length).ok_or("not in the file")?;
    let mut unpacked = Vec::new();
    let read = GzDecoder::new(packed).take(DOCUMENT_BYTES + 1).read_to_end(&mut unpacked);
    let read = read.map_err(|fault| format!("damaged: {fault}"))?;
    if read as u64 > DOCUMENT_BYTES {
        return Err(format!("larger than {DOCUMENT_BYTES} bytes"));
    }
    serde_json::from_slice(&unpacked).map_err(|fault| format!("malformed: {fault}"))
}

/// A library. What the document is about is the program itself, which has no version of its own.
fn library(component: Component, path: &ImagePath) -> Option<Package> {
    let stated = |text: Text| text.0.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let of_purl = stated(component.purl).and_then(|purl| parse::package(&purl, path)).map(|(package, _)| package);
    let mut package = if let Some(package) = of_purl {
        package
    } else {
        // Documents of older versions have no package URL.
        let (name, version) = (stated(component.name)?, stated(component.version)?);
        let mut package = package(PackageKind::Java, &name, &version, path);
        package.details = PackageDetails::Java {
            group: stated(component.group),
            specification_version: None,
            implementation_version: None,
            maven_version: None,
            pom_properties: None,
            extension: "jar".to_owned(),
        };
        package
    };
    package.evidence = PackageEvidence::Installed;
    let of_license = |choice: LicenseChoice| {
        let license = choice.license.0.unwrap_or_default();
        choice.expression.0.or(license.id.0).or(license.name.0)
    };
    package.licenses = component.licenses.0.into_iter().filter_map(of_license).take(LICENSES).collect();
    (!package.name.is_empty() && !package.version.is_empty()).then_some(package)
}
