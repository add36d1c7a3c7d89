//! The outcome of judging an image by a policy bundle.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
    /// What the rule wants; [`Action::Go`] if allowlisted.
    pub action: Action,
    /// The allowlist item that excuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowlisted: Option<Allowlisted>,
    /// Policy within the bundle.
    pub policy_id: String,
    /// Rule within the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
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
