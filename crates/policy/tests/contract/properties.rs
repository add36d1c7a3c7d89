//! What holds for every bundle and every image.

use killick_model::evaluation::{Action, Evaluation};
use killick_policy::Compatibility;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::bundle_of::bundle_of;
use crate::judging::{REFERENCE, always, judge_by, rule};

/// Rules of every gate, most of which find something in [`image`].
fn rules() -> Vec<Value> {
    [
        ("files", "name_match", json!({"regex": ".*/f[0-3]"})),
        ("files", "suid_or_guid_set", json!({})),
        ("files", "attribute_match", json!({"filename": "/d/f1", "mode": "4755"})),
        ("files", "content_regex_match", json!({})),
        ("licenses", "blacklist_partial_match", json!({"licenses": "GPL,MIT"})),
        ("licenses", "blacklist_exact_match", json!({"licenses": "MIT"})),
        ("malware", "scans", json!({})),
        ("malware", "scan_not_run", json!({})),
        ("npms", "newer_version_in_feed", json!({})),
        ("npms", "unknown_in_feeds", json!({})),
        ("npms", "version_not_in_feeds", json!({})),
        ("npms", "blacklisted_name_version", json!({"name": "p1"})),
        ("ruby_gems", "feed_data_unavailable", json!({})),
        ("packages", "blacklist", json!({"name": "p2"})),
        ("packages", "required_package", json!({"name": "p3", "version": "2", "version_match_type": "minimum"})),
        ("passwd_file", "blacklist_userids", json!({"user_ids": "0"})),
        ("retrieved_files", "content_regex", json!({"path": "/etc/passwd", "regex": "root", "check": "match"})),
        ("retrieved_files", "content_not_available", json!({"path": "/none"})),
        ("secret_scans", "content_regex_checks", json!({})),
        ("secret_scans", "content_regex_checks", json!({"filename_regex": "/d/f2", "match_type": "notfound"})),
        ("vulnerabilities", "package", json!({"package_type": "all"})),
        ("vulnerabilities", "blacklist", json!({"vulnerability_ids": "CVE-1,CVE-2"})),
        ("metadata", "attribute", json!({"attribute": "distro", "check": "=", "value": "debian"})),
        ("dockerfile", "instruction", json!({"instruction": "HEALTHCHECK", "check": "not_exists"})),
        ("threats", "known_exploited", json!({})),
        ("threats", "likely_exploited", json!({"probability": "0.2"})),
        ("threats", "risk", json!({"score": "40"})),
        ("threats", "malicious_package", json!({})),
        ("threats", "fix_overdue", json!({"days": "0"})),
        ("lifecycle", "distribution_ended", json!({})),
        ("lifecycle", "program_ended", json!({"allow_extended": "false"})),
        ("completeness", "analysis_incomplete", json!({})),
        ("completeness", "matching_incomplete", json!({"kinds": "no-data"})),
        ("knowledge", "stale_sources", json!({"max_days": "7"})),
        ("vex", "status", json!({"statuses": "under_investigation,none"})),
        ("attachments", "absent", json!({"kind": "signature"})),
        ("attachments", "present", json!({"kind": "attestation", "predicate_type": "https://*"})),
        ("base_image", "not_allowed", json!({"bases": "debian:*"})),
        ("base_image", "denied", json!({"bases": "a*"})),
        ("base_image", "age", json!({"max_days": "90"})),
        ("layers", "package", json!({"kinds": "npm,deb", "name": "p[1-3]"})),
        ("layers", "file", json!({"path": "/d/(?!f0)"})),
        ("sbom", "quality", json!({"field": "supplier", "minimum": "50"})),
        ("sbom", "fidelity", json!({"minimum": "50"})),
        ("sbom", "only_claimed", json!({})),
        (
            "cel",
            "image",
            json!({
                "expression": "size(image.packages) > 0 && size(image.vulnerabilities) > 0",
                "message": "image.packages[0].name + image.packages[0].licenses[0] + image.vulnerabilities[0].id",
            }),
        ),
        ("cel", "package", json!({"expression": "'MIT' in pkg.licenses"})),
        ("cel", "vulnerability", json!({"expression": "vulnerability.package.name != 'p1'"})),
        ("cel", "file", json!({"expression": "file.is_setuid", "message": "image.files[0].path + file.path"})),
        ("always", "always", json!({})),
    ]
    .iter()
    .map(|(gate, trigger, params)| rule(gate, trigger, params))
    .collect()
}

fn any_rules() -> impl Strategy<Value = Vec<Value>> {
    let action = prop::sample::select(vec!["STOP", "WARN", "GO"]);
    let one = (prop::sample::select(rules()), action).prop_map(|(mut rule, action)| {
        rule["action"] = action.into();
        rule
    });
    prop::collection::vec(one, 0..6)
}

/// The parts of an image that come in lists.
#[derive(Debug, Clone)]
struct Image {
    packages: Vec<Value>,
    /// Package by name, and vulnerability.
    matches: Vec<(usize, usize)>,
    files: Vec<Value>,
    secrets: Vec<Value>,
    searched: Vec<(String, Value)>,
    malware: Vec<Value>,
    problems: Vec<Value>,
    unsupported: Vec<Value>,
    attachments: Vec<Value>,
}

/// What may have gone wrong with an image.
fn problems() -> Vec<Value> {
    vec![
        json!({"kind": "no-data", "subject": "a", "message": "m"}),
        json!({"kind": "malformed-database", "subject": "b", "message": "m"}),
    ]
}

fn unsupported() -> Vec<Value> {
    vec![
        json!({"product": "debian", "cycle": "10"}),
        json!({"product": "python", "cycle": "2.7", "packages": [0], "support": "extended"}),
        json!({"product": "node", "cycle": "12", "packages": [0]}),
    ]
}

fn attachments() -> Vec<Value> {
    let document = |number: usize, kind: &str| {
        let digest = format!("sha256:{number:064x}");
        json!({"documents": [{"kind": kind, "digest": digest, "predicate_type": format!("https://{number}")}]})
    };
    vec![document(1, "signature"), document(2, "attestation"), document(3, "attestation")]
}

fn image() -> impl Strategy<Value = Image> {
    let kinds = prop::sample::select(vec!["deb", "npm", "gem", "python"]);
    let package = (kinds, 0..5_usize, 1..4_u8, prop::sample::select(vec!["GPL-2", "MIT", "X"])).prop_map(|(kind, name, version, license)| {
        json!({"kind": kind, "name": format!("p{name}"), "version": version.to_string(), "licenses": [license]})
    });
    let path = (0..6_u8).prop_map(|name| format!("/d/f{name}"));
    let file = (path.clone(), prop::sample::select(vec![0o644, 0o4755, 0o2755]))
        .prop_map(|(path, mode)| json!({"path": path, "mode": mode}));
    let visible = prop::sample::select(vec!["", "hidden"]);
    let secret = (prop::sample::select(vec!["A", "AWS_ACCESS_KEY"]), path.clone(), visible)
        .prop_map(|(rule, path, hidden)| json!([rule, path, hidden]));
    let searched = path.clone().prop_map(|path| (path, json!([["N", "n.*"], ["", "m"]])));
    let malware = (path, 0..3_u8, any::<bool>())
        .prop_map(|(path, name, hidden)| json!({"path": path, "signature": format!("S{name}"), "is_hidden": hidden}));
    let matches = prop::collection::vec((0..8_usize, 0..4_usize), 0..6);
    (
        prop::collection::vec(package, 1..8),
        matches,
        prop::collection::vec(file, 0..6),
        prop::collection::vec(secret, 0..5),
        prop::collection::vec(searched, 0..4),
        prop::collection::vec(malware, 0..4),
        prop::sample::subsequence(problems(), 0..=2),
        prop::sample::subsequence(unsupported(), 0..=3),
        prop::sample::subsequence(attachments(), 0..=3),
    )
        .prop_map(
            |(packages, matches, mut files, secrets, searched, malware, problems, unsupported, attachments)| {
                // A path is there once.
                files.sort_by_key(|file| file["path"].to_string());
                files.dedup_by_key(|file| file["path"].to_string());
                let matches = matches.into_iter().map(|(package, number)| (package % packages.len(), number)).collect();
                Image { packages, matches, files, secrets, searched, malware, problems, unsupported, attachments }
            },
        )
}

impl Image {
    fn facts(&self) -> Value {
        let matches: Vec<_> = self.matches.iter().map(|(package, number)| vulnerability(*package, *number)).collect();
        json!({
            "packages": self.packages,
            "matches": matches,
            "files": self.files,
            "secrets": {"findings": self.secrets, "patterns": {"A": "a"}},
            "searched": self.searched.iter().cloned().collect::<serde_json::Map<_, _>>(),
            "malware": [{"scanner": "clamav", "findings": self.malware}],
            "retrieved": {"/etc/passwd": "root:x:0:0::/:/bin/sh\n"},
            "npm_feed": {"p0": {"latest": "3", "versions": ["1", "3"]}, "p1": {"latest": "1", "versions": ["1"]}},
            "problems": self.problems,
            "match_problems": self.problems,
            "unsupported": self.unsupported,
            "attachments": self.attachments,
            "sources": {"debian/debian:10": "2026-01-01T00:00:00Z", "osv/npm": null},
            "config": {"architecture": "amd64", "os": "linux", "history": [{"created": "2025-01-01T00:00:00Z"}]},
            "dockerfile": "FROM a\n",
        })
    }

    /// The same image, its lists in another order.
    fn shuffled(&self) -> impl Strategy<Value = Self> + use<> {
        let order = Just((0..self.packages.len()).collect::<Vec<_>>()).prop_shuffle();
        let image = self.clone();
        let lists = (
            Just(image.files.clone()).prop_shuffle(),
            Just(image.secrets.clone()).prop_shuffle(),
            Just(image.malware.clone()).prop_shuffle(),
            Just(image.matches.clone()).prop_shuffle(),
            Just(image.problems.clone()).prop_shuffle(),
            Just(image.unsupported.clone()).prop_shuffle(),
            Just(image.attachments.clone()).prop_shuffle(),
        );
        (order, lists).prop_map(
            move |(order, (files, secrets, malware, matches, problems, unsupported, attachments))| {
                let place = |package: usize| order.iter().position(|&at| at == package).expect("a permutation");
                Self {
                    packages: order.iter().map(|&at| image.packages[at].clone()).collect(),
                    matches: matches.into_iter().map(|(package, number)| (place(package), number)).collect(),
                    files,
                    secrets,
                    malware,
                    problems,
                    unsupported,
                    attachments,
                    searched: image.searched.clone(),
                }
            },
        )
    }
}

/// The vulnerability of a number: exploited, malicious, spoken of in a VEX document, or nothing in particular.
fn vulnerability(package: usize, number: usize) -> Value {
    let mut found = json!({"package": package, "vulnerability": format!("CVE-{number}")});
    let more = match number {
        1 => {
            json!({"known_exploited": true, "epss": 0.5, "risk": 50.0, "fixed": ["9"], "fix_seen": "2026-01-01T00:00:00Z"})
        }
        2 => json!({"malicious": true}),
        3 => json!({"claims": [{"status": "under_investigation"}, {"status": "affected", "trusted": false}]}),
        _ => json!({}),
    };
    if let (Some(found), Value::Object(more)) = (found.as_object_mut(), more) {
        found.extend(more);
    }
    found
}

fn both_orders() -> impl Strategy<Value = (Image, Image)> {
    image().prop_flat_map(|image| {
        let shuffled = image.shuffled();
        (Just(image), shuffled)
    })
}

fn verdict(bundle: &Value, facts: &Value, compatibility: Compatibility) -> Evaluation {
    judge_by(bundle, facts, REFERENCE, compatibility)
}

/// Findings without the remedies: the line of a secret is told there, and lines follow the order of the test's list.
fn found(evaluation: &Evaluation) -> Vec<(String, String, Action, bool)> {
    let row = |finding: &killick_model::evaluation::Finding| {
        (finding.trigger_id.clone(), finding.message.clone(), finding.action, finding.allowlisted.is_some())
    };
    evaluation.findings.iter().map(row).collect()
}

/// A bundle with these rules and items of an allowlist.
fn bundle(rules: &[Value], items: &[Value]) -> Value {
    let mut bundle = bundle_of(&json!(rules));
    bundle["whitelists"] = json!([{"id": "w", "version": "1_0", "name": "w", "items": items}]);
    bundle["mappings"][0]["whitelist_ids"] = json!(["w"]);
    bundle
}

fn any_item() -> impl Strategy<Value = Value> {
    let gates: Vec<String> = rules().iter().map(|rule| rule["gate"].as_str().expect("a gate").to_owned()).collect();
    let ids = prop::sample::select(vec![
        "*",
        "always",
        "CVE-1+*",
        "regexp:.*[0-7]",
        "regexp:[",
        "clamav+*",
        "evaluation_error",
    ]);
    let expiry = prop::sample::select(vec!["", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"]);
    (prop::sample::select(gates), ids, expiry)
        .prop_map(|(gate, id, expiry)| json!({"gate": gate, "trigger_id": id, "expires_on": expiry}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_facts_changes_nothing((image, shuffled) in both_orders(), rules in any_rules()) {
        let bundle = bundle(&rules, &[]);
        for compatibility in [Compatibility::Repaired, Compatibility::Engine11] {
            let once = verdict(&bundle, &image.facts(), compatibility);
            prop_assert_eq!(&once, &verdict(&bundle, &image.facts(), compatibility), "the same twice");
            let again = verdict(&bundle, &shuffled.facts(), compatibility);
            prop_assert_eq!(found(&once), found(&again));
            prop_assert_eq!((once.final_action, &once.problems), (again.final_action, &again.problems));
        }
    }

    #[test]
    fn an_exception_never_makes_it_worse(
        image in image(), rules in any_rules(), items in prop::collection::vec(any_item(), 0..3), more in any_item(), at in 0..4_usize,
    ) {
        let facts = image.facts();
        let before = verdict(&bundle(&rules, &items), &facts, Compatibility::Repaired);
        let mut longer = items.clone();
        longer.insert(at.min(items.len()), more);
        let after = verdict(&bundle(&rules, &longer), &facts, Compatibility::Repaired);
        prop_assert!(after.final_action >= before.final_action, "{:?} {:?}", before, after);
        prop_assert_eq!(before.findings.len(), after.findings.len());
    }

    #[test]
    fn a_rule_never_makes_it_better(
        image in image(), rules in any_rules(), items in prop::collection::vec(any_item(), 0..3), more in any_rules(), at in 0..7_usize,
    ) {
        let facts = image.facts();
        let before = verdict(&bundle(&rules, &items), &facts, Compatibility::Repaired);
        let mut longer = rules.clone();
        for rule in more {
            longer.insert(at.min(longer.len()), rule);
        }
        let after = verdict(&bundle(&longer, &items), &facts, Compatibility::Repaired);
        prop_assert!(after.final_action <= before.final_action, "{:?} {:?}", before, after);
    }
}

#[test]
fn packages_of_one_name_and_version_are_told_in_the_order_of_their_kinds() {
    let packages =
        [json!({"kind": "gem", "name": "p", "version": "2"}), json!({"kind": "deb", "name": "p", "version": "2"})];
    let bundle = bundle(&[rule("threats", "risk", &json!({"score": "40"}))], &[]);
    let ids = |order: [usize; 2]| {
        let packages = order.map(|at| packages[at].clone());
        let facts = json!({"packages": packages, "matches": [vulnerability(0, 1), vulnerability(1, 1)]});
        let evaluation = verdict(&bundle, &facts, Compatibility::Repaired);
        evaluation.findings.into_iter().map(|finding| finding.trigger_id).collect::<Vec<_>>()
    };
    assert_eq!(ids([0, 1]), ["CVE-1+p", "CVE-1+status"]);
    assert_eq!(ids([1, 0]), ids([0, 1]));
}

#[test]
fn the_image_of_the_properties_is_not_empty() {
    // Otherwise the properties would hold because nothing is ever found.
    let facts = json!({
        "packages": [
            {"kind": "npm", "name": "p1", "version": "2", "licenses": ["MIT"]},
            {"name": "p2", "licenses": ["GPL-2"]},
            {"name": "p4", "evidence": "claimed", "licenses": ["X"]},
        ],
        "matches": [vulnerability(1, 1), vulnerability(0, 2), vulnerability(0, 3)],
        "files": [{"path": "/d/f1", "mode": 0o4755}],
        "secrets": {"findings": [["A", "/d/f1"]], "patterns": {"A": "a"}},
        "searched": {"/d/f1": [["N", "n"]]},
        "malware": [{"scanner": "clamav", "findings": [{"path": "/d/f1", "signature": "S"}]}],
        "retrieved": {"/etc/passwd": "root:x:0:0::/:/bin/sh\n"},
        "npm_feed": {"p1": {"latest": "1", "versions": ["1"]}},
        "problems": problems(),
        "match_problems": problems(),
        "unsupported": unsupported(),
        "attachments": &attachments()[1..],
        "sources": {"debian/debian:10": "2026-01-01T00:00:00Z", "osv/npm": null},
        "config": {"architecture": "amd64", "os": "linux", "history": [{"created": "2025-01-01T00:00:00Z"}]},
        "dockerfile": "FROM a\n",
    });
    let silent: Vec<_> = rules()
        .into_iter()
        .filter(|rule| {
            verdict(&bundle(std::slice::from_ref(rule), &[]), &facts, Compatibility::Repaired).findings.is_empty()
        })
        .map(|rule| rule["trigger"].clone())
        .collect();
    // What was read as an image has all fidelity.
    assert_eq!(silent, ["scan_not_run", "unknown_in_feeds", "fidelity"]);
    let asked: std::collections::BTreeSet<_> =
        rules().iter().map(|rule| rule["gate"].as_str().expect("a gate").to_owned()).collect();
    let is_active = |gate: &&&killick_policy::gates::Gate| gate.state == killick_policy::gates::State::Active;
    let unasked: Vec<_> = killick_policy::gates::GATES
        .iter()
        .filter(is_active)
        .filter(|gate| !asked.contains(gate.name))
        .map(|gate| gate.name)
        .collect();
    assert_eq!(unasked, [""; 0], "every gate has a rule in the properties");
    let go = verdict(&bundle(&[always("GO")], &[]), &facts, Compatibility::Repaired);
    assert_eq!(go.final_action, Action::Go);
}
