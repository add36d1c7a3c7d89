//! What is signed of an image, verified by us and by others, and judged again.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::digest::Digest;
use serde_json::{Value, json};

use crate::command::{Run, killick, repository, run};
use crate::image::Image;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// An image, an index that speaks of it, a policy, and keys.
struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { home: tempfile::tempdir().expect("a folder") };
        Self::image(&[("left", "1.0.0"), ("right", "3.0.0")]).write_layout(&place.path("image"));
        place.index("index", &[("left", "2.0.0", "HIGH")]);
        place.write("policy.json", &policy("high"));
        for key in ["ed25519", "p256"] {
            let file = format!("signer-{key}.pem");
            fs_err::copy(repository().join("crates/vulns/testdata/keys").join(&file), place.path(&file)).expect("keys");
            let (private, public) = (place.text(&file), place.text(&format!("{key}.pub")));
            openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, value: &Value) -> String {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
        fs_err::write(&path, value.to_string()).expect("the folder is writable");
        self.text(name)
    }

    fn image(packages: &[(&str, &str)]) -> Image {
        let files: Vec<(String, String)> = packages
            .iter()
            .map(|(name, version)| {
                let path = format!("app/node_modules/{name}/package.json");
                (path, json!({"name": name, "version": version}).to_string())
            })
            .collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        Image::of_files(&files)
    }

    /// Builds an index of advisories: package, fixed version, severity.
    fn index(&self, name: &str, advisories: &[(&str, &str, &str)]) -> String {
        let feeds = format!("{name}-feeds");
        for (package, fixed, severity) in advisories {
            let id = format!("GHSA-{package}-aaaa-aaaa");
            let record = json!({
                "id": id, "modified": "2026-09-01T03:04:05Z", "aliases": [format!("CVE-2026-{}", package.len())],
                "affected": [{"package": {"ecosystem": "npm", "name": package},
                    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}],
                "database_specific": {"severity": severity},
            });
            self.write(&format!("{feeds}/osv/npm/records/{id}.json"), &record);
        }
        let (feeds, out) = (self.text(&feeds), self.text(name));
        self.ok(&["db", "build", "--from", &feeds, "--out", &out]);
        out
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run(self.home.path(), arguments)
    }

    fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.transcript());
        run
    }

    fn source(&self) -> String {
        format!("oci:{}", self.text("image"))
    }

    /// Attests the image, and gives the file of the envelope.
    fn attest(&self, kind: &str, key: &str, more: &[&str]) -> String {
        let (out, key) = (self.text(&format!("{kind}-{key}.json")), self.text(&format!("signer-{key}.pem")));
        let (source, index) = (self.source(), self.text("index"));
        let mut all = vec!["attest", &source, "--type", kind, "--key", &key, "-o", &out];
        if !more.contains(&"--db") {
            all.extend(["--db", &index]);
        }
        let policy = self.text("policy.json");
        if kind == "verdict" {
            all.extend(["--policy", &policy]);
        }
        all.extend(more);
        self.ok(&all);
        out
    }

    fn verify(&self, file: &str, key: &str, more: &[&str]) -> Run {
        let (source, key) = (self.source(), self.text(&format!("{key}.pub")));
        self.run(&[&["verify", &source, "--attestation", file, "--key", &key], more].concat())
    }

    fn replay(&self, file: &str, more: &[&str]) -> Run {
        let index = self.text("index");
        let mut all = vec!["--replay"];
        if !more.contains(&"--db") {
            all.extend(["--db", &index]);
        }
        let policy = self.text("policy.json");
        if !more.contains(&"--policy") {
            all.extend(["--policy", &policy]);
        }
        all.extend(more);
        self.verify(file, "ed25519", &all)
    }

    /// Signs any payload, as nobody of us would.
    fn sign(&self, name: &str, payload_type: &str, payload: &str) -> String {
        let (message, signature) = (self.text("message"), self.text("signature"));
        fs_err::write(&message, to_be_signed(payload_type, payload.as_bytes())).expect("writable");
        let key = self.text("signer-ed25519.pem");
        openssl(&["pkeyutl", "-sign", "-inkey", &key, "-rawin", "-in", &message, "-out", &signature]);
        let signature = STANDARD.encode(fs_err::read(&signature).expect("a signature"));
        let payload = STANDARD.encode(payload);
        self.write(name, &json!({"payloadType": payload_type, "payload": payload, "signatures": [{"sig": signature}]}))
    }

    /// Attaches an envelope to the image in its layout.
    fn attach(&self, file: &str) {
        let layout = self.path("image");
        let blob = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            fs_err::write(layout.join("blobs/sha256").join(digest.hex()), bytes).expect("the folder is writable");
            digest
        };
        let mut index = document(&layout.join("index.json"));
        let subject = index["manifests"][0].clone();
        let bytes = fs_err::read(file).expect("an envelope");
        let layer = json!({"mediaType": ENVELOPE, "size": bytes.len(), "digest": blob(&bytes)});
        let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": blob(b"{}")});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": ENVELOPE,
            "config": empty, "layers": [layer], "subject": subject})
        .to_string();
        let entry = json!({"mediaType": MANIFEST, "size": manifest.len(), "digest": blob(manifest.as_bytes()),
            "artifactType": ENVELOPE});
        index["manifests"].as_array_mut().expect("a list").push(entry);
        fs_err::write(layout.join("index.json"), index.to_string()).expect("the folder is writable");
    }

    fn digest(&self) -> String {
        document(&self.path("image/index.json"))["manifests"][0]["digest"].as_str().expect("a digest").to_owned()
    }
}

/// Stops at vulnerabilities that are at least this severe.
fn policy(severity: &str) -> Value {
    json!({
        "id": "gate", "name": "gate", "version": "1_0", "whitelists": [],
        "policies": [{"id": "p", "name": "p", "version": "1_0", "rules": [
            {"id": "r", "gate": "vulnerabilities", "trigger": "package", "action": "STOP", "params": [
                {"name": "package_type", "value": "all"}, {"name": "severity_comparison", "value": ">="},
                {"name": "severity", "value": severity}]},
            {"id": "healthcheck", "gate": "dockerfile", "trigger": "instruction", "action": "WARN", "params": [
                {"name": "instruction", "value": "HEALTHCHECK"}, {"name": "check", "value": "not_exists"}]}]}],
        "mappings": [{"id": "m", "name": "all", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_id": "p", "whitelist_ids": []}],
    })
}

fn document(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).expect("a file")).expect("JSON")
}

/// What is signed, by the text of the specification and not by our code.
fn to_be_signed(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "openssl {arguments:?}: {told}");
    told
}

fn payload(file: &str) -> (Value, Vec<u8>) {
    let envelope = document(Path::new(file));
    let payload = STANDARD.decode(envelope["payload"].as_str().expect("a payload")).expect("base64");
    (envelope, payload)
}

/// openssl knows nothing of envelopes: it is given what the specification says is signed.
#[test]
fn openssl_finds_our_signatures_right() {
    let place = Place::new();
    for (key, verify) in [
        ("ed25519", &["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"][..]),
        ("p256", &["dgst", "-sha256", "-verify"]),
    ] {
        let (envelope, payload) = payload(&place.attest("vulnerabilities", key, &[]));
        assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
        let message = place.text("message");
        fs_err::write(&message, to_be_signed("application/vnd.in-toto+json", &payload)).expect("writable");
        let signature = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().expect("text")).expect("base64");
        let (file, public) = (place.text("signature"), place.text(&format!("{key}.pub")));
        fs_err::write(&file, signature).expect("writable");
        let rest = match key {
            "ed25519" => [&public[..], "-in", &message, "-sigfile", &file].to_vec(),
            _ => [&public[..], "-signature", &file, &message].to_vec(),
        };
        let told = openssl(&[verify, &rest].concat());
        assert!(told.contains("Verified"), "{key}: {told}");
        // A key is named as others name it: by the digest of how it is encoded.
        openssl(&["pkey", "-pubin", "-in", &public, "-outform", "DER", "-out", &file]);
        let id = Digest::of(&fs_err::read(&file).expect("a key")).hex();
        assert_eq!(envelope["signatures"][0]["keyid"], id);
    }
}

#[test]
fn what_is_attested_is_verified() {
    let place = Place::new();
    for (kind, predicate_type, more) in [
        ("sbom", "https://cyclonedx.org/bom", &[][..]),
        ("sbom", "https://spdx.dev/Document", &["--format", "spdx-json"]),
        ("vulnerabilities", "https://in-toto.io/attestation/vulns/v0.2", &[]),
        ("verdict", "https://slsa.dev/verification_summary/v1", &[]),
    ] {
        for key in ["ed25519", "p256"] {
            let file = place.attest(kind, key, more);
            let statement: Value = serde_json::from_slice(&payload(&file).1).expect("JSON");
            assert_eq!(statement["predicateType"], predicate_type);
            assert_eq!(statement["subject"][0]["name"], "image");
            let verified = place.verify(&file, key, &["--type", kind]);
            // The policy stops the image: that is what the verdict says.
            assert_eq!(verified.code, i32::from(kind == "verdict"), "{}", verified.transcript());
            assert!(
                verified.stdout.contains(predicate_type) && verified.stderr.is_empty(),
                "{}",
                verified.transcript()
            );
            // Where the image is not at hand, its digest is enough.
            let (subject, key) = (place.digest(), place.text(&format!("{key}.pub")));
            let by_digest = place.run(&["verify", "--subject", &subject, "--attestation", &file, "--key", &key]);
            assert_eq!(by_digest.transcript(), verified.transcript());
        }
    }
    let verdict = place.attest("verdict", "ed25519", &["--verifier", "https://ci.example/gate"]);
    // The form of an index, and so its digest, changes with versions.
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("advisories  sha256:[0-9a-f]{64}", "advisories  [index]");
    let _bound = settings.bind_to_scope();
    let shown = |text: &str| text.replace(&place.text(""), "");
    let verified = place.verify(&verdict, "ed25519", &[]).transcript();
    insta::assert_snapshot!("attestation-verified", shown(&verified));
    insta::assert_snapshot!("attestation-json", shown(&place.verify(&verdict, "ed25519", &["-o", "json"]).stdout));
    let statement: Value = serde_json::from_slice(&payload(&verdict).1).expect("JSON");
    // What reads an image, and so what is known by it, changes with every cataloger.
    let inputs = "/predicate/https:~1~1github.com~1killick-project~1killick~1attestation~1inputs~1v1";
    let mut statement = statement;
    for member in ["facts/readers", "facts/digest", "advisories/digest"] {
        *statement.pointer_mut(&format!("{inputs}/{member}")).expect("inputs") = "…".into();
    }
    let statement = serde_json::to_string_pretty(&statement).expect("JSON");
    insta::assert_snapshot!("attestation-verdict", shown(&statement));
    // One line of `killick db key` is a key as well, and what passes is a success.
    place.write("policy.json", &policy("critical"));
    let key = place.text("signer-ed25519.pem");
    let line = place.ok(&["db", "key", "show", &key]).stdout;
    let file = place.attest("verdict", "ed25519", &[]);
    let verified = place.run(&["verify", &place.source(), "--attestation", &file, "--key", line.trim()]);
    assert_eq!(verified.code, 0, "{}", verified.transcript());
    assert!(verified.stdout.contains("verdict     PASSED: warn by policy evaluation"), "{}", verified.stdout);
}

/// One row for each way of failing, with what is told of it.
#[test]
fn what_is_not_believed_is_told_with_a_remedy() {
    let place = Place::new();
    let verdict = place.attest("verdict", "ed25519", &[]);
    let (envelope, text) = payload(&verdict);
    let statement: Value = serde_json::from_slice(&text).expect("JSON");
    let with = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut envelope = envelope.clone();
        change(&mut envelope);
        place.write(name, &envelope)
    };
    let altered = |envelope: &mut Value| {
        let text = String::from_utf8(text.clone()).expect("text").replace("FAILED", "PASSED");
        envelope["payload"] = STANDARD.encode(text).into();
    };
    let signed = |name: &str, change: &dyn Fn(&mut Value)| {
        let mut statement = statement.clone();
        change(&mut statement);
        place.sign(name, "application/vnd.in-toto+json", &statement.to_string())
    };
    let other = format!("oci:{}", place.text("other"));
    Place::image(&[("left", "1.0.0")]).write_layout(&place.path("other"));
    let source = place.source();
    fs_err::copy(place.path("signer-ed25519.pem"), place.path("private.pub")).expect("the folder is writable");
    let mut told = String::new();
    for (what, image, file, key, more) in [
        ("another key", &source, verdict.clone(), "p256", &[][..]),
        ("another image", &other, verdict.clone(), "ed25519", &[]),
        ("an altered payload", &source, with("altered.json", &altered), "ed25519", &[]),
        (
            "an altered payload without a name of a key",
            &source,
            with("nameless.json", &|envelope| {
                altered(envelope);
                envelope["signatures"][0]["keyid"] = Value::Null;
            }),
            "ed25519",
            &[],
        ),
        (
            "no signatures",
            &source,
            with("unsigned.json", &|envelope| envelope["signatures"] = json!([])),
            "ed25519",
            &[],
        ),
        (
            "a payload that is no base64",
            &source,
            with("coded.json", &|envelope| envelope["payload"] = "#".into()),
            "ed25519",
            &[],
        ),
        ("no envelope", &source, place.text("policy.json"), "ed25519", &[]),
        ("no JSON", &source, place.text("ed25519.pub"), "ed25519", &[]),
        ("something else that is signed", &source, place.sign("text.json", "text/plain", "hello"), "ed25519", &[]),
        (
            "an unknown predicate",
            &source,
            signed("predicate.json", &|statement| statement["predicateType"] = "https://slsa.dev/provenance/v1".into()),
            "ed25519",
            &[],
        ),
        ("another predicate", &source, verdict.clone(), "ed25519", &["--type", "sbom"]),
        (
            "a statement about nothing",
            &source,
            signed("nothing.json", &|statement| statement["subject"] = json!([])),
            "ed25519",
            &[],
        ),
        (
            "a verdict that contradicts itself",
            &source,
            signed("contradiction.json", &|statement| statement["predicate"]["verificationResult"] = "PASSED".into()),
            "ed25519",
            &[],
        ),
        ("old advisories", &source, verdict.clone(), "ed25519", &["--max-age", "5"]),
        ("nothing attached", &source, String::new(), "ed25519", &[]),
        ("no such key", &source, verdict.clone(), "absent", &[]),
        ("a private key", &source, verdict.clone(), "private", &[]),
    ] {
        let key = place.text(&format!("{key}.pub"));
        let mut all = vec!["verify", image.as_str(), "--key", &key];
        if !file.is_empty() {
            all.extend(["--attestation", &file]);
        }
        all.extend(more);
        let run = place.run(&all);
        assert!(run.code == 2 && run.stdout.is_empty(), "{what}: {}", run.transcript());
        told += &format!("{what}\n{}\n", run.stderr.replace(&place.text(""), ""));
    }
    let id = envelope["signatures"][0]["keyid"].as_str().expect("a key");
    insta::assert_snapshot!("attestation-refused", told.replace(id, "[key]"));
}

#[test]
fn what_cannot_be_attested_is_told() {
    let place = Place::new();
    let keys = repository().join("crates/vulns/testdata/keys");
    let key = |name: &str| keys.join(name).display().to_string();
    let (source, good) = (place.source(), place.text("signer-ed25519.pem"));
    let folder = place.text("index-feeds");
    let mut told = String::new();
    for (image, kind, key) in [
        (&source, "sbom", key("encrypted.pem")),
        (&source, "sbom", key("sec1.pem")),
        (&source, "sbom", key("signer-p384.pem")),
        (&source, "sbom", place.text("p256.pub")),
        (&source, "verdict", good.clone()),
        (&folder, "sbom", good.clone()),
    ] {
        let run = place.run(&["attest", image, "--type", kind, "--key", &key]);
        assert!(run.code == 2 && run.stdout.is_empty(), "{}", run.transcript());
        let stderr = run.stderr.replace(&place.text(""), "").replace(&keys.display().to_string(), "");
        told += &format!("{stderr}\n");
    }
    insta::assert_snapshot!("attestation-impossible", told);
}

/// What was signed is the same bytes wherever and whenever it is made of the same.
#[test]
fn a_verdict_is_reproducible_byte_for_byte() {
    let place = Place::new();
    let first = fs_err::read(place.attest("verdict", "ed25519", &[])).expect("an envelope");
    for more in [&["--no-cache"][..], &["--cache", &place.text("other-cache")]] {
        let again = fs_err::read(place.attest("verdict", "ed25519", more)).expect("an envelope");
        assert!(first == again, "{more:?}");
    }
}

#[test]
fn a_verdict_is_judged_again() {
    let place = Place::new();
    let vex = |status: &str| {
        json!({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex", "author": "Team",
            "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [{"vulnerability": {"name": "GHSA-left-aaaa-aaaa"},
            "products": [{"@id": "pkg:npm/left@1.0.0"}], "status": status, "justification": "vulnerable_code_not_present"}]})
    };
    let exceptions = |reason: &str| {
        json!([{"id": "no-health", "select": {"finding": {"gate": "dockerfile"}}, "reason": reason, "owner": "team@example.org",
            "expires_at": "2027-01-01"}])
    };
    let exceptions_file = place.write("exceptions.json", &exceptions("a batch job"));
    let file = place.text("first.json");
    fs_err::copy(place.attest("verdict", "ed25519", &["--exceptions", &exceptions_file]), &file).expect("writable");
    let given = ["--exceptions", &exceptions_file[..]];
    let same = place.replay(&file, &given);
    assert_eq!(same.code, 1, "the verdict is as bad as it was: {}", same.transcript());
    assert!(same.stdout.contains("the same verdict of the same inputs, byte for byte"), "{}", same.stdout);
    // No clock decides: years later it is the same, although the exception has expired.
    let (source, key, index, bundle) =
        (place.source(), place.text("ed25519.pub"), place.text("index"), place.text("policy.json"));
    let mut later = killick(place.home.path());
    later.env("SOURCE_DATE_EPOCH", "1990000000").args(["verify", &source, "--attestation", &file, "--key", &key]);
    later.args(["--replay", "--db", &index, "--policy", &bundle, "--exceptions", &exceptions_file]);
    let later = Run::of(later.output().expect("the binary starts"));
    assert_eq!(later.transcript(), same.transcript());

    let mut told = String::new();
    let other = place.index("other", &[("left", "0.9.0", "HIGH"), ("right", "4.0.0", "CRITICAL")]);
    let lenient = place.write("lenient.json", &policy("critical"));
    let reworded = place.write("reworded.json", &exceptions("nobody asks for it"));
    let document = place.write("vex.json", &vex("not_affected"));
    for (what, more) in [
        ("another policy", &["--policy", &lenient, given[0], given[1]][..]),
        ("another index", &["--db", &other, given[0], given[1]]),
        ("without the exceptions", &[]),
        ("exceptions in other words", &["--exceptions", &reworded]),
        ("a VEX document more", &["--vex", &document, given[0], given[1]]),
        ("another inspection", &["--secrets", given[0], given[1]]),
    ] {
        let run = place.replay(&file, more);
        let is_same = run.stdout.contains("the same verdict, byte for byte");
        assert_eq!(run.code, if is_same { 1 } else { 2 }, "{what}: {}", run.transcript());
        let replayed = &run.stdout[run.stdout.find("replay").expect("it was replayed")..];
        told += &format!("# {what}\n{replayed}\n");
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"(recorded|found)( +)[0-9a-f]{32}\b", "$1$2[readers]");
    settings.add_filter(r"(?m)^(facts differs\n  recorded  ).*\n(  found     ).*", "$1[digest]\n$2[digest]");
    settings.add_filter("sha256:[0-9a-f]{64}, built", "[index], built");
    let told = told.replace(&place.text(""), "");
    settings.bind(|| insta::assert_snapshot!("attestation-replayed", told));
    // The VEX document was an input: with it, it is the same again.
    let excused = place.attest("verdict", "ed25519", &["--vex", &document]);
    let same = place.replay(&excused, &["--vex", &document]);
    assert_eq!(same.code, 0, "{}", same.transcript());
    assert!(same.stdout.contains("the same verdict of the same inputs"), "{}", same.stdout);
    // A verdict that somebody made up and signed does not follow from what it names.
    let statement = String::from_utf8(payload(&file).1).expect("text");
    let made_up = statement
        .replace("\"final_action\":\"stop\"", "\"final_action\":\"go\"")
        .replace("\"verificationResult\":\"FAILED\"", "\"verificationResult\":\"PASSED\"");
    let made_up = place.sign("made-up.json", "application/vnd.in-toto+json", &made_up);
    let believed = place.verify(&made_up, "ed25519", &[]);
    assert_eq!(believed.code, 0, "the signer is believed: {}", believed.transcript());
    let caught = place.replay(&made_up, &given);
    assert_eq!(caught.code, 2, "{}", caught.transcript());
    assert!(caught.stdout.contains("ANOTHER verdict of the same inputs"), "{}", caught.stdout);
    // What others say of an image cannot be replayed.
    let theirs = json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": place.digest()[7..]}}],
        "predicateType": "https://slsa.dev/verification_summary/v1", "predicate": {"verifier": {"id": "https://example.com"},
        "timeVerified": "2026-09-01T00:00:00Z", "resourceUri": "https://example.com/x", "policy": {"uri": "https://example.com/p"},
        "verificationResult": "PASSED", "verifiedLevels": ["SLSA_BUILD_LEVEL_3"]}});
    let theirs = place.sign("theirs.json", "application/vnd.in-toto+json", &theirs.to_string());
    assert_eq!(place.verify(&theirs, "ed25519", &[]).code, 0);
    let refused = place.replay(&theirs, &[]);
    assert!(refused.code == 2 && refused.stderr.contains("cannot be replayed"), "{}", refused.transcript());
}

/// What is attached counts as what lies in a file; the newest of a kind does, and what is attached later changes no verdict.
#[test]
fn attached_attestations_are_found() {
    let place = Place::new();
    let (source, key) = (place.source(), place.text("ed25519.pub"));
    place.attach(&place.attest("sbom", "ed25519", &[]));
    let verify = |more: &[&str]| place.run(&[&["verify", &source, "--key", &key], more].concat());
    let sbom = verify(&[]);
    assert!(sbom.code == 0 && sbom.stdout.contains("SBOM"), "{}", sbom.transcript());
    let none = verify(&["--type", "verdict"]);
    assert!(none.code == 2 && none.stderr.contains("not the policy verdict that is wanted"), "{}", none.transcript());
    // The verdict knows what was attached before it, and nothing of itself.
    let verdict = place.attest("verdict", "ed25519", &[]);
    place.attach(&verdict);
    place.attach(&place.attest("vulnerabilities", "p256", &[]));
    let (index, bundle) = (place.text("index"), place.text("policy.json"));
    let replayed = verify(&["--replay", "--policy", &bundle, "--db", &index]);
    assert_eq!(replayed.code, 1, "{}", replayed.transcript());
    assert!(replayed.stdout.contains("the same verdict of the same inputs"), "{}", replayed.transcript());
    // A newer verdict counts, whichever is attached last.
    let lenient = place.write("policy.json", &policy("critical"));
    let (signer, out) = (place.text("signer-ed25519.pem"), place.text("newer.json"));
    let mut newer = killick(place.home.path());
    newer.env("SOURCE_DATE_EPOCH", "1790086400").args(["attest", &source, "--type", "verdict", "--key", &signer]);
    newer.args(["--db", &index, "--policy", &lenient, "-o", &out]);
    assert_eq!(Run::of(newer.output().expect("the binary starts")).code, 0);
    place.attach(&out);
    place.attach(&verdict);
    let verified = verify(&["--type", "verdict"]);
    assert!(verified.code == 0 && verified.stdout.contains("PASSED"), "{}", verified.transcript());
    assert!(!verified.stdout.contains("SBOM"), "{}", verified.stdout);
}

/// An index that its publisher says expires takes the verdicts that rest on it along.
#[test]
fn verdicts_expire_with_their_advisories() {
    let place = Place::new();
    let (index, published, taken) = (place.text("index"), place.text("published"), place.text("taken"));
    let key = place.text("signer-ed25519.pem");
    let line = place.ok(&["db", "key", "show", &key]).stdout;
    place.ok(&["db", "export", "--db", &index, "--out", &published, "--sign", &key, "--expires", "7d"]);
    place.ok(&["db", "import", &published, "--key", line.trim(), "--out", &taken]);
    place.write("policy.json", &policy("critical"));
    let file = place.attest("verdict", "ed25519", &["--db", &taken]);
    assert_eq!(place.verify(&file, "ed25519", &[]).code, 0);
    let later = |more: &[&str]| {
        let mut command = killick(place.home.path());
        let key = place.text("ed25519.pub");
        // Eight days.
        command.env("SOURCE_DATE_EPOCH", "1790691200").args(["verify", &place.source(), "--attestation", &file]);
        Run::of(command.args(["--key", &key]).args(more).output().expect("the binary starts"))
    };
    let expired = later(&[]);
    assert_eq!(expired.code, 2, "{}", expired.transcript());
    assert!(expired.stderr.contains("rests on advisories that expired at 2026-09-28"), "{}", expired.stderr);
    assert!(expired.stderr.contains("hint: judge again"), "{}", expired.stderr);
    assert_eq!(later(&["--allow-expired"]).code, 0);
}
