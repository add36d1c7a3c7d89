//! Cases: what they say of an image, what they expect, and what is refused of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle_of;

use bundle_of::bundle_of;
use killick_policy::cases::{Case, expectation};
use killick_policy::{Bundle, Options};
use serde_json::{Value, json};

const NOW: &str = "2026-01-31T12:00:00Z";

fn bundle() -> Bundle {
    let rules = json!([
        {"id": "v", "gate": "vulnerabilities", "trigger": "package", "action": "STOP",
            "params": [{"name": "package_type", "value": "all"}]},
        {"id": "s", "gate": "files", "trigger": "suid_or_guid_set", "action": "WARN", "params": []},
        {"id": "u", "gate": "dockerfile", "trigger": "effective_user", "action": "WARN",
            "params": [{"name": "users", "value": "bad"}, {"name": "type", "value": "blacklist"}]},
        {"id": "c", "gate": "secret_scans", "trigger": "content_regex_checks", "action": "STOP", "params": []},
        {"id": "f", "gate": "retrieved_files", "trigger": "content_regex", "action": "WARN", "params": [
            {"name": "path", "value": "/etc/x"}, {"name": "regex", "value": "debug"}, {"name": "check", "value": "match"}]},
        {"id": "e", "gate": "lifecycle", "trigger": "distribution_ended", "action": "WARN", "params": []},
        {"id": "t", "gate": "vulnerabilities", "trigger": "stale_feed_data", "action": "WARN",
            "params": [{"name": "max_days_since_sync", "value": "3"}]},
        {"id": "m", "gate": "malware", "trigger": "scans", "action": "STOP", "params": []},
        {"id": "p", "gate": "files", "trigger": "content_regex_match", "action": "WARN", "params": []},
        {"id": "z", "gate": "metadata", "trigger": "attribute", "action": "WARN", "params": [
            {"name": "attribute", "value": "size"}, {"name": "check", "value": ">"}, {"name": "value", "value": "1mb"}]},
    ]);
    Bundle::parse(&bundle_of(&rules)).unwrap()
}

/// Rules that find something, in their order.
fn found(facts: &Value) -> Vec<String> {
    let case = Case::parse(&json!({"facts": facts}), None).unwrap_or_else(|error| panic!("{facts}: {error}"));
    let evaluation = case.evaluate(&bundle(), &Options::default(), NOW.parse().unwrap());
    let broken = evaluation.problems.iter().filter(|problem| problem.severity == "error");
    assert_eq!(broken.count(), 0, "{:?}", evaluation.problems);
    evaluation.findings.into_iter().filter_map(|finding| finding.rule_id).collect()
}

#[test]
fn every_kind_of_fact_is_looked_at() {
    let fresh = |more: Value| {
        let mut facts = json!({"feeds": {"debian:12": NOW}});
        facts.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        facts
    };
    let openssl = json!([{"name": "openssl", "version": "3.0.1", "licenses": "Apache-2.0"}]);
    for (facts, want) in [
        (fresh(json!({})), vec![]),
        (json!({"feeds": {"debian:12": "2026-01-01T00:00:00Z"}}), vec!["t"]),
        (json!({"distribution": "alpine:3.20", "feeds": {"alpine:3.20": NOW}}), vec![]),
        (
            fresh(
                json!({"packages": openssl, "vulnerabilities": [{"id": "CVE-1", "package": "openssl", "severity": "high"}]}),
            ),
            vec!["v"],
        ),
        (fresh(json!({"packages": openssl})), vec![]),
        (fresh(json!({"files": [{"path": "/su", "mode": "4755"}, "/etc/passwd"]})), vec!["s"]),
        (fresh(json!({"dockerfile": "FROM x\nUSER bad\n"})), vec!["u"]),
        (fresh(json!({"dockerfile": "FROM x\nUSER app\n"})), vec![]),
        (fresh(json!({"secrets": [{"rule": "AWS_ACCESS_KEY", "path": "/k"}]})), vec!["c"]),
        (fresh(json!({"retrieved_files": {"/etc/x": "debug = on\n"}})), vec!["f"]),
        (fresh(json!({"end_of_life": [{"product": "debian", "cycle": "12"}]})), vec!["e"]),
        (fresh(json!({"malware": [{"findings": [{"path": "/m", "signature": "S"}]}]})), vec!["m"]),
        (fresh(json!({"content_search": {"/a": ["pass.*"]}})), vec!["p"]),
        (fresh(json!({"size": 2_000_000})), vec!["z"]),
    ] {
        assert_eq!(found(&facts), want, "{facts}");
    }
}

fn failures(expect: &Value) -> Option<Vec<String>> {
    let case = json!({
        "image": "registry.example.com/a/b:1",
        "facts": {
            "feeds": {"debian:12": NOW},
            "packages": [{"name": "a"}, {"name": "b"}],
            "vulnerabilities": [
                {"id": "CVE-1", "package": "a", "severity": "high"}, {"id": "CVE-1", "package": "b", "severity": "high"},
            ],
        },
        "expect": expect,
    });
    let case = Case::parse(&case, None).unwrap();
    let evaluation = case.evaluate(&bundle(), &Options::default(), NOW.parse().unwrap());
    let all = case.failures(&evaluation);
    // What is written by `--update` passes.
    let written = Case::parse(&json!({"expect": expectation(&evaluation)}), None).unwrap();
    assert_eq!(written.failures(&evaluation), Some(Vec::new()));
    all
}

#[test]
fn expectations_are_compared() {
    let (a, b) = (json!("CVE-1+a"), json!("CVE-1+b"));
    for (expect, want) in [
        (json!({"action": "stop", "findings": [a, b]}), vec![]),
        (json!({"action": "go"}), vec!["the action is stop, not go"]),
        (json!({"reason": "blacklisted"}), vec!["the reason is policy_evaluation, not blacklisted"]),
        (json!({"findings": [a]}), vec!["unexpected: stop vulnerabilities.package `CVE-1+b`"]),
        (json!({"findings": [a, b, "CVE-2+a"]}), vec!["missing: CVE-2+a"]),
        // The wide one takes what the narrow one leaves.
        (json!({"findings": ["CVE-1+*", a]}), vec![]),
        (json!({"findings": ["CVE-1+*", "*", "*"]}), vec!["missing: *"]),
        (json!({"contains": [{"gate": "vulnerabilities", "rule": "v", "message": "HIGH*", "cleared": false}]}), vec![]),
        (json!({"contains": [{"gate": "files"}]}), vec!["missing: gate files"]),
        (json!({"contains": [{"cleared": true}]}), vec!["missing: cleared true"]),
        (json!({"absent": ["CVE-9*"]}), vec![]),
        (json!({"absent": ["*+a"]}), vec!["should be absent: stop vulnerabilities.package `CVE-1+a`"]),
        (json!({"problems": ["no search for secrets*"]}), vec!["no such problem: no search for secrets*"]),
    ] {
        let found = failures(&expect).unwrap();
        assert_eq!(found.len(), want.len(), "{expect}: {found:?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.starts_with(want), "{expect}: {found}");
        }
    }
}

#[test]
fn what_cannot_be_run_is_refused_with_its_place() {
    let package = json!([{"name": "a", "version": "1"}]);
    let vulnerability = |more: Value| {
        let mut found = json!({"id": "CVE-1", "package": "a"});
        found.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"facts": {"packages": package, "vulnerabilities": [found]}})
    };
    for (case, want) in [
        (json!([]), "it is no object | begin with `facts:`, `report:` or `expect:`"),
        (json!({"fact": {}}), "`fact`: there is no such member | did you mean `facts`?"),
        (json!({"name": 5}), "`name`: it is no text | put it in quotes"),
        (json!({"facts": 5}), "`facts`: it is no object | write names and values"),
        (json!({"facts": {"pakages": []}}), "`facts.pakages`: there is no such member | did you mean `packages`?"),
        (
            json!({"facts": {"packages": [{"name": "a", "version": 3.1}]}}),
            "`facts.packages.0.version`: it is the number 3.1, not a text | put it in quotes",
        ),
        (
            json!({"facts": {"packages": [{"name": "a", "type": "dep"}]}}),
            "`facts.packages.0.type`: `dep` is no word that may stand here | did you mean `deb`?",
        ),
        (json!({"facts": {"packages": [{"version": "1"}]}}), "`facts.packages.0`: `name` is missing | add `name`"),
        (json!({"facts": {"packages": 5}}), "`facts.packages`: it is no list | write a list, `[]` for none"),
        (
            json!({"facts": {"files": [{"path": 5}]}}),
            "`facts.files.0.path`: it is the number 5, not a text | put it in quotes",
        ),
        (
            json!({"facts": {"history": [{"created_by": 1000}]}}),
            "`facts.history.0.created_by`: it is the number 1000, not a text | put it in quotes",
        ),
        (json!({"facts": {"secrets": [{"rule": "X"}]}}), "`facts.secrets.0`: `path` is missing | add `path`"),
        (
            json!({"facts": {"vulnerabilities": [{"id": "CVE-1", "package": "a"}]}}),
            "`facts.vulnerabilities.0.package`: there is no package \"a\" in `packages` | add it to `packages`, or name another",
        ),
        (
            vulnerability(json!({"severty": "high"})),
            "`facts.vulnerabilities.0.severty`: there is no such member | did you mean `severity`?",
        ),
        (
            vulnerability(json!({"severity": "hihg"})),
            "`facts.vulnerabilities.0.severity`: `hihg` is no word that may stand here | did you mean `high`?",
        ),
        (
            vulnerability(json!({"known_exploited": "yes"})),
            "`facts.vulnerabilities.0.known_exploited`: it is a text, not `true` or `false` | write `true` or `false`",
        ),
        (
            vulnerability(json!({"fixed_in": [1]})),
            "`facts.vulnerabilities.0.fixed_in.0`: it is the number 1, not a text | put it in quotes",
        ),
        (
            vulnerability(json!({"cvss": "high"})),
            "`facts.vulnerabilities.0.cvss`: it is no score | write a number, or a list of ratings",
        ),
        (
            json!({"facts": {"files": [{"path": "/x", "mode": "rwx"}]}}),
            "`facts.files.0.mode`: it is no octal number | write it like \"0644\"",
        ),
        (
            json!({"facts": {"distribution": "debian"}}),
            "`facts.distribution`: it has no version | write it like `debian:12`, or `none`",
        ),
        (
            json!({"facts": {"layers": 1_000_000}}),
            "`facts.layers`: it is no number of layers | write a number up to 1000",
        ),
        (
            json!({"facts": {"feeds": {"a": "soon"}}}),
            "`facts.feeds.a`: it is no instant | write it like `2030-12-31T00:00:00Z`",
        ),
        (json!({"now": "soon"}), "`now`: `soon` is no instant | write it like `2030-12-31T00:00:00Z`"),
        (json!({"exceptions": [{"id": "x"}]}), "`exceptions.0`: `select` is missing | add `select`"),
        (json!({"expect": {"acton": "stop"}}), "`expect.acton`: there is no such member | did you mean `action`?"),
        (
            json!({"expect": {"action": "halt"}}),
            "`expect.action`: it is no word that may stand here | write `stop`, `warn` or `go`",
        ),
        (
            json!({"expect": {"contains": [{"gat": "x"}]}}),
            "`expect.contains.0.gat`: there is no such member | did you mean `gate`?",
        ),
        (json!({"expect": {"contains": ["regexp:["]}}), "`expect.contains.0`: `[` is no regular expression"),
        // What every finding is, or no finding has to be, proves nothing.
        (
            json!({"expect": {"contains": [{}]}}),
            "`expect.contains.0`: it says nothing of the finding | name at least one",
        ),
        (json!({"expect": {"absent": [{}]}}), "`expect.absent.0`: it says nothing of the finding | name at least one"),
        (
            json!({"expect": {"findings": [{}]}}),
            "`expect.findings.0`: it says nothing of the finding | name at least one",
        ),
    ] {
        let error = Case::parse(&case, None).expect_err(&case.to_string());
        let told = format!("{error} | {}", error.remedy);
        assert!(told.starts_with(want), "{case}: {told}");
    }
    assert!(Case::parse(&json!({"report": "r.json"}), Some(&json!({"a": 1}))).is_err());
}

#[test]
fn a_case_that_expects_nothing_says_so() {
    for case in [
        json!({}),
        json!({"expect": null}),
        json!({"expect": {}}),
        json!({"expect": {"action": null, "contains": [], "absent": [], "problems": []}}),
    ] {
        let case = Case::parse(&case, None).unwrap();
        let evaluation = case.evaluate(&bundle(), &Options::default(), NOW.parse().unwrap());
        assert_eq!(case.failures(&evaluation), None);
    }
    // That nothing is found can be expected, and fail.
    assert_eq!(failures(&json!({"findings": []})).unwrap().len(), 2);
}
