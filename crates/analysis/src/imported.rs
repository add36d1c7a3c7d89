//! An analysis that somebody else made: what Syft's JSON (<https://github.com/anchore/syft/tree/main/schema/json>) says
//! of an image, with the image's own documents.
//!
//! Clients of the v1 API upload it in place of an image that a service cannot reach. Older documents and newer ones are
//! read alike: licences and CPE names as texts or as objects, the distribution by name or by id. What the document says
//! is taken for what is installed, because there is nothing else; files and what is in them it does not tell.

mod artifact;
mod claimed;
mod fidelity;
mod sbom;
mod shape;

use std::collections::HashMap;

use killick_model::analysis::{Analysis, LayerSummary};
use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::image::ImageConfig;
use killick_model::inspection::Inspection;
use killick_model::package::{Package, PackageId};
use killick_model::problem::Problem;
use killick_model::sbom::IMAGE_FACTS;
use serde::Deserialize;

use crate::analyze;
use crate::catalogers::sbom::lenient::{List, Maybe, Number, Pairs, Split, Text};
use crate::catalogers::sbom::told::About;
use fidelity::Measured;

pub use sbom::{SbomError, read_sbom};
pub use shape::{ShapeError, check};

/// What the image's own documents say.
#[derive(Debug, Clone)]
pub struct Documents {
    /// The image's digest.
    pub manifest_digest: Digest,
    /// Digest of the index it was chosen from.
    pub index_digest: Option<Digest>,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// The configuration.
    pub config: ImageConfig,
    /// Layers, lowest first.
    pub layers: Vec<LayerSummary>,
    /// What could not be read of them.
    pub problems: Vec<Problem>,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The analysis.
    pub analysis: Analysis,
    /// Bytes of its layers as they are stored, or what the document says where no layers are known: there are no files to
    /// count.
    pub size_bytes: u64,
}

/// Why a document cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is no JSON, or far too much of it.
    #[error("the list of packages cannot be read")]
    Packages(#[source] serde_json::Error),
    /// It lists more packages than an image may have.
    #[error("the document lists more packages than the limit `limit-packages` of {limit}")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    artifacts: List<artifact::Artifact>,
    #[serde(default, rename = "artifactRelationships")]
    relationships: List<Relationship>,
    #[serde(default)]
    distro: Maybe<Distro>,
    #[serde(default)]
    source: Maybe<Source>,
    #[serde(default)]
    descriptor: Maybe<Descriptor>,
    #[serde(default)]
    schema: Maybe<Descriptor>,
}

/// What wrote the document, or the form that it has.
#[derive(Deserialize)]
struct Descriptor {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
}

#[derive(Deserialize)]
struct Relationship {
    #[serde(default)]
    parent: Text,
    #[serde(default)]
    child: Text,
    #[serde(default, rename = "type")]
    kind: Text,
}

#[derive(Deserialize)]
struct Distro {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default, rename = "versionID")]
    version_id: Text,
    #[serde(default, rename = "versionCodename")]
    codename: Text,
    #[serde(default, rename = "prettyName")]
    pretty_name: Text,
    #[serde(default, rename = "idLike")]
    like: Split,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    target: Maybe<Target>,
    #[serde(default)]
    metadata: Maybe<Target>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default, rename = "imageSize")]
    image_size: Number,
    #[serde(default, rename = "manifestDigest")]
    manifest_digest: Text,
    #[serde(default, rename = "imageID")]
    image_id: Text,
    #[serde(default)]
    architecture: Text,
    #[serde(default)]
    os: Text,
    #[serde(default)]
    layers: List<Layer>,
    #[serde(default)]
    annotations: Pairs,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(default)]
    digest: Text,
}

/// How a package and what belongs to it are related.
const OWNS: &str = "ownership-by-file-overlap";

/// Makes an analysis of Syft's JSON and of what the image's documents say, with so many packages at most.
pub fn read(packages: &[u8], documents: Documents, max_packages: usize) -> Result<Imported, ImportError> {
    let document = Document::read(packages).map_err(ImportError::Packages)?;
    let said_size = document.source.0.as_ref().and_then(Source::size);
    let stored = documents.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
    let size_bytes = if documents.layers.is_empty() { said_size.unwrap_or(0) } else { stored };
    let analysis = made(document, documents, max_packages, None)?;
    Ok(Imported { analysis, size_bytes })
}

/// Makes an analysis of what was read. What it tells of packages is counted if somebody wants to know.
fn made(
    document: Document,
    documents: Documents,
    max_packages: usize,
    mut measured: Option<&mut Measured>,
) -> Result<Analysis, ImportError> {
    if document.artifacts.0.len() > max_packages {
        return Err(ImportError::TooMany { limit: max_packages });
    }
    let mut problems = documents.problems;
    let layers: HashMap<String, u32> =
        (0..).zip(&documents.layers).map(|(index, layer)| (layer.diff_id.to_string(), index)).collect();
    let mut said = None;
    let (mut found, mut unknown) = (Vec::new(), 0_usize);
    for artifact in document.artifacts.0 {
        let id = artifact.id.0.clone();
        let told = artifact.told();
        match artifact.into_package(&layers) {
            Some((package, distribution)) => {
                said = said.or(distribution);
                if let Some(measured) = measured.as_mut() {
                    measured.add(told);
                }
                found.push((package, id));
            }
            None => unknown += 1,
        }
    }
    if unknown > 0 {
        let message = format!("{unknown} entries without a name, or of no known kind of package, skipped");
        problems.push(Problem::new("unidentified-package", "packages", message));
        if let Some(measured) = measured {
            measured.nameless = unknown;
        }
    }
    found.sort_by(|(one, _), (other, _)| analyze::order(one, other));
    let owns = document.relationships.0.iter().filter(|relationship| relationship.kind.is(OWNS));
    let packages = owned(found, owns.filter_map(|owns| Some((owns.parent.0.as_deref()?, owns.child.0.as_deref()?))));
    problems.sort();
    problems.dedup();
    Ok(Analysis {
        manifest_digest: documents.manifest_digest,
        index_digest: documents.index_digest,
        config_digest: documents.config_digest,
        config: documents.config,
        layers: documents.layers,
        distribution: document.distro.0.and_then(Distro::into_distribution).or(said),
        packages,
        files: Vec::new(),
        inspection: Inspection::default(),
        attachments: Vec::new(),
        sbom: None,
        problems,
    })
}

impl Document {
    fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// What the document says of itself and of the image.
    fn about(&self) -> About {
        let text = |text: &Text| text.0.clone().filter(|text| !text.is_empty());
        let tool = self.descriptor.0.as_ref().and_then(|tool| {
            let version = text(&tool.version).map(|version| format!(" {version}")).unwrap_or_default();
            Some(text(&tool.name)? + &version)
        });
        let mut about = About {
            version: self.schema.0.as_ref().and_then(|schema| text(&schema.version)),
            tool,
            has_no_time: true,
            images: 1,
            ..About::default()
        };
        let Some(target) =
            self.source.0.as_ref().and_then(|source| source.target.0.as_ref().or(source.metadata.0.as_ref()))
        else {
            return about;
        };
        about.digest = text(&target.manifest_digest);
        about.config_digest = text(&target.image_id);
        about.platform =
            text(&target.os).zip(text(&target.architecture)).map(|(os, processor)| format!("{os}/{processor}"));
        about.layers = target.layers.0.iter().filter_map(|layer| layer.digest.0.clone()).collect();
        about.facts = target.annotations.get(IMAGE_FACTS).map(str::to_owned);
        about
    }
}

/// Sets the owner of packages whose files another package brought: of each pair of names the first.
fn owned<'a>(found: Vec<(Package, Option<String>)>, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<Package> {
    let mut places: HashMap<&str, u32> = HashMap::new();
    for (index, (_, id)) in (0..).zip(&found) {
        if let Some(id) = id {
            places.entry(id).or_insert(index);
        }
    }
    let is_os = |index: u32| {
        usize::try_from(index).ok().and_then(|at| found.get(at)).is_some_and(|(found, _)| found.kind.is_os())
    };
    let mut owners: HashMap<u32, u32> = HashMap::new();
    for (parent, child) in pairs {
        if let (Some(&parent), Some(&child)) = (places.get(parent), places.get(child))
            && is_os(parent)
            && !is_os(child)
        {
            owners.entry(child).or_insert(parent);
        }
    }
    let with_owner = |(index, (package, _)): (u32, (Package, Option<String>))| Package {
        owner: owners.get(&index).copied().map(PackageId),
        ..package
    };
    (0..).zip(found).map(with_owner).collect()
}

impl Source {
    fn size(&self) -> Option<u64> {
        let of = |target: &Maybe<Target>| target.0.as_ref().and_then(|target| target.image_size.0);
        of(&self.target).or(of(&self.metadata))
    }
}

impl Distro {
    /// Newer documents have an id beside a name for people; older ones have the id as the name.
    fn into_distribution(self) -> Option<Distribution> {
        let stated = |text: Text| text.0.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let id = stated(self.id).or_else(|| stated(self.name).map(|name| name.to_lowercase()))?;
        Some(Distribution {
            id: if id == "redhat" { "rhel".to_owned() } else { id },
            version: stated(self.version_id).or_else(|| stated(self.version)),
            codename: stated(self.codename),
            like: self.like.0,
            pretty_name: stated(self.pretty_name),
            ..Distribution::default()
        })
    }
}

#[cfg(test)]
mod tests;
