//! The README's first command, and its neighbours, on the example image.

use super::command::run;

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
