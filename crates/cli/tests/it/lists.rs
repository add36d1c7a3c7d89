//! `killick scan --list`: many images in one run.

use serde_json::Value;

use crate::command::{killick, run};
use crate::image::Image;

struct Lists {
    home: tempfile::TempDir,
}

impl Lists {
    /// Layouts `one`, `two` and `bad`, whose layer is missing.
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let npm = |name: &str, version: &str| format!(r#"{{"name": "{name}", "version": "{version}"}}"#);
        let lodash = npm("lodash", "4.17.15");
        Image::of_files(&[("app/node_modules/lodash/package.json", lodash.as_bytes())])
            .write_layout(&home.path().join("one"));
        Image::of_files(&[("etc/motd", b"hello")]).write_layout(&home.path().join("two"));
        let bad = Image::of_files(&[("etc/motd", b"gone")]);
        bad.write_layout(&home.path().join("bad"));
        let layer = killick_model::digest::Digest::of(&bad.layers[0]).hex();
        fs_err::remove_file(home.path().join("bad/blobs/sha256").join(layer)).expect("the layer was there");
        Self { home }
    }

    fn source(&self, name: &str) -> String {
        format!("oci:{}", self.home.path().join(name).display())
    }

    fn list(&self, names: &[&str]) -> String {
        let lines: Vec<String> = names.iter().map(|name| self.source(name)).collect();
        let file = self.home.path().join("list.txt");
        fs_err::write(&file, format!("# images\n\n{}\n", lines.join("\n"))).expect("a list");
        file.display().to_string()
    }

    /// Exit code and summary.
    fn scan(&self, list: &str, more: &[&str]) -> (i32, Value) {
        let mut arguments = vec!["scan", "-f", list, "-o", "json"];
        arguments.extend(more);
        let told = run(self.home.path(), &arguments);
        let summary = serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}", told.transcript()));
        (told.code, summary)
    }
}

#[test]
fn every_image_is_in_the_summary_in_the_order_of_the_list() {
    let lists = Lists::new();
    let list = lists.list(&["two", "bad", "one", "two"]);
    let (code, summary) = lists.scan(&list, &["--jobs", "3"]);
    assert_eq!(code, 2);
    let images = summary["images"].as_array().expect("images");
    let told: Vec<(&str, &str)> =
        images.iter().map(|row| (row["image"].as_str().unwrap(), row["status"].as_str().unwrap())).collect();
    let (one, two, bad) = (lists.source("one"), lists.source("two"), lists.source("bad"));
    assert_eq!(told, [(two.as_str(), "scanned"), (&bad, "failed"), (&one, "scanned")]);
    assert!(images[2]["vulnerabilities"]["high"].as_u64().is_some_and(|count| count > 0), "{summary}");
    assert_eq!((&summary["scanned"], &summary["failed"]), (&Value::from(2), &Value::from(1)));

    let table = run(lists.home.path(), &["scan", "-f", &list]);
    assert!(table.stdout.contains("2 scanned, 0 refused, 1 not scanned"), "{}", table.transcript());
}

#[test]
fn the_worst_image_decides() {
    let lists = Lists::new();
    let list = lists.list(&["one", "two"]);
    assert_eq!(lists.scan(&list, &[]).0, 0);
    let (code, summary) = lists.scan(&list, &["--fail-on", "high"]);
    assert_eq!((code, &summary["refused"]), (1, &Value::from(1)));
    let table = run(lists.home.path(), &["scan", "-f", &list, "--fail-on", "high"]).stdout;
    let refused: Vec<&str> = table.lines().filter(|line| line.ends_with("refused")).collect();
    assert!(refused.len() == 1 && refused[0].starts_with(&lists.source("one")), "{table}");
    let (code, summary) = lists.scan(&list, &["--policy", "examples/bundles/production.json"]);
    assert_eq!((code, &summary["images"][0]["verdict"]), (1, &Value::from("stop")), "{summary}");
}

#[test]
fn what_was_interrupted_goes_on() {
    let lists = Lists::new();
    let reports = lists.home.path().join("reports").display().to_string();
    let more = ["--reports", &reports, "--resume", "--fail-on", "high"];
    let (_, first) = lists.scan(&lists.list(&["one"]), &more);
    // What has a report is not read again: it is not even there any more.
    fs_err::remove_dir_all(lists.home.path().join("one")).expect("the layout was there");
    let (code, second) = lists.scan(&lists.list(&["one", "two"]), &more);
    assert_eq!(second["images"][0]["resumed"], true, "{second}");
    assert_eq!((code, &second["images"][0]["vulnerabilities"]), (1, &first["images"][0]["vulnerabilities"]));
    assert_eq!(second["scanned"], 2);
    // With a policy the stored report does not say enough.
    let (code, third) = lists.scan(
        &lists.list(&["one"]),
        &["--reports", &reports, "--resume", "--policy", "examples/bundles/production.json"],
    );
    assert_eq!((code, &third["failed"]), (2, &Value::from(1)));
}

/// A report is an answer to the question that it was made for, and to no other.
#[test]
fn another_question_is_answered_anew() {
    let lists = Lists::new();
    let list = lists.list(&["one"]);
    let path = |name: &str| lists.home.path().join(name).display().to_string();
    let (reports, policy, exceptions, vex) = (path("reports"), path("p.json"), path("x.yaml"), path("vex.json"));
    let allow = r#"{"id": "p", "version": "1_0", "name": "p", "whitelists": [], "mappings": [
        {"id": "m", "name": "m", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"},
         "policy_ids": ["a"], "whitelist_ids": []}],
        "policies": [{"id": "a", "name": "a", "version": "1_0", "comment": "", "rules": []}]}"#;
    let deny = allow.replace(
        r#""rules": []"#,
        r#""rules": [{"id": "r", "gate": "vulnerabilities", "trigger": "package", "action": "STOP",
            "params": [{"name": "package_type", "value": "all"}]}]"#,
    );
    fs_err::write(&policy, allow).expect("a bundle");
    fs_err::write(&exceptions, "exceptions: []\n").expect("exceptions");
    fs_err::write(
        &vex,
        r#"{"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/v", "author": "a",
        "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": []}"#,
    )
    .expect("a document");
    let resumed = |more: &[&str]| {
        let asked = [&["--reports", reports.as_str(), "--resume", "--policy", policy.as_str()][..], more].concat();
        let (code, summary) = lists.scan(&list, &asked);
        let row = &summary["images"][0];
        (code, row["verdict"].as_str().expect("a verdict").to_owned(), row["resumed"] == true)
    };
    let (go, stop) = ("go".to_owned(), "stop".to_owned());
    let report = || {
        let files = fs_err::read_dir(&reports).expect("reports").map(|entry| entry.expect("an entry").path());
        files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "json")).expect("a report")
    };
    assert_eq!(resumed(&[]), (0, go.clone(), false));
    assert_eq!(resumed(&[]), (0, go.clone(), true));
    let of_allow = fs_err::read(report()).expect("a report");
    assert_eq!(resumed(&["--fail-on", "high"]), (1, go.clone(), true), "what refuses is asked of the report");
    fs_err::write(&policy, deny).expect("a bundle");
    assert_eq!(resumed(&[]), (1, stop.clone(), false));
    assert_eq!(resumed(&[]), (1, stop.clone(), true));
    // As if another run had been killed between its report and what it notes of it.
    fs_err::write(report(), of_allow).expect("a report");
    assert_eq!(resumed(&[]), (1, stop.clone(), false));
    for more in [
        &["--exceptions", exceptions.as_str()][..],
        &["--vex", &vex],
        &["--severity-order", "nvd"],
        &["--cpe"],
        &["--platform", "linux/amd64"],
        &["--limit", "packages=7777"],
        &["--licenses"],
        &[],
    ] {
        assert_eq!(resumed(more), (1, stop.clone(), false), "{more:?}");
        assert_eq!(resumed(more), (1, stop.clone(), true), "{more:?}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let lists = Lists::new();
    let list = lists.list(&["one"]);
    let empty = lists.home.path().join("empty.txt");
    fs_err::write(&empty, "# nothing\n").expect("a list");
    let empty = empty.display().to_string();
    for (arguments, want) in [
        (vec!["scan"], "IMAGE"),
        (vec!["scan", "debian:12", "-f", &list], "cannot be used with"),
        (vec!["scan", "-f", &empty], "names no image"),
        (vec!["scan", "-f", &list, "-o", "sarif"], "--reports"),
        (vec!["scan", "-f", &list, "--resume"], "--reports"),
        (vec!["scan", "dir:/no", "-o", "json=out", "-o", "csv=out"], "two documents cannot be written to `out`"),
        (vec!["scan", "dir:/", "--reports", "/tmp"], "`--reports` is for a list"),
        (vec!["scan", "dir:/", "--jobs", "3"], "`--jobs` is for a list"),
        (vec!["scan", "dir:/", "--resume", "--reports", "/tmp"], "is for a list"),
        (vec!["scan", "-f", "/no/such/list"], "/no/such/list"),
    ] {
        let told = run(lists.home.path(), &arguments);
        assert_eq!(told.code, 2, "{arguments:?}\n{}", told.transcript());
        assert!(told.stderr.contains(want), "{arguments:?}\n{}", told.transcript());
    }
}

#[test]
fn a_list_may_come_from_a_pipe() {
    use std::io::Write as _;
    use std::process::Stdio;

    let lists = Lists::new();
    let mut child = killick(lists.home.path())
        .args(["scan", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    child.stdin.take().expect("a pipe").write_all(lists.source("two").as_bytes()).expect("a list");
    let output = child.wait_with_output().expect("the binary ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 scanned"));
}
