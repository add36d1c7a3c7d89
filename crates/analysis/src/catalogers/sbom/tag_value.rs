//! SPDX 2 as tags and values: `Tag: value`, one a line; a value over several lines between `<text>` and `</text>`.

use super::claim::Claim;
use super::lenient::{List, Long, Text};
use super::spdx::{self, Annotation, Checksum, Creation, Package, Reference, Relationship};
use super::told::Told;

/// Packages, relations and references of one package that are kept.
const MAX_ITEMS: usize = 200_000;
const MAX_REFERENCES: usize = 200;

/// Bytes of a value; longer ones are no names.
const VALUE_BYTES: usize = 8 << 10;

/// Bytes of a comment that is a document of its own.
const COMMENT_BYTES: usize = 1 << 20;

pub(in crate::catalogers) fn claims(text: &str) -> Vec<Claim> {
    told(text).claims
}

/// What a document tells.
pub(super) fn told(text: &str) -> Told {
    let mut version = String::new();
    let mut creation = Creation::default();
    // The names of the elements of the last relation, which a comment may say more of.
    let mut last: Option<(String, String)> = None;
    // Whether the annotation that is being read is of the package before it.
    let mut is_own_annotation = true;
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
        let most = if tag.trim() == "AnnotationComment" { COMMENT_BYTES } else { VALUE_BYTES };
        if value.len() > most {
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
            "SPDXVersion" => value.strip_prefix("SPDX-").unwrap_or(value).clone_into(&mut version),
            "Created" => creation.created = text(),
            "Creator" if creation.creators.0.len() < MAX_REFERENCES => creation.creators.0.push(value.to_owned()),
            "FileName" | "SnippetSPDXID" | "LicenseID" => is_package = false,
            "Relationship" if relationships.len() < MAX_ITEMS => {
                let mut words = value.split_whitespace();
                let mut next = || words.next().unwrap_or_default();
                let (from, kind, to) = (next(), next(), next());
                relationships.push(Relationship::new(from, kind, to));
                last = (kind == "OTHER").then(|| (from.to_owned(), to.to_owned()));
            }
            "RelationshipComment" => {
                let is_overlap = whole(value).starts_with(spdx::OVERLAP);
                if let (true, Some((from, to)), Some(relation)) = (is_overlap, last.take(), relationships.last_mut()) {
                    *relation = Relationship::holds(&from, &to);
                }
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
            "PackageSourceInfo" => package.source_info = Text(Some(whole(value).to_owned())),
            "PackageChecksum" => {
                let (algorithm, sum) = value.split_once(':').unwrap_or((value, ""));
                let [algorithm, value] = [algorithm, sum].map(|part| Text(Some(part.trim().to_owned())));
                if package.checksums.0.len() < MAX_REFERENCES {
                    package.checksums.0.push(Checksum { algorithm, value });
                }
            }
            "PackageAttributionText" if package.attributions.0.len() < MAX_REFERENCES => {
                package.attributions.0.push(whole(value).to_owned());
            }
            "Annotator" => is_own_annotation = true,
            "SPDXREF" => is_own_annotation = package.id.is(value),
            "AnnotationComment" if is_own_annotation && package.annotations.0.len() < MAX_REFERENCES => {
                package.annotations.0.push(Annotation { comment: Long(Some(whole(value).to_owned())) });
            }
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
    spdx::told(version, creation, List(packages), &List(relationships))
}

/// A value without the marks around it.
fn whole(value: &str) -> &str {
    value.strip_prefix("<text>").and_then(|value| value.strip_suffix("</text>")).unwrap_or(value)
}
