use std::path::Path;

use killick_model::evaluation::{Action, Evaluation};
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_model::vex::VexDocument;
use serde_json::json;

use super::*;
use crate::formats::{self, Knowledge};

/// One file of `testdata/inputs`.
#[derive(Deserialize)]
struct Input {
    analysis: killick_model::analysis::Analysis,
    matches: Option<Matches>,
    evaluation: Option<Evaluation>,
    #[serde(default)]
    unsupported: Vec<Unsupported>,
    knowledge: Option<Knowledge>,
}

impl Input {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/inputs/every-kind.json");
        serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
    }

    fn report(&self) -> Report<'_> {
        Report {
            source: "registry.example/app:1.0",
            analysis: &self.analysis,
            matches: self.matches.as_ref(),
            evaluation: self.evaluation.as_ref(),
            unsupported: &self.unsupported,
            knowledge: self.knowledge.as_ref(),
            author: None,
            tool_version: "0.0.0",
            now: "2024-05-06T07:08:09Z".parse().unwrap(),
        }
    }

    fn subject(&self) -> Subject {
        Subject::image("registry.example/app", &self.analysis.manifest_digest)
    }

    /// The evaluation, as if it were of this image.
    fn evaluation(&self) -> Evaluation {
        let evaluation = self.evaluation.clone().unwrap();
        Evaluation { image_digest: self.analysis.manifest_digest.to_string(), ..evaluation }
    }

    fn inputs(&self) -> Inputs {
        Inputs {
            killick: "0.0.0".to_owned(),
            evaluated_at: self.report().now,
            reference: "registry.example/app:1.0".to_owned(),
            from_registry: true,
            facts: Facts::of(&self.analysis, "readers".to_owned()),
            advisories: advisories(),
            bundle: Named { id: "default".to_owned(), digest: Digest::of(b"bundle") },
            exceptions: Some(Digest::of(b"exceptions")),
            vex: vec![Digest::of(b"vex")],
            settings: Settings {
                compatibility: "repaired".to_owned(),
                exceptions_notice_days: 14,
                attached_sboms: false,
                severity_order: Vec::new(),
                cpe: false,
                vex_issuers: vec!["Vendor".to_owned()],
                vex_keys: Vec::new(),
                vex_order: vec!["user".to_owned(), "vendor".to_owned(), "attached".to_owned()],
                vex_max_age_days: None,
            },
        }
    }

    fn vex(&self) -> &[VexDocument] {
        self.matches.as_ref().map_or(&[], |matches| &matches.vex)
    }
}

fn advisories() -> Advisories {
    Advisories {
        digest: Digest::of(b"index"),
        built: Some("2024-05-01T00:00:00Z".parse().unwrap()),
        newest_data: Some("2024-04-30T12:00:00Z".parse().unwrap()),
        expires: Some("2024-05-15T00:00:00Z".parse().unwrap()),
    }
}

#[test]
fn statements_say_what_their_specifications_want() {
    let input = Input::read();
    let report = input.report();
    let vulnerabilities = Statement::vulnerabilities(input.subject(), &advisories(), &report);
    insta::assert_json_snapshot!("vulnerabilities", vulnerabilities);
    let verdict = Verdict::new(Some("https://ci.example/gate"), input.inputs(), input.evaluation(), input.vex());
    let verdict = Statement::verdict(input.subject(), &verdict);
    insta::assert_json_snapshot!("verdict", verdict);
    for (format, predicate_type) in [
        ("cyclonedx-json", "https://cyclonedx.org/bom"),
        ("cyclonedx-json@1.4", "https://cyclonedx.org/bom"),
        ("spdx-json", "https://spdx.dev/Document"),
    ] {
        let format = formats::find(format).unwrap();
        let sbom = Statement::sbom(input.subject(), format, &report).unwrap();
        assert_eq!(sbom.predicate_type, predicate_type);
        let mut text = Vec::new();
        (format.render)(&report, Style::default(), &mut text).unwrap();
        assert_eq!(sbom.predicate, serde_json::from_slice::<Value>(&text).unwrap(), "the document as it is");
        assert_eq!(sbom.kind(), Some(Kind::Sbom));
        assert_eq!(Statement::parse(sbom.to_json().as_bytes()), Ok(sbom));
    }
    for format in ["table", "cyclonedx-xml", "spdx", "sarif"] {
        assert_eq!(Statement::sbom(input.subject(), formats::find(format).unwrap(), &report), None, "{format}");
    }
    for statement in [vulnerabilities, verdict] {
        let text = statement.to_json();
        let read = Statement::parse(text.as_bytes()).unwrap();
        assert_eq!(read.to_json(), text, "the same bytes again");
        assert!(read.is_about(&input.analysis.manifest_digest));
        assert!(!read.is_about(&input.analysis.config_digest));
    }
}

#[test]
fn what_passes_claims_no_level_of_builds() {
    let input = Input::read();
    for (action, outcome, levels) in [
        (Action::Go, Outcome::Passed, "SLSA_BUILD_LEVEL_UNEVALUATED"),
        (Action::Warn, Outcome::Passed, "SLSA_BUILD_LEVEL_UNEVALUATED"),
        (Action::Stop, Outcome::Failed, "FAILED"),
    ] {
        let evaluation = Evaluation { final_action: action, ..input.evaluation() };
        let verdict = Verdict::new(None, input.inputs(), evaluation, &[]);
        assert_eq!((verdict.verification_result, verdict.verified_levels.join(" ")), (outcome, levels.to_owned()));
        assert_eq!(verdict.verifier.id, "https://github.com/killick-project/killick");
        assert_eq!(Verdict::parse(&verdict.predicate()), Ok(verdict));
    }
}

/// As others write them: fewer members, and some that nobody here knows.
#[test]
fn verdicts_of_others_are_read() {
    let input = Input::read();
    let theirs = json!({
        "verifier": {"id": "https://example.com/verifier"}, "timeVerified": "2024-04-12T23:20:50.52Z",
        "resourceUri": "https://example.com/app.tar.gz",
        "policy": {"uri": "https://example.com/policy", "digest": {"sha256": "00", "gitCommit": "11"}},
        "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_3"], "dependencyLevels": {"SLSA_BUILD_LEVEL_0": 2},
    });
    let verdict = Verdict::parse(&theirs).unwrap();
    assert_eq!((verdict.inputs, verdict.evaluation), (None, None));
    let ours = |key: &str, value: Value| {
        let mut predicate = Verdict::new(None, input.inputs(), input.evaluation(), &[]).predicate();
        *predicate.pointer_mut(key).unwrap() = value;
        Verdict::parse(&predicate).map(drop).map_err(|error| error.to_string())
    };
    let address = "https:~1~1github.com~1killick-project~1killick~1attestation";
    for (key, value, want) in [
        ("/verificationResult".to_owned(), json!("PASSED"), "`verificationResult` is another one"),
        ("/verificationResult".to_owned(), json!("MAYBE"), "unknown variant `MAYBE`"),
        ("/timeVerified".to_owned(), json!("yesterday"), "no verification summary"),
        (format!("/{address}~1inputs~1v1/facts/manifest"), json!(Digest::of(b"other")), "it is of another image"),
    ] {
        let error = ours(&key, value).unwrap_err();
        assert!(error.contains(want), "{key}: {error}");
    }
}

#[test]
fn what_is_no_statement_is_told() {
    let about = json!([{"digest": {"sha256": "a".repeat(64)}}]);
    let statement =
        |kind: &str, subject: &Value| json!({"_type": kind, "subject": subject, "predicateType": "x", "predicate": {}});
    let v1 = "https://in-toto.io/Statement/v1";
    for (document, want) in [
        (statement(v1, &about), ""),
        (statement("https://in-toto.io/Statement/v0.1", &about), ""),
        (statement("https://example.com/Statement", &about), "of the type `https://example.com/Statement`"),
        (statement(v1, &json!([])), "a statement about nothing"),
        (statement(v1, &json!([{"name": "app", "digest": {"sha512": "a"}}])), "a statement about nothing"),
        (statement(v1, &json!([{"digest": {"sha256": "abc"}}])), "a statement about nothing"),
        (json!({"bomFormat": "CycloneDX"}), "no in-toto statement (missing field `_type`"),
        (json!([1]), "no in-toto statement (invalid"),
    ] {
        let told = Statement::parse(document.to_string().as_bytes()).err().map(|error| error.to_string());
        let told = told.unwrap_or_default();
        assert!(told.starts_with(want) && told.is_empty() == want.is_empty(), "{document}: {told}");
    }
    let large = vec![b' '; MAX_BYTES + 1];
    assert_eq!(Statement::parse(&large), Err(StatementError::Size));
}

#[test]
fn predicates_are_known_by_their_addresses_and_any_version() {
    for (predicate_type, want) in [
        ("https://cyclonedx.org/bom", Some(Kind::Sbom)),
        ("https://cyclonedx.org/bom/v1.6", Some(Kind::Sbom)),
        ("https://spdx.dev/Document/v2.3", Some(Kind::Sbom)),
        ("https://in-toto.io/attestation/vulns/v0.1", Some(Kind::Vulnerabilities)),
        ("https://cosign.sigstore.dev/attestation/vuln/v1", Some(Kind::Vulnerabilities)),
        ("https://slsa.dev/verification_summary/v1", Some(Kind::Verdict)),
        ("https://slsa.dev/provenance/v1", None),
        ("https://cyclonedx.org/bomb", None),
        ("", None),
    ] {
        assert_eq!(Kind::of(predicate_type), want, "{predicate_type}");
    }
}

#[test]
fn inputs_that_differ_are_named() {
    let input = Input::read();
    let recorded = input.inputs();
    assert_eq!(recorded.differences(&recorded), []);
    let other = Digest::of(b"other");
    let mut found = recorded.clone();
    found.bundle.digest = other.clone();
    found.exceptions = None;
    found.vex.clear();
    found.advisories = Advisories { digest: other.clone(), built: None, newest_data: None, expires: None };
    found.settings.cpe = true;
    let told: Vec<&str> = recorded.differences(&found).iter().map(|difference| difference.input).collect();
    assert_eq!(told, ["bundle", "exceptions", "vex", "advisories", "settings"]);
    // When the same index expires is no other knowledge; neither is the name of a bundle another decision.
    let mut found = recorded.clone();
    found.advisories.expires = None;
    found.bundle.id = "x".to_owned();
    assert_eq!(recorded.differences(&found), []);
    // What is seen in an image is a fact, by which index it was chosen is none.
    let (mut seen, mut chosen) = (input.analysis.clone(), input.analysis.clone());
    seen.packages.pop();
    chosen.index_digest = Some(other);
    let facts = |analysis| Facts::of(analysis, "readers".to_owned());
    assert_ne!(facts(&seen).digest, recorded.facts.digest);
    assert_eq!(facts(&chosen), recorded.facts);
}
