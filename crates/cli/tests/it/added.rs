//! `killick image add --from`: the server knows an image that it never pulled, as well as one that it did.

use serde_json::Value;

use crate::command::Run;
use crate::image::Image;
use crate::service::Service;

const TAG: &str = "registry.example.com/team/shop:1.0";

fn succeeds(run: Run) -> Run {
    assert_eq!(run.code, 0, "{}", run.transcript());
    run
}

#[test]
fn an_image_that_was_read_here_is_like_any_other() {
    let service = Service::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    Image::example().write_layout(folder.path());
    let source = format!("oci:{}", folder.path().display());
    let dockerfile = folder.path().join("Dockerfile");
    fs_err::write(&dockerfile, "FROM debian:12\nUSER root\n").expect("the folder is writable");
    let dockerfile = dockerfile.to_str().expect("a name");

    let add =
        ["image", "add", TAG, "--from", &source, "--annotation", "team=shop", "--dockerfile", dockerfile, "--wait"];
    let added = succeeds(service.client(&add));
    assert!(added.stdout.contains("Analysis Status: analyzed"), "{}", added.stdout);
    assert!(added.stdout.contains(TAG), "{}", added.stdout);

    let packages = succeeds(service.client(&["--json", "image", "content", TAG, "os"]));
    let packages: Value = serde_json::from_str(&packages.stdout).expect("JSON");
    assert!(!packages["content"].as_array().expect("packages").is_empty(), "{packages}");
    let files = succeeds(service.client(&["image", "content", TAG, "files"]));
    assert!(files.stdout.contains("/etc/os-release"), "{}", files.stdout);
    let told = succeeds(service.client(&["--json", "image", "metadata", TAG, "dockerfile"]));
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(told["metadata"].as_str().map(str::trim_end), Some("RlJPTSBkZWJpYW46MTIKVVNFUiByb290Cg=="), "{told}");
    let verdict = service.client(&["evaluate", "check", TAG]);
    assert!(verdict.stdout.contains("Status: "), "{}", verdict.transcript());

    // Once more, as the next run of a pipeline does; and under another tag.
    assert_eq!(succeeds(service.client(&add)).stdout, added.stdout);
    let other = "registry.example.com/shop:2";
    let again = succeeds(service.client(&["image", "add", other, "--from", &source]));
    assert!(again.stdout.contains(TAG) && again.stdout.contains(other), "{}", again.stdout);
    let of_tag = |tag: &str| -> Value {
        let told = succeeds(service.client(&["--json", "image", "get", tag]));
        serde_json::from_str(&told.stdout).expect("JSON")
    };
    assert_eq!(of_tag(other)[0]["imageDigest"], of_tag(TAG)[0]["imageDigest"]);
    assert_eq!(of_tag(other)[0]["annotations"]["team"], "shop");
}

#[test]
fn what_cannot_be_added_is_told() {
    let service = Service::start();
    for (arguments, want) in [
        (&["image", "add", TAG, "--from", "oci:/nowhere"][..], "/nowhere"),
        (&["image", "add", TAG, "--from", "oci:/nowhere", "--annotation", "x"], "annotation format error"),
        (&["image", "add", TAG, "--from", "oci:/nowhere", "--force"], "cannot be used with"),
    ] {
        let told = service.client(arguments);
        assert_ne!(told.code, 0, "{arguments:?}");
        assert!(told.transcript().contains(want), "{arguments:?}\n{}", told.transcript());
    }
}
