//! Bundles as files: tests, remarks, validation, differences, exceptions.

use std::path::Path;

use serde_json::{Value, json};

use super::command::{Run, run};

const PRODUCTION: &str = "examples/bundles/production.json";

fn write(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    fs_err::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
    fs_err::write(&path, text).expect("the folder is writable");
    path.display().to_string()
}

/// A bundle with one rule on the files of the example.
fn bundle(home: &Path, name: &str, action: &str, regex: &str) -> String {
    let document = json!({
        "id": name, "version": "1_0",
        "policies": [{"id": "p", "version": "1_0", "rules": [{"id": "r", "gate": "files", "trigger": "name_match",
            "action": action, "params": [{"name": "regex", "value": regex}]}]}],
        "whitelists": [],
        "mappings": [{"id": "m", "name": "all", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
    });
    write(home, &format!("{name}.json"), &document.to_string())
}

fn json_of(result: &Run) -> Value {
    serde_json::from_str(&result.stdout).unwrap_or_else(|error| panic!("{error}: {}", result.transcript()))
}

#[test]
fn cases_run_fail_and_are_updated() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let passed = run(home.path(), &["policy", "test", PRODUCTION, "examples/cases/production"]);
    assert_eq!(passed.code, 0, "{}", passed.transcript());
    assert!(passed.stdout.ends_with("cases: 3; passed: 3; failed: 0\n"), "{}", passed.stdout);

    let folder = home.path().join("cases");
    let case = write(home.path(), "cases/a.yaml", "# why\nname: a\nfacts: {}\nexpect:\n  action: warn\n");
    let junit = home.path().join("junit.xml").display().to_string();
    let folder = folder.display().to_string();
    let failed = run(home.path(), &["policy", "test", PRODUCTION, &folder, "--junit", &junit]);
    assert_eq!(failed.code, 1, "{}", failed.transcript());
    assert!(failed.stdout.contains("the action is stop, not warn"), "{}", failed.stdout);
    assert!(
        fs_err::read_to_string(&junit).expect("written").contains("<failure message=\"the action is stop, not warn\">")
    );
    assert_eq!(run(home.path(), &["policy", "test", PRODUCTION, &folder, "--update"]).code, 0);
    let text = fs_err::read_to_string(&case).expect("written");
    assert!(text.starts_with("# why\nname: a\nfacts: {}\nexpect:\n  action: \"stop\"\n"), "{text}");
    let counts = json_of(&run(home.path(), &["policy", "test", PRODUCTION, &folder, "-o", "json"]));
    assert_eq!(counts["counts"], json!({"passed": 1, "updated": 0, "failed": 0, "broken": 0}));

    // What lies beside the cases is no case; what cannot fail is no test.
    write(home.path(), "cases/exceptions.yaml", "exceptions: []\n");
    write(home.path(), "cases/report.json", "{\"analysis\": {}}");
    for idle in ["facts: {}\n", "facts: {}\nexpect: {}\n", "facts: {}\nexpect: {contains: [], action: null}\n"] {
        write(home.path(), "cases/b.yaml", idle);
        let run = run(home.path(), &["policy", "test", PRODUCTION, &folder]);
        assert_eq!(run.code, 2, "{}", run.transcript());
        assert!(run.stdout.contains("it expects nothing, so that it cannot fail"), "{}", run.stdout);
    }
    write(home.path(), "cases/b.yaml", "facts: {pakages: []}\n");
    let broken = run(home.path(), &["policy", "test", PRODUCTION, &folder]);
    assert_eq!(broken.code, 2, "{}", broken.transcript());
    let told = "`facts.pakages`: there is no such member\n         remedy: did you mean `packages`?\n";
    assert!(broken.stdout.contains(told), "{}", broken.stdout);
}

#[test]
fn folders_are_validated() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let good = run(home.path(), &["policy", "validate", "examples/bundles"]);
    assert_eq!(good.code, 0, "{}", good.transcript());
    bundle(home.path(), "one", "STOP", "/x");
    write(home.path(), "cases/x.yaml", "facts: {}\n");
    write(home.path(), "cases/x.json", r#"{"facts": {}, "expect": {"action": "go"}}"#);
    let exceptions = write(home.path(), "exceptions.yaml", "exceptions: []\n");
    let folder = home.path().display().to_string();
    let good = run(home.path(), &["policy", "validate", &folder, "-o", "json"]);
    assert_eq!(good.code, 0, "{}", good.transcript());
    assert_eq!(json_of(&good)["files"].as_array().map(Vec::len), Some(2));
    assert_eq!(json_of(&good)["left_out"].as_array().map(Vec::len), Some(2));
    write(home.path(), "exceptions.yaml", "exceptions: [{id: x}]\n");
    let bad = run(home.path(), &["policy", "validate", &exceptions]);
    assert_eq!(bad.code, 1, "{}", bad.transcript());
    let text = fs_err::read_to_string(home.path().join("one.json")).expect("written");
    write(home.path(), "sub/two.json", &text);
    let twice = run(home.path(), &["policy", "validate", &folder]);
    assert!(twice.code == 1 && twice.stdout.contains("has the id `one` too"), "{}", twice.transcript());
}

#[test]
fn each_file_of_a_folder_is_told_what_it_is() {
    let home = tempfile::tempdir().expect("a temporary folder");
    bundle(home.path(), "one", "STOP", "/x");
    let (fields, select) = ("reason: r, owner: o", "select: {path: /x}");
    for (name, text) in [
        ("a-case.yaml", "exceptions: []\nexpect: {action: go}\n".to_owned()),
        ("a-list.yaml", format!("- {{id: a, {select}, {fields}}}\n")),
        ("a-wrong-list.yaml", format!("- {{id: a, {fields}}}\n")),
        ("bundle.yaml", "policies: []\n".to_owned()),
        ("other.json", "{\"name\": \"shop\", \"version\": \"1.0.0\"}".to_owned()),
        ("other.yaml", "stages: [test]\n".to_owned()),
        ("report.json", "{\"analysis\": {}, \"matches\": {}}".to_owned()),
        ("unreadable.json", "{".to_owned()),
        ("unreadable.yaml", "a: [b\n".to_owned()),
    ] {
        write(home.path(), name, &text);
    }
    let validated = run(home.path(), &["policy", "validate", &home.path().display().to_string()]);
    assert_eq!(validated.code, 1, "{}", validated.transcript());
    let text = validated.stdout.replace(&home.path().display().to_string(), "<home>");
    for line in [
        "ok      <home>/a-list.yaml\n",
        "REFUSED <home>/a-wrong-list.yaml\n        error: exceptions.0: `select` is missing\n          remedy: add `select`\n",
        "REFUSED <home>/bundle.yaml\n        error: it is a bundle in YAML\n",
        "ok      <home>/one.json\n",
        "REFUSED <home>/unreadable.json\n        error: it is not JSON: ",
        "REFUSED <home>/unreadable.yaml\n        error: it is not YAML: ",
        "left out <home>/a-case.yaml: a test case\n",
        "left out <home>/other.json: neither a bundle nor exceptions\n",
        "left out <home>/other.yaml: neither a bundle nor exceptions\n",
        "left out <home>/report.json: a report\n",
        "files: 6; refused: 4; left out: 4\n",
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
    // Whoever names a file means it.
    for name in ["a-case.yaml", "other.json", "report.json"] {
        let named = run(home.path(), &["policy", "validate", &home.path().join(name).display().to_string()]);
        assert!(named.code == 1 && named.stdout.contains("remedy: "), "{}", named.transcript());
    }
}

#[test]
fn bundles_are_refused_for_their_shape_too() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let good = bundle(home.path(), "good", "STOP", "/x");
    let text = fs_err::read_to_string(&good).expect("written");
    for (name, from, to, place) in [
        ("action", "\"STOP\"", "\"HALT\"", "`policies.0.rules.0.action`: 'HALT' is not one of"),
        ("value", "\"value\":\"*\"", "\"value\":5", "`mappings.0.image.value`: 5 is not of type 'string'"),
        ("name", "\"name\":\"all\",", "", "`mappings.0`: 'name' is a required property"),
    ] {
        assert!(text.contains(from), "{text}");
        let bad = write(home.path(), &format!("{name}.json"), &text.replace(from, to));
        for command in [
            &["check", "examples/shop.tar", "--policy", &bad][..],
            &["scan", "examples/shop.tar", "--policy", &bad],
            &["policy", "test", &bad, "examples/cases/production"],
            &["policy", "diff", &good, &bad],
        ] {
            let refused = run(home.path(), command);
            assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{}", refused.transcript());
            assert!(refused.stderr.contains(place) && refused.stderr.contains("hint: "), "{}", refused.stderr);
        }
    }
}

#[test]
fn remarks_and_differences_have_exit_codes() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let (first, second) =
        (bundle(home.path(), "a", "STOP", ".*/os-release"), bundle(home.path(), "b", "WARN", "etc/x"));
    assert_eq!(run(home.path(), &["policy", "lint", &first]).code, 0);
    let odd = run(home.path(), &["policy", "lint", &second, "-o", "json"]);
    assert_eq!(odd.code, 1, "{}", odd.transcript());
    assert_eq!(json_of(&odd)["files"][0]["remarks"][0]["code"], "unmatchable-pattern");
    assert_eq!(run(home.path(), &["policy", "lint", &second, "--fail-on", "error"]).code, 0);
    let same = run(home.path(), &["policy", "diff", &first, &first, "--exit-code"]);
    assert_eq!((same.code, same.stdout.as_str()), (0, "the bundles say the same\n"));
    assert_eq!(run(home.path(), &["policy", "diff", &first, &second]).code, 0);
    let verdicts = ["policy", "diff", &first, &second, "--exit-code", "--images", "examples/shop.tar", "-o", "json"];
    let other = run(home.path(), &verdicts);
    assert_eq!(other.code, 1, "{}", other.transcript());
    let document = json_of(&other);
    assert_eq!((&document["images"][0]["before"], &document["images"][0]["after"]), (&json!("stop"), &json!("go")));
    // A report of a check has no vulnerabilities in it, which is not the same as an image without any.
    let report = home.path().join("report.json").display().to_string();
    run(home.path(), &["check", "examples/shop.tar", "--policy", &first, "-o", &format!("json={report}")]);
    let refused = run(home.path(), &["policy", "diff", &first, &second, "--images", &report]);
    assert!(refused.code == 2 && refused.stderr.contains("`matches` cannot be read"), "{}", refused.transcript());
}

#[test]
fn exceptions_clear_and_remember() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let policy = bundle(home.path(), "a", "STOP", ".*/os-release");
    let text =
        "# ours\nexceptions:\n- id: os # for a while\n  select: {path: '*/os-release'}\n  reason: r\n  owner: o\n";
    let exceptions = write(home.path(), "exceptions.yaml", text);
    let check = ["check", "examples/shop.tar", "--policy", &policy];
    assert_eq!(run(home.path(), &check).code, 1);
    let cleared = run(home.path(), &[&check[..], &["--exceptions", &exceptions, "--grant"]].concat());
    assert_eq!(cleared.code, 0, "{}", cleared.transcript());
    assert!(cleared.stdout.contains("(exception os)"), "{}", cleared.stdout);
    let remembered = fs_err::read_to_string(&exceptions).expect("written");
    assert!(remembered.contains("granted_for:") && remembered.contains("os-release"), "{remembered}");
    assert!(remembered.starts_with(text), "comments are kept: {remembered}");
    // Of everything else that another bundle finds, nothing was granted.
    let other = bundle(home.path(), "b", "STOP", ".*");
    let more = ["check", "examples/shop.tar", "--policy", &other, "--exceptions", &exceptions, "-o", "json"];
    let evaluation = &json_of(&run(home.path(), &more))["evaluation"];
    assert_eq!((&evaluation["exceptions"][0]["id"], &evaluation["final_action"]), (&json!("os"), &json!("stop")));
    let ended = text.replace("reason: r", "reason: r\n  expires_at: 2020-01-01");
    write(home.path(), "exceptions.yaml", &ended);
    let stopped = run(home.path(), &[&check[..], &["--exceptions", &exceptions]].concat());
    assert_eq!(stopped.code, 1, "{}", stopped.transcript());
    assert!(stopped.stdout.contains("the exception `os` of o expired on 2020-01-01"), "{}", stopped.stdout);
}

#[test]
fn the_published_schema_is_printed() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let printed = run(home.path(), &["policy", "schema"]);
    let published = super::command::repository().join("schemas/policy-bundle.json");
    let is_current = printed.stdout == fs_err::read_to_string(published).expect("the published schema");
    assert!(is_current, "write it again: `killick policy schema > schemas/policy-bundle.json`");
}

/// A bundle that stops images of one repository, and speaks of no other.
fn bundle_of_repository(home: &Path, repository: &str) -> String {
    let document = json!({
        "id": "map", "version": "1_0",
        "policies": [{"id": "p", "version": "1_0", "rules": [
            {"id": "r", "gate": "always", "trigger": "always", "action": "STOP", "params": []}]}],
        "whitelists": [],
        "mappings": [{"id": "m", "name": "one", "registry": "*", "repository": repository,
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
    });
    // As an editor of Windows writes it.
    write(home, "map.json", &format!("\u{feff}{document}"))
}

#[test]
fn archives_are_judged_under_the_name_they_have() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let map = bundle_of_repository(home.path(), "example/shop");
    let judged = |command: &str, image: &str, more: &[&str]| {
        let result = run(home.path(), &[&[command, image, "--policy", &map, "-o", "json"], more].concat());
        let reference = json_of(&result)["evaluation"]["reference"].as_str().expect("a verdict").to_owned();
        (result.code, reference, result.stderr)
    };
    let (own, other) = ("docker.io/example/shop:1.0", "registry.example.com/shop:2");
    for image in
        ["examples/shop.tar", "docker-archive:examples/shop.tar", "docker-archive:examples/shop.tar:example/shop:1.0"]
    {
        for command in ["scan", "check"] {
            let (code, reference, stderr) = judged(command, image, &[]);
            assert_eq!((code, reference.as_str()), (1, own), "{command} {image}\n{stderr}");
            assert!(!stderr.contains("no mapping"), "{stderr}");
        }
    }
    let (code, reference, stderr) = judged("check", "examples/shop.tar", &["--reference", other]);
    assert_eq!((code, reference.as_str()), (0, other), "nobody speaks of it");
    let told = format!("no mapping of the bundle `map` matches `{other}`");
    assert!(stderr.contains(&told) && stderr.contains("`--reference NAME`"), "{stderr}");
    let renamed = bundle_of_repository(home.path(), "shop");
    let result = run(home.path(), &["check", "examples/shop.tar", "--policy", &renamed, "--reference", other]);
    assert_eq!(result.code, 1, "{}", result.transcript());
}
