//! The images of an index as one object: what is told, and how the command ends.

use std::path::Path;

use killick_model::digest::Digest;
use serde_json::{Value, json};

use crate::command::run;
use crate::image::{Image, MANIFEST};

/// A layout of the example, which has vulnerabilities, for one platform, and a harmless image for another.
fn layout(folder: &Path) -> [Image; 2] {
    let harmless = Image::of_files(&[("etc/os-release", b"ID=alpine\nVERSION_ID=3.20.3\n")]).on("arm64");
    let images = [Image::example(), harmless];
    let entries: Vec<Value> = images
        .iter()
        .zip(["amd64", "arm64"])
        .map(|(image, architecture)| {
            image.write_layout(folder);
            json!({"mediaType": MANIFEST, "size": image.manifest.len(), "digest": Digest::of(&image.manifest),
                   "platform": {"os": "linux", "architecture": architecture}})
        })
        .collect();
    let index = json!({"schemaVersion": 2, "manifests": entries}).to_string();
    fs_err::write(folder.join("index.json"), index).expect("an index");
    images
}

#[test]
fn several_images_end_as_badly_as_the_worst() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = home.path().join("layout");
    let [_, harmless] = layout(&folder);
    let source = format!("oci:{}", folder.display());
    let all = run(home.path(), &["scan", "--platform", "all", &source]);
    assert_eq!(all.code, 0, "{}", all.transcript());
    assert!(all.stdout.contains("2 images of the index sha256:"), "{}", all.transcript());
    for (platforms, fail_on, want) in
        [("linux/amd64,linux/arm64", "critical", 1), ("linux/arm64", "critical", 0), ("all", "critical", 1)]
    {
        let arguments = ["scan", "--platform", platforms, "--fail-on", fail_on, &source];
        let ended = run(home.path(), &arguments);
        assert_eq!(ended.code, want, "{platforms}: {}", ended.transcript());
    }
    let json = run(home.path(), &["sbom", "--platform", "all", "-o", "json", &source]);
    let document: Value = serde_json::from_str(&json.stdout).expect("JSON");
    let platforms: Vec<&Value> =
        document["images"].as_array().expect("images").iter().map(|image| &image["platform"]).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);

    let one = run(home.path(), &["explain", "--platform", "all", &source, "CVE-2021-44228"]);
    assert_eq!(one.code, 2);
    assert!(one.stderr.contains("hint: name one platform"), "{}", one.transcript());
    let none = run(home.path(), &["sbom", "--platform", "linux/amd64,linux/s390x", &source]);
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("has no image for `linux/s390x`"), "{}", none.transcript());

    // Of what cannot be read is told why, and the others all the same.
    fs_err::remove_file(folder.join("blobs/sha256").join(Digest::of(&harmless.config).hex())).expect("a blob");
    let broken = run(home.path(), &["sbom", "--platform", "all", &source]);
    assert_eq!(broken.code, 2, "{}", broken.transcript());
    assert!(
        broken.stderr.contains("error: linux/arm64 cannot be analyzed\ncaused by: the blob"),
        "{}",
        broken.transcript()
    );
    assert!(broken.stdout.contains("not analyzed"), "{}", broken.transcript());
}
