//! The outcome of judging an image by a policy bundle.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::matching::FixState;
use crate::package::PackageKind;
use crate::severity::Severity;

/// What a policy wants done. In order: the lowest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Do not let it through.
    Stop,
    /// Let it through and say so.
    Warn,
    /// Let it through.
    Go,
}

impl fmt::Display for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Stop => "stop",
            Self::Warn => "warn",
            Self::Go => "go",
        })
    }
}

/// Why the final action is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalActionReason {
    /// The policies decided.
    PolicyEvaluation,
    /// The image is on the allow list.
    Whitelisted,
    /// The image is on the deny list.
    Blacklisted,
}

impl FinalActionReason {
    /// The word of the v1 API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PolicyEvaluation => "policy_evaluation",
            Self::Whitelisted => "whitelisted",
            Self::Blacklisted => "blacklisted",
        }
    }
}

/// A bundle's verdict on an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Id of the bundle.
    pub bundle_id: String,
    /// The reference it was judged under.
    pub reference: String,
    /// Id of the image: 64 hexadecimal digits.
    pub image_id: String,
    /// Digest of the image.
    pub image_digest: String,
    /// The mapping that chose the policies, as written in the bundle.
    pub matched_mapping: Option<serde_json::Value>,
    /// The allow-list entry that matched, as written.
    pub matched_allowed_image: Option<serde_json::Value>,
    /// The deny-list entry that matched, as written.
    pub matched_denied_image: Option<serde_json::Value>,
    /// What counts.
    pub final_action: Action,
    /// Why.
    pub final_action_reason: FinalActionReason,
    /// What the policies alone say, before allow and deny lists.
    pub policy_action: Action,
    /// What triggers reported, in rule order.
    pub findings: Vec<Finding>,
    /// The exceptions that speak of findings of this image, in the order in which they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<ExceptionUse>,
    /// What to do about the findings that count, first what clears most of the worst.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// What went wrong with the bundle or in a trigger.
    pub problems: Vec<EvaluationProblem>,
    /// The instant the evaluation speaks for.
    pub evaluated_at: Timestamp,
}

impl Evaluation {
    /// Whether the image may pass: anything but stop.
    pub fn passes(&self) -> bool {
        self.final_action != Action::Stop
    }
}

/// One thing to do, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What to do.
    pub what: String,
    /// The strictest action of the findings it clears.
    pub action: Action,
    /// Positions in [`Evaluation::findings`] of what it clears, ascending.
    pub clears: Vec<u32>,
}

/// One report of one trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What allowlist items name; unique within its gate for one cause.
    pub trigger_id: String,
    /// Gate, canonical lower case.
    pub gate: String,
    /// Trigger, canonical lower case.
    pub trigger: String,
    /// What was found.
    pub message: String,
    /// What the rule wants; [`Action::Go`] if allowlisted or excepted.
    pub action: Action,
    /// The allowlist item that excuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowlisted: Option<Allowlisted>,
    /// Id of the exception that clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// What it is about, as far as the trigger tells.
    #[serde(default, skip_serializing_if = "FindingSubject::is_unknown")]
    pub subject: FindingSubject,
    /// Policy within the bundle.
    pub policy_id: String,
    /// Rule within the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// What a finding is about: what exceptions select by. Findings about the image as a whole have none of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FindingSubject {
    /// The package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<SubjectPackage>,
    /// The vulnerability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vulnerability: Option<SubjectVulnerability>,
    /// The file, or where the package is if it is in no package database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl FindingSubject {
    /// Whether nothing of it is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A package that a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectPackage {
    /// Packaging system.
    pub kind: PackageKind,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Package URL.
    pub purl: String,
}

/// A vulnerability that a finding is about, with what may change about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectVulnerability {
    /// The name it goes by.
    pub id: String,
    /// Its other names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The rating that counts.
    pub severity: Severity,
    /// State of the fix.
    pub fix: FixState,
    /// Known to be exploited (CISA KEV).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub known_exploited: bool,
    /// The package does harm on purpose.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub malicious: bool,
    /// The advisory that decided, and when upstream last changed it, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisory: Option<String>,
}

/// What an exception does to the findings of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionUse {
    /// Its id.
    pub id: String,
    /// How it stands.
    pub state: ExceptionState,
    /// Who answers for it.
    pub owner: String,
    /// From when it does not count any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Findings it clears.
    pub cleared: u64,
    /// Findings it speaks of and does not clear: it expired, or what it was granted for changed.
    pub not_cleared: u64,
    /// What changed since it was granted, at most a few of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
}

/// How an exception stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExceptionState {
    /// It clears what it speaks of.
    Applied,
    /// It does, but not for long any more.
    Expiring,
    /// What it was granted for changed: it has to be decided on again.
    Reopened,
    /// Its time is over.
    Expired,
}

/// The allowlist item that excuses a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowlisted {
    /// Id of the allowlist.
    pub allowlist_id: String,
    /// Its name.
    pub allowlist_name: Option<String>,
    /// Id of the item.
    pub item_id: Option<String>,
}

/// Something wrong with the bundle, or a trigger that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationProblem {
    /// `error` or `warn`.
    pub severity: String,
    /// Class name of the v1 contract, such as `GateNotFoundError`.
    pub problem_type: String,
    /// Details.
    pub details: String,
}
