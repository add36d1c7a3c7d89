//! What a bundle may ask for at most.

use killick_model::evaluation::{Action, FinalActionReason};
use killick_policy::{Bundle, ProblemSeverity};
use serde_json::{Value, json};

use crate::judging::{changed, judge, rule};

/// Tries every way to split a text; a number makes it another pattern.
fn runaway(number: usize) -> String {
    format!("{number}?(?:a|a)*(?!b)c")
}

#[test]
fn patterns_that_backtrack_share_the_steps_of_one_evaluation() {
    let facts = json!({"retrieved": {"/x": "a".repeat(4096)}});
    let of = |number| {
        rule("retrieved_files", "content_regex", &json!({"path": "/x", "regex": runaway(number), "check": "match"}))
    };
    let by_name = |registry: &str| {
        json!({
            "id": "i", "name": "i", "registry": registry, "repository": "regexp:(?!x).*", "image": {"type": "tag", "value": "*"},
        })
    };
    let bundle = changed(|bundle| {
        let mut rules: Vec<Value> = (1..=5).map(of).collect();
        rules.push(rule("files", "name_match", &json!({"regex": ".*linear"})));
        bundle["policies"][0]["rules"] = rules.into();
        let item = json!({"id": "w", "gate": "retrieved_files", "trigger_id": "regexp:(?!x)evaluation.*"});
        bundle["whitelists"] = json!([{"id": "w", "version": "1_0", "name": "w", "items": [item]}]);
        bundle["mappings"][0]["whitelist_ids"] = json!(["w"]);
        bundle["blacklisted_images"] = json!([by_name("docker.io")]);
    });
    let evaluation = judge(&bundle, &facts);
    // Each rule that could not be answered is told as such, and excuses nothing.
    let ids: Vec<_> = evaluation.findings.iter().map(|finding| finding.trigger_id.as_str()).collect();
    assert_eq!(ids, ["evaluation_error"; 5]);
    let told = |words: &str| evaluation.problems.iter().filter(|problem| problem.details.contains(words)).count();
    assert_eq!(
        (told("takes too many steps"), told("cannot be tried: those with look-around")),
        (3, 3),
        "{:?}",
        evaluation.problems
    );
    let items: Vec<_> =
        evaluation.problems.iter().filter(|problem| problem.problem_type == "AllowlistItemWarning").collect();
    assert_eq!(items.len(), 1, "{items:?}");
    // Which image it is was found out before.
    assert_eq!(
        (evaluation.final_action, evaluation.final_action_reason),
        (Action::Stop, FinalActionReason::Blacklisted)
    );
}

#[test]
fn patterns_of_all_parts_of_a_bundle_are_counted() {
    let item = |pattern: String| json!({"id": "w", "gate": "always", "trigger_id": pattern});
    let with_items = |items: Vec<Value>| {
        changed(|bundle| {
            bundle["whitelists"] = json!([{"id": "w", "version": "1_0", "name": "w", "items": items}]);
            bundle["mappings"][0]["whitelist_ids"] = json!(["w"]);
        })
    };
    let errors = |document: &Value| -> Vec<String> {
        let problems = Bundle::parse(document).expect("an object").validate();
        let errors = problems.into_iter().filter(|problem| problem.severity == ProblemSeverity::Error);
        errors.map(|problem| format!("{}: {}", problem.path, problem.reason)).collect()
    };
    let too_many = |path: &str, pattern: &str| {
        format!("{path}: the regular expression `{pattern}` is one too many: a bundle may have 400 different ones")
    };
    assert_eq!(
        errors(&with_items((0..500).map(|_| item("regexp:a".to_owned())).collect())),
        [""; 0],
        "one, many times"
    );
    assert_eq!(errors(&with_items((0..500).map(|at| item(format!("a{at}*"))).collect())), [""; 0], "no expressions");
    let mut full = with_items((0..401).map(|at| item(format!("regexp:a{at}"))).collect());
    assert_eq!(errors(&full), [too_many("whitelists.0.items.400.trigger_id", "a400")]);
    full["whitelists"][0]["items"].as_array_mut().expect("items").pop();
    assert_eq!(errors(&full), [""; 0]);
    let mut mapped = full.clone();
    mapped["mappings"][0]["repository"] = "regexp:.*".into();
    assert_eq!(errors(&mapped), [too_many("mappings.0.repository", ".*")]);
    let mut listed = full;
    listed["whitelisted_images"] = json!([{
        "id": "i", "name": "i", "registry": "*", "repository": "regexp:.*", "image": {"type": "tag", "value": "*"},
    }]);
    assert_eq!(errors(&listed), [too_many("whitelisted_images.0.repository", ".*")]);
}
