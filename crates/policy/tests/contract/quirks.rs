//! The register of the original's quirks, row by row, as far as it is about bundles, saving and time. A name says the row
//! and the way: `kept`, `repaired` (with a warning where it changes what is found, and the original's outcome for
//! `engine-1.1`) or `extended`.

use killick_model::evaluation::Action;
use killick_policy::{Bundle, Compatibility, ProblemSeverity, spec};
use serde_json::{Value, json};

use crate::bundle_of::bundle_of;
use crate::facts::DIGEST;
use crate::judging::{always, changed, judge, judge_by, judge_twice, messages, named_quirks, refusals, rule};

fn types(bundle: &Value) -> Vec<String> {
    refusals(bundle).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn the_profiles_have_names() {
    for profile in [Compatibility::Repaired, Compatibility::Engine11] {
        assert_eq!(profile.to_string().parse(), Ok(profile));
        assert_eq!(serde_json::to_value(profile).expect("a word"), profile.to_string());
    }
    assert!("engine".parse::<Compatibility>().is_err());
}

#[test]
fn q01_repaired_mappings_by_digest_match() {
    let bundle = changed(|bundle| bundle["mappings"][0]["image"] = json!({"type": "digest", "value": DIGEST}));
    let (ours, theirs) = judge_twice(&bundle, &json!({}));
    assert_eq!((ours.findings.len(), named_quirks(&ours)), (1, vec!["Q-01".to_owned()]));
    assert_eq!((theirs.findings.len(), theirs.final_action), (0, Action::Stop));
}

#[test]
fn q02_kept_no_mapping_goes_and_extended_says_so() {
    let (ours, theirs) = judge_twice(&changed(|bundle| bundle["mappings"] = json!([])), &json!({}));
    assert_eq!((ours.final_action, theirs.final_action), (Action::Go, Action::Go));
    assert_eq!((ours.problems[0].problem_type.as_str(), theirs.problems.len()), ("NoMatchedMappingWarning", 0));
}

#[test]
fn q03_repaired_a_rule_that_fails_stands_alone_and_is_not_passed() {
    let bad = rule("files", "name_match", &json!({"regex": "*\\.pem"}));
    let bundle = bundle_of(&json!([bad, always("WARN")]));
    let (ours, theirs) = judge_twice(&bundle, &json!({"files": [{"path": "/a"}]}));
    let ids: Vec<_> = ours.findings.iter().map(|finding| finding.trigger_id.as_str()).collect();
    assert_eq!((ids, ours.final_action), (vec!["evaluation_error", "always"], Action::Stop));
    assert_eq!((messages(&ours), messages(&theirs)), (vec!["failed".to_owned()], vec!["failed".to_owned()]));
    assert_eq!(theirs.findings.len(), 0);
    // Such a bundle cannot be saved any more.
    assert_eq!(types(&bundle), ["ParameterValueInvalidError"]);
}

#[test]
fn q28_repaired_an_exception_ends_when_it_expires() {
    let mut bundle = changed(|bundle| {
        let items = json!([{"gate": "always", "trigger_id": "*", "expires_on": "2026-02-01T00:00:00Z"}]);
        bundle["whitelists"] = json!([{"id": "w", "version": "1_0", "name": "w", "items": items}]);
    });
    bundle["mappings"][0]["whitelist_ids"] = json!(["w"]);
    let on = |now: &str| judge(&bundle, &json!({"now": now})).final_action;
    assert_eq!((on("2026-01-31T23:59:59Z"), on("2026-02-01T00:00:00Z")), (Action::Go, Action::Stop));
}

#[test]
fn q29_and_q30_kept_missing_lists_are_refused_in_the_originals_words() {
    let missing = |path: &[&str], key: &str| {
        changed(|bundle| {
            let object = path.iter().fold(bundle, |at, key| match key.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[*key],
            });
            object.as_object_mut().expect("an object").remove(key);
        })
    };
    for (bundle, want) in [
        (missing(&["mappings", "0"], "whitelist_ids"), "TypeError"),
        (missing(&["policies", "0"], "rules"), "TypeError"),
        (missing(&["policies", "0", "rules", "0"], "params"), "PolicyError"),
    ] {
        let problems = Bundle::parse(&bundle).expect("an object").validate();
        assert_eq!(
            (types(&bundle), problems[0].details.as_str()),
            (vec![want.to_owned()], "'NoneType' object is not iterable")
        );
        assert!(problems[0].remedy.as_ref().is_some_and(|remedy| remedy.contains("[]")), "extended: {problems:?}");
    }
}

#[test]
fn q31_kept_the_text_and_extended_by_the_parameter() {
    let problems = |params: &Value| {
        Bundle::parse(&bundle_of(&json!([rule("files", "name_match", params)]))).expect("an object").validate()
    };
    let missing = problems(&json!({}));
    assert_eq!(missing[0].details, "Required parameter (gate=files,trigger=name_match,rule_id=r)");
    assert_eq!(
        (missing[0].path.as_str(), missing[0].reason.as_str()),
        ("policies.0.rules.0.params.regex", "parameter `regex` is missing")
    );
    let unknown = problems(&json!({"regex": "x", "regx": "y"}));
    assert!(!unknown[0].details.contains("regx") && unknown[0].reason.contains("`regx`"), "{unknown:?}");
}

#[test]
fn q32_repaired_and_q33_kept_actions_are_three_words() {
    for (action, want) in [("real", vec!["PolicyError"]), ("HELLO", vec!["PolicyError"]), ("sToP", vec![])] {
        let bundle = changed(|bundle| bundle["policies"][0]["rules"][0]["action"] = action.into());
        assert_eq!(types(&bundle), want, "{action}");
    }
}

#[test]
fn q34_repaired_what_is_no_number_is_refused() {
    for text in ["", ".", "-", "--5"] {
        let params = json!({"package_type": "all", "vendor_cvss_v3_base_score": text});
        let bundle = bundle_of(&json!([rule("vulnerabilities", "package", &params)]));
        assert_eq!(types(&bundle), ["ParameterValueInvalidError"], "{text:?}");
    }
}

#[test]
fn q35_repaired_data_ages() {
    let bundle = bundle_of(&json!([rule("vulnerabilities", "stale_feed_data", &json!({"max_days_since_sync": "2"}))]));
    let on =
        |now: &str| judge(&bundle, &json!({"now": now, "feeds": {"debian:10": "2026-01-01T00:00:00Z"}})).findings.len();
    assert_eq!((on("2026-01-02T00:00:00Z"), on("2026-01-04T00:00:00Z")), (0, 1));
}

#[test]
fn q36_repaired_what_was_not_read_is_told() {
    let problem = json!({"kind": "malformed-database", "subject": "/var/lib/dpkg/status", "message": "ends early"});
    let (ours, theirs) = judge_twice(&changed(|_| ()), &json!({"problems": [problem]}));
    assert_eq!((ours.problems[0].problem_type.as_str(), theirs.problems.len()), ("AnalysisWarning", 0));
}

#[test]
fn q40_and_q41_repaired_the_specification_names_what_exists() {
    let spec = spec();
    let gate = |name: &str| {
        let mut gates = spec.as_array().expect("a list").iter();
        gates.find(|gate| gate["name"] == name).expect("the gate").clone()
    };
    let successor = gate("gemcheck")["superceded_by"].as_str().expect("a name").to_owned();
    assert_eq!((successor.as_str(), gate(&successor)["state"].as_str()), ("ruby_gems", Some("active")));
    let instruction = gate("dockerfile")["triggers"][0]["parameters"][0].clone();
    let allowed = instruction["validator"]["criteria"]["enum"].as_array().expect("words").clone();
    assert!(allowed.contains(&instruction["example"]), "{instruction}");
}

#[test]
fn every_example_of_the_specification_is_valid() {
    for gate in spec().as_array().expect("a list").iter().filter(|gate| gate["state"] == "active") {
        for trigger in gate["triggers"].as_array().expect("a list") {
            let mut params = serde_json::Map::new();
            for parameter in trigger["parameters"].as_array().expect("a list") {
                if let Some(example) = parameter["example"].as_str() {
                    params.insert(parameter["name"].as_str().expect("a name").to_owned(), example.into());
                }
            }
            let (gate, trigger) = (gate["name"].as_str().expect("a name"), trigger["name"].as_str().expect("a name"));
            let bundle = bundle_of(&json!([rule(gate, trigger, &Value::Object(params))]));
            assert_eq!(refusals(&bundle), [], "{gate}.{trigger}");
        }
    }
}

#[test]
fn a_bundle_may_use_every_trigger() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/bundles/every-trigger.json");
    let bundle: Value = serde_json::from_slice(&fs_err::read(path).expect("a bundle")).expect("JSON");
    assert!(Bundle::check_schema(&bundle).is_empty() && refusals(&bundle).is_empty());
    let rules = bundle["policies"][0]["rules"].as_array().expect("a list");
    for gate in spec().as_array().expect("a list").iter().filter(|gate| gate["state"] == "active") {
        for trigger in gate["triggers"].as_array().expect("a list") {
            let is_used = rules.iter().any(|rule| rule["gate"] == gate["name"] && rule["trigger"] == trigger["name"]);
            assert!(is_used, "{}.{}", gate["name"], trigger["name"]);
        }
    }
}

#[test]
fn q45_kept_an_evaluation_without_a_tag_is_one_of_docker_io() {
    let of = |registry: &str| {
        let bundle = changed(|bundle| bundle["mappings"][0]["registry"] = registry.into());
        judge_by(&bundle, &json!({}), "*/*:*", Compatibility::Repaired).matched_mapping.is_some()
    };
    assert_eq!((of("docker.io"), of("*"), of("gcr.io")), (true, true, false));
}

#[test]
fn q46_repaired_a_bad_expression_is_refused_wherever_it_stands() {
    let mapping = changed(|bundle| bundle["mappings"][0]["repository"] = "regexp:[".into());
    let tag = changed(|bundle| bundle["mappings"][0]["image"]["value"] = "regexp:(".into());
    let mut item = changed(|bundle| {
        let items = json!([{"gate": "always", "trigger_id": "regexp:["}]);
        bundle["whitelists"] = json!([{"id": "w", "version": "1_0", "name": "w", "items": items}]);
    });
    item["mappings"][0]["whitelist_ids"] = json!(["w"]);
    let denied = changed(|bundle| {
        bundle["blacklisted_images"] = json!([{"name": "x", "registry": "regexp:[", "repository": "*",
            "image": {"type": "tag", "value": "*"}}]);
    });
    for bundle in [mapping, tag, item, denied] {
        assert_eq!(types(&bundle), ["error"], "{bundle}");
    }
    let parameter = bundle_of(&json!([rule("secret_scans", "content_regex_checks", &json!({"filename_regex": "("}))]));
    assert_eq!(types(&parameter), ["ParameterValueInvalidError"]);
    let problems = Bundle::parse(&parameter).expect("an object").validate();
    assert!(problems.iter().all(|problem| problem.severity == ProblemSeverity::Error && problem.remedy.is_some()));
}
