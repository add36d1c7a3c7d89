//! The register of the original's quirks, row by row, as far as it is about single gates. A name says the row and the
//! way: `kept`, `repaired` or `extended`. `testdata/gates` has more on each.

use serde_json::{Value, json};

use crate::bundle_of::bundle_of;
use crate::judging::{judge_twice, messages, named_quirks, refusals, rule};

/// Both find the same, and nobody warns.
fn kept(facts: &Value, gate: &str, trigger: &str, params: &Value, want: &[&str]) {
    let (ours, theirs) = judge_twice(&bundle_of(&json!([rule(gate, trigger, params)])), facts);
    assert_eq!((messages(&ours), messages(&theirs)), (texts(want), texts(want)));
    assert_eq!(named_quirks(&ours), texts(&[]));
}

/// Each finds its own, and our evaluation names the row.
fn repaired(row: &str, facts: &Value, (gate, trigger, params): (&str, &str, Value), ours: &[&str], theirs: &[&str]) {
    let (our, their) = judge_twice(&bundle_of(&json!([rule(gate, trigger, &params)])), facts);
    assert_eq!((messages(&our), messages(&their)), (texts(ours), texts(theirs)), "{row}");
    assert_eq!((named_quirks(&our), named_quirks(&their)), (texts(&[row]), texts(&[])));
}

fn refused(gate: &str, trigger: &str, params: &Value) -> usize {
    refusals(&bundle_of(&json!([rule(gate, trigger, params)]))).len()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

const FAILED: &[&str] = &["failed"];

#[test]
fn q04_repaired_what_the_vendor_will_not_fix_is_there() {
    let facts = json!({"packages": [{"name": "a"}], "matches": [{"vulnerability": "CVE-1", "wont_fix": true}]});
    let rule = ("vulnerabilities", "package", json!({"package_type": "all", "vendor_only": "false"}));
    repaired(
        "Q-04",
        &facts,
        rule,
        &["HIGH Vulnerability found in os package type (dpkg) - a (CVE-1 - https://x/CVE-1)"],
        &[],
    );
}

#[test]
fn q05_repaired_continued_lines_are_one() {
    let line = |line: &str| format!("Dockerfile directive 'RUN' check 'exists' matched against '' for line '{line}'");
    let rule = ("dockerfile", "instruction", json!({"instruction": "RUN", "check": "exists"}));
    repaired(
        "Q-05",
        &json!({"dockerfile": "FROM a\nRUN x && \\\n  y\n"}),
        rule,
        &[&line("x && y")],
        &[&line("x && \\")],
    );
}

#[test]
fn q06_repaired_a_backslash_before_a_dollar_joins_nothing() {
    let (ours, theirs) = judge_twice(
        &bundle_of(&json!([rule("dockerfile", "effective_user", &json!({"users": "bob", "type": "blacklist"}))])),
        &json!({"dockerfile": "FROM a\nRUN echo \\$HOME\nUSER bob\n"}),
    );
    assert_eq!((messages(&ours).len(), messages(&theirs).len()), (1, 0));
    assert!(!named_quirks(&ours).is_empty());
}

#[test]
fn q07_repaired_an_allowed_port_is_allowed_twice() {
    let rule = ("dockerfile", "exposed_ports", json!({"ports": "80", "type": "whitelist"}));
    let theirs = "Dockerfile exposes port (80) which is not in policy file ALLOWEDPORTS list";
    repaired("Q-07", &json!({"dockerfile": "FROM a\nEXPOSE 80 80\n"}), rule, &[], &[theirs]);
}

#[test]
fn q08_kept_port_0_is_a_port() {
    let params = json!({"ports": "0", "type": "blacklist"});
    kept(&json!({"dockerfile": "FROM a\nEXPOSE 80\n"}), "dockerfile", "exposed_ports", &params, &[]);
}

#[test]
fn q09_repaired_the_history_of_buildkit_is_understood() {
    let facts = json!({"config": {"history": [{"created_by": "USER app"}]}});
    let rule = ("dockerfile", "effective_user", json!({"users": "root", "type": "blacklist"}));
    let theirs = "User root found as effective user, which is explicity not allowed";
    repaired("Q-09", &facts, rule, &[], &[theirs]);
}

#[test]
fn q10_repaired_names_of_secrets_are_whole() {
    let facts = json!({"secrets": {"findings": [["KEY", "/a"]], "patterns": {"KEY": "k"}}});
    let rule = ("secret_scans", "content_regex_checks", json!({"content_regex_name": "AWS_ACCESS_KEY"}));
    let theirs = "Secret content search analyzer found regexp match in container: file=/a regexp=KEY=k";
    repaired("Q-10", &facts, rule, &[], &[theirs]);
}

#[test]
fn q11_kept_patterns_are_tried_on_words() {
    let params = json!({"path": "/f", "regex": "b", "check": "match"});
    let want = "Content regex 'b' check 'match' found in retrieved file '/f'";
    kept(&json!({"retrieved": {"/f": "a b"}}), "retrieved_files", "content_regex", &params, &[want]);
}

#[test]
fn q12_repaired_absence_is_told_once() {
    let text = "Cannot locate file in the image analysis";
    let rule = ("retrieved_files", "content_not_available", json!({"path": "/f"}));
    repaired("Q-12", &json!({}), rule, &[text], &[text, text]);
}

#[test]
fn q13_repaired_the_release_counts() {
    let facts = json!({"packages": [{"kind": "apk", "name": "musl", "version": "1.1.24-r9"}]});
    let rule = (
        "packages",
        "required_package",
        json!({"name": "musl", "version": "1.1.24-r8", "version_match_type": "minimum"}),
    );
    let theirs = "Required min-version input package (musl) is present (1.1.24-r9), but is lower version than what is specified in policy (1.1.24-r8)";
    repaired("Q-13", &facts, rule, &[], &[theirs]);
}

#[test]
fn q14_extended_a_denied_version_may_be_complete() {
    let facts = json!({"packages": [{"kind": "apk", "name": "musl", "version": "1.1.24-r9"}]});
    let rule = ("packages", "blacklist", json!({"name": "musl", "version": "1.1.24-r9"}));
    repaired("Q-14", &facts, rule, &["Package is blacklisted: musl-1.1.24-r9"], &[]);
}

#[test]
fn q15_repaired_any_record_of_the_package_will_do() {
    let facts = json!({"packages": [{"name": "a", "version": "1"}, {"name": "a", "version": "2"}]});
    let rule = ("packages", "required_package", json!({"name": "a", "version": "2"}));
    let theirs = "Required input package (a) is present (1), but not at the version specified in policy (a)";
    repaired("Q-15", &facts, rule, &[], &[theirs]);
}

#[test]
fn q16_repaired_nothing_to_verify_is_told() {
    repaired("Q-16", &json!({"packages": [{"name": "a"}]}), ("packages", "verify", json!({})), &[], FAILED);
}

#[test]
fn q17_repaired_short_lines_are_passed_over() {
    let facts = json!({"retrieved": {"/etc/passwd": "\nroot:x:0:0::/:/bin/sh\n"}});
    let ours = "Blacklisted uid '0' found in image's /etc/passwd: pentry=root:x:0:0::/:/bin/sh";
    repaired("Q-17", &facts, ("passwd_file", "blacklist_userids", json!({"user_ids": "0"})), &[ours], FAILED);
}

#[test]
fn q18_repaired_presence_needs_no_value() {
    assert_eq!(refused("metadata", "attribute", &json!({"attribute": "distro", "check": "exists"})), 0);
    assert_eq!(refused("metadata", "attribute", &json!({"attribute": "distro", "check": "="})), 1);
}

#[test]
fn q19_kept_units_are_lower_case() {
    // The validator is part of the published specification.
    let size =
        |value: &str| refused("metadata", "attribute", &json!({"attribute": "size", "check": ">", "value": value}));
    assert_eq!((size("1gb"), size("1GB")), (0, 1));
}

#[test]
fn q20_repaired_numbers_are_not_compared_as_texts() {
    for (attribute, value) in [("size", "1"), ("layer_count", "3")] {
        for check in ["like", "not_like", "in", "not_in"] {
            let params = json!({"attribute": attribute, "check": check, "value": value});
            assert_eq!(refused("metadata", "attribute", &params), 1, "{params}");
        }
    }
}

#[test]
fn q21_repaired_the_operating_system_is_known() {
    let ours = "Attribute check for attribute: 'os_type' check: '=' check_value: 'linux' matched image value: 'linux'";
    let rule = ("metadata", "attribute", json!({"attribute": "os_type", "check": "=", "value": "linux"}));
    repaired("Q-21", &json!({}), rule, &[ours], &[]);
}

#[test]
fn q22_kept_licences_are_words() {
    let facts = json!({"packages": [{"kind": "python", "name": "flask", "licenses": ["BSD License"]}]});
    let listed = |licenses: &str, want: &[&str]| {
        kept(&facts, "licenses", "blacklist_exact_match", &json!({"licenses": licenses}), want);
    };
    listed("BSD License", &[]);
    listed("License", &["LICFULLMATCH Packages are installed that have blacklisted licenses: flask(License)"]);
}

#[test]
fn q23_repaired_licences_are_sorted() {
    let packages = |names: [&str; 2]| json!({"packages": names.iter().map(|name| json!({"name": name, "licenses": ["Z", "A"]})).collect::<Vec<_>>()});
    for names in [["b", "a"], ["a", "b"]] {
        let want = "LICFULLMATCH Packages are installed that have blacklisted licenses: a(A), a(Z), b(A), b(Z)";
        kept(&packages(names), "licenses", "blacklist_exact_match", &json!({"licenses": "Z,A"}), &[want]);
    }
}

#[test]
fn q24_and_q25_kept_feeds_are_asked_for_known_names_and_missed_without_packages() {
    let facts =
        json!({"packages": [{"kind": "npm", "name": "own"}], "npm_feed": {"a": {"latest": "1", "versions": ["1"]}}});
    kept(&facts, "npms", "unknown_in_feeds", &json!({}), &[]);
    let missing = "Gem packages are present but the anchore gem feed is not available - will be unable to perform checks that require feed data";
    kept(&json!({}), "ruby_gems", "feed_data_unavailable", &json!({}), &[missing]);
}

#[test]
fn q26_repaired_and_q27_kept_users() {
    let rule = ("dockerfile", "effective_user", json!({"users": "bob", "type": "blacklist"}));
    let ours = "User bob found as effective user, which is explicity not allowed";
    repaired("Q-26", &json!({"dockerfile": "FROM a\nuser bob\n"}), rule.clone(), &[ours], &[]);
    kept(&json!({"dockerfile": "FROM a\nUSER bob:staff\n"}), rule.0, rule.1, &rule.2, &[]);
}

#[test]
fn q37_and_q38_kept_scores_that_are_missing_or_zero() {
    let facts =
        |cvss: Value| json!({"packages": [{"name": "a"}], "matches": [{"vulnerability": "CVE-1", "cvss": cvss}]});
    let text = |score: &str| {
        format!("HIGH Vulnerability found in os package type (dpkg) - a {score}(CVE-1 - https://x/CVE-1)")
    };
    let below = json!({"package_type": "all", "cvss_v3_base_score": "5", "cvss_v3_base_score_comparison": "<"});
    kept(&facts(json!([])), "vulnerabilities", "package", &below, &[&text("(cvss_v3_base_score=-1.0)")]);
    kept(&facts(json!([{"base": 0.0}])), "vulnerabilities", "package", &below, &[&text("")]);
}

#[test]
fn q39_repaired_a_severity_nobody_knows_is_unknown() {
    let facts = json!({"packages": [{"name": "a"}], "matches": [{"vulnerability": "CVE-1", "severity": "unknown"}]});
    kept(&facts, "vulnerabilities", "package", &json!({"package_type": "all"}), &[]);
}

#[test]
fn q42_repaired_versions_are_compared_as_their_tools_do() {
    for (kind, installed, minimum) in [
        ("rpm", "1.0~rc1-1", "1.0-1"),
        ("deb", "1:1", "2:1"),
        ("deb", "1.0~rc1", "1.0"),
        ("apk", "1.0_rc1-r0", "1.0-r0"),
    ] {
        let facts = json!({"packages": [{"kind": kind, "name": "a", "version": installed}]});
        let params = json!({"name": "a", "version": minimum, "version_match_type": "minimum"});
        let (ours, _) = judge_twice(&bundle_of(&json!([rule("packages", "required_package", &params)])), &facts);
        assert_eq!(messages(&ours).len(), 1, "{kind} {installed} is lower than {minimum}");
    }
}

#[test]
fn q43_repaired_directories_are_texts() {
    let facts = json!({"packages": [{"name": "a", "files": [{"path": "/usr/x"}]}], "files": [{"path": "/other"}]});
    let missing = "VERIFY check against package db for package 'a' failed on entry '/usr/x' with status: 'missing'";
    repaired("Q-43", &facts, ("packages", "verify", json!({"only_directories": "/us_"})), &[], &[missing]);
}

#[test]
fn q44_repaired_rust_is_no_package_of_the_distribution() {
    let facts = json!({"packages": [{"kind": "rust", "name": "a", "location": "/app"}], "matches": [{"vulnerability": "CVE-1"}]});
    let text = "HIGH Vulnerability found in os package type (rust) - a (CVE-1 - https://x/CVE-1)";
    repaired("Q-44", &facts, ("vulnerabilities", "package", json!({"package_type": "os"})), &[], &[text]);
}

#[test]
fn q47_and_q48_kept_mistakes_in_messages() {
    let facts = json!({"packages": [{"name": "a", "version": "1"}], "dockerfile": "FROM a\nUSER bob\n"});
    let want = "Required input package (a) is present (1), but not at the version specified in policy (a)";
    kept(&facts, "packages", "required_package", &json!({"name": "a", "version": "2"}), &[want]);
    let want = "User bob found as effective user, which is explicity not allowed";
    kept(&facts, "dockerfile", "effective_user", &json!({"users": "bob", "type": "blacklist"}), &[want]);
}

#[test]
fn q49_repaired_files_are_where_links_lead() {
    let facts = json!({"packages": [{"name": "a", "files": [{"path": "/lib/x"}]}],
        "files": [{"path": "/lib", "kind": "symlink", "link_target": "usr/lib"}, {"path": "/usr", "kind": "directory"}, {"path": "/usr/lib", "kind": "directory"},
            {"path": "/usr/lib/x"}]});
    let theirs = "VERIFY check against package db for package 'a' failed on entry '/lib/x' with status: 'missing'";
    repaired("Q-49", &facts, ("packages", "verify", json!({})), &[], &[theirs]);
}

#[test]
fn q50_repaired_what_lower_layers_have_is_found() {
    let facts = json!({"secrets": {"findings": [["TOKEN", "/gone", "hidden"]], "patterns": {"TOKEN": "t"}},
        "malware": [{"scanner": "clamav", "findings": [{"path": "/gone", "signature": "S", "is_hidden": true}]}]});
    let secret = "Secret content search analyzer found regexp match in container: file=/gone regexp=TOKEN=t";
    repaired("Q-50", &facts, ("secret_scans", "content_regex_checks", json!({})), &[secret], &[]);
    let malware = "Malware scan finding: scanner=clamav file=/gone signature=S";
    repaired("Q-50", &facts, ("malware", "scans", json!({})), &[malware], &[]);
}

#[test]
fn q51_repaired_texts_need_not_be_utf_8() {
    let facts = json!({"retrieved": {"/f": [255, 32, 97]}});
    let ours = "Content regex 'a' check 'match' found in retrieved file '/f'";
    let rule = ("retrieved_files", "content_regex", json!({"path": "/f", "regex": "a", "check": "match"}));
    repaired("Q-51", &facts, rule, &[ours], FAILED);
}
