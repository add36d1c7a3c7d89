//! Why a verdict is what it is, in words that all formats share.

use killick_model::evaluation::{Action, Evaluation, EvaluationProblem, FinalActionReason, Finding};

/// `stop, because the image is on the deny list`: the final action, and why where the findings do not say it.
pub(crate) fn line(evaluation: &Evaluation) -> String {
    let because = reason(evaluation).map(|reason| format!(", because {reason}")).unwrap_or_default();
    format!("{}{because}", evaluation.final_action)
}

/// Why the final action is not what the findings ask for.
pub(crate) fn reason(evaluation: &Evaluation) -> Option<&'static str> {
    let is_stopped_by_finding = || evaluation.findings.iter().any(|finding| finding.action == Action::Stop);
    match evaluation.final_action_reason {
        FinalActionReason::Whitelisted => Some("the image is on the allow list"),
        FinalActionReason::Blacklisted => Some("the image is on the deny list"),
        FinalActionReason::PolicyEvaluation if is_without_policy(evaluation) => {
            Some("no mapping of the bundle matches the image: no policy was applied")
        }
        FinalActionReason::PolicyEvaluation if !evaluation.passes() && !is_stopped_by_finding() => {
            Some("the bundle cannot be applied to the image")
        }
        FinalActionReason::PolicyEvaluation => None,
    }
}

/// Whether the image passes only because the bundle does not speak of it.
pub(crate) fn is_without_policy(evaluation: &Evaluation) -> bool {
    let is_by_policy = evaluation.final_action_reason == FinalActionReason::PolicyEvaluation;
    is_by_policy && evaluation.passes() && evaluation.matched_mapping.is_none()
}

/// What else is to be known of the evaluation: its problems, but for what the reason says already.
pub(crate) fn problems(evaluation: &Evaluation) -> impl Iterator<Item = &EvaluationProblem> {
    let is_told = is_without_policy(evaluation);
    evaluation.problems.iter().filter(move |problem| !is_told || problem.problem_type != "NoMatchedMappingWarning")
}

/// `warn: trigger x does not exist (MissingTrigger)`
pub(crate) fn problem(problem: &EvaluationProblem) -> String {
    format!("{}: {} ({})", problem.severity, problem.details, problem.problem_type)
}

/// The findings that ask for something or would if nobody excused them, each with who does.
pub(crate) fn findings(evaluation: &Evaluation) -> impl Iterator<Item = (&Finding, Option<String>)> {
    let findings = evaluation.findings.iter().map(|finding| (finding, excuse(evaluation, finding)));
    findings.filter(|(finding, excuse)| finding.action != Action::Go || excuse.is_some())
}

/// Why a finding does not count for the verdict although its rule asks for something.
pub(crate) fn excuse(evaluation: &Evaluation, finding: &Finding) -> Option<String> {
    if let Some(allowed) = &finding.allowlisted {
        return Some(format!("allowlist {}", allowed.allowlist_id));
    }
    if let Some(id) = &finding.exception {
        let used = evaluation.exceptions.iter().find(|used| used.id == *id);
        let owner = used.map(|used| format!(" of {}", used.owner)).unwrap_or_default();
        let end = used.and_then(|used| used.expires_at).map(|end| format!(", until {}", end.strftime("%F")));
        return Some(format!("exception {id}{owner}{}", end.unwrap_or_default()));
    }
    let is_allowed = evaluation.final_action_reason == FinalActionReason::Whitelisted;
    (is_allowed && finding.action != Action::Go).then(|| "the image is on the allow list".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reason_is_told_where_findings_do_not_say_it() {
        let mapping = json!({"id": "m1"});
        let stopping = json!([{
            "trigger_id": "t", "gate": "g", "trigger": "t", "message": "m", "action": "stop", "policy_id": "p",
        }]);
        for (action, reason, mapping, findings, want) in [
            ("stop", "policy_evaluation", &mapping, &stopping, "stop"),
            (
                "stop",
                "policy_evaluation",
                &mapping,
                &json!([]),
                "stop, because the bundle cannot be applied to the image",
            ),
            (
                "stop",
                "policy_evaluation",
                &json!(null),
                &json!([]),
                "stop, because the bundle cannot be applied to the image",
            ),
            ("go", "policy_evaluation", &mapping, &json!([]), "go"),
            (
                "go",
                "policy_evaluation",
                &json!(null),
                &json!([]),
                "go, because no mapping of the bundle matches the image: no policy was applied",
            ),
            ("go", "whitelisted", &mapping, &stopping, "go, because the image is on the allow list"),
            ("stop", "blacklisted", &json!(null), &json!([]), "stop, because the image is on the deny list"),
        ] {
            let evaluation: Evaluation = serde_json::from_value(json!({
                "bundle_id": "b", "reference": "r", "image_id": "i", "image_digest": "d", "matched_mapping": mapping,
                "final_action": action, "final_action_reason": reason, "policy_action": "stop", "findings": findings,
                "problems": [], "evaluated_at": "2026-01-01T00:00:00Z",
            }))
            .unwrap();
            assert_eq!(line(&evaluation), want);
        }
    }
}
