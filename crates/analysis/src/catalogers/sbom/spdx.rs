//! SPDX: packages, and the relations that say which of them are not there but what others were made of.
//!
//! Version 2 in JSON (<https://spdx.github.io/spdx-spec/v2.3/>) and the elements of version 3
//! (<https://spdx.github.io/spdx-spec/v3.0.1/>).

use std::collections::HashSet;

use serde::Deserialize;

use killick_model::distribution::Distribution;
use killick_model::sbom::{IMAGE_FACTS, PACKAGE_FACTS};

use super::claim::{Claim, Hints};
use super::lenient::{List, Long, Text, Words};
use super::told::{About, Told};

#[derive(Debug, Default, Clone, Deserialize)]
pub(in crate::catalogers) struct Package {
    #[serde(default, rename = "SPDXID")]
    pub(super) id: Text,
    #[serde(default)]
    pub(super) name: Text,
    #[serde(default, rename = "versionInfo")]
    pub(super) version: Text,
    #[serde(default, rename = "licenseDeclared")]
    pub(super) license_declared: Text,
    #[serde(default, rename = "licenseConcluded")]
    pub(super) license_concluded: Text,
    #[serde(default)]
    pub(super) supplier: Text,
    #[serde(default)]
    pub(super) originator: Text,
    #[serde(default, rename = "primaryPackagePurpose")]
    pub(super) purpose: Text,
    #[serde(default, rename = "externalRefs")]
    pub(super) references: List<Reference>,
    #[serde(default, rename = "sourceInfo")]
    pub(super) source_info: Text,
    #[serde(default)]
    pub(super) checksums: List<Checksum>,
    #[serde(default)]
    pub(super) annotations: List<Annotation>,
    #[serde(default, rename = "attributionTexts")]
    pub(super) attributions: Words,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Checksum {
    #[serde(default)]
    pub(super) algorithm: Text,
    #[serde(default, rename = "checksumValue")]
    pub(super) value: Text,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Annotation {
    #[serde(default)]
    pub(super) comment: Long,
}

/// Who made a document, and when.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Creation {
    #[serde(default)]
    pub(super) created: Text,
    #[serde(default)]
    pub(super) creators: Words,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Reference {
    #[serde(default, rename = "referenceType")]
    pub(super) kind: Text,
    #[serde(default, rename = "referenceLocator")]
    pub(super) locator: Text,
}

/// What is kept of a relation. Most, of packages with files, say nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenRelationship")]
pub(in crate::catalogers) enum Relationship {
    /// It says nothing.
    #[default]
    Other,
    /// An element is not there: a source, a tool, a recipe.
    Absent(String),
    /// One element holds another.
    Holds(Box<(String, String)>),
}

#[derive(Deserialize)]
struct WrittenRelationship {
    #[serde(default, rename = "spdxElementId")]
    from: Text,
    #[serde(default, rename = "relationshipType")]
    kind: Text,
    #[serde(default, rename = "relatedSpdxElement")]
    to: Text,
    #[serde(default)]
    comment: Text,
}

impl From<WrittenRelationship> for Relationship {
    fn from(written: WrittenRelationship) -> Self {
        let [from, kind, to] = [written.from, written.kind, written.to].map(|text| text.0.unwrap_or_default());
        match Self::new(&from, &kind, &to) {
            // As Syft tells it, which has no kind for it.
            Self::Other if kind == "OTHER" && written.comment.0.is_some_and(|why| why.starts_with(OVERLAP)) => {
                Self::holds(&from, &to)
            }
            relation => relation,
        }
    }
}

/// What Syft calls that one package has the files of another.
pub(super) const OVERLAP: &str = "ownership-by-file-overlap";

impl Relationship {
    /// The relation between two elements.
    pub(super) fn new(from: &str, kind: &str, to: &str) -> Self {
        match kind {
            "GENERATED_FROM" | "DESCRIBED_BY" => Self::Absent(to.to_owned()),
            "GENERATES"
            | "BUILD_DEPENDENCY_OF"
            | "BUILD_TOOL_OF"
            | "DEV_DEPENDENCY_OF"
            | "DEV_TOOL_OF"
            | "TEST_DEPENDENCY_OF"
            | "TEST_TOOL_OF"
            | "TEST_OF"
            | "DOCUMENTATION_OF" => Self::Absent(from.to_owned()),
            "CONTAINS" => Self::holds(from, to),
            "CONTAINED_BY" => Self::holds(to, from),
            _ => Self::Other,
        }
    }

    /// That one element holds another. Files are no elements of interest, and many.
    pub(super) fn holds(from: &str, to: &str) -> Self {
        if to.starts_with("SPDXRef-File") {
            Self::Other
        } else {
            Self::Holds(Box::new((from.to_owned(), to.to_owned())))
        }
    }
}

/// What packages with these relations claim.
pub(in crate::catalogers) fn claims(packages: List<Package>, relationships: &List<Relationship>) -> Vec<Claim> {
    let absent: HashSet<&str> = relationships.0.iter().filter_map(Relationship::absent).collect();
    // Of documents of ours the facts tell what a package is that is only asked for.
    let is_there =
        |package: &Package| package.facts().is_some() || package.id.0.as_deref().is_none_or(|id| !absent.contains(id));
    packages.0.into_iter().filter(|package| is_there(package) && package.is_software()).map(Package::claim).collect()
}

/// What a document tells.
pub(super) fn told(
    version: String,
    creation: Creation,
    packages: List<Package>,
    relationships: &List<Relationship>,
) -> Told {
    let mut about = About {
        version: Some(version),
        tool: creation.creators.0.iter().find_map(|who| who.strip_prefix("Tool:")).map(|tool| tool.trim().to_owned()),
        created: creation.created.0,
        ..About::default()
    };
    for package in &packages.0 {
        match package.purpose.0.as_deref() {
            Some("CONTAINER") => package.describe_image(&mut about),
            Some("OPERATING-SYSTEM" | "OPERATING_SYSTEM") if about.distribution.is_none() => {
                about.distribution = package.name.0.clone().map(|id| Distribution {
                    id,
                    version: package.version.0.clone(),
                    ..Distribution::default()
                });
            }
            _ => {}
        }
    }
    let held = relationships.0.iter().filter_map(|relation| match relation {
        Relationship::Holds(pair) => Some(pair.as_ref().clone()),
        _ => None,
    });
    about.held = held.collect();
    Told { claims: claims(packages, relationships), about }
}

impl Relationship {
    fn absent(&self) -> Option<&str> {
        match self {
            Self::Absent(id) => Some(id),
            _ => None,
        }
    }
}

impl Package {
    fn is_software(&self) -> bool {
        let purpose = self.purpose.0.as_deref().unwrap_or_default();
        !matches!(purpose, "CONTAINER" | "OPERATING-SYSTEM" | "OPERATING_SYSTEM" | "FILE" | "SOURCE" | "DEVICE")
    }

    /// What annotations say under a name of their own.
    fn annotated<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let comments = self.annotations.0.iter().filter_map(|annotation| annotation.comment.0.as_deref());
        let all = comments.chain(self.attributions.0.iter().map(String::as_str));
        all.filter_map(move |text| Some(text.strip_prefix(name)?.trim_start_matches(':').trim()))
    }

    fn facts(&self) -> Option<&str> {
        self.annotated(PACKAGE_FACTS).next()
    }

    /// Takes over what is said of an image. Of several the first counts.
    fn describe_image(&self, about: &mut About) {
        about.images += 1;
        if about.images > 1 {
            return;
        }
        about.facts = self.annotated(IMAGE_FACTS).next().map(str::to_owned);
        let hash =
            self.checksums.0.iter().find(|hash| hash.algorithm.is("SHA256")).and_then(|hash| hash.value.0.as_ref());
        let purls = self.references.0.iter().filter_map(|reference| reference.locator.0.as_deref());
        let texts = self.version.0.as_deref().into_iter().chain(purls);
        let named = texts.map(|text| text.replace("%3A", ":")).find_map(|text| {
            let (_, rest) = text.split_once("sha256:")?;
            Some(format!("sha256:{}", rest.split(['?', '#']).next().unwrap_or_default()))
        });
        about.digest = hash.map(|hex| format!("sha256:{hex}")).or(named);
        about.config_digest = self.annotated("ImageID").next().map(str::to_owned);
        about.layers = self.annotated("DiffID").map(str::to_owned).collect();
    }

    /// What tools write into fields that are free.
    fn hints(&self) -> Hints {
        let info = self.source_info.0.as_deref().unwrap_or_default();
        let mut hints = Hints {
            is_group: self.purpose.is("APPLICATION"),
            facts: self.facts().map(str::to_owned),
            layer: self.annotated("LayerDiffID").chain(self.annotated("LayerDigest")).next().map(str::to_owned),
            location: self.annotated("FilePath").next().map(str::to_owned),
            ..Hints::default()
        };
        if let Some((_, source)) = info.split_once("built package from: ") {
            let mut words = source.split_whitespace().map(str::to_owned);
            hints.source = (words.next(), words.next());
        } else if let Some((_, places)) =
            info.split_once("acquired package info from ").and_then(|(_, rest)| rest.split_once(": "))
        {
            let places: Vec<&str> = places.split(", ").collect();
            let place = places.iter().find(|place| place.ends_with("/dpkg/status")).or(places.first());
            hints.location = place.map(|place| (*place).to_owned());
        }
        hints
    }

    fn claim(self) -> Claim {
        let hints = self.hints();
        let (mut purl, mut cpes) = (None, Vec::new());
        for Reference { kind, locator } in self.references.0 {
            match (kind.0.as_deref(), locator.0) {
                (Some("purl"), Some(locator)) => {
                    purl.get_or_insert(locator);
                }
                (Some("cpe22Type" | "cpe23Type"), Some(locator)) => cpes.push(locator),
                _ => {}
            }
        }
        let license = self.license_declared.0.filter(|license| license != "NOASSERTION" && license != "NONE");
        let origin = self.supplier.0.filter(|supplier| supplier != "NOASSERTION").or(self.originator.0);
        // `Organization: Example (mail@example.com)`.
        let origin = origin.map(|origin| {
            let name = origin.strip_prefix("Organization:").or_else(|| origin.strip_prefix("Person:"));
            name.unwrap_or(&origin).trim().to_owned()
        });
        Claim {
            name: self.name.0,
            version: self.version.0,
            purl,
            cpes,
            licenses: license.or(self.license_concluded.0).into_iter().collect(),
            origin,
            id: self.id.0,
            hints,
        }
    }
}

/// An element of version 3.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Element {
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default)]
    name: Text,
    #[serde(default, rename = "software_packageVersion")]
    version: Text,
    #[serde(default, rename = "software_packageUrl")]
    purl: Text,
    #[serde(default, rename = "software_primaryPurpose")]
    purpose: Text,
    #[serde(default, rename = "externalIdentifier")]
    identifiers: List<Identifier>,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Identifier {
    #[serde(default, rename = "externalIdentifierType")]
    kind: Text,
    #[serde(default)]
    identifier: Text,
}

/// What the elements of a document of version 3 claim. Licences are relations there, and left out.
pub(super) fn graph_claims(graph: List<Element>) -> Vec<Claim> {
    let packages = graph.0.into_iter().filter(|element| {
        let purpose = element.purpose.0.as_deref().unwrap_or_default();
        element.kind.is("software_Package")
            && !matches!(purpose, "container" | "operatingSystem" | "file" | "source" | "device")
    });
    let claims = packages.map(|element| {
        let (mut purl, mut cpes) = (element.purl.0, Vec::new());
        for Identifier { kind, identifier } in element.identifiers.0 {
            match (kind.0.as_deref(), identifier.0) {
                (Some("packageUrl" | "packageURL"), Some(text)) => purl = purl.or(Some(text)),
                (Some("cpe22" | "cpe23"), Some(text)) => cpes.push(text),
                _ => {}
            }
        }
        Claim { name: element.name.0, version: element.version.0, purl, cpes, ..Claim::default() }
    });
    claims.collect()
}
