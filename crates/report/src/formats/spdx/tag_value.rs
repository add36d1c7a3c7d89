//! The same as lines of a tag and a value: <https://spdx.github.io/spdx-spec/v2.3/conformance/>.

use std::io::{self, Write};

use super::document::{Annotation, Checksum, ExternalRef, ExtractedLicense, File, Package, Relationship};
use super::{Contents, instant};

pub(super) fn write(contents: &Contents<'_>, out: &mut dyn Write) -> io::Result<()> {
    let info = contents.creation_info(instant(contents.now));
    line(out, "SPDXVersion", "SPDX-2.3")?;
    line(out, "DataLicense", "CC0-1.0")?;
    line(out, "SPDXID", "SPDXRef-DOCUMENT")?;
    line(out, "DocumentName", &contents.document_name())?;
    line(out, "DocumentNamespace", &contents.namespace()?)?;
    line(out, "LicenseListVersion", &info.license_list_version)?;
    for creator in &info.creators {
        line(out, "Creator", creator)?;
    }
    line(out, "Created", &info.created)?;
    text(out, "CreatorComment", info.comment.as_deref())?;
    // Files follow the document: after a package they would be its own.
    for found in contents.files() {
        file(out, &found)?;
    }
    for found in contents.packages() {
        package(out, &found)?;
    }
    for license in contents.extracted_licenses() {
        extracted_license(out, &license)?;
    }
    writeln!(out)?;
    for relationship in contents.relationships() {
        let Relationship { from, kind, to, comment } = relationship;
        line(out, "Relationship", &format!("{from} {kind} {to}"))?;
        text(out, "RelationshipComment", comment)?;
    }
    Ok(())
}

fn package(out: &mut dyn Write, package: &Package) -> io::Result<()> {
    writeln!(out)?;
    line(out, "PackageName", &package.name)?;
    line(out, "SPDXID", &package.id)?;
    some(out, "PackageVersion", package.version_info.as_deref())?;
    some(out, "PackageSupplier", package.supplier.as_deref())?;
    line(out, "PackageDownloadLocation", &package.download_location)?;
    line(out, "FilesAnalyzed", if package.files_analyzed { "true" } else { "false" })?;
    for found in &package.checksums {
        line(out, "PackageChecksum", &checksum(found))?;
    }
    some(out, "PackageHomePage", package.homepage.as_deref())?;
    text(out, "PackageSourceInfo", package.source_info.as_deref())?;
    line(out, "PackageLicenseConcluded", &package.license_concluded)?;
    line(out, "PackageLicenseDeclared", &package.license_declared)?;
    line(out, "PackageCopyrightText", package.copyright_text)?;
    text(out, "PackageComment", package.comment.as_deref())?;
    for ExternalRef { category, kind, locator, comment } in &package.external_refs {
        line(out, "ExternalRef", &format!("{category} {kind} {locator}"))?;
        text(out, "ExternalRefComment", comment.as_deref())?;
    }
    // The one word of two is written in another way here.
    some(out, "PrimaryPackagePurpose", package.primary_package_purpose.map(|word| word.replace('_', "-")).as_deref())?;
    for Annotation { date, kind, annotator, comment } in &package.annotations {
        line(out, "Annotator", annotator)?;
        line(out, "AnnotationDate", date)?;
        line(out, "AnnotationType", kind)?;
        line(out, "SPDXREF", &package.id)?;
        text(out, "AnnotationComment", Some(comment))?;
    }
    Ok(())
}

fn file(out: &mut dyn Write, file: &File) -> io::Result<()> {
    writeln!(out)?;
    line(out, "FileName", &file.name)?;
    line(out, "SPDXID", &file.id)?;
    for found in &file.checksums {
        line(out, "FileChecksum", &checksum(found))?;
    }
    line(out, "LicenseConcluded", file.license_concluded)?;
    for license in file.license_info_in_files {
        line(out, "LicenseInfoInFile", license)?;
    }
    line(out, "FileCopyrightText", file.copyright_text)
}

fn extracted_license(out: &mut dyn Write, license: &ExtractedLicense) -> io::Result<()> {
    writeln!(out)?;
    line(out, "LicenseID", &license.license_id)?;
    text(out, "ExtractedText", Some(&license.extracted_text))?;
    line(out, "LicenseName", &license.name)
}

fn checksum(found: &Checksum) -> String {
    format!("{}: {}", found.algorithm, found.value)
}

/// A value that ends with its line.
fn line(out: &mut dyn Write, tag: &str, value: &str) -> io::Result<()> {
    writeln!(out, "{tag}: {}", crate::formats::one_line(value))
}

fn some(out: &mut dyn Write, tag: &str, value: Option<&str>) -> io::Result<()> {
    value.map_or(Ok(()), |value| line(out, tag, value))
}

/// A value of any length. What would end it too soon is broken up.
fn text(out: &mut dyn Write, tag: &str, value: Option<&str>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    let value = killick_model::printable::printable(value).replace("</text>", "</ text>");
    writeln!(out, "{tag}: <text>{value}</text>")
}
