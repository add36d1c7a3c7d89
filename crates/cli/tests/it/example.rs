//! The README's first command, and its neighbours, on the example image.

use std::io::Read as _;
use std::process::{Command, Stdio};

use super::command::{killick, run};

const IMAGE: &str = "examples/shop.tar";
const BUNDLE: &str = "examples/bundles/production.json";

#[test]
fn scan_shows_packages_vulnerabilities_and_the_verdict() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let result = run(home.path(), &["scan", IMAGE, "--policy", BUNDLE]);
    assert_eq!(result.code, 1, "the policy says stop\n{}", result.transcript());
    for word in ["CVE-2023-38545", "7.88.1-10+deb12u4", "GHSA-", "jackson-databind", "stop"] {
        assert!(result.stdout.contains(word), "`{word}` in\n{}", result.stdout);
    }
}

#[test]
fn a_second_scan_reads_no_layer_and_says_the_same() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let first = run(home.path(), &["sbom", IMAGE, "-o", "json"]);
    let second = run(home.path(), &["sbom", IMAGE, "-o", "json"]);
    assert_eq!((first.code, &first.stdout), (0, &second.stdout));
}

#[test]
fn formats_go_to_files() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let sarif = home.path().join("out.sarif");
    let bom = home.path().join("bom.json");
    let result = run(
        home.path(),
        &[
            "scan",
            IMAGE,
            "-o",
            &format!("sarif={}", sarif.display()),
            "-o",
            &format!("cyclonedx-json={}", bom.display()),
        ],
    );
    assert_eq!((result.code, result.stdout.as_str()), (0, ""), "{}", result.stderr);
    let read = |path| serde_json::from_slice::<serde_json::Value>(&fs_err::read(path).expect("written")).expect("JSON");
    assert_eq!(read(&sarif)["version"], "2.1.0");
    assert_eq!(read(&bom)["bomFormat"], "CycloneDX");
}

#[test]
fn fail_on_sets_the_exit_code() {
    let home = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(run(home.path(), &["scan", IMAGE, "--fail-on", "critical", "-o", "json"]).code, 1);
    assert_eq!(run(home.path(), &["scan", IMAGE, "-o", "json"]).code, 0);
}

#[test]
fn explain_says_why_and_why_not() {
    let home = tempfile::tempdir().expect("a temporary folder");
    insta::assert_snapshot!("explain-affected", run(home.path(), &["explain", IMAGE, "CVE-2023-38545"]).transcript());
    insta::assert_snapshot!("explain-unknown", run(home.path(), &["explain", IMAGE, "CVE-1999-0001"]).transcript());
}

#[test]
fn check_judges() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let result = run(home.path(), &["check", IMAGE, "--policy", BUNDLE]);
    assert_eq!(result.code, 1, "{}", result.transcript());
    assert!(result.stdout.contains("dockerfile"), "{}", result.stdout);
}

#[test]
fn packages_are_those_that_dpkg_lists() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let image = super::image::Image::example();
    let mut status = Vec::new();
    for layer in &image.layers {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(layer.as_slice()));
        for entry in archive.entries().expect("the layer is a tar") {
            let mut entry = entry.expect("the layer is whole");
            if entry.path().expect("paths are UTF-8").ends_with("var/lib/dpkg/status") {
                status.clear();
                entry.read_to_end(&mut status).expect("the layer is whole");
            }
        }
    }
    fs_err::write(home.path().join("status"), status).expect("the folder is writable");
    let listed = Command::new("dpkg-query")
        .arg(format!("--admindir={}", home.path().display()))
        .args(["--show", "--showformat=${Package} ${Version} ${Architecture}\\n"])
        .output()
        .expect("`dpkg-query` is there: tests run on Debian or Ubuntu");
    let mut want: Vec<String> = String::from_utf8(listed.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    want.sort();

    let found = run(home.path(), &["sbom", IMAGE, "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&found.stdout).expect("JSON");
    let packages = document["analysis"]["packages"].as_array().expect("a list").iter();
    let text = |package: &serde_json::Value, key: &str| package[key].as_str().expect("a text").to_owned();
    let mut have: Vec<String> = packages
        .filter(|package| package["kind"] == "deb")
        .map(|package| ["name", "version", "architecture"].map(|key| text(package, key)).join(" "))
        .collect();
    have.sort();
    assert!(want.len() > 100, "dpkg lists {} packages", want.len());
    assert_eq!(have, want);
}

#[test]
fn a_reader_that_has_enough_does_not_change_the_verdict() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut child = killick(home.path())
        .args(["check", IMAGE, "--policy", BUNDLE])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("the binary ends").code(), Some(1));
}

#[test]
fn flags_of_the_client_are_not_dropped_silently() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let result = run(home.path(), &["--json", "scan", IMAGE]);
    assert_eq!(result.code, 2, "{}", result.transcript());
    assert!(result.stderr.contains("--output json"), "{}", result.stderr);
}
