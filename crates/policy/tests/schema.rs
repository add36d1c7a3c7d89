//! The published JSON Schema of bundles: made of the gate list, and true of bundles.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle_of;

use std::path::{Path, PathBuf};

use bundle_of::bundle_of;
use jsonschema::Validator;
use killick_policy::{Bundle, ProblemSeverity, bundle_schema, default_bundle};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn load(path: &Path) -> Value {
    let text = fs_err::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn validator() -> Validator {
    jsonschema::validator_for(&bundle_schema()).expect("a schema")
}

fn problems(validator: &Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

#[test]
fn the_published_document_is_current() {
    let path = root().join("schemas/policy-bundle.json");
    let current = serde_json::to_string_pretty(&bundle_schema()).expect("JSON") + "\n";
    // As snapshots are written.
    if std::env::var_os("INSTA_UPDATE").is_some_and(|how| how == "always") {
        fs_err::write(&path, &current).expect("the folder is writable");
    }
    let published = fs_err::read_to_string(path).expect("the published schema");
    assert!(published == current, "a gate changed: write it again with `INSTA_UPDATE=always`");
}

#[test]
fn it_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&bundle_schema()));
}

#[test]
fn shipped_bundles_follow_it() {
    let validator = validator();
    let mut bundles = vec![("the default".to_owned(), default_bundle())];
    let files = json_files(&root().join("examples/bundles"));
    assert!(files.len() >= 7);
    bundles.extend(files.iter().map(|path| (path.display().to_string(), load(path))));
    let every = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/bundles/every-trigger.json");
    bundles.push((every.display().to_string(), load(&every)));
    for recording in json_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recordings")) {
        bundles.push((recording.display().to_string(), load(&recording)["bundle"].clone()));
    }
    for (name, bundle) in bundles {
        assert_eq!(problems(&validator, &bundle), Vec::<String>::new(), "{name}");
    }
}

/// With `KILLICK_TEST_RECORDINGS`: what the original was given.
#[test]
fn recorded_bundles_that_are_accepted_follow_it() {
    let Some(folder) = std::env::var_os("KILLICK_TEST_RECORDINGS") else { return };
    let validator = validator();
    for path in json_files(&Path::new(&folder).join("policy")) {
        let document = load(&path);
        let bundle = document.get("bundle").unwrap_or(&document);
        let Ok(parsed) = Bundle::parse(bundle) else { continue };
        let found = problems(&validator, bundle);
        let all = Bundle::check_schema(bundle).into_iter().chain(parsed.validate());
        let is_accepted = all.into_iter().all(|problem| problem.severity != ProblemSeverity::Error);
        assert!(!is_accepted || found.is_empty(), "{}: {found:?}", path.display());
    }
}

/// A bundle with one rule.
fn with_rule(change: impl FnOnce(&mut Value)) -> Value {
    let mut rule = json!({"id": "r", "gate": "vulnerabilities", "trigger": "package", "action": "STOP", "params": [
        {"name": "package_type", "value": "all"}, {"name": "fix_available", "value": "True"},
    ]});
    change(&mut rule);
    bundle_of(&json!([rule]))
}

#[test]
fn mistakes_are_seen_where_they_are() {
    let validator = validator();
    let is_valid = |bundle: &Value| validator.is_valid(bundle);
    assert!(is_valid(&with_rule(|_| ())));
    for (what, rule) in [
        ("a gate", json!({"gate": "vulnerabilties"})),
        ("a retired gate", json!({"gate": "anchoresec"})),
        ("a trigger", json!({"trigger": "packages"})),
        ("an action", json!({"action": "stop"})),
        ("a value", json!({"params": [{"name": "package_type", "value": "everything"}]})),
        (
            "a number",
            json!({"params": [{"name": "package_type", "value": "all"}, {"name": "max_days_since_fix", "value": "x"}]}),
        ),
        (
            "no text",
            json!({"params": [{"name": "package_type", "value": "all"}, {"name": "fix_available", "value": true}]}),
        ),
        ("a missing parameter", json!({"params": []})),
        ("a name", json!({"params": [{"name": "package_type", "value": "all"}, {"name": "severty", "value": "high"}]})),
    ] {
        let bundle = with_rule(|document| {
            for (name, value) in rule.as_object().unwrap() {
                document[name] = value.clone();
            }
        });
        assert!(!is_valid(&bundle), "{what}");
    }
    for (what, rule) in [
        ("any case", json!({"gate": "Vulnerabilities", "trigger": "PACKAGE"})),
        ("capitals", json!({"params": [{"name": "Package_Type", "value": "all"}]})),
        ("other words", json!({"trigger": "denylist", "params": [{"name": "vulnerability_ids", "value": "CVE-1"}]})),
    ] {
        let bundle = with_rule(|document| {
            for (name, value) in rule.as_object().unwrap() {
                document[name] = value.clone();
            }
        });
        assert!(is_valid(&bundle), "{what}: {:?}", problems(&validator, &bundle));
    }
    let current = json!({
        "id": "b", "version": "1_0", "rule_sets": [], "allowlists": [],
        "mappings": [{"name": "m", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"},
            "rule_set_ids": [], "allowlist_ids": []}],
    });
    assert_eq!(problems(&validator, &current), Vec::<String>::new(), "current names");
}
