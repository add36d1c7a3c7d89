//! An evaluation as the v1 API tells it: the table of findings and the object around it.

use killick_model::evaluation::{Evaluation, Finding};
use serde_json::{Map, Value, json};

/// The columns of the table, by which clients find their way.
pub const HEADER: [&str; 9] = [
    "Image_Id",
    "Repo_Tag",
    "Trigger_Id",
    "Gate",
    "Trigger",
    "Check_Output",
    "Gate_Action",
    "Whitelisted",
    "Policy_Id",
];

/// The list that exceptions seem to be items of.
const EXCEPTIONS: &str = "exceptions";

/// `pass` or `fail`.
pub fn status(evaluation: &Evaluation) -> &'static str {
    if evaluation.passes() { "pass" } else { "fail" }
}

/// The `result` object of a check answer, for an account and the bundle as it was evaluated.
pub fn result(evaluation: &Evaluation, user_id: &str, bundle: &Value) -> Value {
    let evaluated_at = evaluation.evaluated_at.as_second();
    // "No match" is `false`, never null.
    let or_false = |rule: &Option<Value>| rule.clone().unwrap_or(Value::Bool(false));
    json!({
        "bundle": bundle,
        "created_at": evaluated_at,
        "evaluation_problems": problems(evaluation),
        "final_action": evaluation.final_action,
        "final_action_reason": evaluation.final_action_reason.name(),
        "image_digest": evaluation.image_digest,
        "image_id": evaluation.image_id,
        "last_modified": evaluated_at,
        "matched_blacklisted_images_rule": or_false(&evaluation.matched_denied_image),
        "matched_mapping_rule": or_false(&evaluation.matched_mapping),
        "matched_whitelisted_images_rule": or_false(&evaluation.matched_allowed_image),
        "result": table(evaluation),
        "status": status(evaluation),
        "tag": evaluation.reference,
        "user_id": user_id,
    })
}

/// The table under the image's id, beside the empty legacy fields. No other value here may be an object: clients
/// take every object for the table of an image.
pub fn table(evaluation: &Evaluation) -> Value {
    let rows: Vec<Value> = evaluation.findings.iter().map(|finding| row(evaluation, finding)).collect();
    let table = json!({
        "result": {
            "final_action": evaluation.policy_action,
            "header": HEADER,
            "row_count": rows.len(),
            "rows": rows,
        }
    });
    let mut object = Map::new();
    object.insert(evaluation.image_id.clone(), table);
    for (key, value) in [
        ("policy_data", json!([])),
        ("policy_name", json!("")),
        ("whitelist_data", json!([])),
        ("whitelist_names", json!([])),
    ] {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

fn row(evaluation: &Evaluation, finding: &Finding) -> Value {
    let allowlisted = match (&finding.allowlisted, &finding.exception) {
        (Some(item), _) => json!({
            "matched_rule_id": item.item_id,
            "whitelist_id": item.allowlist_id,
            "whitelist_name": item.allowlist_name,
        }),
        // Version 1 knows no exceptions: to its clients they are items of one more list.
        (None, Some(id)) => json!({
            "matched_rule_id": id,
            "whitelist_id": EXCEPTIONS,
            "whitelist_name": EXCEPTIONS,
        }),
        (None, None) => Value::Bool(false),
    };
    json!([
        evaluation.image_id,
        evaluation.reference,
        finding.trigger_id,
        finding.gate,
        finding.trigger,
        finding.message,
        finding.action,
        allowlisted,
        finding.policy_id,
    ])
}

/// Errors before warnings.
fn problems(evaluation: &Evaluation) -> Vec<Value> {
    let mut problems: Vec<_> = evaluation.problems.iter().collect();
    problems.sort_by_key(|problem| problem.severity != "error");
    let record = |problem: &killick_model::evaluation::EvaluationProblem| {
        json!({
            "details": problem.details,
            "problem_type": problem.problem_type,
            "severity": problem.severity,
        })
    };
    problems.into_iter().map(record).collect()
}
