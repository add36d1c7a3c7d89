//! Vectors of the contract (`TV-…`) about bundles, mappings and allowlists that `tests/bundles.rs` has not; those of
//! gates are in `testdata/gates`.

use killick_model::evaluation::{Action, Evaluation, FinalActionReason};
use killick_policy::{Bundle, Compatibility};
use serde_json::{Value, json};

use crate::bundle_of::bundle_of;
use crate::facts::{DIGEST, ID};
use crate::judging::{REFERENCE, always, changed, judge, judge_by, judge_twice, messages, refusals, rule};

fn mapped(registry: &str, repository: &str, kind: &str, value: &str) -> Value {
    changed(|bundle| {
        let mapping = &mut bundle["mappings"][0];
        (mapping["registry"], mapping["repository"]) = (registry.into(), repository.into());
        mapping["image"] = json!({"type": kind, "value": value});
    })
}

fn is_mapped(bundle: &Value, reference: &str) -> bool {
    judge_by(bundle, &json!({}), reference, Compatibility::Repaired).matched_mapping.is_some()
}

#[test]
fn tv_002_a_policy_of_another_version_is_refused() {
    let refused = refusals(&changed(|bundle| bundle["policies"][0]["version"] = "1.0".into()));
    assert_eq!(refused, [("UnsupportedVersionError".to_owned(), "version `1.0` is not supported".to_owned())]);
}

#[test]
fn tv_011_all_problems_of_all_rules_are_told() {
    let refused = refusals(&bundle_of(&json!([
        rule("nope", "x", &json!({})),
        rule("dockerfile", "instruction", &json!({})),
        rule("metadata", "attribute", &json!({"attribute": "zz", "check": "=", "value": "x"})),
    ])));
    let types: Vec<_> = refused.iter().map(|(kind, _)| kind.as_str()).collect();
    let invalid = "ParameterValueInvalidError";
    assert_eq!(types, ["GateNotFoundError", invalid, invalid, invalid]);
}

#[test]
fn tv_012_without_a_mapping_the_image_goes() {
    let (ours, theirs) = judge_twice(&mapped("gcr.io", "*", "tag", "*"), &json!({}));
    for evaluation in [&ours, &theirs] {
        assert_eq!(evaluation.final_action, Action::Go);
        assert_eq!(evaluation.final_action_reason, FinalActionReason::PolicyEvaluation);
        assert!(evaluation.matched_mapping.is_none() && evaluation.findings.is_empty());
    }
    assert_eq!((ours.problems.len(), theirs.problems.len()), (1, 0));
}

#[test]
fn tv_013_the_first_mapping_that_matches_counts() {
    let bundle = changed(|bundle| {
        let mappings = ["gcr.io", "*", "*"].iter().enumerate().map(|(at, registry)| {
            json!({"id": at.to_string(), "name": "m", "registry": registry, "repository": "*",
                "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []})
        });
        bundle["mappings"] = mappings.collect();
    });
    assert_eq!(judge(&bundle, &json!({})).matched_mapping.expect("a mapping")["id"], "1");
}

#[test]
fn tv_014_to_019_names_and_tags_are_patterns() {
    let nginx = REFERENCE;
    for (vector, registry, repository, tag, reference, want) in [
        ("TV-014", "*", "nginx", "*", nginx, false),
        ("TV-014", "*", "library/nginx", "*", nginx, true),
        ("TV-014", "*", "library/*", "*", nginx, true),
        ("TV-014", "*", "*nginx", "*", nginx, true),
        ("TV-015", "docker.*", "*", "*", nginx, true),
        ("TV-015", "docker?io", "*", "*", nginx, false),
        ("TV-015", "DOCKER.IO", "*", "*", nginx, false),
        ("TV-016", "*", "*", "*-dev", "docker.io/a:1-dev", true),
        ("TV-016", "*", "*", "lat*", nginx, true),
        ("TV-016", "*", "*", "lat", nginx, false),
        ("TV-017", "*", "regexp:library/(nginx|redis)", "*", nginx, true),
        ("TV-017", "*", "regexp:nginx", "*", nginx, false),
        ("TV-017", "*", "regexp:library/ng", "*", nginx, true),
        ("TV-018", "docker.io", "*", "*", "dockerhub/library/nginx:latest", true),
        ("TV-018", "dockerhub", "*", "*", "dockerhub/library/nginx:latest", false),
        ("TV-019", "docker.io", "foo/a", "1", "foo/a:1", true),
        ("TV-019", "reg:5000", "a", "1", "reg:5000/a:1", true),
        ("TV-034", "*", "*", "*", "*/*:*", true),
        ("TV-034", "docker.io", "*", "*", "*/*:*", true),
        ("TV-034", "gcr.io", "*", "*", "*/*:*", false),
        ("TV-034", "*", "*", "latest", "*/*:*", false),
        ("TV-035", "docker.io", "nginx", "latest", "nginx", true),
        ("TV-035", "localhost:5000", "x", "1", "localhost:5000/x:1", true),
        ("TV-035", "docker.io", "x", "latest", "x@sha256:abc", false),
    ] {
        let bundle = mapped(registry, repository, "tag", tag);
        assert_eq!(is_mapped(&bundle, reference), want, "{vector} {registry} {repository} {tag} {reference}");
    }
    let kept = judge_by(&mapped("*", "*", "tag", "*"), &json!({}), "dockerhub/a:1", Compatibility::Repaired);
    assert_eq!(kept.reference, "dockerhub/a:1", "TV-018: rows show the reference as given");
}

#[test]
fn tv_022_and_033_digests_and_ids_are_no_patterns_and_other_words_match_nothing() {
    for (kind, value, want) in
        [("digest", "*", false), ("id", "*", false), ("digest", DIGEST, true), ("id", ID, true), ("foo", "*", false)]
    {
        assert_eq!(is_mapped(&mapped("*", "*", kind, value), REFERENCE), want, "{kind} {value}");
    }
}

#[test]
fn tv_030_rules_are_grouped_by_gate() {
    let rules = json!([always("GO"), rule("malware", "scan_not_run", &json!({})), always("GO")]);
    let evaluation = judge(&bundle_of(&rules), &json!({}));
    let gates: Vec<_> = evaluation.findings.iter().map(|finding| finding.gate.as_str()).collect();
    assert_eq!(gates, ["always", "always", "malware"]);
}

#[test]
fn tv_032_a_bundle_of_another_version_stops() {
    let evaluation = judge(&changed(|bundle| bundle["version"] = "2_0".into()), &json!({}));
    assert_eq!((evaluation.final_action, evaluation.findings.len()), (Action::Stop, 0));
    assert_eq!(evaluation.problems[0].problem_type, "UnsupportedVersionError");
}

#[test]
fn tv_036_of_a_parameter_that_is_given_twice_the_last_counts() {
    let mut twice = rule("files", "name_match", &json!({"regex": "/a"}));
    twice["params"].as_array_mut().expect("a list").push(json!({"name": "Regex", "value": "/zzz"}));
    let files = json!({"files": [{"path": "/a"}, {"path": "/zzz"}]});
    let found = messages(&judge(&bundle_of(&json!([twice])), &files));
    assert_eq!(found, ["Application of regex matched file found in container: file=/zzz regexp=/zzz"]);
}

/// A bundle whose mapping has these allowlists: id and items.
fn allowing(rules: &Value, lists: &[(&str, Value)]) -> Value {
    let mut bundle = bundle_of(rules);
    let list =
        |(id, items): &(&str, Value)| json!({"id": id, "version": "1_0", "name": id.to_uppercase(), "items": items});
    bundle["whitelists"] = lists.iter().map(list).collect();
    bundle["mappings"][0]["whitelist_ids"] = lists.iter().map(|(id, _)| *id).collect();
    bundle
}

/// List and item that excused each finding.
fn excuses(evaluation: &Evaluation) -> Vec<(String, String)> {
    let by = evaluation.findings.iter().filter_map(|finding| finding.allowlisted.as_ref());
    by.map(|by| (by.allowlist_id.clone(), by.item_id.clone().unwrap_or_default())).collect()
}

#[test]
fn tv_040_an_excused_finding_goes() {
    let items = |id: &str| json!([{"id": "i", "gate": "ALWAYS", "trigger_id": id}]);
    let evaluation = judge(&allowing(&json!([always("STOP")]), &[("w", items("always"))]), &json!({}));
    assert_eq!((evaluation.final_action, evaluation.findings[0].action), (Action::Go, Action::Go));
    let by = evaluation.findings[0].allowlisted.as_ref().expect("excused");
    assert_eq!(
        (by.allowlist_name.as_deref(), by.allowlist_id.as_str(), by.item_id.as_deref()),
        (Some("W"), "w", Some("i"))
    );
    let evaluation = judge(&allowing(&json!([always("STOP")]), &[("w", items("ALWAYS"))]), &json!({}));
    assert_eq!(evaluation.final_action, Action::Stop);
}

#[test]
fn tv_044_the_first_allowlist_of_the_mapping_is_credited() {
    let rules = json!([rule("vulnerabilities", "package", &json!({"package_type": "all"}))]);
    let item = |id: &str| json!([{"id": "i", "gate": "vulnerabilities", "trigger_id": id}]);
    let facts = json!({"packages": [{"name": "openssl"}],
        "matches": [{"vulnerability": "CVE-1"}, {"vulnerability": "CVE-2"}]});
    let evaluation = judge(&allowing(&rules, &[("w2", item("*")), ("w1", item("CVE-1+*"))]), &facts);
    assert_eq!(excuses(&evaluation), [("w2".to_owned(), "i".to_owned()), ("w2".to_owned(), "i".to_owned())]);
}

#[test]
fn tv_046_ids_do_not_depend_on_how_the_rule_spells_its_gate() {
    let rules =
        json!([rule("DockerFile", "INSTRUCTION", &json!({"instruction": "HEALTHCHECK", "check": "not_exists"}))]);
    let items = json!([{"gate": "dockerfile", "trigger_id": "41cb7cdf04850e33a11f80c42bf660b3"}]);
    let evaluation = judge(&allowing(&rules, &[("w", items)]), &json!({"dockerfile": "FROM a\n"}));
    assert_eq!((evaluation.final_action, evaluation.findings.len()), (Action::Go, 1));
}

#[test]
fn tv_047_what_is_not_excused_counts() {
    let warning = rule("malware", "scan_not_run", &json!({}));
    let mut rules = json!([always("STOP"), warning]);
    rules[1]["action"] = "WARN".into();
    let items = json!([{"gate": "always", "trigger_id": "always"}]);
    assert_eq!(judge(&allowing(&rules, &[("w", items)]), &json!({})).final_action, Action::Warn);
}

#[test]
fn tv_048_an_item_with_a_bad_expression_costs_the_original_the_evaluation_and_us_the_item() {
    let items = json!([{"gate": "always", "trigger_id": "regexp:["}, {"id": "b", "gate": "always", "trigger_id": "*"}]);
    let (ours, theirs) = judge_twice(&allowing(&json!([always("STOP")]), &[("w", items)]), &json!({}));
    assert_eq!((ours.final_action, excuses(&ours)), (Action::Go, vec![("w".to_owned(), "b".to_owned())]));
    assert!(!ours.problems.is_empty());
    assert_eq!((theirs.final_action, theirs.findings.len()), (Action::Stop, 0));
}

#[test]
fn tv_135_a_rule_without_an_id_is_none() {
    let mut content =
        rule("retrieved_files", "content_regex", &json!({"path": "/etc/ssh", "regex": "x", "check": "no_match"}));
    content.as_object_mut().expect("a rule").remove("id");
    let evaluation = judge(&bundle_of(&json!([content])), &json!({"retrieved": {"/etc/ssh": "PermitRootLogin yes"}}));
    assert_eq!(evaluation.findings[0].trigger_id, "None+file:///etc/ssh");
}

#[test]
fn tv_184_numbers_are_numbers() {
    for (text, want) in [("", 1), (".", 1), ("--5", 1), ("5e1", 1), ("5.", 0), (".5", 0), ("-1", 0)] {
        let params = json!({"package_type": "all", "cvss_v3_base_score": text});
        let refused = refusals(&bundle_of(&json!([rule("vulnerabilities", "package", &params)])));
        assert_eq!(refused.len(), want, "{text:?} {refused:?}");
    }
}

#[test]
fn tv_185_a_severity_nobody_knows_is_unknown() {
    let facts = json!({"packages": [{"name": "a"}], "matches": [{"vulnerability": "CVE-1", "severity": "unknown"}]});
    let found = |comparison: &str| {
        let params = json!({"package_type": "all", "severity_comparison": comparison});
        judge_twice(&bundle_of(&json!([rule("vulnerabilities", "package", &params)])), &facts)
    };
    for (comparison, want) in [("=", 1), (">", 0), (">=", 1)] {
        let (ours, theirs) = found(comparison);
        assert_eq!((ours.findings.len(), theirs.findings.len()), (want, want), "{comparison}");
    }
}

#[test]
fn the_schema_and_the_engine_are_two_layers() {
    // TV-003, TV-004: the one knows only capitals, the other any case.
    let lower = changed(|bundle| bundle["policies"][0]["rules"][0]["action"] = "stop".into());
    assert_eq!((Bundle::check_schema(&lower).len(), refusals(&lower).len()), (1, 0));
}
