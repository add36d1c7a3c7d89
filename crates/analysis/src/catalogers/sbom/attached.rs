//! SBOMs that are attached to an image: documents of their own, or what an attestation says of it.

use std::collections::HashSet;

use killick_model::attachment::SbomFormat;
use killick_model::package::Package;
use killick_model::path::ImagePath;
use killick_model::purl::purl;
use serde::Deserialize;

use super::lenient::Maybe;
use super::{Document, MAX_CLAIMS, claim, cyclonedx, tag_value};
use crate::catalogers::{Found, WantedFile, xml};
use crate::limits::Limits;

/// What an attached SBOM claims.
#[derive(Debug, Default)]
pub(crate) struct AttachedSbom {
    /// Nothing, if it is in none that is read.
    pub(crate) format: Option<SbomFormat>,
    /// Its packages, each once.
    pub(crate) packages: Vec<Package>,
    /// Those that nothing says which package they are of.
    pub(crate) nameless: usize,
    /// Those beyond what is kept.
    pub(crate) left_out: usize,
}

/// An in-toto statement whose predicate is an SBOM in JSON.
#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    predicate: Maybe<Document>,
}

/// One whose predicate is a text: SPDX as tags and values.
#[derive(Deserialize)]
struct TextStatement {
    predicate: String,
}

/// Reads an SBOM, found at `location`.
pub(crate) fn read(bytes: &[u8], location: &ImagePath, limits: &Limits) -> AttachedSbom {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let claims = if start.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<Document>(start).ok().and_then(Document::claims)
    } else if start.trim_ascii_start().starts_with(b"<") {
        // What is wrong with it is told as its being of no format that is read.
        let (file, mut found) = (WantedFile::whole(location, bytes, limits), Found::default());
        let root =
            xml::read(&file, &mut found).filter(|_| memchr::memmem::find(start, cyclonedx::xml::NAMESPACE).is_some());
        root.map(|root| (SbomFormat::CycloneDx, cyclonedx::xml::claims(&root)))
    } else {
        of_text(&String::from_utf8_lossy(start))
    };
    packages(claims, location)
}

/// Reads the SBOM that an in-toto statement says of its subject.
pub(crate) fn read_statement(bytes: &[u8], location: &ImagePath) -> AttachedSbom {
    let statement = serde_json::from_slice::<Statement>(bytes).ok();
    let claims = statement.and_then(|statement| statement.predicate.0?.claims());
    let text = || of_text(&serde_json::from_slice::<TextStatement>(bytes).ok()?.predicate);
    packages(claims.or_else(text), location)
}

fn of_text(text: &str) -> Option<(SbomFormat, Vec<claim::Claim>)> {
    text.contains("SPDXVersion:").then(|| (SbomFormat::Spdx, tag_value::claims(text)))
}

fn packages(claims: Option<(SbomFormat, Vec<claim::Claim>)>, location: &ImagePath) -> AttachedSbom {
    let mut sbom = AttachedSbom::default();
    let Some((format, claims)) = claims else { return sbom };
    sbom.format = Some(format);
    let mut seen = HashSet::new();
    for claim in claims {
        if sbom.packages.len() >= MAX_CLAIMS {
            sbom.left_out += 1;
            continue;
        }
        match claim.into_package(location) {
            Ok(package) => {
                if seen.insert(purl(&package, None)) {
                    sbom.packages.push(package);
                }
            }
            Err(claim::NoPackage::Nameless) => sbom.nameless += 1,
            Err(claim::NoPackage::OfAnotherKind) => {}
        }
    }
    sbom
}
