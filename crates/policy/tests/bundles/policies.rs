//! What policies and their rules come to.

use killick_model::evaluation::{Action, Evaluation};
use killick_policy::{Bundle, Compatibility, Options, evaluate};
use serde_json::json;

use crate::bundle_of::bundle_of;
use crate::facts::Facts;
use crate::{REFERENCE, changed, judge, mapping, policy, rule};

#[test]
fn what_could_not_be_read_is_told_and_changes_no_verdict() {
    let facts = Facts::new(&json!({"problems": [
        {"kind": "malformed-database", "subject": "/var/lib/rpm/Packages", "message": "ends within page 3"},
        {"kind": "limit-file-bytes", "subject": "/srv/x", "message": "too large"},
    ]}));
    let bundle = Bundle::parse(&changed(|_| ())).expect("as the case is written");
    let judge = |compatibility| evaluate(&bundle, &facts.evidence(), REFERENCE, &Options { compatibility });
    let evaluation = judge(Compatibility::Repaired);
    let [problem] = evaluation.problems.as_slice() else { panic!("{:?}", evaluation.problems) };
    assert_eq!((problem.severity.as_str(), problem.problem_type.as_str()), ("warn", "AnalysisWarning"));
    assert_eq!(
        problem.details,
        "what could not be read of the image was not judged, 2 in all, the first: /srv/x: too large"
    );
    let original = judge(Compatibility::Engine11);
    assert!(original.problems.is_empty());
    assert_eq!((original.final_action, original.findings), (evaluation.final_action, evaluation.findings));
}

#[test]
fn policies_are_applied_in_order_and_the_worst_counts() {
    // TV-029.
    let bundle = |ids: &[&str]| {
        changed(|b| {
            b["policies"] = json!([policy("p1", "GO"), policy("p2", "WARN"), policy("p3", "STOP")]);
            b["mappings"] = json!([mapping(ids, "*", "*", "tag", "*")]);
        })
    };
    let order = |evaluation: &Evaluation| -> Vec<String> {
        evaluation.findings.iter().map(|finding| finding.policy_id.clone()).collect()
    };
    let evaluation = judge(&bundle(&["p2", "p1"]));
    assert_eq!((evaluation.final_action, order(&evaluation)), (Action::Warn, vec!["p2".into(), "p1".into()]));
    let evaluation = judge(&bundle(&["p3", "p1", "p1"]));
    assert_eq!((evaluation.final_action, order(&evaluation).len()), (Action::Stop, 3));
}

#[test]
fn rules_are_grouped_by_gate() {
    // TV-030, with a gate that exists.
    let other = json!({"gate": "dockerfile", "trigger": "no_dockerfile_provided", "action": "GO", "params": []});
    let evaluation = judge(&bundle_of(&json!([rule("GO"), other, rule("GO")])));
    let gates: Vec<_> = evaluation.findings.iter().map(|finding| finding.gate.as_str()).collect();
    assert_eq!(gates, ["always", "always", "dockerfile"]);
}

#[test]
fn retired_gates_do_nothing_but_say_so() {
    // TV-031.
    let retired =
        json!({"gate": "ANCHORESEC", "trigger": "VULNLOW", "action": "STOP", "params": [{"name": "x", "value": "y"}]});
    let evaluation = judge(&bundle_of(&json!([retired, rule("WARN")])));
    assert_eq!((evaluation.final_action, evaluation.findings.len()), (Action::Warn, 1));
    let problem = &evaluation.problems[0];
    assert_eq!((problem.severity.as_str(), problem.problem_type.as_str()), ("error", "EndOfLifedError"));
    assert!(problem.details.starts_with("Gate ANCHORESEC "), "{}", problem.details);
}
