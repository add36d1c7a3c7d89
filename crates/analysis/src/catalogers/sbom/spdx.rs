//! SPDX: packages, and the relations that say which of them are not there but what others were made of.
//!
//! Version 2 in JSON (<https://spdx.github.io/spdx-spec/v2.3/>) and the elements of version 3
//! (<https://spdx.github.io/spdx-spec/v3.0.1/>).

use std::collections::HashSet;

use serde::Deserialize;

use super::claim::Claim;
use super::lenient::{List, Text};

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
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Reference {
    #[serde(default, rename = "referenceType")]
    pub(super) kind: Text,
    #[serde(default, rename = "referenceLocator")]
    pub(super) locator: Text,
}

/// What a relation says to be absent: sources, tools, recipes. Most relations, of packages with files, say nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenRelationship")]
pub(in crate::catalogers) struct Relationship(Option<String>);

#[derive(Deserialize)]
struct WrittenRelationship {
    #[serde(default, rename = "spdxElementId")]
    from: Text,
    #[serde(default, rename = "relationshipType")]
    kind: Text,
    #[serde(default, rename = "relatedSpdxElement")]
    to: Text,
}

impl From<WrittenRelationship> for Relationship {
    fn from(written: WrittenRelationship) -> Self {
        let [from, kind, to] = [written.from, written.kind, written.to].map(|text| text.0.unwrap_or_default());
        Self::new(&from, &kind, &to)
    }
}

impl Relationship {
    /// The relation between two elements.
    pub(super) fn new(from: &str, kind: &str, to: &str) -> Self {
        let absent = match kind {
            "GENERATED_FROM" | "DESCRIBED_BY" => Some(to),
            "GENERATES"
            | "BUILD_DEPENDENCY_OF"
            | "BUILD_TOOL_OF"
            | "DEV_DEPENDENCY_OF"
            | "DEV_TOOL_OF"
            | "TEST_DEPENDENCY_OF"
            | "TEST_TOOL_OF"
            | "TEST_OF"
            | "DOCUMENTATION_OF" => Some(from),
            _ => None,
        };
        Self(absent.map(str::to_owned))
    }
}

/// What packages with these relations claim.
pub(in crate::catalogers) fn claims(packages: List<Package>, relationships: &List<Relationship>) -> Vec<Claim> {
    let absent: HashSet<&str> = relationships.0.iter().filter_map(|relation| relation.0.as_deref()).collect();
    let is_there = |package: &Package| package.id.0.as_deref().is_none_or(|id| !absent.contains(id));
    packages.0.into_iter().filter(|package| is_there(package) && package.is_software()).map(Package::claim).collect()
}

impl Package {
    fn is_software(&self) -> bool {
        let purpose = self.purpose.0.as_deref().unwrap_or_default();
        !matches!(purpose, "CONTAINER" | "OPERATING-SYSTEM" | "OPERATING_SYSTEM" | "FILE" | "SOURCE" | "DEVICE")
    }

    fn claim(self) -> Claim {
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
