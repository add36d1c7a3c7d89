//! What is said of an image so that it can be signed: in-toto statements (in-toto/attestation, `spec/v1/statement.md`) around an
//! SBOM, a vulnerability report or the verdict of a policy.
//!
//! Nothing here signs anything or checks a signature: `killick_vulns::dsse` does.

use std::collections::BTreeMap;

use killick_model::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::formats::{Format, Report, Style};

mod inputs;
#[cfg(test)]
mod tests;
mod verdict;
mod vulnerabilities;

pub use self::inputs::{Advisories, Difference, Facts, Inputs, Named, Settings};
pub use self::verdict::{Outcome, Resource, Verdict, VerdictError, Verifier};

/// Media type of a statement, which is the type of what an envelope around it holds.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Largest statement that is read.
pub const MAX_BYTES: usize = 64 << 20;

/// Subjects of a statement that are looked at.
const MAX_SUBJECTS: usize = 1_000;

/// The type of a statement, without its version.
const STATEMENT: &str = "https://in-toto.io/Statement/";

/// What is said of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What is in it.
    Sbom,
    /// What is known to be wrong with it.
    Vulnerabilities,
    /// Whether a policy lets it through.
    Verdict,
}

/// Types of predicates, without the versions that some tools add, the one that is written first.
const PREDICATES: &[(Kind, &str)] = &[
    (Kind::Sbom, "https://cyclonedx.org/bom"),
    (Kind::Sbom, "https://spdx.dev/Document"),
    (Kind::Vulnerabilities, "https://in-toto.io/attestation/vulns"),
    (Kind::Vulnerabilities, "https://cosign.sigstore.dev/attestation/vuln"),
    (Kind::Verdict, "https://slsa.dev/verification_summary"),
];

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sbom, Self::Vulnerabilities, Self::Verdict];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sbom => "sbom",
            Self::Vulnerabilities => "vulnerabilities",
            Self::Verdict => "verdict",
        }
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sbom => "SBOM",
            Self::Vulnerabilities => "vulnerability report",
            Self::Verdict => "policy verdict",
        }
    }

    /// What a predicate of this type says.
    pub fn of(predicate_type: &str) -> Option<Self> {
        let is_of = |address: &str| {
            let rest = predicate_type.strip_prefix(address);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        PREDICATES.iter().find(|(_, address)| is_of(address)).map(|(kind, _)| *kind)
    }
}

/// A statement: this is said of these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// Of what.
    pub subject: Vec<Subject>,
    /// What kind of thing is said.
    pub predicate_type: String,
    /// What is said.
    #[serde(default)]
    pub predicate: Value,
}

/// What something is said of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What it is called; counts for nothing.
    #[serde(default)]
    pub name: String,
    /// What it is known by: algorithms, and digests in hexadecimal digits.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
}

impl Subject {
    /// An image under the name it has where it lies.
    pub fn image(name: &str, digest: &Digest) -> Self {
        Self { name: name.to_owned(), digest: digest_set(digest) }
    }

    /// Its SHA-256, if that is known.
    pub fn digest(&self) -> Option<Digest> {
        format!("sha256:{}", self.digest.get("sha256")?).parse().ok()
    }
}

/// Why a text is no statement that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It has more than [`MAX_BYTES`] bytes.
    #[error("larger than {MAX_BYTES} bytes")]
    Size,
    /// It is not of the form.
    #[error("no in-toto statement ({0})")]
    Form(String),
    /// It is of another type.
    #[error("of the type `{0}`, which is no in-toto statement")]
    Type(String),
    /// It does not say what it is about.
    #[error("a statement about nothing: it names no subject by its SHA-256")]
    Subject,
}

impl Statement {
    fn new(subject: Subject, predicate_type: &str, predicate: Value) -> Self {
        Self {
            kind: format!("{STATEMENT}v1"),
            subject: vec![subject],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }

    /// The SBOM of a report; `None` for formats that are no SBOM in JSON.
    pub fn sbom(subject: Subject, format: &Format, report: &Report<'_>) -> Option<Self> {
        let name = format.name.split('@').next().unwrap_or_default();
        let predicate_type = match name {
            "cyclonedx-json" => "https://cyclonedx.org/bom",
            "spdx-json" => "https://spdx.dev/Document",
            _ => return None,
        };
        let mut text = Vec::new();
        (format.render)(report, Style::default(), &mut text).ok()?;
        let predicate = serde_json::from_slice(&text).ok()?;
        Some(Self::new(subject, predicate_type, predicate))
    }

    /// The vulnerabilities of a report.
    pub fn vulnerabilities(subject: Subject, advisories: &Advisories, report: &Report<'_>) -> Self {
        let predicate = vulnerabilities::predicate(advisories, report);
        Self::new(subject, vulnerabilities::TYPE, predicate)
    }

    /// A verdict and what follows it.
    pub fn verdict(subject: Subject, verdict: &Verdict) -> Self {
        Self::new(subject, Verdict::TYPE, verdict.predicate())
    }

    /// Reads a statement, of whatever is said.
    pub fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        if payload.len() > MAX_BYTES {
            return Err(StatementError::Size);
        }
        let mut statement: Self =
            serde_json::from_slice(payload).map_err(|error| StatementError::Form(error.to_string()))?;
        if !statement.kind.starts_with(STATEMENT) {
            return Err(StatementError::Type(statement.kind.chars().take(100).collect()));
        }
        statement.subject.truncate(MAX_SUBJECTS);
        if statement.subject.iter().all(|subject| subject.digest().is_none()) {
            return Err(StatementError::Subject);
        }
        Ok(statement)
    }

    /// The text to sign: what is said alike is written alike.
    ///
    /// # Panics
    /// Never: it has nothing that JSON cannot say.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("our documents have nothing that JSON cannot say, and memory does not fail")
    }

    /// What is said, if that is known.
    pub fn kind(&self) -> Option<Kind> {
        Kind::of(&self.predicate_type)
    }

    /// Whether it is about the image with this digest.
    pub fn is_about(&self, digest: &Digest) -> bool {
        self.subject.iter().any(|subject| subject.digest().as_ref() == Some(digest))
    }
}

/// `DigestSet` of in-toto.
fn digest_set(digest: &Digest) -> BTreeMap<String, String> {
    BTreeMap::from([("sha256".to_owned(), digest.hex())])
}
