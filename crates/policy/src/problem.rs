//! What is wrong with a bundle: the original's words for its clients, and ours for people.

use killick_model::evaluation::EvaluationProblem;
use serde::Serialize;
use serde_json::{Value, json};

/// The layer of validation that objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The shape of the document: field names and types.
    Schema,
    /// What it means: gates, triggers, parameters, references.
    Engine,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemSeverity {
    /// The bundle is refused.
    Error,
    /// It is accepted, but will not do what it seems to say.
    Warn,
}

impl ProblemSeverity {
    /// The word of the v1 API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
        }
    }
}

/// One thing wrong with a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleProblem {
    /// Who objects.
    pub layer: Layer,
    /// How bad it is.
    pub severity: ProblemSeverity,
    /// Class name of the v1 contract, such as `GateNotFoundError`.
    pub problem_type: String,
    /// Text of the v1 contract.
    pub details: String,
    /// Where in the document: `policies.0.rules.2.params.users`; empty for the whole.
    pub path: String,
    /// What is wrong, for people.
    pub reason: String,
    /// What to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl BundleProblem {
    /// An error of the engine layer whose reason is the contract's text until [`Self::because`] says it better.
    pub(crate) fn engine(problem_type: &str, path: impl Into<String>, details: impl Into<String>) -> Self {
        let details = details.into();
        Self {
            layer: Layer::Engine,
            severity: ProblemSeverity::Error,
            problem_type: problem_type.to_owned(),
            reason: details.clone(),
            details,
            path: path.into(),
            remedy: None,
        }
    }

    /// Says it in our words.
    #[must_use]
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Makes it a warning.
    #[must_use]
    pub(crate) fn warning(mut self) -> Self {
        self.severity = ProblemSeverity::Warn;
        self
    }

    /// The problem object of the v1 API: `severity`, `problem_type`, `details`.
    pub fn to_v1(&self) -> Value {
        json!({
            "severity": self.severity.name(),
            "problem_type": self.problem_type,
            "details": self.details,
        })
    }
}

impl From<&BundleProblem> for EvaluationProblem {
    fn from(problem: &BundleProblem) -> Self {
        Self {
            severity: problem.severity.name().to_owned(),
            problem_type: problem.problem_type.clone(),
            details: problem.details.clone(),
        }
    }
}
