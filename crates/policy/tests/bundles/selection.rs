//! Which policies judge an image, and whether any does.

use killick_model::evaluation::{Action, FinalActionReason};
use killick_policy::Compatibility;
use serde_json::json;

use crate::facts::{DIGEST, ID};
use crate::{REFERENCE, changed, judge, judge_as, mapping, policy, types};

#[test]
fn only_the_mapping_that_matches_can_break_an_evaluation() {
    // TV-038: two problems on saving, none on judging an image of the other mapping.
    let bundle = changed(|b| {
        let mut broken = mapping(&["gone"], "gcr.io", "*", "tag", "*");
        broken["whitelist_ids"] = json!(["gone too"]);
        b["mappings"].as_array_mut().expect("as the case is written").insert(0, broken);
    });
    assert_eq!(types(&bundle), ["ReferencedObjectNotFoundError", "ReferencedObjectNotFoundError"]);
    assert_eq!((judge(&bundle).problems.len(), judge(&bundle).findings.len()), (0, 1));
}

#[test]
fn an_image_without_a_mapping_goes_with_a_warning() {
    let bundle = changed(|b| b["mappings"][0]["registry"] = "gcr.io".into());
    let evaluation = judge(&bundle);
    assert_eq!((evaluation.final_action, evaluation.matched_mapping), (Action::Go, None));
    assert_eq!(evaluation.problems[0].problem_type, "NoMatchedMappingWarning");
    assert!(judge_as(&bundle, REFERENCE, Compatibility::Engine11).problems.is_empty());
}

#[test]
fn the_first_matching_mapping_counts() {
    let bundle = changed(|b| {
        b["policies"] = json!([policy("a", "STOP"), policy("b", "WARN"), policy("c", "GO")]);
        b["mappings"] = json!([
            mapping(&["a"], "gcr.io", "*", "tag", "*"),
            mapping(&["b"], "*", "*", "tag", "*"),
            mapping(&["c"], "*", "*", "tag", "*"),
        ]);
    });
    assert_eq!(judge(&bundle).final_action, Action::Warn);
    for (registry, repository, kind, value, want) in [
        ("*", "nginx", "tag", "*", false),
        ("*", "library/nginx", "tag", "lat*", true),
        ("docker?io", "*", "tag", "*", false),
        ("*", "*", "foo", "*", false),
        ("*", "*", "digest", DIGEST, true),
        ("*", "*", "digest", "*", false),
        ("*", "*", "id", ID, true),
        ("*", "*", "id", "*", false),
    ] {
        let bundle = changed(|b| b["mappings"] = json!([mapping(&["p"], registry, repository, kind, value)]));
        assert_eq!(judge(&bundle).matched_mapping.is_some(), want, "{registry} {repository} {kind} {value}");
    }
    let bundle = changed(|b| b["mappings"] = json!([mapping(&["p"], "docker.io", "*", "tag", "*")]));
    let evaluation = judge_as(&bundle, "dockerhub/library/nginx:1", Compatibility::Repaired);
    assert_eq!((evaluation.reference.as_str(), evaluation.findings.len()), ("dockerhub/library/nginx:1", 1));
}

#[test]
fn a_mapping_by_digest_stops_the_original_and_not_us() {
    // TV-020, TV-021, Q-01.
    let bundle = changed(|b| {
        b["policies"] = json!([policy("a", "WARN"), policy("b", "STOP")]);
        b["mappings"] = json!([mapping(&["a"], "*", "*", "tag", "*"), mapping(&["b"], "*", "*", "digest", DIGEST)]);
    });
    let ours = judge(&bundle);
    assert_eq!((ours.final_action, ours.problems[0].problem_type.as_str()), (Action::Warn, "CompatibilityWarning"));
    let theirs = judge_as(&bundle, REFERENCE, Compatibility::Engine11);
    assert_eq!((theirs.final_action, theirs.findings.len()), (Action::Stop, 0));
    assert_eq!(theirs.problems[0].details, "'NoneType' object has no attribute 'digest'");
}

#[test]
fn image_lists_come_before_policies_and_denial_before_allowance() {
    let any = json!([mapping(&[], "*", "*", "tag", "*")]);
    let by_id = |id: &str| json!([mapping(&[], "*", "*", "id", id)]);
    let none = json!([]);
    let prefixed = format!("sha256:{ID}");
    for (name, action, allow, deny, want) in [
        ("TV-023", "GO", &none, &any, (Action::Stop, FinalActionReason::Blacklisted, Action::Go)),
        ("TV-024", "STOP", &any, &none, (Action::Go, FinalActionReason::Whitelisted, Action::Stop)),
        ("TV-025", "GO", &any, &any, (Action::Stop, FinalActionReason::Blacklisted, Action::Go)),
        (
            "TV-026 prefixed",
            "STOP",
            &by_id(&prefixed),
            &none,
            (Action::Stop, FinalActionReason::PolicyEvaluation, Action::Stop),
        ),
        ("TV-026", "STOP", &by_id(ID), &none, (Action::Go, FinalActionReason::Whitelisted, Action::Stop)),
    ] {
        let bundle = changed(|b| {
            b["policies"] = json!([policy("p", action)]);
            b["whitelisted_images"] = allow.clone();
            b["blacklisted_images"] = deny.clone();
        });
        let evaluation = judge(&bundle);
        let got = (evaluation.final_action, evaluation.final_action_reason, evaluation.policy_action);
        assert_eq!((got, evaluation.findings.len()), (want, 1), "{name}");
        // TV-027: the lists count without a mapping too.
        let mut unmapped = bundle;
        unmapped["mappings"] = json!([]);
        let evaluation = judge(&unmapped);
        if want.1 != FinalActionReason::PolicyEvaluation {
            assert_eq!((evaluation.final_action, evaluation.final_action_reason), (want.0, want.1), "{name}");
        }
        // TV-028: but not where the bundle is broken.
        unmapped["mappings"] = json!([mapping(&["zz"], "*", "*", "tag", "*")]);
        let evaluation = judge(&unmapped);
        assert_eq!(
            (evaluation.final_action, evaluation.final_action_reason),
            (Action::Stop, FinalActionReason::PolicyEvaluation),
            "{name}"
        );
    }
}
