//! An analysis that is made of nothing but an SBOM: CycloneDX, SPDX, Syft's JSON, or a report of our own.
//!
//! What the document says is taken for what is installed, because there is nothing else. How much that is, its fidelity
//! tells; what no SBOM answers stands among the problems. The readers are those of SBOMs inside images.

use std::collections::HashMap;

use killick_model::analysis::{Analysis, LayerSummary};
use killick_model::attachment::SbomFormat;
use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::hint::Hint;
use killick_model::image::{ImageConfig, Platform};
use killick_model::inspection::Inspection;
use killick_model::package::{Package, PackageEvidence};
use killick_model::problem::Problem;
use killick_model::sbom::{ImageFacts, NOT_ANALYZED, REPORT, SbomOrigin};
use serde::Deserialize;

use super::fidelity::{self, Measured, fidelity};
use super::{Documents, ImportError, artifact, claimed, owned};
use crate::catalogers::sbom::claim::{Claim, NoPackage};
use crate::catalogers::sbom::told::{self, About, NotRead, Told};
use crate::{analyze, claims};

/// Versions of each format that are read.
const CYCLONEDX: &[&str] = &["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];
const SPDX: &[&str] = &["2.0", "2.1", "2.2", "2.3", "3"];

/// The layout of our own reports.
const REPORT_VERSION: u32 = 1;

/// Why no analysis can be made of a document.
#[derive(Debug, thiserror::Error)]
pub enum SbomError {
    /// There is nothing in it.
    #[error("the document is empty")]
    Empty,
    /// It is something else.
    #[error("this is no SBOM: neither CycloneDX nor SPDX nor Syft's JSON nor a report of `scan -o json`")]
    NoSbom,
    /// It ends too soon.
    #[error("the SBOM ends before it is complete")]
    Cut(#[source] serde_json::Error),
    /// It is broken, or far too much.
    #[error("the SBOM is no valid JSON, or more than is read")]
    Json(#[source] serde_json::Error),
    /// The same in XML.
    #[error("the SBOM is no valid XML, or more than is read: {0}")]
    Xml(String),
    /// Nobody knows yet how to read it.
    #[error("{} {version} cannot be read: known are {known}", format.title())]
    UnknownVersion {
        /// The format.
        format: SbomFormat,
        /// Its version.
        version: String,
        /// The versions that are read.
        known: String,
    },
    /// It is about several.
    #[error("the SBOM tells of {count} images, and this needs one")]
    SeveralImages {
        /// How many.
        count: usize,
    },
    /// It lists more than an image may have.
    #[error("the SBOM lists more packages than the limit `limit-packages` of {limit}")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// It contradicts itself.
    #[error("the report speaks of packages that it does not list")]
    Inconsistent,
}

impl Hint for SbomError {
    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Empty => "see whether the tool that should have written it failed",
                Self::NoSbom => "write one of an image with `killick sbom IMAGE -o cyclonedx-json=FILE`",
                Self::Cut(_) => "get the whole document; see whether the disk was full or the download broke off",
                Self::SeveralImages { .. } => "write an SBOM of each image, with `--platform OS/ARCHITECTURE`",
                Self::TooMany { .. } => "if all of them are meant, raise it with `--limit packages=NUMBER`",
                Self::UnknownVersion { .. } => "have the tool that wrote it write one of these versions",
                Self::Json(_) | Self::Xml(_) | Self::Inconsistent => return None,
            }
            .to_owned(),
        )
    }
}

/// Makes an analysis of a document, with so many packages at most.
pub fn read_sbom(bytes: &[u8], max_packages: usize) -> Result<Analysis, SbomError> {
    if bytes.trim_ascii().is_empty() {
        return Err(SbomError::Empty);
    }
    match told::read(bytes) {
        Ok((format, told)) => made(format, told, bytes, max_packages),
        Err(NotRead::Syft) => syft(bytes, max_packages),
        Err(NotRead::Json(error)) => Err(json(error)),
        Err(NotRead::Xml(reason)) => Err(SbomError::Xml(reason)),
        Err(NotRead::Unknown) => report(bytes, max_packages),
    }
}

fn json(error: serde_json::Error) -> SbomError {
    if error.is_eof() { SbomError::Cut(error) } else { SbomError::Json(error) }
}

/// What all analyses have that were read from an SBOM.
fn finished(mut analysis: Analysis, origin: SbomOrigin) -> Analysis {
    let message = "an SBOM tells nothing of files and what is in them, of settings and of build steps: they were not \
                   analyzed";
    analysis.problems.push(Problem::new(NOT_ANALYZED, "SBOM", message));
    analysis.problems.sort();
    analysis.problems.dedup();
    analysis.sbom = Some(origin);
    analysis
}

fn made(format: SbomFormat, told: Told, bytes: &[u8], max_packages: usize) -> Result<Analysis, SbomError> {
    let Told { claims, about } = told;
    check_version(format, about.version.as_deref())?;
    if about.images > 1 {
        return Err(SbomError::SeveralImages { count: about.images });
    }
    if claims.len() > max_packages {
        return Err(SbomError::TooMany { limit: max_packages });
    }
    let facts = about.facts.as_deref().and_then(|text| serde_json::from_str::<ImageFacts>(text).ok());
    let mut head = Head::of(facts, &about, bytes);
    let layers: HashMap<String, u32> = (0..)
        .zip(&head.layers)
        .flat_map(|(at, layer)| [(layer.digest.to_string(), at), (layer.diff_id.to_string(), at)])
        .collect();
    let mut measured = Measured::of(&about, head.is_named);
    let (mut found, mut owners) = (Vec::new(), Vec::new());
    for claim in claims {
        if let Some(facts) = claimed::facts(&claim) {
            let (id, owner) = (facts.id.to_string(), facts.package.owner);
            owners.extend(owner.map(|owner| (owner.0.to_string(), id.clone())));
            measured.add(fidelity::Told { is_own: true, ..fidelity::Told::default() });
            found.push((Package { owner: None, files: Vec::new(), ..facts.package }, Some(id)));
            continue;
        }
        let Claim { id, hints, version, .. } = &claim;
        let (id, may_be_none) = (id.clone(), hints.is_group && version.is_none());
        let (has_purl, has_place) = (claim.purl.is_some(), hints.location.is_some());
        let told = fidelity::Told { is_own: false, has_purl, has_place };
        match claimed::package(claim, &layers) {
            Ok(package) => {
                measured.add(told);
                found.push((package, id));
            }
            Err(NoPackage::Nameless) if has_purl => measured.versionless += 1,
            Err(NoPackage::Nameless) if !may_be_none => measured.nameless += 1,
            Err(_) => {}
        }
    }
    if head.distribution.is_none() {
        head.distribution = claimed::usual_distribution(found.iter().map(|(package, _)| package));
    }
    let mut packages = found;
    let foreign = packages
        .iter_mut()
        .map(|(package, _)| package)
        .filter(|package| package.evidence == PackageEvidence::Claimed && package.cataloger == artifact::CATALOGER);
    for package in foreign {
        claims::settle(std::slice::from_mut(package), head.distribution.as_ref());
        package.evidence = PackageEvidence::Installed;
    }
    packages.sort_by(|(one, _), (other, _)| analyze::order(one, other));
    // Some tools list a package once for each file that asks for it, and say no place.
    packages
        .dedup_by(|(one, _), (other, _)| one.cataloger == artifact::CATALOGER && analyze::order(one, other).is_eq());
    let all = owners.iter().chain(&about.held);
    let packages = owned(packages, all.map(|(owner, owned)| (owner.as_str(), owned.as_str())));
    let mut problems = Vec::new();
    let skipped = measured.nameless + measured.versionless;
    if skipped > 0 {
        let message = format!("{skipped} entries have no package URL, CPE or version, skipped");
        problems.push(Problem::new("unidentified-package", "SBOM", message));
    }
    let fidelity = fidelity(&measured, head.distribution.as_ref(), &packages);
    let origin = SbomOrigin { format, version: about.version, tool: about.tool, created: about.created, fidelity };
    Ok(finished(Analysis { packages, problems, ..head.into_analysis() }, origin))
}

fn check_version(format: SbomFormat, version: Option<&str>) -> Result<(), SbomError> {
    let known = match format {
        SbomFormat::CycloneDx => CYCLONEDX,
        SbomFormat::Spdx => SPDX,
        SbomFormat::Syft => return Ok(()),
    };
    match version {
        Some(version) if !known.contains(&version) => {
            let version = version.chars().take(20).collect();
            Err(SbomError::UnknownVersion { format, version, known: known.join(", ") })
        }
        _ => Ok(()),
    }
}

/// What is known of the image itself.
struct Head {
    /// Whether the digest is the image's, and not that of the document in its place.
    is_named: bool,
    manifest_digest: Digest,
    index_digest: Option<Digest>,
    config_digest: Digest,
    config: ImageConfig,
    layers: Vec<LayerSummary>,
    distribution: Option<Distribution>,
}

impl Head {
    fn of(facts: Option<ImageFacts>, about: &About, bytes: &[u8]) -> Self {
        if let Some(facts) = facts {
            let ImageFacts { os, architecture, variant, created, .. } = facts;
            return Self {
                is_named: true,
                manifest_digest: facts.manifest_digest,
                index_digest: facts.index_digest,
                config_digest: facts.config_digest,
                config: ImageConfig { os, architecture, variant, created, ..ImageConfig::default() },
                layers: facts.layers,
                distribution: facts.distribution,
            };
        }
        let read = |text: &Option<String>| text.as_deref().and_then(|text| text.trim().parse::<Digest>().ok());
        let (manifest, config) = (read(&about.digest), read(&about.config_digest));
        // The document is then all that tells the image from others.
        let own = || Digest::of(bytes);
        let platform = about.platform.as_deref().and_then(|text| text.parse::<Platform>().ok());
        let layers = about.layers.iter().filter_map(|text| text.trim().parse::<Digest>().ok());
        let layer = |digest: Digest| LayerSummary {
            diff_id: digest.clone(),
            digest,
            media_type: String::new(),
            size: 0,
            created_by: None,
        };
        Self {
            is_named: manifest.is_some() || config.is_some(),
            manifest_digest: manifest.or_else(|| config.clone()).unwrap_or_else(own),
            index_digest: None,
            config_digest: config.unwrap_or_else(own),
            config: platform.map_or_else(ImageConfig::default, |platform| ImageConfig {
                os: platform.os,
                architecture: platform.architecture,
                variant: platform.variant,
                ..ImageConfig::default()
            }),
            layers: layers.map(layer).collect(),
            distribution: about.distribution.clone().map(claimed::in_our_words),
        }
    }

    fn into_analysis(self) -> Analysis {
        Analysis {
            manifest_digest: self.manifest_digest,
            index_digest: self.index_digest,
            config_digest: self.config_digest,
            config: self.config,
            layers: self.layers,
            distribution: self.distribution,
            packages: Vec::new(),
            files: Vec::new(),
            inspection: Inspection::default(),
            attachments: Vec::new(),
            sbom: None,
            problems: Vec::new(),
        }
    }
}

/// Syft's JSON, whose own reader knows all of its members.
fn syft(bytes: &[u8], max_packages: usize) -> Result<Analysis, SbomError> {
    let document = super::Document::read(bytes).map_err(json)?;
    let about = document.about();
    let facts = about.facts.as_deref().and_then(|text| serde_json::from_str::<ImageFacts>(text).ok());
    let is_own = facts.is_some();
    let head = Head::of(facts, &about, bytes);
    let mut measured = Measured::of(&about, head.is_named);
    let distribution = head.distribution.clone();
    let documents = Documents {
        manifest_digest: head.manifest_digest,
        index_digest: head.index_digest,
        config_digest: head.config_digest,
        config: head.config,
        layers: head.layers,
        problems: Vec::new(),
    };
    let imported = super::made(document, documents, max_packages, Some(&mut measured));
    let mut analysis = imported.map_err(|error| match error {
        ImportError::Packages(error) => json(error),
        ImportError::TooMany { limit } => SbomError::TooMany { limit },
    })?;
    if is_own {
        analysis.distribution = distribution;
    }
    let fidelity = fidelity(&measured, analysis.distribution.as_ref(), &analysis.packages);
    let origin =
        SbomOrigin { format: SbomFormat::Syft, version: about.version, tool: about.tool, created: None, fidelity };
    Ok(finished(analysis, origin))
}

/// A report of our own, which has everything, files and what inspectors saw among it.
fn report(bytes: &[u8], max_packages: usize) -> Result<Analysis, SbomError> {
    #[derive(Deserialize)]
    struct Schema {
        name: String,
        version: u32,
    }
    #[derive(Deserialize)]
    struct Named {
        schema: Schema,
    }
    #[derive(Deserialize)]
    struct Report {
        analysis: Analysis,
    }
    let Ok(Named { schema }) = serde_json::from_slice::<Named>(bytes) else { return Err(SbomError::NoSbom) };
    if schema.name != REPORT || schema.version != REPORT_VERSION {
        return Err(SbomError::NoSbom);
    }
    let Report { analysis } = serde_json::from_slice(bytes).map_err(json)?;
    if analysis.packages.len() > max_packages {
        return Err(SbomError::TooMany { limit: max_packages });
    }
    if analysis.is_consistent() { Ok(analysis) } else { Err(SbomError::Inconsistent) }
}
