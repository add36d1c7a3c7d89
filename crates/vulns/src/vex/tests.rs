use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use killick_model::digest::Digest;
use killick_model::matching::Matches;
use killick_model::reference::Reference;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::index::Index;
use crate::matching::tests::{index, line, packages, shown, suppressed};
use crate::{MatchOptions, SeverityOrder, Subject, match_packages};

/// `settings.json` of a case.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Given {
    issuers: Vec<String>,
    order: Vec<String>,
    max_age_days: Option<u32>,
    /// The repository of the image.
    repository: Option<String>,
    /// Whether documents must be signed with `key.pub`.
    keys: bool,
}

const NOW: &str = "2024-06-01T00:00:00Z";

/// The settings of a case, whose keys are in `key.pub`.
fn settings_of(case: &Path) -> (VexSettings, String) {
    let text = fs_err::read_to_string(case.join("settings.json"));
    let given: Given = text.map(|text| serde_json::from_str(&text).unwrap()).unwrap_or_default();
    let repository = given.repository.clone().unwrap_or_default();
    let keys = if given.keys {
        VerifyingKey::read(&fs_err::read_to_string(case.join("key.pub")).unwrap()).unwrap()
    } else {
        Vec::new()
    };
    (VexSettings { keys, ..settings(given) }, repository)
}

fn settings(given: Given) -> VexSettings {
    let voice = |name: &String| Voice::ORDER.into_iter().find(|voice| voice.name() == name).expect("a voice");
    VexSettings {
        issuers: given.issuers,
        order: given.order.iter().map(voice).collect(),
        max_age_days: given.max_age_days,
        ..VexSettings::at(NOW.parse().expect("an instant"))
    }
}

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn judged(
    index: &Index,
    packages: &Path,
    documents: &[(PathBuf, VexOrigin)],
    (settings, repository): (VexSettings, String),
) -> (Matches, String) {
    let (distribution, packages) = packages_of(packages);
    let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
    let mut matches = match_packages(index, subject, &MatchOptions::default()).unwrap();
    let mut vex = Vex::new(settings);
    for (path, origin) in documents {
        let publisher = if *origin == VexOrigin::Attached { repository.as_str() } else { "" };
        vex.add_of(&path.file_name().unwrap().to_string_lossy(), &fs_err::read(path).unwrap(), *origin, publisher);
    }
    let reference: Reference = "r.example/team/app:1.0".parse().unwrap();
    let digests = vec![Digest::of(b"manifest"), Digest::of(b"index")];
    let image = Image::of_packages(subject, digests, Some(&reference));
    apply(index, &image, &vex, &SeverityOrder::default(), &mut matches).unwrap();
    let mut text = String::new();
    for (at, package) in packages.iter().enumerate() {
        writeln!(text, "{}", shown(package)).unwrap();
        for found in matches.matches.iter().filter(|found| found.package.0 as usize == at) {
            writeln!(text, "{}", line(found)).unwrap();
        }
        for found in matches.suppressed.iter().filter(|found| found.package.0 as usize == at) {
            writeln!(text, "{}", suppressed(found)).unwrap();
        }
    }
    for document in &matches.vex {
        let trust = if document.trusted { "trusted" } else { "untrusted" };
        let trust = format!("{trust}{}", if document.key.is_some() { ", verified" } else { "" });
        let (id, issuer) = (&document.id, &document.issuer);
        writeln!(text, "{id} of `{issuer}`: {trust}, {} statements, {} applied", document.statements, document.applied)
            .unwrap();
    }
    for problem in &matches.problems {
        writeln!(text, "{} {}: {}", problem.kind, problem.subject, problem.message).unwrap();
    }
    (matches, text)
}

fn packages_of(
    path: &Path,
) -> (Option<killick_model::distribution::Distribution>, Vec<killick_model::package::Package>) {
    packages(&fs_err::read_to_string(path).unwrap())
}

#[test]
fn cases() {
    let index = index(&testdata("vex"));
    let cases: Vec<PathBuf> =
        files(&testdata("vex")).into_iter().filter(|path| path.join("packages.txt").exists()).collect();
    assert!(cases.len() >= 8, "cases are missing");
    for case in cases {
        let of = |folder: &str, origin| files(&case.join(folder)).into_iter().map(move |path| (path, origin));
        let documents: Vec<_> = of("user", VexOrigin::User).chain(of("attached", VexOrigin::Attached)).collect();
        let (matches, text) = judged(&index, &case.join("packages.txt"), &documents, settings_of(&case));
        insta::with_settings!({
            snapshot_path => &case, prepend_module_to_snapshot => false, omit_expression => true
        }, { insta::assert_snapshot!("expected", text) });
        // In whatever order they are given, they are the same decision.
        let turned: Vec<_> = documents.into_iter().rev().collect();
        let (again, _) = judged(&index, &case.join("packages.txt"), &turned, settings_of(&case));
        assert_eq!(again, matches, "{}", case.display());
    }
}

#[test]
fn what_is_no_document_is_a_problem() {
    for (text, reason) in [
        ("", "no JSON object"),
        ("[1]", "no JSON object"),
        ("{}", "neither OpenVEX nor CSAF nor CycloneDX"),
        (r#"{"@context": "https://openvex.dev/ns/v0.2.0"}"#, "malformed (missing field `statements`"),
        (r#"{"document": {"title": "x"}}"#, "malformed (missing field `tracking`"),
        (r#"{"bomFormat": "CycloneDX", "vulnerabilities": 5}"#, "malformed ("),
        (r#"{"predicateType": "https://openvex.dev/ns"}"#, "no in-toto statement"),
    ] {
        let mut vex = Vex::new(settings(Given::default()));
        vex.add("file.json", text.as_bytes(), VexOrigin::User);
        let [problem] = vex.problems.as_slice() else { panic!("{text}: {:?}", vex.problems) };
        assert_eq!((problem.kind.as_str(), problem.subject.as_str()), ("malformed-vex", "file.json"));
        assert!(problem.message.contains(reason), "{text}: {}", problem.message);
        assert!(vex.documents.is_empty());
    }
}

#[test]
fn a_document_is_bounded() {
    let large = vec![b' '; MAX_BYTES + 1];
    assert!(read(&large, &[]).unwrap_err().contains("larger than"));
    let deep = format!(r#"{{"@context": "openvex", "statements": {}{}}}"#, "[".repeat(500), "]".repeat(500));
    assert!(read(deep.as_bytes(), &[]).is_err());
    let statement = |at: usize| {
        json!({"vulnerability": {"name": format!("CVE-2099-{at}")}, "status": "fixed",
        "products": vec!["pkg:npm/a"; 300]})
    };
    let many: Vec<Value> = (0..2_000).map(statement).collect();
    let text = json!({"@context": "https://openvex.dev/ns/v0.2.0", "statements": many}).to_string();
    let document = read(text.as_bytes(), &[]).unwrap();
    assert!(document.left_out > 0 && document.statements.len() + document.left_out == 2_000, "{}", document.left_out);
}

#[test]
fn many_documents_are_not_all_read() {
    let mut vex = Vex::new(settings(Given::default()));
    for at in 0..=MAX_DOCUMENTS {
        let text = format!(r#"{{"@context": "openvex", "@id": "{at}", "statements": []}}"#);
        vex.documents.push((Arc::new(read(text.as_bytes(), &[]).unwrap()), VexOrigin::User));
    }
    vex.add("one-more", br#"{"@context": "openvex", "statements": []}"#, VexOrigin::User);
    assert_eq!(vex.problems.first().map(|problem| problem.kind.as_str()), Some("limit-vex"));
}

/// Red Hat names its products by CPE; that of a stream that is maintained apart is none of everybody's.
#[test]
fn a_platform_is_the_distribution() {
    let index = index(&testdata("vex"));
    let (distribution, packages) =
        packages("distribution rhel 9.3\nrpm openssl-libs 1:3.0.7-24.el9 arch=x86_64 source=openssl");
    let subject = Subject { distribution: distribution.as_ref(), packages: &packages };
    for (platform, want) in [
        ("cpe:/o:redhat:enterprise_linux:9", true),
        ("cpe:/a:redhat:enterprise_linux:9::appstream", true),
        ("cpe:/o:redhat:enterprise_linux:8", false),
        ("cpe:/o:redhat:rhel_eus:9.2::baseos", false),
        ("cpe:/o:somebody:else:9", false),
    ] {
        let named =
            |id: &str, helper: Value| json!({"name": id, "product_id": id, "product_identification_helper": helper});
        let document = json!({
            "document": {"category": "csaf_vex", "publisher": {"name": "Red Hat"}, "tracking": {"id": "x", "status": "final"}},
            "product_tree": {
                "full_product_names": [
                    named("PLATFORM", json!({"cpe": platform})),
                    named("OPENSSL", json!({"purl": "pkg:rpm/redhat/openssl?arch=src"})),
                ],
                "relationships": [{"category": "default_component_of", "full_product_name": named("BOTH", json!({})),
                    "product_reference": "OPENSSL", "relates_to_product_reference": "PLATFORM"}],
            },
            "vulnerabilities": [{"cve": "CVE-2099-0500", "product_status": {"known_affected": ["BOTH"]}}],
        });
        let mut vex = Vex::new(settings(Given::default()));
        vex.add("document", document.to_string().as_bytes(), VexOrigin::User);
        let image = Image::of_packages(subject, Vec::new(), None);
        let mut matches = Matches::default();
        apply(&index, &image, &vex, &SeverityOrder::default(), &mut matches).unwrap();
        assert_eq!(matches.matches.len(), usize::from(want), "{platform} {:?}", matches.problems);
    }
}

/// Words that documents have, in any place.
fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "CVE-2099-1",
        "pkg:npm/a@1",
        "pkg:oci/app@sha256:0a",
        "cpe:/a:b:c",
        "cpe:2.3:a:b:c:1",
        "fixed",
        "not_affected",
        "in_triage",
        "container",
        "https://openvex.dev/ns/v0.2.0",
        "CycloneDX",
        "2024-01-01T00:00:00Z",
        "",
        "\u{0}@",
    ]);
    let leaf = prop_oneof![word.prop_map(Value::from), Just(Value::Null), any::<i64>().prop_map(Value::from)];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let key = prop::sample::select(vec![
            "@context",
            "@id",
            "author",
            "statements",
            "vulnerability",
            "name",
            "products",
            "status",
            "subcomponents",
            "identifiers",
            "purl",
            "document",
            "tracking",
            "id",
            "product_tree",
            "branches",
            "product",
            "product_id",
            "relationships",
            "vulnerabilities",
            "product_status",
            "fixed",
            "bomFormat",
            "metadata",
            "component",
            "components",
            "bom-ref",
            "analysis",
            "state",
            "affects",
            "ref",
            "versions",
            "version",
            "predicateType",
            "predicate",
            "payload",
            "payloadType",
            "dsseEnvelope",
            "signatures",
            "range",
            "hashes",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(value in value()) {
        let _ = probe(value.to_string().as_bytes());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = probe(&bytes);
    }
}

/// As `cosign download attestation` prints them: one to a line, of any type.
#[test]
fn documents_may_be_lines_of_one_file() {
    let statement = |id: &str, vulnerability: &str| {
        let predicate = json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": id, "author": "a", "timestamp": "2024-05-01T00:00:00Z",
            "version": 1, "statements": [{
                "vulnerability": {"name": vulnerability}, "products": [{"@id": "pkg:npm/lodash@4.17.20"}],
                "status": "not_affected", "justification": "vulnerable_code_not_present",
            }],
        });
        json!({
            "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://openvex.dev/ns/v0.2.0",
            "subject": [{"name": "app", "digest": {"sha256": "a".repeat(64)}}], "predicate": predicate,
        })
    };
    let (one, other) = (statement("https://example.com/1", "CVE-1"), statement("https://example.com/2", "CVE-2"));
    let other_type = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://cyclonedx.org/bom",
        "subject": [], "predicate": {"spdxVersion": "SPDX-2.3"}});
    let pretty = serde_json::to_string_pretty(&one).unwrap();
    for (text, documents, problems) in [
        (format!("{one}\n{other}\n"), 2, vec![]),
        (format!("\n{one}\r\n\r\n{other}"), 2, vec![]),
        (format!("{one}\n{one}\n"), 1, vec![]),
        (pretty, 1, vec![]),
        (format!("{one}\n"), 1, vec![]),
        (format!("{one}\n{other_type}\n{{"), 1, vec!["lines:2", "lines:3"]),
        ("{\n".to_owned(), 0, vec!["lines"]),
        ("\n\n".to_owned(), 0, vec!["lines"]),
    ] {
        let mut vex = Vex::new(settings(Given::default()));
        vex.add("lines", text.as_bytes(), VexOrigin::User);
        let told: Vec<&str> = vex.problems.iter().map(|problem| problem.subject.as_str()).collect();
        assert_eq!((vex.documents.len(), told), (documents, problems), "{text}");
    }
}
