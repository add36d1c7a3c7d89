//! Java libraries of executables that `GraalVM` made: the SBOM that it embeds.
//!
//! Format: `GraalVM` documentation, "Software Bill of Materials (SBOM) in Native Image": the symbol `sbom` is the address of
//! a CycloneDX document in JSON, compressed by gzip, the symbol `sbom_length` that of its length, in eight bytes.

use std::io::Read as _;

use flate2::read::GzDecoder;
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use killick_model::purl::parse;
use serde_json::Value;

use super::executable::{Executable, executables};
use super::{Cataloger, Found, WantedFile, Wants, executable, package};

/// Finds the libraries of native images.
pub(super) struct NativeImage;

/// Bytes of the document, packed and unpacked; real ones have some hundred kilobytes.
const DOCUMENT_BYTES: u64 = 16 << 20;

/// Components of a document.
const COMPONENTS: usize = 50_000;

impl Cataloger for NativeImage {
    fn name(&self) -> &'static str {
        "native-image"
    }

    fn revision(&self) -> u32 {
        1
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
        for executable in executables(file.content) {
            let Some([start, length]) = executable.addresses([b"sbom", b"sbom_length"]) else { continue };
            match document(&executable, start, length) {
                Ok(document) => {
                    for package in packages(&document, file.path) {
                        if !found.packages.contains(&package) {
                            found.packages.push(package);
                        }
                    }
                }
                Err(fault) => {
                    let message = format!("the SBOM of the native image is {fault}");
                    found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
                }
            }
        }
    }
}

fn document(executable: &Executable<'_>, start: u64, length: u64) -> Result<Value, String> {
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

/// The libraries: what the document is about is the program itself, which has no version of its own.
fn packages(document: &Value, path: &ImagePath) -> Vec<Package> {
    let components = document.get("components").and_then(Value::as_array);
    components.into_iter().flatten().take(COMPONENTS).filter_map(|component| library(component, path)).collect()
}

fn library(component: &Value, path: &ImagePath) -> Option<Package> {
    let text = |name: &str| component.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty());
    let of_purl = text("purl").and_then(|purl| parse::package(purl, path)).map(|(package, _)| package);
    let mut package = if let Some(package) = of_purl {
        package
    } else {
        // Documents of older versions have no package URL.
        let mut package = package(PackageKind::Java, text("name")?, text("version")?, path);
        package.details = PackageDetails::Java {
            group: text("group").map(str::to_owned),
            specification_version: None,
            implementation_version: None,
            maven_version: None,
            pom_properties: None,
            extension: "jar".to_owned(),
        };
        package
    };
    package.evidence = PackageEvidence::Installed;
    let licenses = component.get("licenses").and_then(Value::as_array).into_iter().flatten();
    let of_license = |choice: &Value| {
        let license = choice.get("license");
        let name = license.and_then(|license| license.get("id").or_else(|| license.get("name")));
        choice.get("expression").or(name)?.as_str().map(str::to_owned)
    };
    package.licenses = licenses.filter_map(of_license).take(100).collect();
    (!package.name.is_empty() && !package.version.is_empty()).then_some(package)
}
