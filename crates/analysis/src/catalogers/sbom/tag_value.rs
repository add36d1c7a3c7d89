//! SPDX 2 as tags and values: `Tag: value`, one a line; a value over several lines between `<text>` and `</text>`.

use super::claim::Claim;
use super::lenient::{List, Text};
use super::spdx::{self, Package, Reference, Relationship};

/// Packages, relations and references of one package that are kept.
const MAX_ITEMS: usize = 200_000;
const MAX_REFERENCES: usize = 200;

/// Bytes of a value; longer ones are no names.
const VALUE_BYTES: usize = 8 << 10;

pub(in crate::catalogers) fn claims(text: &str) -> Vec<Claim> {
    let mut packages: Vec<Package> = Vec::new();
    let mut relationships: Vec<Relationship> = Vec::new();
    // Between the first tag of a package and that of something else.
    let mut is_package = false;
    let mut is_long_text = false;
    for line in text.lines() {
        if is_long_text {
            is_long_text = !line.contains("</text>");
            continue;
        }
        let Some((tag, value)) = line.split_once(':').filter(|_| !line.trim_start().starts_with('#')) else { continue };
        let value = value.trim();
        is_long_text = value.starts_with("<text>") && !value.contains("</text>");
        if value.len() > VALUE_BYTES {
            continue;
        }
        let text = || Text(Some(value.to_owned()));
        match tag.trim() {
            "PackageName" => {
                is_package = packages.len() < MAX_ITEMS;
                if is_package {
                    packages.push(Package { name: text(), ..Package::default() });
                }
                continue;
            }
            "FileName" | "SnippetSPDXID" | "LicenseID" => is_package = false,
            "Relationship" if relationships.len() < MAX_ITEMS => {
                let mut words = value.split_whitespace();
                let mut next = || words.next().unwrap_or_default();
                relationships.push(Relationship::new(next(), next(), next()));
            }
            _ => {}
        }
        let Some(package) = packages.last_mut().filter(|_| is_package) else { continue };
        match tag.trim() {
            "SPDXID" => package.id = text(),
            "PackageVersion" => package.version = text(),
            "PackageLicenseDeclared" => package.license_declared = text(),
            "PackageLicenseConcluded" => package.license_concluded = text(),
            "PackageSupplier" => package.supplier = text(),
            "PackageOriginator" => package.originator = text(),
            "PrimaryPackagePurpose" => package.purpose = text(),
            "ExternalRef" => {
                // Category, type, locator.
                let mut words = value.split_whitespace().skip(1).map(|word| Text(Some(word.to_owned())));
                let (kind, locator) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let List(references) = &mut package.references;
                if references.len() < MAX_REFERENCES {
                    references.push(Reference { kind, locator });
                }
            }
            _ => {}
        }
    }
    spdx::claims(List(packages), &List(relationships))
}
