//! SBOMs in place of images: our own lose nothing on their way out and in, those of others are read, and whatever is no
//! SBOM is told to be none.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::command::{Run, killick, repository, run};

/// The formats that are read back.
const FORMATS: &[&str] = &[
    "json",
    "cyclonedx-json",
    "cyclonedx-json@1.5",
    "cyclonedx-json@1.4",
    "cyclonedx-xml",
    "cyclonedx-xml@1.5",
    "cyclonedx-xml@1.4",
    "spdx-json",
    "spdx",
    "syft-json",
];

/// Those that are tried on every source; one is tried with all.
const FEW: &[&str] = &["cyclonedx-json", "cyclonedx-xml@1.4", "spdx", "syft-json"];

fn testdata(path: &str) -> PathBuf {
    repository().join("crates/analysis/testdata").join(path)
}

/// Copies a tree into another; what is there stays.
fn lay_over(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).expect("a folder");
    for entry in fs_err::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let is_there = target.symlink_metadata().is_ok();
        if path.is_dir() && !path.is_symlink() && (!is_there || target.is_dir()) {
            lay_over(&path, &target);
        } else if path.is_file() && !is_there {
            fs_err::copy(&path, &target).expect("a copy");
        }
    }
}

/// A root directory with the files of all cases of these catalogers.
fn root(home: &Path, name: &str, catalogers: &[String]) -> String {
    let folder = home.join(name);
    for cataloger in catalogers {
        let mut cases: Vec<PathBuf> = fs_err::read_dir(testdata("catalogers").join(cataloger))
            .expect("cases")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        cases.sort();
        for case in cases.iter().filter(|case| case.join("image").is_dir()) {
            lay_over(&case.join("image"), &folder);
        }
    }
    format!("dir:{}", folder.display())
}

/// What a report says that counts: packages without the files of their databases, findings, what is out of support.
fn essence(path: &Path) -> (Value, Value, Value) {
    let mut report: Value =
        serde_json::from_str(&fs_err::read_to_string(path).expect("a report")).expect("a report is JSON");
    for package in report["analysis"]["packages"].as_array_mut().expect("packages") {
        package.as_object_mut().expect("a package").remove("files");
    }
    let mut matches = report["matches"].take();
    matches["problems"] = Value::Null;
    (report["analysis"]["packages"].take(), matches, report["unsupported"].take())
}

#[test]
fn no_finding_is_lost_on_the_way_out_and_in() {
    let home = tempfile::tempdir().expect("a folder");
    let mut catalogers: Vec<String> = fs_err::read_dir(testdata("catalogers"))
        .expect("catalogers")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    catalogers.sort();
    // First come, first laid: the distribution is that of the first.
    let one = |first: &str| {
        let others = catalogers.iter().filter(|name| *name != first).cloned();
        std::iter::once(first.to_owned()).chain(others).collect::<Vec<_>>()
    };
    let sources = [
        "examples/shop.tar".to_owned(),
        root(home.path(), "everything", &one("dpkg")),
        root(home.path(), "rpm", &["rpm".to_owned(), "java".to_owned()]),
        root(home.path(), "apk", &["apk".to_owned(), "python".to_owned(), "go".to_owned()]),
    ];
    for (at, source) in sources.iter().enumerate() {
        let formats = if source.ends_with("apk") { FORMATS } else { FEW };
        let file = |format: &str| home.path().join(format!("{at}-{format}"));
        let direct = file("direct");
        let mut arguments =
            vec!["scan".to_owned(), source.clone(), "-o".to_owned(), format!("json={}", direct.display())];
        for format in formats {
            arguments.extend(["-o".to_owned(), format!("{format}={}", file(format).display())]);
        }
        let written = run(home.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(written.code, 0, "{}", written.stderr);
        let want = essence(&direct);
        assert!(!want.0.as_array().expect("packages").is_empty(), "{source}");
        for format in formats {
            let (document, back) = (format!("sbom:{}", file(format).display()), file("back"));
            let read = run(home.path(), &["scan", &document, "-o", &format!("json={}", back.display())]);
            assert_eq!(read.code, 0, "{source} as {format}: {}", read.stderr);
            let got = essence(&back);
            for (part, (want, got)) in [(&want.0, &got.0), (&want.1, &got.1), (&want.2, &got.2)].into_iter().enumerate()
            {
                assert_alike(want, got, &format!("{source} as {format}, part {part}"));
            }
        }
    }
}

/// Tells the first entry that is different; all of it would be pages.
fn assert_alike(want: &Value, got: &Value, what: &str) {
    if let (Some(want), Some(got)) = (want.as_array(), got.as_array()) {
        for (want, got) in want.iter().zip(got) {
            assert_eq!(want, got, "{what}");
        }
        assert_eq!(want.len(), got.len(), "{what}");
    }
    assert!(want == got, "{what}: {want:#}\n{got:#}");
}

fn foreign(name: &str) -> String {
    format!("crates/analysis/testdata/sboms/{name}")
}

#[test]
fn documents_of_others_are_scanned_wherever_an_image_is() {
    let home = tempfile::tempdir().expect("a folder");
    let scan = run(home.path(), &["scan", &format!("sbom:{}", foreign("trivy.cdx.json"))]);
    insta::assert_snapshot!("sbom-scan", scan.transcript());
    // A bare path, and standard input.
    let bare = run(home.path(), &["scan", &foreign("trivy.cdx.json")]);
    assert_eq!(bare.stdout, scan.stdout);
    for name in ["-", "sbom:-"] {
        let mut child = killick(home.path())
            .args(["scan", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let bytes = fs_err::read(repository().join(foreign("trivy.cdx.json"))).expect("the document");
        child.stdin.take().expect("standard input").write_all(&bytes).expect("it reads");
        assert_eq!(Run::of(child.wait_with_output().expect("it ends")).stdout, scan.stdout, "{name}");
    }
    let diff = run(home.path(), &["diff", &foreign("trivy.cdx.json"), &foreign("syft.cdx.json")]);
    assert_eq!(diff.code, 0, "{}", diff.stderr);
    assert!(diff.stdout.contains("lodash"), "{}", diff.stdout);
    let explained = run(home.path(), &["explain", &foreign("syft.cdx.json"), "CVE-2026-42770"]);
    assert_eq!(explained.code, 0, "{}", explained.stderr);
    assert!(explained.stdout.contains("libssl3"), "{}", explained.stdout);
    let written = run(home.path(), &["sbom", &foreign("syft.spdx"), "-o", "cyclonedx-json"]);
    assert!(written.stdout.contains("pkg:pypi/requests@2.28.1"), "{}", written.stdout);
}

#[test]
fn what_an_sbom_cannot_answer_is_no_success() {
    let home = tempfile::tempdir().expect("a folder");
    let rule = |gate: &str, trigger: &str, params: &[(&str, &str)]| {
        let params: Vec<Value> =
            params.iter().map(|(name, value)| serde_json::json!({"name": name, "value": value})).collect();
        serde_json::json!({"id": format!("{gate}-{trigger}"), "gate": gate, "trigger": trigger, "action": "STOP", "params": params})
    };
    let bundle = serde_json::json!({
        "id": "b", "version": "1_0", "name": "b", "whitelists": [], "whitelisted_images": [], "blacklisted_images": [],
        "mappings": [{"id": "m", "name": "all", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"}, "policy_id": "p", "whitelist_ids": []}],
        "policies": [{"id": "p", "version": "1_0", "name": "p", "rules": [
            rule("files", "suid_or_guid_set", &[]),
            rule("dockerfile", "instruction", &[("instruction", "HEALTHCHECK"), ("check", "not_exists")]),
            rule("secret_scans", "content_regex_checks", &[("content_regex_name", "AWS_ACCESS_KEY")]),
            rule("sbom", "fidelity", &[("minimum", "99")]),
        ]}],
    });
    let policy = home.path().join("policy.json");
    fs_err::write(&policy, bundle.to_string()).expect("a bundle");
    let document = format!("sbom:{}", foreign("trivy.cdx.json"));
    let check = run(home.path(), &["check", &document, "--policy", &policy.display().to_string()]);
    insta::assert_snapshot!("sbom-check", check.transcript());
}

#[test]
fn what_is_no_sbom_is_told_with_what_to_do() {
    let home = tempfile::tempdir().expect("a folder");
    let mut told = String::new();
    for (name, content) in [
        ("empty.json", Some("")),
        ("cut.json", Some("{\"bomFormat\": \"CycloneDX\", \"components\": [{")),
        ("other.json", Some("{\"name\": \"x\"}")),
        ("future.json", Some("{\"bomFormat\": \"CycloneDX\", \"specVersion\": \"3.0\"}")),
        ("page.xml", Some("<html></html>")),
        ("none.json", None),
    ] {
        if let Some(content) = content {
            fs_err::write(home.path().join(name), content).expect("a file");
        }
        let path = home.path().join(name).display().to_string();
        let read = run(home.path(), &["scan", &format!("sbom:{path}")]);
        told += &read.transcript().replace(&home.path().display().to_string(), "HOME");
    }
    let large = run(home.path(), &["scan", &foreign("trivy.cdx.json"), "--limit", "fetch-sbom-bytes=10"]);
    told += &large.transcript();
    let many = run(home.path(), &["scan", &foreign("trivy.cdx.json"), "--limit", "packages=1"]);
    told += &many.transcript();
    insta::assert_snapshot!("sbom-errors", told);
}

#[test]
fn several_images_are_told_in_one_document() {
    let home = tempfile::tempdir().expect("a folder");
    let other = home.path().join("other");
    crate::image::Image::of_files(&[
        ("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n"),
        ("var/lib/dpkg/status", b"Package: only-here\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"),
    ])
    .write_layout(&other);
    let other = format!("oci:{}", other.display());
    let write = |format: &str| {
        // One that is named twice is told once.
        let run = run(home.path(), &["sbom", "examples/shop.tar", &other, "examples/shop.tar", "-o", format]);
        assert_eq!(run.code, 0, "{}", run.transcript());
        serde_json::from_str::<Value>(&run.stdout).expect("JSON")
    };
    let names = |list: &Value| -> Vec<String> {
        list.as_array().expect("a list").iter().filter_map(|one| one["name"].as_str()).map(str::to_owned).collect()
    };
    let cyclonedx = write("cyclonedx-json");
    let components = names(&cyclonedx["components"]);
    for name in ["examples/shop.tar", &other, "only-here", "libssl3", "lodash"] {
        assert_eq!(components.iter().filter(|found| *found == name).count(), 1, "{name} in {components:?}");
    }
    let spdx = write("spdx-json");
    let packages = names(&spdx["packages"]);
    assert!(packages.contains(&"only-here".to_owned()) && packages.contains(&"lodash".to_owned()), "{packages:?}");
    let described = spdx["relationships"].as_array().expect("a list").iter();
    assert_eq!(described.filter(|one| one["relationshipType"] == "DESCRIBES").count(), 2);
    assert_eq!(write("json")["images"].as_array().map(Vec::len), Some(2));
    let table = run(home.path(), &["sbom", "examples/shop.tar", &other]);
    assert!(table.stdout.ends_with("\n2 images\n"), "{}", table.stdout);
    let missing = run(home.path(), &["sbom", "examples/shop.tar", "/no/such/image.tar"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (2, ""), "{}", missing.transcript());
}
