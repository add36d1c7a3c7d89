//! What allowlists excuse, and until when.

use killick_policy::{Bundle, Options, evaluate};
use serde_json::{Value, json};

use crate::bundle_of::bundle_of;
use crate::facts::Facts;
use crate::{REFERENCE, changed, types};

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
