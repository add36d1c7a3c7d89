//! The unmodified anchore-cli 0.9.3 against `killick serve`, pulling from a real registry with credentials.
//!
//! Each step's output is a snapshot: it is what the original service let the client print. Our own client must
//! print the same.

use super::command::Run;
use super::image::Image;
use super::registry::{PASSWORD, Registry, USER};
use super::service::Service;

/// Digests, addresses and instants differ from run to run.
fn masked(text: &str, registry: &Registry, service: &Service) -> String {
    let text =
        text.replace(&registry.address, "registry:5000").replace(service.url.trim_end_matches("/v1"), "http://server");
    let instant = regex::Regex::new(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z").expect("the pattern is right");
    instant.replace_all(&text, "<instant>").into_owned()
}

#[test]
fn the_original_client_works_and_ours_prints_the_same() {
    let registry = Registry::start();
    let service = Service::start();
    let image = Image::example();
    let digest = registry.push("example/shop", "1.0", &image);
    let reference = format!("{}/example/shop:1.0", registry.address);
    let address = registry.address.as_str();
    let bundle = "examples/bundles/production.json";

    let theirs = |arguments: &[&str]| service.anchore_cli(arguments);
    let snapshot =
        |name: &str, run: &Run| insta::assert_snapshot!(name, masked(&run.transcript(), &registry, &service));
    let same = |arguments: &[&str]| {
        let (original, ours) = (service.anchore_cli(arguments), service.client(arguments));
        // The second of two evaluations may be a second later.
        let text = |run: &Run| masked(&run.stdout, &registry, &service);
        assert_eq!((text(&ours), ours.code), (text(&original), original.code), "{arguments:?}");
        original
    };

    assert_eq!(theirs(&["system", "wait", "--timeout", "60", "--interval", "0.2"]).code, 0);
    snapshot("system-status", &same(&["system", "status"]));
    snapshot("registry-list-empty", &same(&["registry", "list"]));
    snapshot(
        "registry-add-wrong-password",
        &theirs(&["registry", "add", address, USER, "not-the-password", "--insecure"]),
    );
    snapshot("registry-add", &theirs(&["registry", "add", address, USER, PASSWORD, "--insecure"]));
    snapshot("registry-list", &same(&["registry", "list"]));
    snapshot("image-add", &theirs(&["image", "add", &reference, "--dockerfile", "examples/shop/Dockerfile"]));
    assert_eq!(theirs(&["image", "wait", &reference, "--timeout", "60", "--interval", "0.2"]).code, 0);
    snapshot("image-list", &same(&["image", "list"]));
    snapshot("image-get", &same(&["image", "get", &reference]));
    assert_eq!(theirs(&["image", "get", &digest.to_string()]).code, 0);
    snapshot("image-content", &same(&["image", "content", &reference]));
    for kind in ["os", "python", "npm", "gem", "java", "go", "binary", "files", "malware"] {
        snapshot(&format!("image-content-{kind}"), &theirs(&["image", "content", &reference, kind]));
    }
    for kind in ["manifest", "dockerfile", "docker_history"] {
        assert_eq!(theirs(&["image", "metadata", &reference, kind]).code, 0, "{kind}");
    }
    snapshot("image-vuln", &same(&["image", "vuln", &reference]));
    for kind in ["os", "non-os", "all"] {
        let run = theirs(&["image", "vuln", &reference, kind]);
        assert_eq!(run.code, 0, "{}", run.transcript());
        assert!(run.stdout.contains("CVE-") || run.stdout.contains("GHSA-"), "{kind}: {}", run.stdout);
    }
    snapshot("evaluate-check-default", &same(&["evaluate", "check", &reference]));
    snapshot("policy-add", &theirs(&["policy", "add", bundle]));
    snapshot("policy-list", &same(&["policy", "list"]));
    snapshot("policy-activate", &theirs(&["policy", "activate", "production"]));
    snapshot("policy-list-activated", &same(&["policy", "list"]));
    let stop = theirs(&["evaluate", "check", &reference, "--detail"]);
    assert_eq!(stop.code, 1, "{}", stop.transcript());
    assert!(stop.stdout.contains("Final Action: stop"), "{}", stop.stdout);
    assert!(stop.stdout.contains("vulnerabilities"), "{}", stop.stdout);
    let clean = Image::of_files(&[
        ("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n"),
        (
            "var/lib/dpkg/status",
            b"Package: hostname\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.23\n",
        ),
    ]);
    registry.push("example/clean", "1.0", &clean);
    let clean = format!("{address}/example/clean:1.0");
    assert_eq!(theirs(&["image", "add", &clean]).code, 0);
    assert_eq!(theirs(&["image", "wait", &clean, "--timeout", "60", "--interval", "0.2"]).code, 0);
    assert_eq!(theirs(&["policy", "add", "examples/bundles/critical-only.json"]).code, 0);
    let pass = same(&["evaluate", "check", &clean, "--detail", "--policy", "critical-only"]);
    assert_eq!(pass.code, 0, "{}", pass.transcript());
    assert!(pass.stdout.contains("Status: pass"), "{}", pass.stdout);
    snapshot("image-add-unknown", &theirs(&["image", "add", &format!("{address}/no/such:tag")]));
    snapshot("image-get-unknown", &same(&["image", "get", &format!("{address}/no/such:tag")]));
    snapshot("image-del-refused", &theirs(&["image", "del", &reference]));
    snapshot("image-del", &theirs(&["image", "del", &reference, "--force"]));
}

#[test]
fn without_a_server_the_client_says_so() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let run = super::command::run(home.path(), &["--url", "http://127.0.0.1:1/v1", "image", "list"]);
    insta::assert_snapshot!("without-a-server", run.transcript());
}
