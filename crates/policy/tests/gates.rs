//! Every gate on every case of `testdata/gates`: facts and rules in, findings out.
//!
//! A case is one image and a list of checks. A check is a rule, written `[gate, trigger, {parameters}]`, and the
//! findings it must report, each by trigger id or by message. `engine` gives the findings of the original where a
//! repair changes them: then the evaluation must warn. `"failed"` says the rule cannot be evaluated. `warned` gives what is
//! said of evidence that is missing, where a case is about that. `refused` gives the validation problems of a rule that
//! cannot be saved.

use std::path::Path;

use killick_model::evaluation::Evaluation;
use killick_policy::gates::{GATES, State};
use killick_policy::{Bundle, Compatibility, Options, evaluate};
use serde_json::{Value, json};

mod bundle_of;
mod facts;

use bundle_of::bundle_of;
use facts::Facts;

const REFERENCE: &str = "docker.io/library/nginx:latest";

fn load(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).expect("a case"))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rule(check: &Value) -> Value {
    let params: Vec<_> = check["rule"][2]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({"id": "r", "gate": check["rule"][0], "trigger": check["rule"][1], "action": "STOP", "params": params})
}

fn evaluated(check: &Value, facts: &Facts, compatibility: Compatibility) -> Evaluation {
    let bundle = Bundle::parse(&bundle_of(&json!([rule(check)]))).expect("a bundle");
    evaluate(&bundle, &facts.evidence(), REFERENCE, &Options { compatibility })
}

/// The details of the problems of one type.
fn problems(evaluation: &Evaluation, problem_type: &str) -> Vec<String> {
    let of_type = evaluation.problems.iter().filter(|problem| problem.problem_type == problem_type);
    of_type.map(|problem| problem.details.clone()).collect()
}

/// What was found: one text per finding, the id if the case gives ids, else the message.
fn run(check: &Value, facts: &Facts, compatibility: Compatibility, expected: &Value) -> (Value, Vec<String>) {
    let evaluation = evaluated(check, facts, compatibility);
    let warnings = problems(&evaluation, "CompatibilityWarning");
    if evaluation.problems.iter().any(|problem| problem.problem_type == "TriggerEvaluationError") {
        return (json!("failed"), warnings);
    }
    let wanted: Vec<&str> = expected.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let found = evaluation.findings.iter().map(|finding| {
        assert!(finding.remedy.as_ref().is_some_and(|remedy| !remedy.is_empty()), "no remedy: {finding:?}");
        if wanted.contains(&finding.trigger_id.as_str()) { finding.trigger_id.clone() } else { finding.message.clone() }
    });
    (found.collect::<Vec<_>>().into(), warnings)
}

#[test]
fn testdata() {
    let mut failures = Vec::new();
    for gate in GATES.iter().filter(|gate| gate.state == State::Active) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/gates").join(gate.name);
        let mut cases: Vec<_> = fs_err::read_dir(&folder)
            .expect("every gate has cases")
            .map(|entry| entry.expect("a case").path())
            .collect();
        cases.sort();
        assert!(!cases.is_empty(), "{} has no cases", gate.name);
        for case in cases {
            let document = load(&case.join("case.json"));
            let facts = Facts::new(&document["facts"]);
            for (at, check) in document["checks"].as_array().expect("checks").iter().enumerate() {
                let place = format!(
                    "{}/{} check {at} {}",
                    gate.name,
                    case.file_name().expect("as the case is written").display(),
                    check["rule"]
                );
                if let Some(refused) = check.get("refused") {
                    let bundle = Bundle::parse(&bundle_of(&json!([rule(check)]))).expect("a bundle");
                    let problems: Vec<_> = bundle
                        .validate()
                        .into_iter()
                        .map(|problem| format!("{}: {}", problem.problem_type, problem.reason))
                        .collect();
                    if json!(problems) != *refused {
                        failures.push(format!("{place}: refused {}", json!(problems)));
                    }
                    continue;
                }
                let (found, warnings) = run(check, &facts, Compatibility::Repaired, &check["found"]);
                if found != check["found"] {
                    failures.push(format!("{place}: found {found}"));
                }
                if let Some(warned) = check.get("warned") {
                    let evidence = problems(&evaluated(check, &facts, Compatibility::Repaired), "EvidenceWarning");
                    if json!(evidence) != *warned {
                        failures.push(format!("{place}: warned {}", json!(evidence)));
                    }
                }
                let engine = check.get("engine").unwrap_or(&check["found"]);
                let (theirs, _) = run(check, &facts, Compatibility::Engine11, engine);
                if theirs != *engine {
                    failures.push(format!("{place}: engine {theirs}"));
                }
                if warnings.is_empty() != (theirs == found) {
                    failures.push(format!("{place}: warnings {warnings:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
