//! What each thing of an image is as an element of SPDX.

use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::file::FileEntry;
use killick_model::image::created_at;
use killick_model::package::{Package, PackageDetails, PackageId, PackageKind, SourcePackage};
use killick_model::purl::purl;
use killick_model::sbom::{IMAGE_FACTS, ImageFacts, PACKAGE_FACTS, PackageFacts};

use super::Image;
use super::document::{self, Checksum, ExternalRef};
use crate::formats::one_line;
use crate::licenses::{Licenses, canonical};
use crate::vex;

/// What is not said.
const NOTHING: &str = "NOASSERTION";

/// A package of which nothing is known but its name.
fn unknown(id: String, name: &str) -> document::Package {
    let name = one_line(name);
    document::Package {
        id,
        name: if name.is_empty() { "unnamed".to_owned() } else { name },
        version_info: None,
        supplier: None,
        download_location: NOTHING.to_owned(),
        files_analyzed: false,
        checksums: Vec::new(),
        homepage: None,
        source_info: None,
        license_concluded: NOTHING.to_owned(),
        license_declared: NOTHING.to_owned(),
        copyright_text: NOTHING,
        comment: None,
        external_refs: Vec::new(),
        primary_package_purpose: None,
        annotations: Vec::new(),
    }
}

/// What this tool says in words of its own. Its date is that of the image, so that the name of the document, which follows
/// from all that it tells, is the same whenever it is written.
fn annotation(image: &Image<'_>, name: &str, facts: &str) -> document::Annotation {
    document::Annotation {
        date: super::instant(created_at(&image.analysis().config).unwrap_or_default()),
        kind: "OTHER",
        annotator: format!("Tool: killick-{}", image.report.tool_version),
        comment: format!("{name} {facts}"),
    }
}

fn purl_reference(locator: String) -> ExternalRef {
    ExternalRef { category: "PACKAGE-MANAGER", kind: "purl", locator, comment: None }
}

/// An image or an index.
pub(super) fn container(id: String, source: &str, digest: &Digest) -> document::Package {
    document::Package {
        version_info: Some(digest.to_string()),
        checksums: vec![Checksum { algorithm: "SHA256", value: digest.hex() }],
        external_refs: vec![purl_reference(vex::image_purl(source, digest))],
        primary_package_purpose: Some("CONTAINER"),
        ..unknown(id, source)
    }
}

pub(super) fn image(image: &Image<'_>) -> document::Package {
    let analysis = image.analysis();
    let layers = analysis.layers.iter().map(|layer| layer.diff_id.to_string()).collect::<Vec<_>>().join(", ");
    let config = &analysis.config;
    let about =
        format!("image id {}; platform {}/{}; layers {layers}", analysis.config_digest, config.os, config.architecture);
    document::Package {
        comment: Some(one_line(&about)),
        annotations: vec![annotation(image, IMAGE_FACTS, &ImageFacts::of(analysis).text())],
        ..container(image.name("Image"), image.report.source, &analysis.manifest_digest)
    }
}

pub(super) fn distribution(image: &Image<'_>, found: &Distribution) -> document::Package {
    let ended = image.report.unsupported.iter().filter(|ended| ended.packages.is_empty());
    let ended: Vec<String> = ended.map(|ended| crate::support::line(image.report, ended)).collect();
    document::Package {
        version_info: found.version.as_deref().map(one_line).filter(|version| !version.is_empty()),
        comment: found
            .pretty_name
            .iter()
            .chain(&ended)
            .map(|text| one_line(text))
            .reduce(|all, one| format!("{all}; {one}")),
        primary_package_purpose: Some("OPERATING_SYSTEM"),
        ..unknown(image.name("Distribution"), &found.id)
    }
}

pub(super) fn package(image: &Image<'_>, licenses: &Licenses, at: usize, package: &Package) -> document::Package {
    let analysis = image.analysis();
    let mut external_refs = vec![purl_reference(purl(package, analysis.distribution.as_ref()))];
    let cpes = package.cpe_names();
    external_refs.extend(cpes.iter().filter(|cpe| is_locator(cpe)).map(|cpe| ExternalRef {
        category: "SECURITY",
        kind: "cpe23Type",
        locator: cpe.clone(),
        comment: None,
    }));
    external_refs.extend(advisories(image, at));
    let concluded = u32::try_from(at).ok().and_then(|at| image.concluded.get(&PackageId(at)));
    let concluded = concluded.and_then(|text| canonical(text));
    let homepage = match &package.details {
        PackageDetails::Npm { homepage, .. } => homepage.as_deref().filter(|address| is_address(address)),
        _ => None,
    };
    let fetched_from = package.fetched_from.as_deref().filter(|address| is_address(address));
    let layer = usize::try_from(package.layer).ok().and_then(|at| analysis.layers.get(at));
    let layer = layer.map(|layer| format!(", layer {} ({})", package.layer, layer.diff_id)).unwrap_or_default();
    let remarks = image.remarks(at, package);
    let facts = PackageFacts::of(u32::try_from(at).unwrap_or(u32::MAX), package);
    document::Package {
        version_info: Some(one_line(&package.version)).filter(|version| !version.is_empty()),
        supplier: supplier(package),
        download_location: fetched_from.unwrap_or(NOTHING).to_owned(),
        checksums: checksums(image, package),
        homepage: homepage.map(str::to_owned),
        source_info: Some(format!(
            "{}: found by {} in {}{layer}",
            package.evidence.name(),
            package.cataloger,
            one_line(&package.virtual_path())
        )),
        license_concluded: concluded.unwrap_or_else(|| NOTHING.to_owned()),
        license_declared: licenses.declared(package).unwrap_or_else(|| NOTHING.to_owned()),
        comment: (!remarks.is_empty()).then(|| remarks.join("; ")),
        external_refs,
        primary_package_purpose: Some(match package.kind {
            PackageKind::Binary => "APPLICATION",
            _ => "LIBRARY",
        }),
        annotations: vec![annotation(image, PACKAGE_FACTS, &facts.text())],
        ..unknown(image.package_name(at, package), &package.name)
    }
}

/// What a package was built from. Its package URL is that of the package, of the architecture of sources.
pub(super) fn source(
    id: String,
    source: &SourcePackage,
    built: &Package,
    distribution: Option<&Distribution>,
) -> document::Package {
    let architecture = match built.kind {
        PackageKind::Rpm => Some("src"),
        PackageKind::Deb => Some("source"),
        _ => None,
    };
    let itself = Package {
        architecture: architecture.map(str::to_owned),
        distribution: built.distribution.clone(),
        ..Package::new(built.kind, &source.name, &source.version, built.location.clone())
    };
    document::Package {
        version_info: Some(one_line(&source.version)).filter(|version| !version.is_empty()),
        external_refs: vec![purl_reference(purl(&itself, distribution))],
        primary_package_purpose: Some("SOURCE"),
        ..unknown(id, &source.name)
    }
}

pub(super) fn file(id: String, file: &FileEntry) -> document::File {
    let mut checksums = Vec::new();
    let mut add = |algorithm, raw: Option<&[u8]>| {
        checksums.extend(raw.map(|raw| Checksum { algorithm, value: hex(raw) }));
    };
    add("SHA1", file.sha1.as_deref().map(<[u8; 20]>::as_slice));
    add("SHA256", file.sha256.as_ref().map(<[u8; 32]>::as_slice));
    add("MD5", file.md5.as_ref().map(<[u8; 16]>::as_slice));
    document::File {
        id,
        name: format!(".{}", one_line(&file.path.to_string())),
        checksums,
        license_concluded: NOTHING,
        license_info_in_files: [NOTHING],
        copyright_text: NOTHING,
    }
}

/// Where to read what is known to be wrong with it, each address once.
fn advisories(image: &Image<'_>, at: usize) -> Vec<ExternalRef> {
    let mut references: Vec<ExternalRef> = Vec::new();
    // Matches are in the order of packages.
    let all = image.report.matches.map(|matches| matches.matches.as_slice()).unwrap_or_default();
    let start = all.partition_point(|found| (found.package.0 as usize) < at);
    for found in all.iter().skip(start).take_while(|found| found.package.0 as usize == at) {
        let Some(url) = found.url.as_deref().filter(|url| is_address(url)) else { continue };
        if references.iter().all(|reference| reference.locator != url) {
            references.push(ExternalRef {
                category: "SECURITY",
                kind: "advisory",
                locator: url.to_owned(),
                comment: Some(format!("{} ({})", one_line(&found.vulnerability), found.severity)),
            });
        }
    }
    references
}

/// `Organization: Red Hat, Inc.` of who builds packages, `Person: A (a@b.example)` of who maintains one.
fn supplier(package: &Package) -> Option<String> {
    let text = one_line(package.origin.as_deref()?);
    let (name, address) = match text.split_once('<') {
        Some((name, rest)) => (name, rest.split('>').next().filter(|address| address.contains('@'))),
        None => (text.as_str(), None),
    };
    // Parentheses are for the address.
    let name = name.replace(['(', ')'], " ");
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = if name.is_empty() { address.unwrap_or_default().to_owned() } else { name };
    if name.is_empty() {
        return None;
    }
    let kind = if package.kind == PackageKind::Rpm { "Organization" } else { "Person" };
    let address = address.map(|address| format!(" ({})", address.trim())).unwrap_or_default();
    Some(format!("{kind}: {name}{address}"))
}

/// Digests of the package itself: what its registry gives, or those of the file that it is.
fn checksums(image: &Image<'_>, package: &Package) -> Vec<Checksum> {
    let declared = match &package.details {
        PackageDetails::Apk { checksum, .. } | PackageDetails::Published { checksum, .. } => checksum.as_ref(),
        _ => None,
    };
    let declared = declared.and_then(|(algorithm, value)| {
        let (algorithm, digits) = match algorithm.to_ascii_lowercase().as_str() {
            "md5" => ("MD5", 32),
            "sha1" => ("SHA1", 40),
            "sha224" => ("SHA224", 56),
            "sha256" => ("SHA256", 64),
            "sha384" => ("SHA384", 96),
            "sha512" => ("SHA512", 128),
            _ => return None,
        };
        let is_hex = value.len() == digits && value.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| Checksum { algorithm, value: value.to_ascii_lowercase() })
    });
    let is_file = matches!(package.kind, PackageKind::Java | PackageKind::Binary) && package.nested.is_empty();
    let file = image.analysis().file(package.location.as_bytes()).filter(|_| is_file);
    let file = file.and_then(|file| file.sha256.as_ref());
    let file = file.map(|raw| Checksum { algorithm: "SHA256", value: hex(raw) });
    declared.into_iter().chain(file).collect()
}

fn hex(raw: &[u8]) -> String {
    raw.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a text can be a locator: those have no blanks.
fn is_locator(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_address(text: &str) -> bool {
    let schemes = ["https://", "http://", "git+https://", "git+http://", "git+ssh://", "git://", "ssh://", "ftp://"];
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    is_locator(text) && rest.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphanumeric()))
}
