//! Documents that are no bundles, and what validation says of them.

use killick_model::evaluation::Action;
use killick_policy::{Bundle, Options, default_bundle, evaluate};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bundle_of::bundle_of;
use crate::facts::Facts;
use crate::{REFERENCE, changed, judge, policy, problems, types};

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
