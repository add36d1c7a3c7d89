//! Remarks on bundles: each kind, with its place, and nothing on bundles that are as they should be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle_of;

use std::collections::BTreeSet;
use std::path::Path;

use bundle_of::bundle_of;
use killick_policy::cases::Case;
use killick_policy::lint::{CODES, Level, LintOptions, Remark, lint, lint_exceptions};
use killick_policy::{Bundle, Exceptions, Options, default_bundle};
use serde_json::{Value, json};

const NOW: &str = "2026-01-31T12:00:00Z";

fn remarks_against(bundle: &Value, facts: &[Value]) -> Vec<Remark> {
    let bundle = Bundle::parse(bundle).unwrap();
    let now = NOW.parse().unwrap();
    let judge =
        |facts| Case::parse(&json!({"facts": facts}), None).unwrap().evaluate(&bundle, &Options::default(), now);
    let against: Vec<_> = facts.iter().map(judge).collect();
    lint(&bundle, &LintOptions { now, notice_days: 14, against: &against })
}

/// Code and place of each remark.
fn remarks(bundle: &Value) -> Vec<(&'static str, String)> {
    let told = remarks_against(bundle, &[]);
    for remark in &told {
        assert!(CODES.iter().any(|(code, _)| *code == remark.code), "{}", remark.code);
        assert!(!remark.reason.is_empty() && !remark.remedy.is_empty(), "{remark:?}");
    }
    told.into_iter().map(|remark| (remark.code, remark.path)).collect()
}

fn rule(gate: &str, trigger: &str, params: &Value) -> Value {
    let params: Vec<Value> =
        params.as_object().unwrap().iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"gate": gate, "trigger": trigger, "action": "STOP", "params": params})
}

fn package(params: &Value) -> Value {
    let mut params = params.clone();
    params["package_type"] = "all".into();
    rule("vulnerabilities", "package", &params)
}

fn with_action(mut rule: Value, action: &str) -> Value {
    rule["action"] = action.into();
    rule
}

/// A bundle with an allowlist.
fn allowing(items: &Value) -> Value {
    let mut bundle = bundle_of(&json!([package(&json!({})), rule("files", "suid_or_guid_set", &json!({}))]));
    bundle["whitelists"] = json!([{"id": "w", "version": "1_0", "items": items}]);
    bundle["mappings"][0]["whitelist_ids"] = json!(["w"]);
    bundle
}

#[test]
fn codes_are_unique() {
    let codes: BTreeSet<_> = CODES.iter().map(|(code, _)| code).collect();
    assert_eq!(codes.len(), CODES.len());
}

#[test]
fn shipped_bundles_are_clean() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bundles");
    let mut bundles = vec![("the default".to_owned(), default_bundle())];
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bundles.push((path.display().to_string(), serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap()));
    }
    assert!(bundles.len() > 7);
    for (name, bundle) in bundles {
        let told: Vec<_> =
            remarks_against(&bundle, &[]).into_iter().filter(|remark| remark.level > Level::Note).collect();
        assert_eq!(told, [], "{name}");
    }
}

#[test]
fn rules() {
    let suid = || rule("files", "suid_or_guid_set", &json!({}));
    for (rules, want) in [
        (json!([suid()]), vec![]),
        (json!([suid(), suid()]), vec![("duplicate-rule", "policies.0.rules.1")]),
        (json!([suid(), with_action(suid(), "WARN")]), vec![("duplicate-rule", "policies.0.rules.1")]),
        (json!([package(&json!({})), package(&json!({"severity": "high"}))]), vec![]),
        (
            json!([with_action(package(&json!({"severity": "low"})), "GO"), package(&json!({}))]),
            vec![("go-rule", "policies.0.rules.0.action")],
        ),
        (json!([with_action(suid(), "GO"), package(&json!({}))]), vec![]),
        (json!([rule("always", "always", &json!({})), suid()]), vec![("moot-rule", "policies.0.rules.1")]),
        (
            json!([rule("files", "name_match", &json!({"regex": "etc/shadow"}))]),
            vec![("unmatchable-pattern", "policies.0.rules.0.params.regex")],
        ),
        (json!([rule("files", "name_match", &json!({"regex": ".*\\.pem"}))]), vec![]),
        (
            json!([rule("files", "attribute_match", &json!({"filename": "etc/shadow"}))]),
            vec![("impossible-condition", "policies.0.rules.0.params.filename")],
        ),
        (
            json!([package(&json!({"severity": "critical"}))]),
            vec![("impossible-condition", "policies.0.rules.0.params.severity_comparison")],
        ),
        (json!([package(&json!({"severity": "critical", "severity_comparison": ">="}))]), vec![]),
        (
            json!([package(&json!({"cvss_v3_base_score": "11"}))]),
            vec![("impossible-condition", "policies.0.rules.0.params.cvss_v3_base_score")],
        ),
        (json!([package(&json!({"cvss_v3_base_score": "11", "cvss_v3_base_score_comparison": "<"}))]), vec![]),
        (
            json!([package(&json!({"cvss_v3_base_score_comparison": "<"}))]),
            vec![("unused-parameter", "policies.0.rules.0.params.cvss_v3_base_score_comparison")],
        ),
        (
            json!([package(&json!({"max_days_since_fix": "3"}))]),
            vec![("unused-parameter", "policies.0.rules.0.params.max_days_since_fix")],
        ),
        (json!([package(&json!({"max_days_since_fix": "3", "fix_available": "true"}))]), vec![]),
        (
            json!([rule("threats", "likely_exploited", &json!({"probability": "50"}))]),
            vec![("invalid", "policies.0.rules.0.params.probability")],
        ),
        (
            json!([rule("anchoresec", "vulnhigh", &json!({})), suid()]),
            vec![("retired-gate", "policies.0.rules.0.gate")],
        ),
        (json!([with_action(suid(), "GO")]), vec![("toothless-mapping", "mappings.0")]),
    ] {
        let want: Vec<_> = want.into_iter().map(|(code, path)| (code, path.to_owned())).collect();
        assert_eq!(remarks(&bundle_of(&rules)), want, "{rules}");
    }
}

#[test]
fn typing_errors_are_answered_with_suggestions() {
    for (rule, path, remedy) in [
        (
            rule("vulnerabilties", "package", &json!({})),
            "policies.0.rules.0.gate",
            "did you mean the gate `vulnerabilities`?",
        ),
        (
            rule("suid_or_guid_set", "x", &json!({})),
            "policies.0.rules.0.gate",
            "`suid_or_guid_set` is a trigger of the gate `files`",
        ),
        (
            rule("files", "name_mach", &json!({})),
            "policies.0.rules.0.trigger",
            "did you mean the trigger `name_match`?",
        ),
        (
            rule("files", "package", &json!({})),
            "policies.0.rules.0.trigger",
            "the gate `vulnerabilities` has a trigger `package`",
        ),
        (
            package(&json!({"severty": "high"})),
            "policies.0.rules.0.params.severty",
            "did you mean the parameter `severity`?",
        ),
    ] {
        let told = remarks_against(&bundle_of(&json!([rule])), &[]);
        let found = told.iter().find(|remark| remark.code == "invalid" && remark.path == path);
        assert_eq!(found.map(|remark| remark.remedy.as_str()), Some(remedy), "{told:?}");
    }
    let mut bundle = bundle_of(&json!([rule("files", "suid_or_guid_set", &json!({}))]));
    bundle["policies"][0]["id"] = "production".into();
    bundle["mappings"][0]["policy_ids"] = json!(["prodution"]);
    let told = remarks_against(&bundle, &[]);
    let told: Vec<_> = told.iter().map(|remark| (remark.code, remark.remedy.as_str())).collect();
    assert!(told.contains(&("invalid", "did you mean the policy `production`?")), "{told:?}");
    assert!(told.iter().any(|(code, _)| *code == "unreferenced-policy"));
}

/// Who is told one thing is told the cause.
#[test]
fn a_parameter_with_a_typing_error_is_told_before_the_one_that_is_missing_for_it() {
    let rules = json!([rule("vulnerabilities", "stale_feed_data", &json!({"max_days_since_snyc": "7"}))]);
    let problems = Bundle::parse(&bundle_of(&rules)).expect("a bundle").validate();
    let told: Vec<_> = problems.iter().map(|problem| (problem.reason.as_str(), problem.remedy.as_deref())).collect();
    let want = [
        (
            "trigger `stale_feed_data` has no parameter `max_days_since_snyc`",
            Some("did you mean `max_days_since_sync`?"),
        ),
        ("parameter `max_days_since_sync` is missing", Some("for example `max_days_since_sync`: `10`")),
    ];
    assert_eq!(told, want);
}

#[test]
fn a_broken_policy_that_nobody_names_is_told_too() {
    let mut bundle = bundle_of(&json!([rule("files", "suid_or_guid_set", &json!({}))]));
    let broken = json!({"id": "q", "version": "1_0", "rules": [rule("nope", "nope", &json!({}))]});
    bundle["policies"].as_array_mut().unwrap().push(broken);
    assert_eq!(
        remarks(&bundle),
        [("unreferenced-policy", "policies.1".to_owned()), ("invalid", "policies.1.rules.0.gate".to_owned())]
    );
}

#[test]
fn mappings_and_image_lists() {
    let image = |registry: &str, repository: &str, kind: &str, value: &str| {
        json!({"name": "n", "registry": registry, "repository": repository, "image": {"type": kind, "value": value},
            "policy_ids": ["p"], "whitelist_ids": []})
    };
    let digest = format!("sha256:{}", "a".repeat(64));
    let id = "b".repeat(64);
    let bundle = |mappings: Value| {
        let mut bundle = bundle_of(&json!([rule("files", "suid_or_guid_set", &json!({}))]));
        bundle["mappings"] = mappings;
        bundle
    };
    let any = || image("*", "*", "tag", "*");
    for (mappings, want) in [
        (json!([image("docker.io", "a", "tag", "*"), any()]), vec![]),
        (json!([any(), image("docker.io", "a", "tag", "*")]), vec![("shadowed-mapping", "mappings.1")]),
        (json!([any(), image("docker.io", "a", "digest", &digest)]), vec![("shadowed-mapping", "mappings.1")]),
        (
            json!([image("*", "team/*", "tag", "v*"), image("*", "team/a", "tag", "v1*"), any()]),
            vec![("shadowed-mapping", "mappings.1")],
        ),
        (json!([image("*", "team/a", "tag", "v1*"), image("*", "team/*", "tag", "v*"), any()]), vec![]),
        (
            json!([image("*", "regexp:team/", "tag", "*"), image("*", "team/a", "tag", "1"), any()]),
            vec![("shadowed-mapping", "mappings.1")],
        ),
        (json!([image("*", "regexp:team/", "tag", "*"), image("*", "team/*", "tag", "1"), any()]), vec![]),
        (json!([image("docker.io", "*", "tag", "*")]), vec![("no-catch-all", "mappings")]),
        (json!([image("*", "a", "digest", "sha256:*"), any()]), vec![("unmatchable-image", "mappings.0.image.value")]),
        (json!([image("*", "a", "id", &digest), any()]), vec![("unmatchable-image", "mappings.0.image.value")]),
        (json!([image("*", "a", "id", &id), any()]), vec![]),
        (json!([image(" docker.io", "a", "tag", "1"), any()]), vec![("unmatchable-image", "mappings.0.registry")]),
    ] {
        let want: Vec<_> = want.into_iter().map(|(code, path)| (code, path.to_owned())).collect();
        assert_eq!(remarks(&bundle(mappings.clone())), want, "{mappings}");
    }
    let mut twice = bundle(json!([any()]));
    twice["mappings"][0]["policy_ids"] = json!(["p", "p"]);
    assert_eq!(remarks(&twice), [("repeated-policy", "mappings.0.policy_ids".to_owned())]);
    let mut lists = bundle(json!([any()]));
    lists["whitelisted_images"] =
        json!([image("*", "a", "tag", "*"), image("*", "b", "tag", "*"), image("*", "b", "tag", "1")]);
    lists["blacklisted_images"] = json!([image("*", "a*", "tag", "*")]);
    assert_eq!(
        remarks(&lists),
        [("shadowed-image", "whitelisted_images.0".to_owned()), ("shadowed-image", "whitelisted_images.2".to_owned())]
    );
}

#[test]
fn allowlist_items() {
    let item = |gate: &str, id: &str| json!({"id": "i", "gate": gate, "trigger_id": id});
    let until = |mut item: Value, expiry: &str| {
        item["expires_on"] = expiry.into();
        item
    };
    let at = |name: &str| format!("whitelists.0.items.0{name}");
    let openssl = || item("vulnerabilities", "CVE-1+openssl");
    let hash = "0123456789abcdef0123456789abcdef";
    for (items, want) in [
        (json!([openssl(), item("Files", hash), item("files", "*")]), vec![]),
        (json!([item("vulnerabilitys", "CVE-1+*")]), vec![("allowlist-unknown-gate", at(".gate"))]),
        (json!([item("anchoresec", "CVE-1+*")]), vec![("allowlist-unknown-gate", at(".gate"))]),
        (json!([item("vulnerabilities", "CVE-1")]), vec![("allowlist-malformed-id", at(".trigger_id"))]),
        (json!([item("vulnerabilities", "cve-1+openssl")]), vec![("allowlist-malformed-id", at(".trigger_id"))]),
        (json!([item("vulnerabilities", hash)]), vec![]),
        (json!([item("files", "/usr/bin/su")]), vec![("allowlist-malformed-id", at(".trigger_id"))]),
        (json!([item("files", "")]), vec![("allowlist-malformed-id", at(".trigger_id"))]),
        (json!([item("files", "* ")]), vec![("allowlist-malformed-id", at(".trigger_id"))]),
        (json!([item("metadata", hash)]), vec![("allowlist-idle", at(".gate"))]),
        (json!([until(openssl(), "2026-01-01T00:00:00Z")]), vec![("allowlist-expired", at(".expires_on"))]),
        (json!([until(openssl(), "2026-02-07T00:00:00Z")]), vec![("allowlist-expiring", at(".expires_on"))]),
        (json!([until(openssl(), "2026-06-07T00:00:00Z")]), vec![]),
        (
            json!([item("vulnerabilities", "CVE-1+*"), openssl()]),
            vec![("allowlist-shadowed", "whitelists.0.items.1".to_owned())],
        ),
        (json!([until(item("vulnerabilities", "CVE-1+*"), "2026-06-07T00:00:00Z"), openssl()]), vec![]),
    ] {
        assert_eq!(remarks(&allowing(&items)), want, "{items}");
    }
    let mut unnamed = allowing(&json!([openssl()]));
    unnamed["mappings"][0]["whitelist_ids"] = json!([]);
    assert_eq!(remarks(&unnamed), [("unreferenced-allowlist", "whitelists.0".to_owned())]);
}

#[test]
fn items_are_held_against_images() {
    let item = |id: &str| json!({"gate": "vulnerabilities", "trigger_id": id});
    let bundle = allowing(&json!([item("CVE-1+openssl"), item("GHSA-1+openssl"), item("CVE-2+*")]));
    let image = json!({
        "packages": [{"name": "openssl"}],
        "vulnerabilities": [{"id": "CVE-1", "aliases": ["GHSA-1"], "package": "openssl", "severity": "high"}],
    });
    let told: Vec<_> =
        remarks_against(&bundle, &[image]).into_iter().map(|remark| (remark.code, remark.path)).collect();
    assert_eq!(told, [("allowlist-unused", "whitelists.0.items.2".to_owned())]);
}

#[test]
fn exceptions() {
    let exception = |id: &str, expiry: Value| json!({"id": id, "select": {"path": "/x"}, "reason": "r", "owner": "o", "expires_at": expiry});
    let document = json!([
        exception("a", json!("2026-01-01")),
        exception("b", json!("2026-02-01")),
        exception("c", json!("2026-12-01")),
        exception("d", Value::Null),
    ]);
    let told = lint_exceptions(&Exceptions::parse(&document).unwrap(), NOW.parse().unwrap(), 14);
    let told: Vec<_> = told.iter().map(|remark| (remark.code, remark.path.as_str(), remark.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            ("exception-expired", "exceptions.0.expires_at", "the exception `a` of o ended on 2026-01-01"),
            (
                "exception-expiring",
                "exceptions.1.expires_at",
                "the exception `b` of o ends on 2026-02-01, within a day"
            ),
            ("exception-endless", "exceptions.3", "the exception `d` of o never ends"),
        ]
    );
}
