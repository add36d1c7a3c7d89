//! VEX: what somebody says about vulnerabilities in products, and whether it counts.
//!
//! "Minimum Requirements for Vulnerability Exploitability eXchange (VEX)" (CISA, April 2023), as `OpenVEX`, CSAF 2.0 and
//! CycloneDX write it. A document is a decision of its issuer. One that is not trusted never hides a finding: what it
//! says is told as a claim.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// What is said of a product and a vulnerability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VexStatus {
    /// Nothing needs to be done.
    NotAffected,
    /// Something is to be done.
    Affected,
    /// This version has the fix.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl VexStatus {
    /// The word of `OpenVEX`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAffected => "not_affected",
            Self::Affected => "affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under_investigation",
        }
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::NotAffected => "not affected",
            Self::Affected => "affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under investigation",
        }
    }

    /// Whether a finding is none by this.
    pub const fn clears(self) -> bool {
        matches!(self, Self::NotAffected | Self::Fixed)
    }
}

/// Why a product is not affected: the five reasons of `OpenVEX` and CSAF, and those that only CycloneDX has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The component is not in the product.
    ComponentNotPresent,
    /// The component is, its flawed code is not.
    VulnerableCodeNotPresent,
    /// The flawed code is never run.
    VulnerableCodeNotInExecutePath,
    /// Nobody can make it do harm.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Something else stops it.
    InlineMitigationsAlreadyExist,
    /// A setting would be needed that is not set.
    RequiresConfiguration,
    /// Another component would be needed that is not there.
    RequiresDependency,
    /// Another environment would be needed.
    RequiresEnvironment,
    /// The compiler prevents it.
    ProtectedByCompiler,
    /// Something prevents it while the program runs.
    ProtectedAtRuntime,
    /// Something prevents it at the edge of the network.
    ProtectedAtPerimeter,
}

impl Justification {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::ComponentNotPresent,
        Self::VulnerableCodeNotPresent,
        Self::VulnerableCodeNotInExecutePath,
        Self::VulnerableCodeCannotBeControlledByAdversary,
        Self::InlineMitigationsAlreadyExist,
        Self::RequiresConfiguration,
        Self::RequiresDependency,
        Self::RequiresEnvironment,
        Self::ProtectedByCompiler,
        Self::ProtectedAtRuntime,
        Self::ProtectedAtPerimeter,
    ];

    /// The word, that of `OpenVEX` and CSAF where they have one.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ComponentNotPresent => "component_not_present",
            Self::VulnerableCodeNotPresent => "vulnerable_code_not_present",
            Self::VulnerableCodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Self::VulnerableCodeCannotBeControlledByAdversary => "vulnerable_code_cannot_be_controlled_by_adversary",
            Self::InlineMitigationsAlreadyExist => "inline_mitigations_already_exist",
            Self::RequiresConfiguration => "requires_configuration",
            Self::RequiresDependency => "requires_dependency",
            Self::RequiresEnvironment => "requires_environment",
            Self::ProtectedByCompiler => "protected_by_compiler",
            Self::ProtectedAtRuntime => "protected_at_runtime",
            Self::ProtectedAtPerimeter => "protected_at_perimeter",
        }
    }

    /// The word of `OpenVEX` and CSAF; `None` for reasons that only CycloneDX has.
    pub fn label(self) -> Option<&'static str> {
        (self <= Self::InlineMitigationsAlreadyExist).then(|| self.name())
    }

    /// The word of CycloneDX; `None` where it has none that means the same.
    pub const fn cyclonedx(self) -> Option<&'static str> {
        match self {
            Self::ComponentNotPresent | Self::VulnerableCodeNotPresent => Some("code_not_present"),
            Self::VulnerableCodeNotInExecutePath => Some("code_not_reachable"),
            Self::VulnerableCodeCannotBeControlledByAdversary => None,
            Self::InlineMitigationsAlreadyExist => Some("protected_by_mitigating_control"),
            other => Some(other.name()),
        }
    }

    /// The reason of this word, of any of the three formats.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "code_not_present" => Some(Self::VulnerableCodeNotPresent),
            "code_not_reachable" => Some(Self::VulnerableCodeNotInExecutePath),
            "protected_by_mitigating_control" => Some(Self::InlineMitigationsAlreadyExist),
            word => Self::ALL.into_iter().find(|known| known.name() == word),
        }
    }
}

/// Where a document came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VexOrigin {
    /// Whoever runs the judgement gave it.
    User,
    /// It is attached to the image where the image is stored. Anybody who may write there can attach anything.
    Attached,
}

/// The format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum VexFormat {
    /// `OpenVEX`.
    #[serde(rename = "openvex")]
    OpenVex,
    /// CSAF 2.0.
    #[serde(rename = "csaf")]
    Csaf,
    /// CycloneDX.
    #[serde(rename = "cyclonedx")]
    CycloneDx,
}

/// What one document says of one package and one vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VexClaim {
    /// What it says.
    pub status: VexStatus,
    /// Why the package is not affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<Justification>,
    /// The same in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// What is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The product that is spoken of, as the document names it.
    pub product: String,
    /// Who says so, as the document says.
    pub issuer: String,
    /// The document's own id.
    pub document: String,
    /// Digest of the document.
    pub digest: Digest,
    /// Where the document came from.
    pub origin: VexOrigin,
    /// When it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_at: Option<Timestamp>,
    /// Whether it counts.
    pub trusted: bool,
}

impl VexClaim {
    /// What is said and why, for people: `not affected: vulnerable_code_not_present (the parser is compiled out)`.
    pub fn describe(&self) -> String {
        let mut text = self.status.title().to_owned();
        if let Some(justification) = self.justification {
            text = format!("{text}: {}", justification.name());
        }
        match self.impact.as_ref().or(self.action.as_ref()) {
            Some(words) => format!("{text} ({words})"),
            None => text,
        }
    }
}

/// A document that was read, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VexDocument {
    /// Digest of its bytes.
    pub digest: Digest,
    /// Its own id.
    pub id: String,
    /// Who issued it, as it says.
    pub issuer: String,
    /// Its format.
    pub format: VexFormat,
    /// Where it came from.
    pub origin: VexOrigin,
    /// When it was last changed, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_at: Option<Timestamp>,
    /// Name of the key that signed it, if a signature was checked: SHA-256 of the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Whether it counts.
    pub trusted: bool,
    /// Statements it has.
    pub statements: u64,
    /// Findings that are as they are because of it.
    pub applied: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_as_each_format_writes_them() {
        for reason in Justification::ALL {
            assert_eq!(Justification::parse(reason.name()), Some(reason));
            let word = serde_json::to_value(reason).ok();
            assert_eq!(word, Some(reason.name().into()));
        }
        for (word, reason) in [
            ("code_not_present", Justification::VulnerableCodeNotPresent),
            ("code_not_reachable", Justification::VulnerableCodeNotInExecutePath),
            ("protected_by_mitigating_control", Justification::InlineMitigationsAlreadyExist),
        ] {
            assert_eq!(Justification::parse(word), Some(reason));
            assert_eq!(reason.cyclonedx(), Some(word));
        }
        assert_eq!(Justification::parse("because"), None);
        assert_eq!(Justification::RequiresConfiguration.label(), None);
        assert_eq!(Justification::ComponentNotPresent.label(), Some("component_not_present"));
    }
}
