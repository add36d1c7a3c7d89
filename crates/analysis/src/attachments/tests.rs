use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use killick_model::attachment::{DocumentKind, Origin, SbomFormat, Verification};
use killick_model::image::{ImageConfig, Surroundings};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

struct Bytes(Vec<u8>);

impl DocumentSource for Bytes {
    fn read(&self, _limit: u64) -> io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

const IN_TOTO: &str = "application/vnd.in-toto+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn image(documents: &[(&str, Vec<u8>)]) -> StagedImage {
    let digest = Digest::of(b"manifest");
    let attachment = Attachment {
        origin: Origin::Referrers,
        about: digest.clone(),
        digest: Digest::of(b"artifact"),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        size: 1,
        verification: Verification::Unverified,
        artifact_type: None,
        annotations: std::collections::BTreeMap::new(),
        documents: documents
            .iter()
            .map(|(media_type, bytes)| Document::new((*media_type).to_owned(), Digest::of(bytes), bytes.len() as u64))
            .collect(),
    };
    let sources =
        documents.iter().map(|(_, bytes)| Arc::new(Bytes(bytes.clone())) as Arc<dyn DocumentSource>).collect();
    let attachments = vec![StagedAttachment { attachment, sources }];
    StagedImage {
        name: "test".to_owned(),
        manifest_digest: digest,
        manifest: Vec::new(),
        index: Some((Digest::of(b"index"), Vec::new())),
        config_digest: Digest::of(b"config"),
        config_bytes: Vec::new(),
        config: ImageConfig::default(),
        layers: Vec::new(),
        tags: Vec::new(),
        surroundings: Surroundings { attachments, ..Surroundings::default() },
    }
}

fn read_one(media_type: &str, bytes: Vec<u8>) -> (Document, Read) {
    let read = read(&image(&[(media_type, bytes)]), &Limits::default());
    (read.attachments[0].documents[0].clone(), read)
}

fn statement(about: &[u8], predicate_type: &str, predicate: &Value) -> Vec<u8> {
    let digest = Digest::of(about).hex();
    json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": predicate_type, "predicate": predicate,
        "subject": [{"name": "other", "digest": {"sha1": "00"}}, {"name": "image", "digest": {"sha256": digest}}],
    })
    .to_string()
    .into_bytes()
}

fn envelope(payload: &[u8]) -> Value {
    json!({"payloadType": IN_TOTO, "payload": STANDARD.encode(payload), "signatures": [{"keyid": "", "sig": "AA=="}]})
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

const SLSA: &str = "https://slsa.dev/provenance/v1";

#[test]
fn statements_are_told_in_every_form() {
    let slsa = || statement(b"manifest", SLSA, &json!({"buildDefinition": {}}));
    for (media_type, document) in [
        (IN_TOTO, slsa()),
        (DSSE, bytes(&envelope(&slsa()))),
        (BUNDLE, bytes(&json!({"mediaType": BUNDLE, "dsseEnvelope": envelope(&slsa())}))),
        // The index that the image was chosen from.
        (IN_TOTO, statement(b"index", SLSA, &json!({}))),
    ] {
        let (document, read) = read_one(media_type, document);
        assert_eq!(
            (document.kind, document.subject, document.predicate_type.as_deref(), document.sbom),
            (DocumentKind::Attestation, Subject::Image, Some(SLSA), None),
            "{media_type}: {:?}",
            read.problems
        );
        assert_eq!(read.problems, []);
    }
}

#[test]
fn signatures_say_what_was_signed() {
    let signed = |about: &[u8]| {
        json!({"critical": {"identity": {"docker-reference": "r.io/app"}, "type": "cosign container image signature",
            "image": {"docker-manifest-digest": Digest::of(about)}}, "optional": null})
    };
    let jws = |about: &[u8]| {
        let payload = json!({"targetArtifact": {"mediaType": "m", "digest": Digest::of(about), "size": 1}});
        json!({"payload": URL_SAFE_NO_PAD.encode(payload.to_string()), "protected": "", "signature": ""})
    };
    let message = |about: &[u8]| {
        let digest = STANDARD.encode(Digest::of(about).as_bytes());
        json!({"messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": "AA=="}})
    };
    let bundle = |about: &[u8]| json!({"dsseEnvelope": envelope(&statement(about, kinds::SIGN_PREDICATE, &json!({})))});
    for (media_type, document) in [
        (SIMPLE, &signed as &dyn Fn(&[u8]) -> Value),
        ("application/jose+json", &jws),
        (BUNDLE, &message),
        (BUNDLE, &bundle),
    ] {
        for (about, want) in [(&b"manifest"[..], Subject::Image), (b"index", Subject::Image), (b"x", Subject::Other)] {
            let (document, read) = read_one(media_type, bytes(&document(about)));
            assert_eq!((document.kind, document.subject), (DocumentKind::Signature, want), "{media_type}");
            assert_eq!(read.problems.len(), usize::from(want == Subject::Other));
        }
    }
    let (document, read) = read_one("application/cose", vec![0xff]);
    assert_eq!((document.kind, document.subject), (DocumentKind::Signature, Subject::Unnamed));
    assert_eq!(read.problems, []);
}

fn cyclonedx() -> Value {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
        {"type": "library", "name": "left-pad", "version": "1.3.0", "purl": "pkg:npm/left-pad@1.3.0"},
        {"type": "library", "name": "left-pad", "version": "1.3.0", "purl": "pkg:npm/left-pad@1.3.0"},
        {"type": "library", "name": "nobody-knows", "version": "1"},
    ]})
}

fn spdx() -> Value {
    json!({"spdxVersion": "SPDX-2.3", "packages": [{"name": "bash", "versionInfo": "5.2",
        "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/bash@5.2?arch=amd64"}]}]})
}

const XML: &str = "<?xml version=\"1.0\"?><bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"><components>\
                   <component type=\"library\"><name>left-pad</name><version>1.3.0</version>\
                   <purl>pkg:npm/left-pad@1.3.0</purl></component><component type=\"library\"><name>x</name>\
                   <version>1</version></component></components></bom>";

const TAGS: &str = "SPDXVersion: SPDX-2.3\nPackageName: bash\nSPDXID: SPDXRef-b\nPackageVersion: 5.2\n\
                    ExternalRef: PACKAGE-MANAGER purl pkg:deb/debian/bash@5.2\n";

#[test]
fn attached_sboms_are_read_in_every_form() {
    let npm = "pkg:npm/left-pad@1.3.0";
    let dsse =
        |predicate_type: &str, predicate: &Value| bytes(&envelope(&statement(b"manifest", predicate_type, predicate)));
    for (media_type, document, format, want, subject) in [
        ("application/vnd.cyclonedx+json", bytes(&cyclonedx()), SbomFormat::CycloneDx, npm, Subject::Unnamed),
        (
            "text/spdx+json",
            bytes(&spdx()),
            SbomFormat::Spdx,
            "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian",
            Subject::Unnamed,
        ),
        (
            "application/vnd.cyclonedx+xml",
            XML.into(),
            SbomFormat::CycloneDx,
            "pkg:npm/left-pad@1.3.0",
            Subject::Unnamed,
        ),
        ("text/spdx", TAGS.into(), SbomFormat::Spdx, "pkg:deb/debian/bash@5.2?distro=debian", Subject::Unnamed),
        (DSSE, dsse("https://cyclonedx.org/bom/v1.6", &cyclonedx()), SbomFormat::CycloneDx, npm, Subject::Image),
        (
            IN_TOTO,
            statement(b"manifest", "https://spdx.dev/Document", &spdx()),
            SbomFormat::Spdx,
            "pkg:deb/debian/bash@5.2?arch=amd64&distro=debian",
            Subject::Image,
        ),
        // Tags and values travel as a text.
        (
            DSSE,
            dsse("https://spdx.dev/Document", &json!(TAGS)),
            SbomFormat::Spdx,
            "pkg:deb/debian/bash@5.2?distro=debian",
            Subject::Image,
        ),
    ] {
        let (document, read) = read_one(media_type, document);
        assert_eq!(document.packages, [want], "{media_type}");
        assert_eq!((document.sbom, document.subject), (Some(format), subject));
        let [package] = read.packages.as_slice() else { panic!("{:?}", read.packages) };
        assert_eq!(package.evidence.name(), "claimed");
        assert_eq!(package.cataloger, "attached-sbom");
        assert_eq!(package.location.to_string(), format!("/attached:{}", document.digest));
        let nameless: Vec<&str> = read.problems.iter().map(|problem| problem.kind.as_str()).collect();
        assert_eq!(nameless, if want == npm { &["unidentified-package"][..] } else { &[] });
    }
}

#[test]
fn no_more_packages_are_kept_than_show_that_there_are_too_many() {
    let document = |names: std::ops::Range<u32>| {
        let components: Vec<_> = names.map(|name| json!({"purl": format!("pkg:npm/a{name}@1")})).collect();
        bytes(&json!({"bomFormat": "CycloneDX", "components": components}))
    };
    let media_type = "application/vnd.cyclonedx+json";
    for (second, want) in [(0..2, 2), (1..3, 3), (1..9, 3)] {
        let image = image(&[(media_type, document(0..2)), (media_type, document(second))]);
        assert_eq!(read(&image, &Limits { packages: 2, ..Limits::default() }).packages.len(), want);
    }
}

#[test]
fn what_is_said_of_something_else_is_no_fact() {
    let (document, read) = read_one(IN_TOTO, statement(b"another", "https://cyclonedx.org/bom", &cyclonedx()));
    assert_eq!((document.subject, document.predicate_type, document.sbom), (Subject::Other, None, None));
    assert_eq!(read.packages, []);
    assert_eq!(read.problems.len(), 1);
    assert_eq!(read.problems[0].kind, "attachment-subject");
    let unusable = json!({"predicateType": SLSA, "subject": [{"digest": {"sha256": "../etc"}}]});
    assert_eq!(read_one(IN_TOTO, bytes(&unusable)).0.subject, Subject::Other);
    // What is said of nothing in particular is told as that.
    // Of a statement about everything, not all is looked at.
    let mut named = vec![json!({"digest": {"sha256": "00".repeat(32)}}); 10_000];
    named.push(json!({"digest": {"sha256": Digest::of(b"manifest").hex()}}));
    for (subjects, want) in [(&named[..], Subject::Other), (&named[1..], Subject::Image)] {
        let statement = json!({"predicateType": SLSA, "subject": subjects});
        assert_eq!(read_one(IN_TOTO, bytes(&statement)).0.subject, want);
    }
    let nothing = json!({"predicateType": SLSA, "subject": []});
    let (document, read) = read_one(IN_TOTO, bytes(&nothing));
    assert_eq!((document.subject, document.predicate_type.as_deref()), (Subject::Unnamed, Some(SLSA)));
    assert_eq!(read.problems, []);
}

#[test]
fn what_cannot_be_read_is_named() {
    for (media_type, document, want) in [
        (IN_TOTO, b"{".to_vec(), "the attached document is no in-toto statement"),
        (IN_TOTO, b"{}".to_vec(), "the attached document is an in-toto statement of no type"),
        (DSSE, b"[]".to_vec(), "the attached document is no DSSE envelope"),
        (
            DSSE,
            bytes(&json!({"payloadType": IN_TOTO, "payload": "!"})),
            "the attached document is an envelope whose payload is no base64",
        ),
        (
            DSSE,
            bytes(&json!({"payloadType": "text/plain", "payload": ""})),
            "the attached document is an envelope of something else than an in-toto statement",
        ),
        (BUNDLE, b"{}".to_vec(), "the attached document is a Sigstore bundle of nothing"),
        (SIMPLE, b"{}".to_vec(), "the attached document is no payload of a signature"),
        ("text/spdx+json", b"{}".to_vec(), "the attached SBOM is neither CycloneDX nor SPDX nor Syft's JSON"),
        ("text/spdx+xml", b"<rdf>".to_vec(), "the attached SBOM is neither CycloneDX nor SPDX nor Syft's JSON"),
    ] {
        let (_, read) = read_one(media_type, document);
        let messages: Vec<&str> = read.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, [want], "{media_type}");
    }
    let (document, read) = read_one("application/vnd.example.chart+tar", b"anything".to_vec());
    assert_eq!(document.kind, DocumentKind::Other);
    assert_eq!(read.problems, []);
}

#[test]
fn documents_have_limits() {
    let limits = Limits { attachment_bytes: 10, ..Limits::default() };
    let document = |bytes: &str| ("text/spdx", bytes.as_bytes().to_vec());
    let read = read(
        &image(&["0123456789a", "0", "01234567", "012345678", "12345678", "2345678901", "98765"].map(document)),
        &limits,
    );
    let kinds: Vec<&str> = read.problems.iter().map(|problem| problem.kind.as_str()).collect();
    let unknown = "unknown-format";
    assert_eq!(
        kinds,
        ["limit-attachment-bytes", unknown, unknown, unknown, unknown, unknown, "limit-attachment-bytes"],
        "{:?}",
        read.problems
    );
}

proptest! {
    #[test]
    fn no_bytes_panic(media_type in prop::sample::select(vec![IN_TOTO, DSSE, BUNDLE, SIMPLE, "text/spdx", "application/jose+json"]),
                      bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_one(media_type, bytes);
    }

    #[test]
    fn no_statement_panics(predicate in r#"(\{("(bomFormat|components|spdxVersion|packages|Data)":(1|null|\[\]|\{\}|"CycloneDX"),?){0,4}\}|"x"|1)"#) {
        let text = format!(r#"{{"predicateType":"https://spdx.dev/Document","subject":1,"predicate":{predicate}}}"#);
        read_one(IN_TOTO, text.into_bytes());
    }
}

#[test]
fn vex_documents_are_told_as_they_are() {
    let openvex = json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": "somebody", "statements": []});
    let attested = statement(b"manifest", "https://openvex.dev/ns/v0.2.0", &openvex);
    for (media_type, text, kind) in [
        ("application/vnd.openvex+json", bytes(&openvex), DocumentKind::Vex),
        ("application/vnd.oasis.csaf+json; version=2.0", bytes(&json!({"document": {}})), DocumentKind::Vex),
        (IN_TOTO, attested.clone(), DocumentKind::Attestation),
        (DSSE, bytes(&envelope(&attested)), DocumentKind::Attestation),
    ] {
        let (document, read) = read_one(media_type, text.clone());
        // As it was attached, so that a signature can be checked.
        let text = String::from_utf8(text).expect("text");
        assert_eq!((document.kind, document.vex), (kind, Some(text)), "{media_type}: {:?}", read.problems);
        assert_eq!(read.problems, []);
    }
    // About another image, too large, no text: nothing of it is told.
    let huge = format!("{{\"@context\": \"https://openvex.dev/ns\", \"author\": \"{}\"}}", "a".repeat(VEX_BYTES));
    for (media_type, document, problem) in [
        (IN_TOTO, statement(b"other", "https://openvex.dev/ns", &openvex), "attachment-subject"),
        ("application/vnd.openvex+json", huge.into_bytes(), "limit-vex"),
        ("application/vnd.openvex+json", vec![0xff, 0xfe], "malformed-attachment"),
    ] {
        let (document, read) = read_one(media_type, document);
        assert_eq!(document.vex, None, "{media_type}");
        assert_eq!(read.problems.iter().map(|problem| problem.kind.as_str()).collect::<Vec<_>>(), [problem]);
    }
}

/// A CycloneDX document may list packages and judge vulnerabilities of them at once.
#[test]
fn an_sbom_that_judges_is_told_as_well() {
    let sbom = |vulnerabilities: Value| {
        json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": vulnerabilities,
            "components": [{"type": "library", "name": "left", "version": "1.0.0", "purl": "pkg:npm/left@1.0.0"}],
        })
    };
    let judging = sbom(json!([{"id": "CVE-2024-1"}, {"id": "CVE-2024-2", "analysis": {"state": "not_affected"}}]));
    let attested = statement(b"manifest", "https://cyclonedx.org/bom", &judging);
    for (media_type, text, is_told) in [
        ("application/vnd.cyclonedx+json", bytes(&judging), true),
        (DSSE, bytes(&envelope(&attested)), true),
        ("application/vnd.cyclonedx+json", bytes(&sbom(json!([{"id": "CVE-2024-1"}]))), false),
        ("application/vnd.cyclonedx+json", bytes(&sbom(json!([{"id": "CVE-2024-1", "analysis": null}]))), false),
        ("application/vnd.cyclonedx+json", bytes(&sbom(json!([]))), false),
    ] {
        let (document, read) = read_one(media_type, text.clone());
        let told = is_told.then(|| String::from_utf8(text).expect("text"));
        assert_eq!((document.sbom, document.vex), (Some(SbomFormat::CycloneDx), told), "{media_type}");
        assert_eq!((document.packages, read.problems), (vec!["pkg:npm/left@1.0.0".to_owned()], vec![]));
    }
}

#[test]
fn not_every_vex_document_of_many_is_told() {
    let texts: Vec<(&str, Vec<u8>)> =
        (0..VEX_DOCUMENTS + 2).map(|at| ("application/vnd.openvex+json", bytes(&json!({"author": at})))).collect();
    let read = read(&image(&texts), &Limits::default());
    let told = read.attachments[0].documents.iter().filter(|document| document.vex.is_some()).count();
    let kinds: Vec<&str> = read.problems.iter().map(|problem| problem.kind.as_str()).collect();
    assert_eq!((told, kinds), (VEX_DOCUMENTS, vec!["limit-vex", "limit-vex"]));
}
