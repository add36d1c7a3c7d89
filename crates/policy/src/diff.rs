//! What changes from one bundle to another: in the documents, and in the verdicts on images.

mod bundles;

use std::collections::{HashMap, VecDeque};

use killick_model::evaluation::{Action, Evaluation, FinalActionReason, Finding};
use serde::{Deserialize, Serialize};

pub use bundles::{Change, ChangeKind, bundles};

/// How one image fares under two bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictChange {
    /// The reference it was judged under.
    pub reference: String,
    /// Its digest.
    pub image_digest: String,
    /// The action before.
    pub before: Action,
    /// The action after.
    pub after: Action,
    /// Why the action is another one, most telling first; empty where it is the same.
    pub because: Vec<String>,
    /// Findings that only the second has.
    pub appeared: Vec<FindingChange>,
    /// Findings that only the first has.
    pub disappeared: Vec<FindingChange>,
    /// Findings that both have with other actions.
    pub changed: Vec<FindingChange>,
}

impl VerdictChange {
    /// Whether the action is another one.
    pub fn is_other_verdict(&self) -> bool {
        self.before != self.after
    }
}

/// One finding that is not the same under both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingChange {
    /// Gate.
    pub gate: String,
    /// Trigger.
    pub trigger: String,
    /// Trigger id.
    pub trigger_id: String,
    /// What was found.
    pub message: String,
    /// Policy and rule that report it, of the second bundle where it has it.
    pub rule: String,
    /// The action before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Action>,
    /// The action after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Action>,
    /// What clears it after, if something does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_by: Option<String>,
}

/// Most reasons that are told.
const MAX_REASONS: usize = 5;

/// What changes for one image; `None` if nothing does.
pub fn verdicts(before: &Evaluation, after: &Evaluation) -> Option<VerdictChange> {
    let (mut appeared, mut disappeared, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let mut left: HashMap<_, VecDeque<&Finding>> = HashMap::new();
    let key = |finding: &Finding| {
        (finding.gate.clone(), finding.trigger.clone(), finding.trigger_id.clone(), finding.message.clone())
    };
    for finding in &before.findings {
        left.entry(key(finding)).or_default().push_back(finding);
    }
    for finding in &after.findings {
        match left.get_mut(&key(finding)).and_then(VecDeque::pop_front) {
            None => appeared.push(change(finding, None, Some(finding))),
            Some(old) if old.action != finding.action => changed.push(change(finding, Some(old), Some(finding))),
            Some(_) => {}
        }
    }
    for finding in &before.findings {
        let rest = left.get(&key(finding));
        if rest.is_some_and(|rest| rest.iter().any(|other| std::ptr::eq(*other, finding))) {
            disappeared.push(change(finding, Some(finding), None));
        }
    }
    let is_same = before.final_action == after.final_action && before.final_action_reason == after.final_action_reason;
    if is_same && appeared.is_empty() && disappeared.is_empty() && changed.is_empty() {
        return None;
    }
    let mut told = VerdictChange {
        reference: after.reference.clone(),
        image_digest: after.image_digest.clone(),
        before: before.final_action,
        after: after.final_action,
        because: Vec::new(),
        appeared,
        disappeared,
        changed,
    };
    told.because = reasons(before, after, &told);
    Some(told)
}

fn change(shown: &Finding, before: Option<&Finding>, after: Option<&Finding>) -> FindingChange {
    let cleared_by = after.and_then(|finding| {
        let list = |list: &killick_model::evaluation::Allowlisted| format!("the allowlist `{}`", list.allowlist_id);
        let exception = finding.exception.as_ref().map(|id| format!("the exception `{id}`"));
        finding.allowlisted.as_ref().map(list).or(exception)
    });
    FindingChange {
        gate: shown.gate.clone(),
        trigger: shown.trigger.clone(),
        trigger_id: shown.trigger_id.clone(),
        message: shown.message.clone(),
        rule: match &shown.rule_id {
            Some(rule) => format!("{}/{rule}", shown.policy_id),
            None => shown.policy_id.clone(),
        },
        before: before.map(|finding| finding.action),
        after: after.map(|finding| finding.action),
        cleared_by,
    }
}

fn reasons(before: &Evaluation, after: &Evaluation, told: &VerdictChange) -> Vec<String> {
    let mut reasons = Vec::new();
    if !told.is_other_verdict() {
        return reasons;
    }
    for (reason, list) in [(FinalActionReason::Blacklisted, "denied"), (FinalActionReason::Whitelisted, "allowed")] {
        match (before.final_action_reason == reason, after.final_action_reason == reason) {
            (false, true) => reasons.push(format!("the image is on the list of {list} images now")),
            (true, false) => reasons.push(format!("the image is not on the list of {list} images any more")),
            _ => {}
        }
    }
    let name = |mapping: &Option<serde_json::Value>| {
        let mapping = mapping.as_ref()?;
        let text = |key: &str| mapping.get(key).and_then(serde_json::Value::as_str);
        text("name").or_else(|| text("id")).map(str::to_owned)
    };
    match (&before.matched_mapping, &after.matched_mapping) {
        (Some(_), None) => reasons.push("no mapping matches the image any more".to_owned()),
        (None, Some(_)) => reasons.push("a mapping matches the image now".to_owned()),
        (one, other) if name(one) != name(other) => {
            let (one, other) = (name(one).unwrap_or_default(), name(other).unwrap_or_default());
            reasons.push(format!("the mapping `{other}` matches it now, not `{one}`"));
        }
        _ => {}
    }
    if after.problems.iter().any(|problem| problem.severity == "error") && after.findings.is_empty() {
        let first = after.problems.iter().find(|problem| problem.severity == "error");
        reasons.extend(first.map(|problem| format!("it cannot be evaluated: {}", problem.details)));
    }
    // What decides: findings of the new action where it got stricter, of the old one where it did not.
    let is_stricter = told.after < told.before;
    if is_stricter {
        let decides = |finding: &&FindingChange| finding.after == Some(told.after);
        let new = told.appeared.iter().chain(&told.changed).filter(decides);
        reasons.extend(new.map(|finding| format!("`{}` reports {}", finding.rule, finding.message)));
    } else {
        let decided = |finding: &&FindingChange| finding.before == Some(told.before);
        let gone = told.disappeared.iter().chain(&told.changed).filter(decided);
        reasons.extend(gone.map(|finding| match (&finding.cleared_by, finding.after) {
            (Some(what), _) => format!("{what} clears {}", finding.message),
            (None, Some(action)) => format!("`{}` does {action} only: {}", finding.rule, finding.message),
            (None, None) => format!("no rule reports any more: {}", finding.message),
        }));
    }
    if reasons.len() > MAX_REASONS {
        let more = reasons.len() - MAX_REASONS;
        reasons.truncate(MAX_REASONS);
        reasons.push(format!("and {more} more"));
    }
    reasons
}
