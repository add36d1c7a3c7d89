//! Bad input: a clear error naming the thing, a hint, exit 2.

use super::command::run;

#[test]
fn bad_input_is_named() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        fs_err::write(&path, text).expect("the folder is writable");
        path.display().to_string()
    };
    let garbage = file("garbage.tar", "this is not an archive");
    let malformed = file("malformed.json", "{\"id\": 1");
    let unknown_gate = file(
        "unknown-gate.json",
        r#"{"id": "b", "version": "1_0", "policies": [{"id": "p", "version": "1_0", "rules": [
            {"id": "r", "gate": "nope", "trigger": "x", "action": "STOP", "params": []}]}],
            "whitelists": [], "mappings": [{"id": "m", "name": "all", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}]}"#,
    );
    let cases: &[(&str, &[&str])] = &[
        ("unknown-scheme", &["scan", "tarball:./x.tar"]),
        ("missing-file", &["scan", "docker-archive:/no/such/file.tar"]),
        ("not-an-archive", &["scan", &garbage]),
        ("not-a-reference", &["scan", "UPPER/case"]),
        ("unknown-format", &["scan", "examples/shop.tar", "-o", "xls"]),
        ("malformed-bundle", &["check", "examples/shop.tar", "--policy", &malformed]),
        ("unknown-gate", &["check", "examples/shop.tar", "--policy", &unknown_gate]),
        ("missing-bundle", &["check", "examples/shop.tar", "--policy", "/no/such/bundle.json"]),
        ("not-an-index", &["scan", "examples/shop.tar", "--db", &garbage]),
        ("bad-platform", &["scan", "examples/shop.tar", "--platform", "windows"]),
    ];
    for (name, arguments) in cases {
        let result = run(home.path(), arguments);
        assert_eq!(result.code, 2, "{name}: {}", result.transcript());
        assert!(result.stderr.starts_with("error: "), "{name}: {}", result.stderr);
        let text = result.stderr.replace(&home.path().display().to_string(), "<home>");
        insta::assert_snapshot!(*name, text);
    }
}
