//! The rules on the cases of `testdata/inspectors/secrets/cases.toml`.

use std::collections::BTreeSet;

use killick_model::path::ImagePath;
use serde::Deserialize;

use super::*;
use crate::inspectors::rules::{Owned, Rules};

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    path: Option<String>,
    hits: Vec<String>,
    misses: Vec<String>,
}

fn compiled() -> Rules {
    let rules = (0..).zip(RULES.iter());
    Rules::new(rules.map(|(number, rule)| Owned { inspector: "secrets", number, rule: rule.compiled() }).collect())
        .unwrap()
}

fn secrets(rules: &Rules, path: &str, text: &str) -> Vec<Secret> {
    let (seen, is_cut_short) = rules.scan().whole(text.as_bytes());
    assert!(!is_cut_short);
    let hits = seen.into_iter().next().map(|seen| seen.hits).unwrap_or_default();
    let path = ImagePath::new(path.as_bytes()).unwrap();
    of_file(&SeenFile { path: &path, layer: 0, is_visible: true, hits: &hits }, &[])
}

#[test]
fn every_rule_finds_its_hits_and_leaves_its_misses() {
    let cases: Cases = toml::from_str(include_str!("../../../testdata/inspectors/secrets/cases.toml")).unwrap();
    let rules = compiled();
    let mut faults = Vec::new();
    for case in &cases.case {
        let path = case.path.as_deref().unwrap_or("srv/file");
        assert!(!case.hits.is_empty() && !case.misses.is_empty(), "{}", case.rule);
        for (texts, want) in [(&case.hits, 1), (&case.misses, 0)] {
            for text in texts {
                let found = secrets(&rules, path, &text.replace("{}", ""));
                if found.iter().filter(|secret| secret.rule == case.rule).count() != want {
                    let names: Vec<_> = found.iter().map(|secret| secret.rule.as_str()).collect();
                    faults.push(format!("{}, not {want}: {text}: {names:?}", case.rule));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let named: BTreeSet<_> = cases.case.iter().map(|case| case.rule.as_str()).collect();
    let all: BTreeSet<_> = RULES.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(named, all);
    assert_eq!(cases.case.len(), RULES.len());
}

#[test]
fn rules_are_sound() {
    for rule in RULES.iter() {
        assert!(rule.name.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_')), "{}", rule.name);
        let regex = rule.regex.regex().unwrap_or_else(|| panic!("`{}` has a malformed pattern", rule.name));
        assert!(regex.captures_len() >= 2, "`{}` has no group for the secret", rule.name);
        assert!(
            rule.keywords.iter().all(|word| word.bytes.len() >= 3),
            "`{}` has words that are everywhere",
            rule.name
        );
        assert!(!regex.is_match(b""), "{}", rule.name);
    }
    // Names that bundles of the original select by.
    for name in ["AWS_ACCESS_KEY", "AWS_SECRET_KEY", "PRIV_KEY", "DOCKER_AUTH", "API_KEY"] {
        assert!(RULES.iter().any(|rule| rule.name == name), "{name}");
    }
}

#[test]
fn findings_do_not_tell_the_secret() {
    let rules = compiled();
    let token = concat!("ghp_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17");
    let found = secrets(&rules, "srv/a", &format!("first\n{token} {token}\n"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].line, found[0].preview.as_str(), found[0].fingerprint.len()), (2, "ghp_…", 16));
    assert!(!serde_json::to_string(&found).unwrap().contains("zQWB"));
    // The same secret elsewhere has the same fingerprint, another has not.
    assert_eq!(secrets(&rules, "srv/b", token)[0].fingerprint, found[0].fingerprint);
    let short = secrets(&rules, "srv/c", "postgres://app:hunter-9x@db/");
    assert_eq!((short[0].preview.as_str(), short[0].line), ("…", 1));
    assert_ne!(short[0].fingerprint, found[0].fingerprint);
}

#[test]
fn a_header_yields_to_what_knows_the_token() {
    let rules = compiled();
    let token = concat!("ghp_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17");
    let found = secrets(&rules, "srv/a", &format!("Authorization: Bearer {token}"));
    let names: Vec<_> = found.iter().map(|secret| secret.rule.as_str()).collect();
    assert_eq!(names, ["GITHUB_TOKEN"]);
}
