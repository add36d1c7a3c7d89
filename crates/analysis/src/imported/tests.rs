use std::path::Path;

use killick_model::digest::Digest;
use killick_model::package::Package;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn documents() -> Documents {
    let layer = |letter: &str| LayerSummary {
        diff_id: format!("sha256:{}", letter.repeat(64)).parse().unwrap(),
        digest: Digest::of(letter.as_bytes()),
        media_type: String::new(),
        size: 50,
        created_by: None,
    };
    Documents {
        manifest_digest: Digest::of(b"manifest"),
        index_digest: None,
        config_digest: Digest::of(b"config"),
        config: ImageConfig::default(),
        layers: vec![layer("d"), layer("e")],
        problems: Vec::new(),
    }
}

fn sample(name: &str) -> Vec<u8> {
    fs_err::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/imported").join(name)).unwrap()
}

#[test]
fn both_forms_are_read() {
    for name in ["newer", "older"] {
        let bytes = sample(&format!("{name}.json"));
        check(&bytes).unwrap();
        let imported = read(&bytes, documents(), 100).unwrap();
        let analysis = &imported.analysis;
        insta::assert_json_snapshot!(
            format!("imported_{name}"),
            json!({
                "distribution": analysis.distribution, "packages": analysis.packages, "problems": analysis.problems,
                "size_bytes": imported.size_bytes,
            })
        );
    }
}

#[test]
fn packages_are_bounded() {
    let bytes = sample("older.json");
    assert!(matches!(read(&bytes, documents(), 5), Err(ImportError::TooMany { limit: 5 })));
    assert!(matches!(read(b"{", documents(), 5), Err(ImportError::Packages(_))));
}

#[test]
fn a_document_that_says_nothing_is_an_image_without_packages() {
    let imported = read(b"{\"artifacts\": 1, \"distro\": [], \"source\": \"x\"}", documents(), 5).unwrap();
    assert_eq!((imported.analysis.packages.len(), imported.size_bytes), (0, 100));
    assert_eq!(imported.analysis.distribution, None);
    let unknown = Documents { layers: Vec::new(), ..documents() };
    let said = read(b"{\"source\": {\"metadata\": {\"imageSize\": 7}}}", unknown, 5).unwrap();
    assert_eq!(said.size_bytes, 7);
}

#[test]
fn owners_are_distribution_packages() {
    let artifact = |id: &str, kind: &str| json!({"id": id, "name": id, "version": "1", "type": kind, "locations": [{"path": "/x"}]});
    let owns = |parent: &str, child: &str| json!({"parent": parent, "child": child, "type": OWNS});
    let document = json!({
        "artifacts": [artifact("z", "python"), artifact("a", "deb"), artifact("y", "npm"), artifact("b", "deb")],
        "artifactRelationships": [owns("a", "z"), owns("a", "b"), owns("z", "y"), owns("q", "y"), {"parent": "a", "child": "y", "type": "contains"}],
    });
    let imported = read(document.to_string().as_bytes(), documents(), 9).unwrap();
    let owner = |package: &Package| package.owner.map(|owner| imported.analysis.package(owner).name.clone());
    let told: Vec<_> =
        imported.analysis.packages.iter().map(|package| (package.name.as_str(), owner(package))).collect();
    assert_eq!(told, [("a", None), ("b", None), ("z", Some("a".to_owned())), ("y", None)]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, documents(), 9);
    }

    #[test]
    fn no_artifact_panics(name in ".{0,20}", version in ".{0,10}", path in ".{0,20}", purl in "(pkg:[a-z]{2,6}/.{0,20})?",
        kind in "(deb|rpm|apk|java-archive|go-module|binary|python|gem|x)") {
        let document = json!({"artifacts": [{"name": name, "version": version, "type": kind, "purl": purl,
            "locations": [{"path": path}], "metadata": {"virtualPath": path, "sourceRpm": name, "epoch": 1,
            "sitePackagesRootPath": path}}]});
        prop_assert!(read(document.to_string().as_bytes(), documents(), 9).is_ok());
    }
}
