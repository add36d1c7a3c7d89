//! SBOMs in place of images: documents as other tools write them, and what is no document.

use std::fmt::Write as _;
use std::path::Path;

use killick_analysis::imported::{SbomError, read_sbom};
use killick_model::analysis::Analysis;
use killick_model::attachment::SbomFormat;
use killick_model::digest::Digest;
use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageDetails, PackageId, PackageKind};
use killick_model::path::ImagePath;
use killick_model::sbom::{Lack, PACKAGE_FACTS, PackageFacts};
use proptest::prelude::*;
use serde_json::{Value, json};

fn testdata() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn sample(name: &str) -> Vec<u8> {
    fs_err::read(testdata().join("sboms").join(name)).unwrap()
}

fn read(text: &str) -> Result<Analysis, SbomError> {
    read_sbom(text.as_bytes(), 100)
}

/// What was read of a document, for a reader.
fn told(analysis: &Analysis) -> String {
    let mut text = String::new();
    let origin = analysis.sbom.as_ref().unwrap();
    let label = analysis.distribution.as_ref().map(Distribution::label).unwrap_or_default();
    let layers = analysis.layers.len();
    let _ = writeln!(text, "{} at {}", origin.title(), origin.created.as_deref().unwrap_or("no time"));
    let _ = writeln!(text, "image {} with id {}", analysis.manifest_digest, analysis.config_digest);
    let _ = writeln!(text, "distribution {label}, {layers} layers");
    for package in &analysis.packages {
        let _ = write!(text, "{} {} {}", package.described_kind(), package.name, package.version);
        if let Some(part) = &package.architecture {
            let _ = write!(text, " {part}");
        }
        let _ = write!(text, " at {} in layer {}", package.virtual_path(), package.layer);
        if let Some(source) = &package.source {
            let _ = write!(text, ", of {} {}", source.name, source.version);
        }
        if let Some(owner) = package.owner {
            let _ = write!(text, ", brought by {}", analysis.package(owner).name);
        }
        if !package.licenses.is_empty() {
            let _ = write!(text, ", under {}", package.licenses.join(" and "));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "fidelity {}", origin.fidelity.score);
    for missing in &origin.fidelity.deductions {
        let _ = writeln!(text, "  -{} {}: {}", missing.points, missing.lack, missing.reason);
    }
    for problem in &analysis.problems {
        let _ = writeln!(text, "{}: {}", problem.kind, problem.message);
    }
    text
}

#[test]
fn documents_of_others() {
    let folder = fs_err::read_dir(testdata().join("sboms")).unwrap();
    let mut names: Vec<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "README.md");
    names.sort();
    let mut text = String::new();
    for name in names {
        let bytes = sample(&name);
        let analysis = read_sbom(&bytes, 100).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(analysis.is_consistent());
        // Where no digest is named, that of the document stands for the image.
        let told = told(&analysis).replace(&Digest::of(&bytes).to_string(), "unknown");
        let _ = writeln!(text, "== {name}\n{told}");
    }
    insta::assert_snapshot!("sboms-of-others", text);
}

#[test]
fn syfts_own_form() {
    let bytes = fs_err::read(testdata().join("imported/newer.json")).unwrap();
    let analysis = read_sbom(&bytes, 100).unwrap();
    assert_eq!(analysis.sbom.as_ref().unwrap().format, SbomFormat::Syft);
    assert!(!analysis.packages.is_empty());
    assert!(matches!(read_sbom(&bytes, 2), Err(SbomError::TooMany { limit: 2 })));
}

#[test]
fn what_is_no_sbom_is_told() {
    const NO_SBOM: &str = "this is no SBOM: neither CycloneDX nor SPDX nor Syft's JSON nor a report of `scan -o json`";
    const BROKEN: &str = "the SBOM is no valid JSON, or more than is read";
    let deep = format!("{{\"bomFormat\":\"CycloneDX\",\"components\":[{}", "{\"components\":[".repeat(1000));
    for (text, want) in [
        ("", "the document is empty"),
        (" \n", "the document is empty"),
        ("\u{1f}\u{8b}", NO_SBOM),
        ("{}", NO_SBOM),
        ("[]", NO_SBOM),
        ("{\"schemaVersion\":2,\"layers\":[]}", NO_SBOM),
        ("<html></html>", NO_SBOM),
        ("{\"schema\":{\"name\":\"killick-report\",\"version\":2}}", NO_SBOM),
        ("{\"schema\":{\"name\":\"killick-report\",\"version\":1}}", BROKEN),
        ("{\"bomFormat\":\"CycloneDX\",\"comp", "the SBOM ends before it is complete"),
        ("{\"bomFormat\":\"CycloneDX\",}", BROKEN),
        (&deep, BROKEN),
        ("<bom><a>", "the SBOM is no valid XML, or more than is read: it ends before its root element does"),
        (
            "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"9.0\"}",
            "CycloneDX 9.0 cannot be read: known are 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7",
        ),
        ("SPDXVersion: SPDX-1.2\n", "SPDX 1.2 cannot be read: known are 2.0, 2.1, 2.2, 2.3, 3"),
        (
            "{\"bomFormat\":\"CycloneDX\",\"components\":[{\"type\":\"container\"},{\"type\":\"container\"}]}",
            "the SBOM tells of 2 images, and this needs one",
        ),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), want, "{text}");
    }
}

/// A document with one component that has these facts.
fn with_facts(name: &str, facts: &Value) -> String {
    let property = json!({"name": PACKAGE_FACTS, "value": facts.to_string()});
    let purl = format!("pkg:npm/{name}@1");
    let component = json!({"type": "library", "name": name, "version": "1", "purl": purl, "properties": [property]});
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [component]}).to_string()
}

#[test]
fn facts_count_only_of_the_package_they_stand_at() {
    let details = PackageDetails::Npm { homepage: None, is_private: true };
    let package = Package::new(PackageKind::Npm, "own", "1", ImagePath::from("srv/package.json"));
    let package = Package { details, ..package };
    let mut facts = serde_json::to_value(PackageFacts::of(3, &package)).unwrap();
    assert_eq!(read(&with_facts("own", &facts)).unwrap().packages, [package]);
    // Somebody changed the name: what was known of the one is not known of the other.
    let renamed = read(&with_facts("other", &facts)).unwrap();
    assert_eq!((renamed.packages[0].name.as_str(), &renamed.packages[0].details), ("other", &PackageDetails::None));
    // An owner that is not there is none, and nothing comes of too much or of nonsense.
    facts["package"]["owner"] = json!(77);
    assert_eq!(read(&with_facts("own", &facts)).unwrap().packages[0].owner, None);
    facts["package"]["licenses"] = vec!["MIT"; 5000].into();
    assert!(read(&with_facts("own", &facts)).unwrap().packages[0].licenses.is_empty());
    assert_eq!(read(&with_facts("own", &json!({"id": "x"}))).unwrap().packages[0].name, "own");
}

#[test]
fn owners_are_packages_of_the_distribution() {
    let component =
        |id: &str, purl: &str| json!({"type": "library", "bom-ref": id, "purl": purl, "name": id, "version": "1"});
    let document = json!({
        "bomFormat": "CycloneDX",
        "components": [
            component("a", "pkg:deb/debian/a@1"), component("b", "pkg:pypi/b@1"), component("c", "pkg:npm/c@1"),
        ],
        "dependencies": [
            {"ref": "b", "dependsOn": ["c", "a"]}, {"ref": "a", "dependsOn": ["b", "nobody", "a"]}, {"ref": 1},
        ],
    });
    let packages = read(&document.to_string()).unwrap().packages;
    let owners: Vec<_> = packages.iter().map(|package| (package.name.as_str(), package.owner)).collect();
    assert_eq!(owners, [("a", None), ("b", Some(PackageId(0))), ("c", None)]);
}

#[test]
fn fidelity_names_what_is_missing() {
    let missing = |document: &Value| {
        let fidelity = read(&document.to_string()).unwrap().sbom.unwrap().fidelity;
        fidelity.deductions.into_iter().map(|missing| missing.lack).collect::<Vec<_>>()
    };
    let place = json!({"occurrences": [{"location": "/a"}]});
    for (components, want) in [
        (json!([]), &[][..]),
        (json!([{"purl": "pkg:npm/a@1", "evidence": place}]), &[]),
        (json!([{"purl": "pkg:npm/a@1"}]), &[Lack::Locations]),
        (json!([{"purl": "pkg:deb/debian/a@1?distro=debian-12&upstream=b"}]), &[Lack::Locations]),
        (json!([{"purl": "pkg:deb/debian/a@1?distro=debian-12", "evidence": place}]), &[Lack::SourcePackages]),
        (json!([{"purl": "pkg:deb/debian/a@1?upstream=b", "evidence": place}]), &[Lack::Distribution]),
        (json!([{"purl": "pkg:rpm/a@1", "evidence": place}]), &[Lack::Distribution, Lack::SourcePackages]),
        (
            json!([{"purl": "pkg:deb/debian/a@1?distro=debian-12&upstream=b", "evidence": place}, {"purl": "pkg:npm/b@1", "evidence": place}]),
            &[Lack::Ownership],
        ),
        (json!([{"purl": "pkg:npm/a"}, {"name": "b"}]), &[Lack::Identity, Lack::Version]),
        (json!([{"type": "application", "name": "package-lock.json"}]), &[]),
        (json!([{"purl": "pkg:unheard/a@1", "evidence": place}]), &[Lack::Ecosystem]),
        (
            json!([{"name": "a", "version": "1", "cpe": "cpe:2.3:a:a:a:1:*:*:*:*:*:*:*", "evidence": place}]),
            &[Lack::Purl, Lack::Ecosystem],
        ),
    ] {
        let digest = Digest::of(b"").to_string();
        let document = json!({
            "bomFormat": "CycloneDX",
            "metadata": {"timestamp": "2024-01-01T00:00:00Z", "component": {"type": "container", "version": digest}},
            "components": components,
        });
        assert_eq!(missing(&document), want, "{components}");
    }
    assert_eq!(missing(&json!({"bomFormat": "CycloneDX"})), [Lack::ImageDigest, Lack::Timestamp]);
}

proptest! {
    #[test]
    fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = read_sbom(&bytes, 10);
        let _ = read_sbom(&[b"SPDXVersion: SPDX-2.3\n".as_slice(), &bytes].concat(), 10);
    }

    #[test]
    fn any_part_of_a_document_ends(
        at in 0..6000_usize,
        name in prop_oneof![Just("syft.cdx.json"), Just("trivy.spdx.json"), Just("syft.spdx"), Just("old.cdx.xml")],
    ) {
        let bytes = sample(name);
        let _ = read_sbom(bytes.get(..at).unwrap_or(&bytes), 10);
    }
}
