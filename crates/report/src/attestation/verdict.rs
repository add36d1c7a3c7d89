//! The verdict of a policy, as a predicate (slsa-framework/slsa, `docs/spec/v1.1/verification_summary.md`).
//!
//! That says who found by which policy that an image passes. What it follows from and all that was found stand in two
//! fields of ours, whose names are addresses, as the specification wants of extensions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
use killick_model::vex::VexDocument;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Inputs, digest_set};
use crate::formats::HOME;
use crate::vex::image_purl;

/// Version of the specification.
const SLSA_VERSION: &str = "1.1";

/// What is said of what passes: nobody looked at how it was built.
const UNEVALUATED: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";

/// What is said of what does not.
const FAILED: &str = "FAILED";

/// A verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Who judged.
    pub verifier: Verifier,
    /// When.
    pub time_verified: Timestamp,
    /// What was judged.
    pub resource_uri: String,
    /// By what.
    pub policy: Resource,
    /// What others say that it rests on.
    #[serde(default)]
    pub input_attestations: Vec<Resource>,
    /// How it went.
    pub verification_result: Outcome,
    /// What else follows.
    #[serde(default)]
    pub verified_levels: Vec<String>,
    /// Version of the specification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
    /// What it follows from; only Killick says so.
    #[serde(
        default,
        rename = "https://github.com/killick-project/killick/attestation/inputs/v1",
        skip_serializing_if = "Option::is_none"
    )]
    pub inputs: Option<Inputs>,
    /// All of it; only Killick says so.
    #[serde(
        default,
        rename = "https://github.com/killick-project/killick/attestation/evaluation/v1",
        skip_serializing_if = "Option::is_none"
    )]
    pub evaluation: Option<Evaluation>,
}

/// Who judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// An address of theirs.
    pub id: String,
    /// What they judged with, and its version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// `ResourceDescriptor` of in-toto.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resource {
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    /// The policy lets it through.
    Passed,
    /// It does not.
    Failed,
}

/// Why a predicate says nothing that can be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// It is not of the form.
    #[error("no verification summary ({0})")]
    Form(String),
    /// The summary and what it is of do not agree.
    #[error("a verification summary that contradicts the evaluation it is of: {0}")]
    Contradiction(&'static str),
}

impl Verdict {
    pub(super) const TYPE: &str = "https://slsa.dev/verification_summary/v1";

    /// The verdict of an evaluation of these inputs, by `verifier` (an address) or, without one, by whoever signs.
    pub fn new(verifier: Option<&str>, inputs: Inputs, evaluation: Evaluation, vex: &[VexDocument]) -> Self {
        let passes = evaluation.passes();
        let id = verifier.unwrap_or(HOME).to_owned();
        let document = |document: &VexDocument| Resource {
            name: Some(document.id.clone()).filter(|id| !id.is_empty()),
            digest: digest_set(&document.digest),
            ..Resource::default()
        };
        Self {
            verifier: Verifier { id, version: BTreeMap::from([("killick".to_owned(), inputs.killick.clone())]) },
            time_verified: evaluation.evaluated_at,
            resource_uri: image_purl(&inputs.reference, &inputs.facts.manifest),
            policy: Resource {
                uri: Some(policy_uri(&inputs.bundle.digest)),
                name: Some(inputs.bundle.id.clone()),
                digest: digest_set(&inputs.bundle.digest),
            },
            input_attestations: vex.iter().map(document).collect(),
            verification_result: if passes { Outcome::Passed } else { Outcome::Failed },
            verified_levels: vec![if passes { UNEVALUATED } else { FAILED }.to_owned()],
            slsa_version: Some(SLSA_VERSION.to_owned()),
            inputs: Some(inputs),
            evaluation: Some(evaluation),
        }
    }

    pub(super) fn predicate(&self) -> Value {
        serde_json::to_value(self).expect("our documents have nothing that JSON cannot say")
    }

    /// Reads a predicate, of ours or of anybody's.
    pub fn parse(predicate: &Value) -> Result<Self, VerdictError> {
        let verdict = Self::deserialize(predicate).map_err(|error| VerdictError::Form(error.to_string()))?;
        let Some(evaluation) = &verdict.evaluation else { return Ok(verdict) };
        if evaluation.passes() != (verdict.verification_result == Outcome::Passed) {
            return Err(VerdictError::Contradiction("`verificationResult` is another one"));
        }
        let inputs = verdict.inputs.as_ref();
        if inputs.is_some_and(|inputs| inputs.facts.manifest.to_string() != evaluation.image_digest) {
            return Err(VerdictError::Contradiction("it is of another image"));
        }
        Ok(verdict)
    }
}

/// Bundles have no address that everybody knows; their digest tells them apart ("Naming Things with Hashes", RFC 6920).
fn policy_uri(digest: &Digest) -> String {
    use base64::Engine as _;
    format!("ni:///sha-256;{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest.as_bytes()))
}
