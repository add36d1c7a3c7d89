//! Whole bundles: validation, mappings, allowlists and image lists, down to the final action.

use killick_model::evaluation::{Action, Evaluation, FinalActionReason};
use killick_policy::{Bundle, Compatibility, Options, default_bundle, evaluate};
use proptest::prelude::*;
use serde_json::{Value, json};

mod bundle_of;
mod facts;

use bundle_of::bundle_of;
use facts::{DIGEST, Facts, ID};

const REFERENCE: &str = "docker.io/library/nginx:latest";

fn rule(action: &str) -> Value {
    json!({"id": action, "gate": "always", "trigger": "always", "action": action, "params": []})
}

fn policy(id: &str, action: &str) -> Value {
    json!({"id": id, "version": "1_0", "name": id, "rules": [rule(action)]})
}

fn mapping(policies: &[&str], registry: &str, repository: &str, kind: &str, value: &str) -> Value {
    json!({"id": format!("{registry}-{value}"), "name": "m", "registry": registry, "repository": repository,
        "image": {"type": kind, "value": value}, "policy_ids": policies, "whitelist_ids": []})
}

/// The bundle with one rule that always stops, changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut bundle = bundle_of(&json!([rule("STOP")]));
    change(&mut bundle);
    bundle
}

fn judge_as(bundle: &Value, reference: &str, compatibility: Compatibility) -> Evaluation {
    let facts = Facts::new(&json!({}));
    evaluate(
        &Bundle::parse(bundle).expect("as the case is written"),
        &facts.evidence(),
        reference,
        &Options { compatibility },
    )
}

fn judge(bundle: &Value) -> Evaluation {
    judge_as(bundle, REFERENCE, Compatibility::Repaired)
}

/// Problem types and details, as the v1 API shows them.
fn problems(bundle: &Value) -> Vec<(String, String)> {
    let found = Bundle::parse(bundle).expect("as the case is written").validate();
    found.into_iter().map(|problem| (problem.problem_type, problem.details)).collect()
}

fn types(bundle: &Value) -> Vec<String> {
    problems(bundle).into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn malformed_bundles_give_the_problems_of_the_contract() {
    let version = "Found version 2_0, expected one of supported versions ['1_0']. Detail:\"Version not supported\" \
                   (supported_versions=['1_0'],found_version=2_0)";
    let cases = vec![
        ("TV-001", changed(|b| b["version"] = "2_0".into()), vec![("UnsupportedVersionError", version)]),
        (
            "TV-003",
            changed(|b| b["policies"][0]["rules"][0]["action"] = "HELLO".into()),
            vec![("PolicyError", "hello")],
        ),
        ("TV-004", changed(|b| b["policies"][0]["rules"][0]["action"] = "stop".into()), vec![]),
        (
            "TV-005",
            changed(|b| {
                b["policies"][0]["rules"][0] = json!({"gate": "always", "trigger": "always", "action": "STOP"});
            }),
            vec![("PolicyError", "'NoneType' object is not iterable")],
        ),
        (
            "TV-006",
            changed(|b| b["mappings"][0]["whitelist_ids"] = Value::Null),
            vec![("TypeError", "'NoneType' object is not iterable")],
        ),
        (
            "TV-007 both",
            changed(|b| b["mappings"][0]["policy_id"] = "p".into()),
            vec![(
                "ValidationError",
                "Cannot specify both policy_id and policy_ids properties in mapping rule, must use one or the other ()",
            )],
        ),
        (
            "TV-008",
            changed(|b| b["mappings"][0]["policy_ids"] = json!(["zz"])),
            vec![(
                "ReferencedObjectNotFoundError",
                "Referenced object not found (reference_type=policy,reference_id=zz)",
            )],
        ),
        (
            "TV-009",
            changed(|b| b["policies"] = json!([policy("p", "STOP"), policy("p", "STOP")])),
            vec![(
                "DuplicateIdentifierFoundError",
                "Object identifier found multiple times, not unique (identifier=p,identifier_type=policy)",
            )],
        ),
        (
            "TV-010",
            changed(|b| {
                let broken = json!({"id": "x", "version": "9", "rules": [{"gate": "nope"}]});
                b["policies"].as_array_mut().expect("as the case is written").push(broken);
            }),
            vec![],
        ),
        (
            "TV-031",
            changed(|b| {
                b["policies"][0]["rules"][0] =
                    json!({"gate": "dockerfilecheck", "trigger": "nofrom", "action": "STOP", "params": []});
            }),
            vec![(
                "EndOfLifedError",
                "Gate dockerfilecheck has been End-of-Lifed. It will not be evaluated, and should be removed from \
                 policies and replaced with 'dockerfile'",
            )],
        ),
    ];
    for (name, bundle, want) in cases {
        let want: Vec<_> = want.into_iter().map(|(kind, text)| (kind.to_owned(), text.to_owned())).collect();
        assert_eq!(problems(&bundle), want, "{name}");
    }
}

#[test]
fn all_problems_of_a_policy_are_collected() {
    let bundle = bundle_of(&json!([
        {"id": "r1", "gate": "nope", "trigger": "x", "action": "STOP", "params": []},
        {"id": "r2", "gate": "dockerfile", "trigger": "instruction", "action": "STOP", "params": []},
        {"id": "r3", "gate": "metadata", "trigger": "attribute", "action": "STOP", "params": [
            {"name": "attribute", "value": "zz"}, {"name": "check", "value": "="}, {"name": "value", "value": "x"}]},
    ]));
    let found = problems(&bundle);
    assert_eq!(
        types(&bundle),
        ["GateNotFoundError", "ParameterValueInvalidError", "ParameterValueInvalidError", "ParameterValueInvalidError"]
    );
    assert_eq!(found[1].1, "Required parameter (gate=dockerfile,trigger=instruction,rule_id=r2)");
    let evaluation = judge(&bundle);
    assert_eq!((evaluation.final_action, evaluation.findings.len(), evaluation.problems.len()), (Action::Stop, 0, 4));
    assert!(evaluation.matched_mapping.is_some());
}

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
        "what could not be read of the image was not judged, 2 in all, the first: \
         /var/lib/rpm/Packages: ends within page 3"
    );
    let original = judge(Compatibility::Engine11);
    assert!(original.problems.is_empty());
    assert_eq!((original.final_action, original.findings), (evaluation.final_action, evaluation.findings));
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

/// Ids of the findings that an allowlist of these items excuses.
fn excused(items: &Value) -> (Vec<String>, Vec<Option<String>>) {
    let facts = Facts::new(&json!({
        "packages": [{"name": "openssl"}, {"name": "libssl"}, {"name": "libstdc++"}],
        "matches": [
            {"vulnerability": "CVE-1", "package": 0, "aliases": ["GHSA-7"]}, {"vulnerability": "CVE-1", "package": 1},
            {"vulnerability": "CVE-2", "package": 0}, {"vulnerability": "CVE-10", "package": 2}
        ]
    }));
    let mut bundle = bundle_of(&json!([{"gate": "vulnerabilities", "trigger": "package", "action": "STOP",
        "params": [{"name": "package_type", "value": "all"}]}]));
    bundle["allowlists"] = json!([{"id": "w", "version": "1_0", "name": "W", "items": items}]);
    bundle.as_object_mut().expect("as the case is written").remove("whitelists");
    bundle["mappings"][0]["whitelist_ids"] = json!(["w"]);
    let evaluation = evaluate(
        &Bundle::parse(&bundle).expect("as the case is written"),
        &facts.evidence(),
        REFERENCE,
        &Options::default(),
    );
    assert_eq!(evaluation.findings.len(), 4);
    evaluation
        .findings
        .into_iter()
        .filter_map(|finding| finding.allowlisted.map(|by| (finding.trigger_id, by.item_id)))
        .unzip()
}

#[test]
fn allowlist_items_name_findings_by_id_or_pattern() {
    // TV-041, and a name the vulnerability also goes by.
    for (id, want) in [
        ("CVE-1+openssl", vec!["CVE-1+openssl"]),
        ("CVE-1+*", vec!["CVE-1+libssl", "CVE-1+openssl"]),
        ("CVE-1*", vec!["CVE-1+libssl", "CVE-1+openssl", "CVE-10+libstdc++"]),
        ("CVE-1", vec![]),
        ("*+openssl", vec!["CVE-1+openssl", "CVE-2+openssl"]),
        ("*openssl*", vec!["CVE-1+openssl", "CVE-2+openssl"]),
        ("*", vec!["CVE-1+libssl", "CVE-1+openssl", "CVE-10+libstdc++", "CVE-2+openssl"]),
        ("cve-1+openssl", vec![]),
        ("CVE-10+libstdc++", vec!["CVE-10+libstdc++"]),
        ("CVE-?+openssl", vec![]),
        ("regexp:CVE-1\\+.*", vec!["CVE-1+libssl", "CVE-1+openssl"]),
        ("regexp:[", vec![]),
        ("", vec![]),
        ("GHSA-7+openssl", vec!["CVE-1+openssl"]),
    ] {
        let (ids, by) = excused(&json!([{"gate": "VULNERABILITIES", "trigger_id": id}]));
        assert_eq!(ids, want, "{id}");
        assert!(by.iter().all(Option::is_none), "TV-045");
    }
    assert_eq!(excused(&json!([{"gate": "always", "trigger_id": "*"}])).0.len(), 0);
}

#[test]
fn allowlist_items_expire_and_the_first_counts() {
    // TV-042, TV-043. The cases speak for 2026-01-31T12:00Z.
    let item = |id: &str, expiry: &str| json!({"id": id, "gate": "vulnerabilities", "trigger_id": "CVE-2+*", "expires_on": expiry});
    for (expiry, want) in
        [("2026-01-31T12:00:00Z", 0), ("2026-01-31T12:00:01Z", 1), ("2099-01-01T00:00:00:123Z", 1), ("", 1)]
    {
        assert_eq!(excused(&json!([item("a", expiry)])).0.len(), want, "{expiry}");
    }
    let (_, by) = excused(&json!([item("a", "2020-01-01T00:00:00Z"), item("b", ""), item("c", "")]));
    assert_eq!(by, [Some("b".to_owned())]);
    let bad = changed(|b| {
        b["whitelists"] = json!([{"id": "w", "version": "1_0", "items": [item("a", "2020-13-01T00:00:00Z")]}]);
        b["mappings"][0]["whitelist_ids"] = json!(["w"]);
    });
    assert!(Bundle::check_schema(&bad).iter().all(|problem| !problem.path.contains("expires_on")), "TV-037");
    assert_eq!(types(&bad), ["Exception"]);
}

#[test]
fn the_schema_speaks_first() {
    for (bundle, want) in [
        (json!([]), "[] is not of type 'object'"),
        (
            changed(|b| {
                b.as_object_mut().expect("as the case is written").remove("version");
            }),
            "'version' is a required property",
        ),
        (
            changed(|b| b["policies"][0]["rules"][0]["action"] = "stop".into()),
            "'stop' is not one of ['GO', 'STOP', 'WARN'] - 'policies.0.rules.0.action'",
        ),
        (
            changed(|b| b["policies"][0]["rules"][0]["params"] = json!([{"name": "x"}])),
            "'value' is a required property - 'policies.0.rules.0.params.0'",
        ),
        (
            changed(|b| b["policies"][0]["rules"][0]["params"] = json!([{"name": "x", "value": 1}])),
            "1 is not of type 'string' - 'policies.0.rules.0.params.0.value'",
        ),
        (
            changed(|b| b["mappings"][0]["image"]["type"] = "bogus".into()),
            "'bogus' is not one of ['tag', 'digest', 'id'] - 'mappings.0.image.type'",
        ),
    ] {
        let problems = Bundle::check_schema(&bundle);
        assert_eq!(problems.first().map(|problem| problem.details.as_str()), Some(want));
    }
    assert!(Bundle::check_schema(&changed(|_| ())).is_empty());
    assert!(Bundle::parse(&json!([])).is_err());
}

#[test]
fn shipped_bundles_are_valid() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/bundles");
    let mut bundles = vec![("default".to_owned(), default_bundle())];
    for entry in fs_err::read_dir(examples).expect("example bundles") {
        let path = entry.expect("as the case is written").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            bundles.push((
                path.display().to_string(),
                serde_json::from_slice(&fs_err::read(&path).expect("as the case is written"))
                    .expect("as the case is written"),
            ));
        }
    }
    assert!(bundles.len() > 2);
    for (name, bundle) in bundles {
        assert!(Bundle::check_schema(&bundle).is_empty(), "{name}");
        assert_eq!(Bundle::parse(&bundle).expect("as the case is written").validate(), [], "{name}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec!["", "*", "1_0", "p", "always", "STOP", "regexp:(", "é'\""]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let keys = vec![
            "id",
            "version",
            "policies",
            "rules",
            "gate",
            "trigger",
            "action",
            "params",
            "name",
            "value",
            "mappings",
            "registry",
            "repository",
            "image",
            "type",
            "policy_id",
            "policy_ids",
            "whitelist_ids",
            "whitelists",
            "items",
            "trigger_id",
            "expires_on",
            "whitelisted_images",
            "allowlists",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(keys), inner, 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_survived(document in any_json(), key in 0usize..4) {
        let inside = changed(|b| match key {
            0 => b["policies"][0] = document.clone(),
            1 => b["mappings"][0] = document.clone(),
            2 => b["whitelists"] = document.clone(),
            _ => b["policies"][0]["rules"][0] = document.clone(),
        });
        for document in [&document, &inside] {
            let _ = Bundle::check_schema(document);
            if let Ok(bundle) = Bundle::parse(document) {
                let _ = bundle.validate();
                let facts = Facts::new(&json!({}));
                let once = evaluate(&bundle, &facts.evidence(), REFERENCE, &Options::default());
                prop_assert_eq!(&once, &evaluate(&bundle, &facts.evidence(), REFERENCE, &Options::default()));
            }
        }
    }
}
