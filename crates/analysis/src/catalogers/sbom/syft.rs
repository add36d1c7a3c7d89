//! Syft's own JSON (<https://github.com/anchore/syft/tree/main/schema/json>): its artifacts.

use serde::Deserialize;

use super::claim::Claim;
use super::lenient::{List, Text, Words};

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) name: Text,
    #[serde(default)]
    pub(super) version: Text,
}

impl Descriptor {
    /// Whether the document is in Syft's form: by Syft, or written like that by this project.
    pub(super) fn is_known(&self) -> bool {
        self.name.is("syft") || self.name.is("killick")
    }

    /// The tool with its version.
    pub(super) fn tool(self) -> Option<String> {
        let name = self.name.0?;
        Some(self.version.0.map_or_else(|| name.clone(), |version| format!("{name} {version}")))
    }
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Artifact {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default)]
    purl: Text,
    #[serde(default)]
    licenses: Words,
    #[serde(default)]
    cpes: Words,
}

pub(super) fn claims(artifacts: List<Artifact>) -> Vec<Claim> {
    let claim = |artifact: Artifact| Claim {
        name: artifact.name.0,
        version: artifact.version.0,
        purl: artifact.purl.0.filter(|purl| !purl.is_empty()),
        cpes: artifact.cpes.0,
        licenses: artifact.licenses.0,
        ..Claim::default()
    };
    artifacts.0.into_iter().map(claim).collect()
}
