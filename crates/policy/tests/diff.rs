//! Differences between bundles, and between their verdicts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle_of;

use bundle_of::bundle_of;
use killick_policy::cases::Case;
use killick_policy::diff::{ChangeKind, VerdictChange, bundles, verdicts};
use killick_policy::{Bundle, Options};
use serde_json::{Value, json};

const NOW: &str = "2026-01-31T12:00:00Z";

fn suid(action: &str) -> Value {
    json!({"id": "s", "gate": "files", "trigger": "suid_or_guid_set", "action": action, "params": []})
}

fn package(severity: &str) -> Value {
    json!({"id": "v", "gate": "vulnerabilities", "trigger": "package", "action": "STOP", "params": [
        {"name": "package_type", "value": "all"}, {"name": "severity", "value": severity}]})
}

/// Kind, place and details of each change.
fn changes(first: &Value, second: &Value) -> Vec<(ChangeKind, String, String)> {
    let changes = bundles(first, second);
    changes.into_iter().map(|change| (change.kind, change.path, change.details.join("; "))).collect()
}

fn owned(changes: &[(ChangeKind, &str, &str)]) -> Vec<(ChangeKind, String, String)> {
    changes.iter().map(|(kind, path, details)| (*kind, (*path).to_owned(), (*details).to_owned())).collect()
}

#[test]
fn what_bundles_say_differently_is_told() {
    use ChangeKind::{Added, Changed, Moved, Removed};
    let both = || bundle_of(&json!([suid("STOP"), package("low")]));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut bundle = both();
        change(&mut bundle);
        bundle
    };
    let item = |id: &str| json!({"gate": "files", "trigger_id": id});
    let list = |items: Value| json!([{"id": "w", "version": "1_0", "items": items}]);
    let mapping = |name: &str| {
        json!({"id": name, "name": name, "registry": "*", "repository": name, "image": {"type": "tag", "value": "*"},
            "policy_ids": ["p"], "whitelist_ids": []})
    };
    for (first, second, want) in [
        (both(), both(), vec![]),
        (both(), with(&|bundle| bundle["name"] = "other".into()), vec![]),
        (both(), with(&|bundle| bundle["policies"][0]["rules"][0]["gate"] = "FILES".into()), vec![]),
        (both(), with(&|bundle| bundle["policies"][0]["rules"][1]["params"].as_array_mut().unwrap().reverse()), vec![]),
        (both(), bundle_of(&json!([package("low"), suid("STOP")])), vec![]),
        (
            both(),
            bundle_of(&json!([suid("WARN"), package("low")])),
            vec![(Changed, "policies.0.rules.0", "action `warn`, not `stop`")],
        ),
        (
            both(),
            bundle_of(&json!([suid("STOP"), package("high")])),
            vec![(Changed, "policies.0.rules.1", "severity `high`, not `low`")],
        ),
        (both(), bundle_of(&json!([suid("STOP")])), vec![(Removed, "policies.0.rules.1", "")]),
        (bundle_of(&json!([package("low")])), both(), vec![(Added, "policies.0.rules.0", "")]),
        (both(), with(&|bundle| bundle["id"] = "c".into()), vec![(Changed, "id", "`c`, not `b`")]),
        (both(), with(&|bundle| bundle["whitelists"] = list(json!([item("a")]))), vec![(Added, "whitelists.0", "")]),
        (
            with(&|bundle| bundle["whitelists"] = list(json!([item("a"), item("b")]))),
            with(&|bundle| {
                bundle["whitelists"] = list(json!([item("b"), item("c")]));
                bundle["whitelists"][0]["items"][0]["expires_on"] = "2030-01-01T00:00:00Z".into();
            }),
            vec![
                (Changed, "whitelists.0.items.0", "expires_on `2030-01-01T00:00:00Z` added"),
                (Added, "whitelists.0.items.1", ""),
                (Removed, "whitelists.0.items.0", ""),
            ],
        ),
        (
            with(&|bundle| bundle["mappings"] = json!([mapping("a"), mapping("b")])),
            with(&|bundle| bundle["mappings"] = json!([mapping("b"), mapping("a")])),
            vec![(Moved, "mappings.1", "it was `mappings.0`")],
        ),
        (
            both(),
            with(&|bundle| bundle["blacklisted_images"] = json!([mapping("a")])),
            vec![(Added, "blacklisted_images.0", "")],
        ),
    ] {
        assert_eq!(changes(&first, &second), owned(&want), "{second}");
    }
    // Current names mean the same.
    let mut renamed = both();
    let members = renamed.as_object_mut().unwrap();
    let policies = members.remove("policies").unwrap();
    members.insert("rule_sets".to_owned(), policies);
    assert_eq!(changes(&both(), &renamed), []);
}

fn judged(first: &Value, second: &Value) -> Option<VerdictChange> {
    let facts = json!({
        "packages": [{"name": "a"}],
        "vulnerabilities": [{"id": "CVE-1", "package": "a", "severity": "medium"}],
        "files": [{"path": "/su", "mode": "4755"}],
    });
    let case = Case::parse(&json!({"facts": facts, "image": "registry.example.com/a:1"}), None).unwrap();
    let judge = |bundle| case.evaluate(&Bundle::parse(bundle).unwrap(), &Options::default(), NOW.parse().unwrap());
    verdicts(&judge(first), &judge(second))
}

#[test]
fn why_a_verdict_is_another_one_is_told() {
    let first = bundle_of(&json!([suid("WARN")]));
    assert_eq!(judged(&first, &first), None);
    let image = json!([{"name": "n", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"}}]);
    let listed = |list: &str| {
        let mut bundle = first.clone();
        bundle[list] = image.clone();
        bundle
    };
    let mut unmapped = first.clone();
    unmapped["mappings"] = json!([]);
    let mut excused = first.clone();
    excused["whitelists"] = json!([{"id": "w", "version": "1_0", "items": [{"gate": "files", "trigger_id": "*"}]}]);
    excused["mappings"][0]["whitelist_ids"] = json!(["w"]);
    for (second, after, because) in [
        (bundle_of(&json!([suid("WARN"), package("low")])), "stop", "`p/v` reports MEDIUM Vulnerability"),
        (bundle_of(&json!([suid("STOP")])), "stop", "`p/s` reports SUID or SGID"),
        (bundle_of(&json!([])), "go", "no rule reports any more: SUID or SGID"),
        (bundle_of(&json!([suid("GO")])), "go", "`p/s` does go only: SUID or SGID"),
        (excused, "go", "the allowlist `w` clears SUID or SGID"),
        (listed("whitelisted_images"), "go", "the image is on the list of allowed images now"),
        (listed("blacklisted_images"), "stop", "the image is on the list of denied images now"),
        (unmapped, "go", "no mapping matches the image any more"),
    ] {
        let change = judged(&first, &second).unwrap();
        assert_eq!((change.before.to_string(), change.after.to_string()), ("warn".to_owned(), after.to_owned()));
        assert!(change.because[0].starts_with(because), "{because}: {:?}", change.because);
    }
    let same = judged(
        &first,
        &bundle_of(&json!([suid("WARN"), {
        "gate": "always", "trigger": "always", "action": "WARN", "params": []}])),
    )
    .unwrap();
    assert_eq!((same.is_other_verdict(), same.because.len(), same.appeared.len()), (false, 0, 1));
}
