//! SBOMs inside images: documents that say what is there, as their makers left them beside what they built.
//!
//! CycloneDX in JSON and XML (<https://cyclonedx.org/specification/overview/>), SPDX 2 in JSON and as tags and values
//! (<https://spdx.github.io/spdx-spec/v2.3/>), SPDX 3 in JSON, and Syft's own JSON. The format is told by the content: a
//! file may be called `bom.json` for any reason. What a document says is a claim: a package whose files or record are
//! there is told by its own cataloger, and the claim adds nothing to it.

pub(crate) mod attached;
pub(crate) mod claim;
mod cyclonedx;
pub(crate) mod lenient;
mod properties;
pub(super) mod spdx;
mod syft;
pub(super) mod tag_value;
pub(crate) mod told;

use std::collections::HashSet;

use killick_model::attachment::SbomFormat;
use killick_model::package::{PackageEvidence, PackageKind};
use killick_model::problem::Problem;
use killick_model::purl::purl;
use serde::Deserialize;

use crate::catalogers::sbom::claim::Claim;
use crate::catalogers::sbom::lenient::{List, Maybe, Text};
use crate::catalogers::sbom::told::{About, Told};
use crate::catalogers::{Cataloger, Found, Image, Joined, WantedFile, Wants, document, xml};

/// Packages of one document. That of a whole distribution has some ten thousands.
const MAX_CLAIMS: usize = 100_000;

/// How far into a document its format shows.
const HEAD_BYTES: usize = 4096;

/// Finds the packages that documents claim.
pub(crate) struct Sbom;

impl Cataloger for Sbom {
    fn name(&self) -> &'static str {
        "sbom"
    }

    fn revision(&self) -> u32 {
        3
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Binary]
    }

    fn wants(&self) -> Wants {
        Wants {
            globs: &[
                "**/*.cdx.json",
                "**/*.cdx.xml",
                "**/*.cyclonedx.json",
                "**/*.cyclonedx.xml",
                "**/*.spdx.json",
                "**/*.syft.json",
                "**/*.spdx",
                "**/*.spdx.tv",
                "**/*{bom,BOM}.{json,xml}",
                "**/{sbom,SBOM}*.{json,xml}",
                "**/*.sbom",
                // What wheels say of the libraries that were copied into them (PEP 770).
                "**/*.dist-info/sboms/*",
                "usr/local/share/sbom/**",
                "usr/share/sbom/**",
                "usr/lib/**/sbom/*",
                "var/lib/db/sbom/*",
            ],
            executables: &[],
        }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        // Bitnami's are the records of its packages, which have a cataloger of their own.
        if file.path.as_bytes().starts_with(b"opt/bitnami/") && file.path.file_name().starts_with(b".spdx-") {
            return;
        }
        let claims = claims(file, found);
        let (mut nameless, mut left_out) = (0_usize, 0_usize);
        let mut seen = HashSet::new();
        for claim in claims {
            if found.packages.len() >= MAX_CLAIMS {
                left_out += 1;
                continue;
            }
            match claim.into_package(file.path) {
                Ok(package) => {
                    if seen.insert(purl(&package, None)) {
                        found.packages.push(package);
                    }
                }
                Err(claim::NoPackage::Nameless) => nameless += 1,
                Err(claim::NoPackage::OfAnotherKind) => {}
            }
        }
        let mut problem = |kind, message| found.problems.push(Problem::new(kind, file.path.to_string(), message));
        if nameless > 0 {
            problem(
                "unidentified-package",
                format!("{nameless} packages have no package URL, CPE or version, skipped"),
            );
        }
        if left_out > 0 {
            problem("limit-packages", format!("{left_out} packages are left out"));
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        // The same document often lies there in several formats; the lowest brought its claims.
        let mut seen = HashSet::new();
        let mut documents: Vec<_> = image.found.iter().collect();
        documents.sort_by_key(|(_, layer, _)| *layer);
        for (path, layer, found) in documents {
            let first = joined.packages.len();
            joined.take(self.name(), path, *layer, found);
            let mut packages = joined.packages.split_off(first);
            packages.retain(|package| seen.insert(purl(package, None)));
            joined.packages.append(&mut packages);
        }
    }
}

/// Everything of interest in any of the JSON formats; a document has the part of its own.
#[derive(Deserialize)]
struct Document {
    #[serde(default, rename = "bomFormat")]
    bom_format: Text,
    #[serde(default, rename = "specVersion")]
    spec_version: Text,
    #[serde(default)]
    metadata: Maybe<cyclonedx::Metadata>,
    #[serde(default)]
    components: List<cyclonedx::Component>,
    #[serde(default)]
    dependencies: List<cyclonedx::Dependency>,
    #[serde(default, rename = "spdxVersion")]
    spdx_version: Text,
    #[serde(default, rename = "creationInfo")]
    creation: Maybe<spdx::Creation>,
    #[serde(default)]
    packages: List<spdx::Package>,
    #[serde(default)]
    relationships: List<spdx::Relationship>,
    #[serde(default, rename = "@graph")]
    graph: List<spdx::Element>,
    #[serde(default)]
    artifacts: List<syft::Artifact>,
    #[serde(default)]
    descriptor: Maybe<syft::Descriptor>,
}

impl Document {
    /// What it claims, if it is an SBOM.
    fn claims(self) -> Option<(SbomFormat, Vec<Claim>)> {
        self.told().map(|(format, told)| (format, told.claims))
    }

    /// The same, and what it says besides.
    fn told(self) -> Option<(SbomFormat, Told)> {
        let spdx = self.spdx_version.0.as_deref().and_then(|version| version.strip_prefix("SPDX-"));
        if self.bom_format.is("CycloneDX") {
            let bom = cyclonedx::Bom {
                version: self.spec_version.0,
                metadata: self.metadata.0.unwrap_or_default(),
                components: self.components,
                dependencies: self.dependencies,
            };
            Some((SbomFormat::CycloneDx, cyclonedx::told(bom)))
        } else if let Some(version) = spdx {
            let version = version.to_owned();
            let creation = self.creation.0.unwrap_or_default();
            Some((SbomFormat::Spdx, spdx::told(version, creation, self.packages, &self.relationships)))
        } else if !self.graph.0.is_empty() {
            let about = About { version: Some("3".to_owned()), ..About::default() };
            Some((SbomFormat::Spdx, Told { claims: spdx::graph_claims(self.graph), about }))
        } else if let Some(descriptor) = self.descriptor.0.filter(syft::Descriptor::is_known) {
            let about = About { tool: descriptor.tool(), ..About::default() };
            Some((SbomFormat::Syft, Told { claims: syft::claims(self.artifacts), about }))
        } else {
            None
        }
    }
}

/// What a document claims. A file that is no SBOM claims nothing, and a problem says so if its name promises one.
fn claims(file: &WantedFile<'_>, found: &mut Found) -> Vec<Claim> {
    let head = file.bytes.get(..HEAD_BYTES).unwrap_or(file.bytes);
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    if start.starts_with(b"{") {
        return json(file, found);
    }
    if start.starts_with(b"<") && memchr::memmem::find(head, cyclonedx::xml::NAMESPACE).is_some() {
        return xml::read(file, found).map(|root| cyclonedx::xml::claims(&root)).unwrap_or_default();
    }
    if memchr::memmem::find(head, b"SPDXVersion:").is_some() {
        return document::text(file, found).map(|text| tag_value::claims(&text)).unwrap_or_default();
    }
    if start.starts_with(b"<") && is_promised(file) {
        unknown_format(file, found);
    }
    Vec::new()
}

fn json(file: &WantedFile<'_>, found: &mut Found) -> Vec<Claim> {
    let mut problems = Found::default();
    let document = document::json::<Document>(file, &mut problems);
    let claims = document.and_then(Document::claims).map(|(_, claims)| claims);
    if is_promised(file) {
        found.problems.append(&mut problems.problems);
        if claims.is_none() && found.problems.is_empty() {
            unknown_format(file, found);
        }
    }
    claims.unwrap_or_default()
}

/// Whether the name says that the file is an SBOM.
fn is_promised(file: &WantedFile<'_>) -> bool {
    let promises = [b".cdx.".as_slice(), b".cyclonedx.", b".spdx", b".syft.", b"sbom"];
    let name = file.path.as_bytes().to_ascii_lowercase();
    promises.iter().any(|word| memchr::memmem::find(&name, word).is_some())
}

fn unknown_format(file: &WantedFile<'_>, found: &mut Found) {
    let message = "neither CycloneDX nor SPDX nor Syft's JSON";
    found.problems.push(Problem::new("unknown-format", file.path.to_string(), message));
}

/// Marks a package as claimed.
const CLAIMED: PackageEvidence = PackageEvidence::Claimed;

#[cfg(test)]
mod tests;
