//! Whole bundles: validation, mappings, allowlists and image lists, down to the final action.

use killick_model::evaluation::Evaluation;
use killick_policy::{Bundle, Compatibility, Options, evaluate};
use serde_json::{Value, json};

mod allowlists;
#[path = "../bundle_of/mod.rs"]
mod bundle_of;
mod documents;
#[path = "../facts/mod.rs"]
mod facts;
mod policies;
mod selection;

use bundle_of::bundle_of;
use facts::Facts;

pub(crate) const REFERENCE: &str = "docker.io/library/nginx:latest";

pub(crate) fn rule(action: &str) -> Value {
    json!({"id": action, "gate": "always", "trigger": "always", "action": action, "params": []})
}

pub(crate) fn policy(id: &str, action: &str) -> Value {
    json!({"id": id, "version": "1_0", "name": id, "rules": [rule(action)]})
}

pub(crate) fn mapping(policies: &[&str], registry: &str, repository: &str, kind: &str, value: &str) -> Value {
    json!({"id": format!("{registry}-{value}"), "name": "m", "registry": registry, "repository": repository,
        "image": {"type": kind, "value": value}, "policy_ids": policies, "whitelist_ids": []})
}

/// The bundle with one rule that always stops, changed.
pub(crate) fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut bundle = bundle_of(&json!([rule("STOP")]));
    change(&mut bundle);
    bundle
}

pub(crate) fn judge_as(bundle: &Value, reference: &str, compatibility: Compatibility) -> Evaluation {
    let facts = Facts::new(&json!({}));
    evaluate(
        &Bundle::parse(bundle).expect("as the case is written"),
        &facts.evidence(),
        reference,
        &Options { compatibility },
    )
}

pub(crate) fn judge(bundle: &Value) -> Evaluation {
    judge_as(bundle, REFERENCE, Compatibility::Repaired)
}

/// Problem types and details, as the v1 API shows them.
pub(crate) fn problems(bundle: &Value) -> Vec<(String, String)> {
    let found = Bundle::parse(bundle).expect("as the case is written").validate();
    found.into_iter().map(|problem| (problem.problem_type, problem.details)).collect()
}

pub(crate) fn types(bundle: &Value) -> Vec<String> {
    problems(bundle).into_iter().map(|(kind, _)| kind).collect()
}
