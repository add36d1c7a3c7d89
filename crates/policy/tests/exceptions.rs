//! Exceptions: what they clear, when they are void, and that they only ever clear.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle_of;

use bundle_of::bundle_of;
use killick_model::evaluation::{Action, Evaluation, ExceptionState};
use killick_policy::cases::Case;
use killick_policy::{Bundle, DEFAULT_NOTICE_DAYS, Exceptions, Options};
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: &str = "2026-01-31T12:00:00Z";

fn facts() -> Value {
    json!({
        "packages": [
            {"name": "openssl", "version": "3.0.1-1"},
            {"name": "curl", "version": "8.0"},
            {"name": "lodash", "version": "4.0.0", "type": "npm", "path": "/app/node_modules/lodash/package.json"},
        ],
        "vulnerabilities": [
            {"id": "CVE-1", "aliases": ["GHSA-1"], "package": "openssl", "severity": "high"},
            {"id": "CVE-2", "package": "openssl", "severity": "medium", "fix": "not-fixed"},
            {"id": "CVE-1", "package": "curl", "severity": "high"},
            {"id": "CVE-3", "package": "lodash", "severity": "critical", "fixed_in": "4.0.1"},
        ],
        "files": [{"path": "/usr/bin/su", "mode": "4755"}, {"path": "/bin/x", "mode": "4755"}],
    })
}

fn rules() -> Value {
    json!([
        {"gate": "vulnerabilities", "trigger": "package", "action": "STOP",
            "params": [{"name": "package_type", "value": "all"}]},
        {"gate": "files", "trigger": "suid_or_guid_set", "action": "WARN", "params": []},
        {"gate": "dockerfile", "trigger": "no_dockerfile_provided", "action": "WARN", "params": []},
    ])
}

fn judge(facts: &Value, exceptions: &Value) -> Evaluation {
    let case =
        json!({"image": "registry.example.com/team/app:1", "facts": facts, "now": NOW, "exceptions": exceptions});
    let bundle = Bundle::parse(&bundle_of(&rules())).unwrap();
    Case::parse(&case, None).unwrap().evaluate(&bundle, &Options::default(), NOW.parse().unwrap())
}

fn exception(select: &Value) -> Value {
    json!({"id": "x", "select": select, "reason": "r", "owner": "o"})
}

/// Gate and id, or path, of what is cleared.
fn cleared(evaluation: &Evaluation) -> Vec<String> {
    let cleared = evaluation.findings.iter().filter(|finding| finding.exception.is_some());
    let name =
        |finding: &killick_model::evaluation::Finding| match (&finding.subject.vulnerability, &finding.subject.path) {
            (None, Some(path)) => path.clone(),
            (Some(_), _) => finding.trigger_id.clone(),
            (None, None) => finding.gate.clone(),
        };
    cleared.map(name).collect()
}

#[test]
fn selectors_choose() {
    let openssl = ["CVE-1+openssl", "CVE-2+openssl"];
    for (select, want) in [
        (json!({"vulnerability": "CVE-1"}), vec!["CVE-1+curl", "CVE-1+openssl"]),
        (json!({"vulnerability": "ghsa-1"}), vec!["CVE-1+openssl"]),
        (json!({"vulnerability": ["CVE-2", "CVE-3"]}), vec!["CVE-2+openssl", "CVE-3+lodash"]),
        (json!({"vulnerability": "cve-1*"}), vec!["CVE-1+curl", "CVE-1+openssl"]),
        (json!({"vulnerability": ["regexp:CVE-[23]$"]}), vec!["CVE-2+openssl", "CVE-3+lodash"]),
        (json!({"vulnerability": "GHSA-*"}), vec!["CVE-1+openssl"]),
        (json!({"vulnerability": "CVE-1", "package": {"name": "curl"}}), vec!["CVE-1+curl"]),
        (json!({"package": {"name": "open*"}}), openssl.to_vec()),
        (json!({"package": {"name": "openssl", "version": "3.0.1-*"}}), openssl.to_vec()),
        (json!({"package": {"name": "openssl", "version": "3.0.1"}}), vec![]),
        (json!({"package": {"type": "NPM"}}), vec!["CVE-3+lodash"]),
        (json!({"package": {"purl": "pkg:npm/lodash"}}), vec!["CVE-3+lodash"]),
        (json!({"package": {"purl": "pkg:npm/lodash@4.0.0"}}), vec!["CVE-3+lodash"]),
        (json!({"package": {"purl": "pkg:npm/lodash@4.0.1"}}), vec![]),
        (json!({"package": {"purl": "pkg:deb/debian/openssl"}}), openssl.to_vec()),
        (json!({"package": {"purl": "pkg:deb/debian/openssl@3.0.1-1"}}), openssl.to_vec()),
        (json!({"path": "/usr/*"}), vec!["/usr/bin/su"]),
        (json!({"path": "/app/*"}), vec!["CVE-3+lodash"]),
        (json!({"path": "regexp:/(usr/)?bin/"}), vec!["/bin/x", "/usr/bin/su"]),
        (json!({"finding": {"gate": "Files"}}), vec!["/bin/x", "/usr/bin/su"]),
        (json!({"finding": {"trigger": "no_dockerfile_provided"}}), vec!["dockerfile"]),
        (json!({"finding": {"trigger_id": "CVE-2+*"}}), vec!["CVE-2+openssl"]),
        (json!({"image": {"repository": "team/*"}, "path": "/usr/*"}), vec!["/usr/bin/su"]),
        (json!({"image": {"registry": "docker.io"}, "path": "/usr/*"}), vec![]),
        (json!({"image": {"tag": "2"}, "path": "/usr/*"}), vec![]),
        (json!({"image": {"digest": "sha256:1111*"}, "path": "/usr/*"}), vec!["/usr/bin/su"]),
    ] {
        let mut found = cleared(&judge(&facts(), &json!([exception(&select)])));
        found.sort();
        assert_eq!(found, want, "{select}");
    }
}

#[test]
fn what_is_cleared_does_not_count() {
    let all = judge(&facts(), &json!([]));
    assert_eq!((all.final_action, all.findings.len(), all.exceptions.len()), (Action::Stop, 7, 0));
    let some = judge(&facts(), &json!([exception(&json!({"finding": {"gate": "vulnerabilities"}}))]));
    assert_eq!((some.final_action, some.policy_action), (Action::Warn, Action::Warn));
    let [used] = some.exceptions.as_slice() else { panic!("{:?}", some.exceptions) };
    assert_eq!((used.state, used.cleared, used.not_cleared), (ExceptionState::Applied, 4, 0));
    assert_eq!(some.problems, all.problems, "one that stands is no problem");
    let none = judge(&facts(), &json!([exception(&json!({"finding": {"trigger_id": "*"}}))]));
    assert_eq!(none.final_action, Action::Go);
}

#[test]
fn a_bundle_that_cannot_be_evaluated_stops_all_the_same() {
    let mut bundle = bundle_of(&rules());
    bundle["version"] = "7".into();
    let case = json!({"exceptions": [exception(&json!({"finding": {"trigger_id": "*"}}))]});
    let case = Case::parse(&case, None).unwrap();
    let bundle = Bundle::parse(&bundle).unwrap();
    assert_eq!(case.evaluate(&bundle, &Options::default(), NOW.parse().unwrap()).final_action, Action::Stop);
}

#[test]
fn the_end_is_told_before_it_comes() {
    for (expires_at, want, details) in [
        ("2026-03-01", ExceptionState::Applied, None),
        ("2026-02-14T12:00:00Z", ExceptionState::Applied, None),
        (
            "2026-02-14",
            ExceptionState::Expiring,
            Some("the exception `x` of o expires on 2026-02-14, in 13 days: it clears 1 finding"),
        ),
        (
            "2026-01-31T12:00:01Z",
            ExceptionState::Expiring,
            Some("the exception `x` of o expires on 2026-01-31, within a day: it clears 1 finding"),
        ),
        (
            "2026-01-31T12:00:00Z",
            ExceptionState::Expired,
            Some("the exception `x` of o expired on 2026-01-31: 1 finding not cleared any more"),
        ),
    ] {
        let mut exception = exception(&json!({"path": "/usr/*"}));
        exception["expires_at"] = expires_at.into();
        let evaluation = judge(&facts(), &json!([exception]));
        assert_eq!(evaluation.exceptions[0].state, want, "{expires_at}");
        assert_eq!(cleared(&evaluation).len(), usize::from(want != ExceptionState::Expired), "{expires_at}");
        let told = evaluation.problems.iter().find(|problem| problem.problem_type == "ExceptionWarning");
        assert_eq!(told.map(|problem| problem.details.as_str()), details, "{expires_at}");
    }
}

#[test]
fn one_that_ended_is_not_blamed_where_another_clears() {
    let mut ended = exception(&json!({"path": "/usr/*"}));
    ended["expires_at"] = "2026-01-01".into();
    let mut other = exception(&json!({"path": "/usr/bin/su"}));
    other["id"] = "y".into();
    let evaluation = judge(&facts(), &json!([ended, other]));
    assert_eq!(evaluation.exceptions.iter().map(|used| used.id.as_str()).collect::<Vec<_>>(), ["y"]);
}

/// The exceptions with what they are granted for on these facts.
fn granted(facts: &Value, exception: &Value) -> Value {
    let evaluation = judge(facts, &json!([]));
    let exceptions = Exceptions::parse(&json!([exception])).unwrap();
    serde_json::to_value(exceptions.granted_for([&evaluation])).unwrap()
}

#[test]
fn changed_evidence_reopens() {
    let select = json!({"package": {"name": "openssl"}});
    let remembered = granted(&facts(), &exception(&select));
    assert_eq!(remembered[0]["granted_for"].as_array().unwrap().len(), 2);
    assert_eq!(cleared(&judge(&facts(), &remembered)), ["CVE-1+openssl", "CVE-2+openssl"]);
    for (change, at, value, left, told) in [
        ("/packages/0", "version", json!("3.0.2-1"), vec![], "`deb/openssl` is 3.0.2-1, not 3.0.1-1"),
        ("/vulnerabilities/0", "severity", json!("critical"), vec!["CVE-2+openssl"], "CVE-1 is critical now, not high"),
        ("/vulnerabilities/0", "severity", json!("low"), vec!["CVE-1+openssl", "CVE-2+openssl"], ""),
        ("/vulnerabilities/1", "fix", json!("wont-fix"), vec!["CVE-1+openssl"], ""),
        ("/vulnerabilities/0", "fixed_in", json!("3.0.2"), vec!["CVE-2+openssl"], "there is a fix for CVE-1 now"),
        (
            "/vulnerabilities/0",
            "known_exploited",
            json!(true),
            vec!["CVE-2+openssl"],
            "CVE-1 is known to be exploited now",
        ),
        ("/vulnerabilities/0", "malicious", json!(true), vec!["CVE-2+openssl"], "the package of CVE-1 is malicious"),
        ("/vulnerabilities/0", "published", json!("2027"), vec!["CVE-1+openssl", "CVE-2+openssl"], ""),
        (
            "/vulnerabilities/2",
            "package",
            json!("openssl"),
            vec!["CVE-1+openssl", "CVE-1+openssl", "CVE-2+openssl"],
            "",
        ),
    ] {
        let mut changed = facts();
        changed.pointer_mut(change).unwrap()[at] = value;
        let evaluation = judge(&changed, &remembered);
        assert_eq!(cleared(&evaluation), left, "{change} {at}");
        let changes = evaluation.exceptions.first().map(|used| used.changes.join("; ")).unwrap_or_default();
        assert_eq!(changes, told, "{change} {at}");
        if !told.is_empty() {
            assert_eq!(evaluation.exceptions[0].state, ExceptionState::Reopened, "{change} {at}");
            let problem =
                evaluation.problems.iter().find(|problem| problem.problem_type == "ExceptionWarning").unwrap();
            assert!(problem.details.contains("has to be decided on again") && problem.details.contains(told));
        }
    }
    // What came later was never granted.
    let mut more = facts();
    let new = json!({"id": "CVE-9", "package": "openssl", "severity": "low"});
    more["vulnerabilities"].as_array_mut().unwrap().push(new);
    let evaluation = judge(&more, &remembered);
    assert_eq!(cleared(&evaluation), ["CVE-1+openssl", "CVE-2+openssl"]);
    assert_eq!(evaluation.exceptions[0].changes, ["it was not granted for vulnerabilities.package `CVE-9+openssl`"]);
}

#[test]
fn an_exception_says_which_changes_count() {
    let mut exception = exception(&json!({"package": {"name": "openssl"}}));
    exception["reopen_on"] = json!(["advisory"]);
    let remembered = granted(&facts(), &exception);
    let mut changed = facts();
    changed["packages"][0]["version"] = "9".into();
    changed["vulnerabilities"][0]["severity"] = "critical".into();
    assert_eq!(cleared(&judge(&changed, &remembered)).len(), 2);
    changed["vulnerabilities"][0]["advisory"] = "DSA-1".into();
    assert_eq!(cleared(&judge(&changed, &remembered)), ["CVE-2+openssl"]);
}

#[test]
fn findings_about_nothing_in_particular_are_remembered_by_id() {
    let remembered = granted(&facts(), &exception(&json!({"finding": {"gate": "*"}})));
    let evaluation = judge(&facts(), &remembered);
    assert_eq!((evaluation.final_action, cleared(&evaluation).len()), (Action::Go, 7));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let with = |name: &str, value: Value| {
        let mut exception = exception(&json!({"path": "/x"}));
        exception[name] = value;
        exception
    };
    let with_all = |name: &str, value: Value, other: &str, another: Value| {
        let mut exception = with(name, value);
        exception[other] = another;
        exception
    };
    let cases = [
        (json!({"exceptions": 5}), "exceptions", "there is no list of exceptions"),
        (json!([exception(&json!({}))]), "exceptions.0.select", "it selects no findings"),
        (json!([exception(&json!({"image": {"tag": "1"}}))]), "exceptions.0.select", "it selects no findings"),
        (json!([with("owner", json!(" "))]), "exceptions.0.owner", "it is empty"),
        (json!([with("onwer", json!("x"))]), "exceptions.0.onwer", "there is no such member"),
        (json!([with("expires_at", json!("soon"))]), "exceptions.0.expires_at", "`soon` is no date"),
        (json!([with("expires_at", json!("2026-02-30"))]), "exceptions.0.expires_at", "`2026-02-30` is no date"),
        (
            json!([with("expires_at", json!(20_300_101))]),
            "exceptions.0.expires_at",
            "it is the number 20300101, not a text",
        ),
        (json!([with("owner", json!(["x"]))]), "exceptions.0.owner", "it is a list, not a text"),
        (json!([with("select", json!("x"))]), "exceptions.0.select", "it is a text, not an object"),
        (
            json!([with("select", json!({"vulnerability": 5}))]),
            "exceptions.0.select.vulnerability",
            "it is neither a text",
        ),
        (
            json!([with("select", json!({"package": {"nam": "x"}}))]),
            "exceptions.0.select.package.nam",
            "there is no such",
        ),
        (json!([with("reopen_on", json!(["fixed"]))]), "exceptions.0.reopen_on.0", "`fixed` is no word"),
        (json!(["x"]), "exceptions.0", "it is a text, not an object"),
        (json!([with("reason", json!("r".repeat(5000)))]), "exceptions.0.reason", "it is longer than 4096 bytes"),
        (json!([exception(&json!({"path": "regexp:["}))]), "exceptions.0.select.path", "`[` is no regular expression"),
        (
            json!([exception(&json!({"path": "/x"})), exception(&json!({"path": "/y"}))]),
            "exceptions.1.id",
            "there is another exception `x`",
        ),
        (json!([{"id": "x"}]), "exceptions.0", "`select` is missing"),
        (
            json!([exception(&json!({"vulnerability": "regexp:["}))]),
            "exceptions.0.select.vulnerability",
            "`[` is no regular expression",
        ),
        (
            json!([with_all("expires_at", json!("2026-01-01"), "created_at", json!("2026-01-02"))]),
            "exceptions.0.expires_at",
            "it ends at 2026-01-01T00:00:00Z, and was granted at 2026-01-02T00:00:00Z: it never counts",
        ),
    ];
    for (document, path, reason) in cases {
        let problems = Exceptions::parse(&document).unwrap_err();
        assert_eq!(problems[0].path, path, "{document}");
        assert!(problems[0].reason.contains(reason), "{document}: {}", problems[0].reason);
        assert!(!problems[0].remedy.is_empty());
        let told = format!("{} {}", problems[0].reason, problems[0].remedy);
        let words = ["struct", "field", "variant", "sequence", "enum", "invalid type", "expected"];
        assert!(!words.iter().any(|word| told.contains(word)), "words of Rust: {told}");
    }
    assert!(Exceptions::parse(&json!([exception(&json!({"path": "/x"}))])).is_ok(), "a bare list will do");
    let expressions = |count: usize| {
        let one = |at| {
            let mut exception = exception(&json!({"path": "regexp:/x"}));
            exception["id"] = format!("x{at}").into();
            exception
        };
        Value::Array((0..count).map(one).collect())
    };
    assert!(Exceptions::parse(&expressions(400)).is_ok());
    let problems = Exceptions::parse(&expressions(401)).unwrap_err();
    assert_eq!(problems[0].reason, "they have more than 400 regular expressions");
}

#[test]
fn what_can_never_match_is_refused() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    for (select, place, reason) in [
        (json!({"path": ""}), "path", "it is empty, so that no finding has it"),
        (json!({"vulnerability": ["CVE-1", " "]}), "vulnerability", "it is empty, so that no finding has it"),
        (
            json!({"package": {"name": "openssl "}}),
            "package.name",
            "`openssl ` has blanks around it, which no finding has",
        ),
        (json!({"path": "etc/passwd"}), "path", "`etc/passwd` is not a path: those begin with `/`"),
        (
            json!({"package": {"purl": "npm/lodash"}}),
            "package.purl",
            "`npm/lodash` is not a package URL: those begin with `pkg:`",
        ),
        (json!({"package": {"type": "dep"}}), "package.type", "there are no packages of type `dep`"),
        (json!({"finding": {"gate": "vulnerability"}}), "finding.gate", "there is no gate `vulnerability`"),
        (json!({"finding": {"trigger": "pack"}}), "finding.trigger", "there is no trigger `pack`"),
        (
            json!({"path": "*", "image": {"registry": "docker.io/library"}}),
            "image.registry",
            "`docker.io/library` has `/`, which a registry never has",
        ),
        (json!({"path": "*", "image": {"tag": "app:1"}}), "image.tag", "`app:1` has `:`, which a tag never has"),
        (
            json!({"path": "*", "image": {"repository": "app@sha256"}}),
            "image.repository",
            "`app@sha256` has `@`, which a repository never has",
        ),
        (
            json!({"path": "*", "image": {"digest": "sha256:12"}}),
            "image.digest",
            "`sha256:12` is the digest of no manifest",
        ),
    ] {
        let problems = Exceptions::parse(&json!([exception(&select)])).unwrap_err();
        assert_eq!(problems[0].path, format!("exceptions.0.select.{place}"), "{select}");
        assert_eq!(problems[0].reason, reason, "{select}");
        assert!(!problems[0].remedy.is_empty());
    }
    for select in [
        json!({"path": "*.pem"}),
        json!({"path": "regexp:.*"}),
        json!({"package": {"purl": "pkg*", "type": "*", "version": "*"}}),
        json!({"package": {"type": "NPM"}}),
        json!({"finding": {"gate": "vuln*", "trigger": "*", "trigger_id": "a b"}}),
        json!({"path": "*", "image": {"registry": "localhost:5000", "repository": "a/*", "tag": "1.*", "digest": digest}}),
        json!({"path": "*", "image": {"digest": "sha256:0a*"}}),
    ] {
        assert!(Exceptions::parse(&json!([exception(&select)])).is_ok(), "{select}");
    }
}

fn any_exception() -> impl Strategy<Value = Value> {
    let select = prop::sample::select(vec![
        json!({"vulnerability": "CVE-1"}),
        json!({"package": {"name": "openssl"}}),
        json!({"path": "/*"}),
        json!({"finding": {"gate": "*"}}),
        json!({"finding": {"trigger_id": "CVE-2+*"}, "image": {"repository": "team/*"}}),
        json!({"image": {"tag": "other"}, "path": "*"}),
    ]);
    let expiry = prop::sample::select(vec![None, Some("2026-01-01"), Some("2026-02-01"), Some("2027-01-01")]);
    let remembers = prop::sample::select(vec![0, 1, 2]);
    (select, expiry, remembers, 0..100_u8).prop_map(|(select, expiry, remembers, id)| {
        let mut exception = exception(&select);
        exception["id"] = format!("x{id}").into();
        exception["expires_at"] = json!(expiry);
        if remembers > 0 {
            let mut then = facts();
            if remembers > 1 {
                then["packages"][0]["version"] = "2".into();
                then["vulnerabilities"][0]["severity"] = "low".into();
            }
            exception = granted(&then, &exception)[0].clone();
        }
        exception
    })
}

fn applied(exceptions: &[Value]) -> Evaluation {
    let mut evaluation = judge(&facts(), &json!([]));
    Exceptions::of(exceptions.iter().map(|document| killick_policy::Exception::parse(document, "x").unwrap()))
        .apply(&mut evaluation, DEFAULT_NOTICE_DAYS);
    evaluation
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_more_never_makes_a_verdict_worse(
        exceptions in prop::collection::vec(any_exception(), 0..4),
        more in any_exception(),
        at in 0..4_usize,
    ) {
        let before = applied(&exceptions);
        let mut all = exceptions.clone();
        all.insert(at.min(all.len()), more);
        let after = applied(&all);
        prop_assert!(after.final_action >= before.final_action);
        for (before, after) in before.findings.iter().zip(&after.findings) {
            prop_assert!(after.action >= before.action);
        }
        prop_assert_eq!(after.findings.len(), before.findings.len());
    }

    #[test]
    fn one_that_ended_equals_none(exceptions in prop::collection::vec(any_exception(), 0..4), mut ended in any_exception()) {
        let before = applied(&exceptions);
        ended["expires_at"] = "2026-01-31T12:00:00Z".into();
        let mut all = exceptions.clone();
        all.push(ended);
        let after = applied(&all);
        prop_assert_eq!(after.findings, before.findings);
        prop_assert_eq!(after.final_action, before.final_action);
    }

    #[test]
    fn any_document_is_survived(text in "\\PC{0,60}", name in "[a-z_]{1,12}") {
        let mut document = exception(&json!({"path": text}));
        document[name] = json!(text);
        let _ = Exceptions::parse(&json!([document, text]));
    }
}

#[test]
fn what_ends_is_counted() {
    let ending = |id: &str, expires_at: Value| {
        json!({"id": id, "select": {"path": "/bin/x"}, "reason": "r", "owner": "o",
        "expires_at": expires_at})
    };
    let all = [("a", json!("2026-01-31T12:00:00Z")), ("b", json!("2026-01-31T12:00:01Z")), ("c", json!("2027-01-01"))];
    let exceptions = Exceptions::parse(&json!(all.map(|(id, expires_at)| ending(id, expires_at)))).unwrap();
    let now: jiff::Timestamp = NOW.parse().unwrap();
    assert_eq!(exceptions.ended(now, 14), (1, 2));
    assert_eq!(exceptions.ended(now + jiff::SignedDuration::from_secs(1), 14), (2, 2));
    let item = |expires_on: &str| json!({"id": "i", "gate": "g", "trigger_id": "t", "expires_on": expires_on});
    let items = [item("2026-01-31T12:00:00Z"), item("2026-01-31T12:00:00.5Z"), item("")];
    let bundle = json!({"id": "b", "version": "1_0", "allowlists": [{"id": "l", "version": "1_0", "items": items}]});
    assert_eq!(Bundle::parse(&bundle).unwrap().ended(now), 1);
}
