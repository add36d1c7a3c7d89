//! Judging made-up images in few words.

use killick_model::evaluation::Evaluation;
use killick_policy::{Bundle, Compatibility, Options, ProblemSeverity, evaluate};
use serde_json::{Value, json};

use crate::bundle_of::bundle_of;
use crate::facts::Facts;

pub(crate) const REFERENCE: &str = "docker.io/library/nginx:latest";

/// A rule that stops.
pub(crate) fn rule(gate: &str, trigger: &str, params: &Value) -> Value {
    let params = params.as_object().into_iter().flatten();
    let params: Vec<_> = params.map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"id": "r", "gate": gate, "trigger": trigger, "action": "STOP", "params": params})
}

pub(crate) fn always(action: &str) -> Value {
    json!({"id": action, "gate": "always", "trigger": "always", "action": action, "params": []})
}

/// A bundle with one rule that always stops, changed.
pub(crate) fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut bundle = bundle_of(&json!([always("STOP")]));
    change(&mut bundle);
    bundle
}

pub(crate) fn judge_by(bundle: &Value, facts: &Value, reference: &str, compatibility: Compatibility) -> Evaluation {
    let (bundle, facts) = (Bundle::parse(bundle).expect("an object"), Facts::new(facts));
    evaluate(&bundle, &facts.evidence(), reference, &Options { compatibility })
}

/// As we judge, then as the original does.
pub(crate) fn judge_twice(bundle: &Value, facts: &Value) -> (Evaluation, Evaluation) {
    let judge = |compatibility| judge_by(bundle, facts, REFERENCE, compatibility);
    (judge(Compatibility::Repaired), judge(Compatibility::Engine11))
}

pub(crate) fn judge(bundle: &Value, facts: &Value) -> Evaluation {
    judge_by(bundle, facts, REFERENCE, Compatibility::Repaired)
}

/// What the findings say, or `failed` for a rule that could not be evaluated.
pub(crate) fn messages(evaluation: &Evaluation) -> Vec<String> {
    if evaluation.problems.iter().any(|problem| problem.problem_type == "TriggerEvaluationError") {
        return vec!["failed".to_owned()];
    }
    evaluation.findings.iter().map(|finding| finding.message.clone()).collect()
}

/// The quirks that the warnings of an evaluation name.
pub(crate) fn named_quirks(evaluation: &Evaluation) -> Vec<String> {
    let warnings = evaluation.problems.iter().filter(|problem| problem.problem_type == "CompatibilityWarning");
    let quirks =
        warnings.filter_map(|problem| problem.details.split_once(':')).flat_map(|(quirks, _)| quirks.split(", "));
    quirks.map(str::to_owned).collect()
}

/// Type and reason of each error on saving.
pub(crate) fn refusals(bundle: &Value) -> Vec<(String, String)> {
    let problems = Bundle::parse(bundle).expect("an object").validate().into_iter();
    let errors = problems.filter(|problem| problem.severity == ProblemSeverity::Error);
    errors.map(|problem| (problem.problem_type, problem.reason)).collect()
}
