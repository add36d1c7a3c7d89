//! VEX documents in and out, and every answer of `explain`, on an image whose vulnerabilities are known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use killick_model::digest::Digest;
use serde_json::{Value, json};

use crate::command::run;
use crate::image::Image;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image in a layout, and an index that speaks of it.
struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new(os_release: &str) -> Self {
        let place = Self { home: tempfile::tempdir().expect("a folder") };
        let status = [
            ("libcurl4", "7.88.1-10+deb12u5", "curl"),
            ("libssl3", "3.0.11-1~deb12u2", "openssl"),
            ("zlib1g", "1:1.2.13.dfsg-1", "zlib"),
            ("linux-libc-dev", "6.1.90-1", "linux"),
            ("python3-some-lib", "1.0-1", "some-lib"),
        ];
        let status: String = status
            .iter()
            .map(|(name, version, source)| {
                format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\nSource: {source}\n\n")
            })
            .collect();
        let metadata = "usr/lib/python3/dist-packages/some_lib-1.0.dist-info/METADATA";
        let owned = format!("/{metadata}\n");
        let npm = |name: &str, version: &str| json!({"name": name, "version": version}).to_string();
        let image = Image::of_files(&[
            ("etc/os-release", os_release.as_bytes()),
            ("var/lib/dpkg/status", status.as_bytes()),
            ("var/lib/dpkg/info/python3-some-lib.list", owned.as_bytes()),
            (metadata, b"Metadata-Version: 2.1\nName: some-lib\nVersion: 1.0\n"),
            ("app/node_modules/left/package.json", npm("left", "1.0.0").as_bytes()),
            ("app/node_modules/odd/package.json", npm("odd", "one").as_bytes()),
            ("app/node_modules/right/package.json", npm("right", "3.0.0").as_bytes()),
            ("usr/lib/node_modules/broken/package.json", b"{"),
        ]);
        image.write_layout(&place.path("image"));
        place.build();
        place
    }

    fn debian() -> Self {
        Self::new("ID=debian\nVERSION_ID=12\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, value: &Value) -> String {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("the folder is writable");
        fs_err::write(&path, value.to_string()).expect("the folder is writable");
        path.display().to_string()
    }

    fn build(&self) {
        let open = json!({"releases": {"bookworm": {"status": "open", "urgency": "not yet assigned"}}});
        let fixed = |version: &str| json!({"releases": {"bookworm": {"status": "resolved", "urgency": "not yet assigned", "fixed_version": version}}});
        let will_not = json!({"releases": {"bookworm": {"status": "open", "urgency": "low", "nodsa": "x", "nodsa_reason": "ignored"}}});
        let tracker = json!({
            "curl": {"CVE-2099-0001": open, "CVE-2099-0005": will_not},
            "openssl": {"CVE-2099-0002": fixed("0")},
            "zlib": {"CVE-2099-0003": fixed("1:1.2.13.dfsg-1")},
            "linux": {"CVE-2099-0040": open},
            "absent": {"CVE-2099-0050": open},
        });
        self.write("feeds/debian/tracker.json", &tracker);
        for (ecosystem, id, name, fixed, cve, withdrawn) in [
            ("npm", "GHSA-left-left-left", "left", "2.0.0", "CVE-2099-0010", None),
            ("npm", "GHSA-righ-righ-righ", "right", "2.0.0", "CVE-2099-0012", None),
            ("npm", "GHSA-oddd-oddd-oddd", "odd", "2.0.0", "CVE-2099-0014", None),
            ("npm", "GHSA-with-draw-nnnn", "left", "2.0.0", "CVE-2099-0015", Some("2099-01-03T00:00:00Z")),
            ("PyPI", "PYSEC-2099-1", "some-lib", "2.0.0", "CVE-2099-0013", None),
        ] {
            // Of one, nobody says which version has the fix.
            let end = if name == "right" { "last_affected" } else { "fixed" };
            let events = json!([{"introduced": "0"}, {end: fixed}]);
            let mut record = json!({
                "id": id, "modified": "2099-01-02T03:04:05Z", "aliases": [cve],
                "affected": [{"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "SEMVER", "events": events}]}],
                "database_specific": {"severity": "HIGH"},
            });
            if let Some(withdrawn) = withdrawn {
                record["withdrawn"] = withdrawn.into();
            }
            self.write(&format!("feeds/osv/{ecosystem}/records/{id}.json"), &record);
        }
        let (feeds, index) = (self.path("feeds").display().to_string(), self.index());
        let built = run(self.home.path(), &["db", "build", "--from", &feeds, "--out", &index]);
        assert_eq!(built.code, 0, "{}", built.transcript());
    }

    fn index(&self) -> String {
        self.path("index").display().to_string()
    }

    fn image(&self) -> String {
        format!("oci:{}", self.path("image").display())
    }

    fn scan(&self, arguments: &[&str]) -> crate::command::Run {
        let (index, image) = (self.index(), self.image());
        let all: Vec<&str> = ["scan", "--db", &index, &image].iter().chain(arguments).copied().collect();
        run(self.home.path(), &all)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().chain(&["-o", "json"]).copied().collect();
        let scanned = self.scan(&all);
        assert_eq!(scanned.code, 0, "{}", scanned.transcript());
        serde_json::from_str(&scanned.stdout).expect("JSON")
    }

    fn explain(&self, vulnerability: &str, arguments: &[&str]) -> String {
        let (index, image) = (self.index(), self.image());
        let all: Vec<&str> =
            ["explain", "--db", &index, &image, vulnerability].iter().chain(arguments).copied().collect();
        let explained = run(self.home.path(), &all);
        assert_eq!(explained.code, 0, "{}", explained.transcript());
        explained.stdout
    }

    /// Attaches a document to the image in its layout.
    fn attach(&self, document: &Value) {
        let layout = self.path("image");
        let blob = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            fs_err::write(layout.join("blobs/sha256").join(digest.hex()), bytes).expect("the folder is writable");
            digest
        };
        let index = fs_err::read(layout.join("index.json")).expect("the layout has an index");
        let mut index: Value = serde_json::from_slice(&index).expect("JSON");
        let subject = index["manifests"][0].clone();
        let text = document.to_string();
        let document =
            json!({"mediaType": "application/vnd.openvex+json", "size": text.len(), "digest": blob(text.as_bytes())});
        let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": blob(b"{}")});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.openvex+json",
            "config": empty, "layers": [document], "subject": subject,
        })
        .to_string();
        let entry = json!({"mediaType": MANIFEST, "size": manifest.len(), "digest": blob(manifest.as_bytes()),
            "artifactType": "application/vnd.openvex+json"});
        index["manifests"].as_array_mut().expect("a list").push(entry);
        fs_err::write(layout.join("index.json"), index.to_string()).expect("the folder is writable");
    }
}

fn openvex(author: &str, statements: &Value) -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": format!("https://example.org/{}", author.replace(' ', "-")),
        "author": author, "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": statements,
    })
}

fn statements() -> Value {
    json!([
        {"vulnerability": {"name": "CVE-2099-0001"}, "products": [{"@id": "pkg:deb/debian/curl?arch=source"}],
         "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"},
        {"vulnerability": {"name": "GHSA-left-left-left"}, "products": [{"@id": "pkg:npm/left@1.0.0"}], "status": "fixed"},
        {"vulnerability": {"name": "CVE-2099-0002"}, "products": [{"@id": "pkg:deb/debian/libssl3"}],
         "status": "affected", "action_statement": "rebuild"},
    ])
}

/// (package, vulnerability, reason) of what is suppressed, and (package, vulnerability) of what is found.
fn outcome(report: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    let of = |list: &Value, reason: bool| -> BTreeSet<String> {
        let all = list.as_array().cloned().unwrap_or_default();
        let text = |found: &Value| {
            let reason = if reason { found["reason"].as_str().unwrap_or_default() } else { "" };
            format!("{} {} {reason}", found["package"], found["vulnerability"])
        };
        all.iter().map(text).collect()
    };
    (of(&report["matches"]["suppressed"], true), of(&report["matches"]["matches"], false))
}

#[test]
fn documents_of_the_user_count() {
    let place = Place::debian();
    let document = place.write("vex/team.json", &openvex("Team A", &statements()));
    let folder = place.path("vex").display().to_string();
    insta::assert_snapshot!("vex-scan", place.scan(&["--vex", &document]).stdout);
    // A folder is all of its documents; the same result, byte for byte.
    let (one, all) = (place.json(&["--vex", &document]), place.json(&["--vex", &folder]));
    assert_eq!(one["matches"]["matches"], all["matches"]["matches"]);
    assert_eq!(one["matches"]["suppressed"], all["matches"]["suppressed"]);
    assert_eq!(one["matches"]["vex"][0]["applied"], 3, "{}", one["matches"]["vex"]);
    assert_eq!(one["matches"]["vex"][0]["trusted"], true);
}

#[test]
fn attached_documents_count_only_if_their_issuer_is_listed() {
    let place = Place::debian();
    let without = outcome(&place.json(&[]));
    place.attach(&openvex("Vendor B", &statements()));
    let claimed = place.json(&[]);
    assert_eq!(outcome(&claimed), without, "nothing is hidden, and nothing added");
    let scanned = place.scan(&[]).stdout;
    assert!(scanned.contains("`Vendor B` says of 2 findings that"), "{scanned}");
    let listed = outcome(&place.json(&["--vex-issuer", "vendor b"]));
    assert!(
        listed.0.iter().any(|found| found.ends_with("CVE-2099-0010 vex") || found.contains("CVE-2099-0010\" vex")),
        "{listed:?}"
    );
    // The distribution's own data go before, unless it is heard later.
    assert!(listed.1.iter().any(|found| found.contains("CVE-2099-0001")), "{listed:?}");
    let first = outcome(&place.json(&["--vex-issuer", "Vendor B", "--vex-order", "attached,user,vendor"]));
    assert!(!first.1.iter().any(|found| found.contains("CVE-2099-0001")), "{first:?}");
    // Nor do they count for what nobody looked at.
    assert_eq!(outcome(&place.json(&["--no-attachments", "--vex-issuer", "Vendor B"])), without);
}

#[test]
fn what_is_written_reads_back_as_the_same() {
    let place = Place::debian();
    let document = place.write("team.json", &openvex("Team A", &statements()));
    let before = outcome(&place.json(&["--vex", &document]));
    let by_vex = |found: &(BTreeSet<String>, BTreeSet<String>)| -> BTreeSet<String> {
        found.0.iter().filter(|found| found.ends_with(" vex")).cloned().collect()
    };
    assert_eq!(by_vex(&before).len(), 2, "{before:?}");
    for format in ["openvex-json", "csaf-vex-json", "cyclonedx-json"] {
        let file = place.path(&format!("{format}.out"));
        let target = format!("{format}={}", file.display());
        let written = place.scan(&["--vex", &document, "--vex-author", "Team C <https://c.example>", "-o", &target]);
        assert_eq!(written.code, 0, "{}", written.transcript());
        let again = place.json(&["--vex", &file.display().to_string()]);
        assert_eq!(outcome(&again), before, "{format}");
    }
}

#[test]
fn what_is_no_document_is_told() {
    let place = Place::debian();
    let broken = place.write("broken.json", &json!({"hello": "world"}));
    let scanned = place.scan(&["--vex", &broken]);
    assert_eq!(scanned.code, 2);
    assert!(scanned.stderr.contains("neither OpenVEX nor CSAF nor CycloneDX"), "{}", scanned.stderr);
    // A folder may hold other things too.
    let folder = Path::new(&broken).parent().expect("a folder").join("documents");
    fs_err::create_dir_all(&folder).expect("a folder");
    fs_err::copy(&broken, folder.join("broken.json")).expect("a copy");
    let scanned = place.scan(&["--vex", folder.to_str().expect("a name")]);
    assert_eq!(scanned.code, 0);
    assert!(scanned.stdout.contains("neither OpenVEX nor CSAF nor CycloneDX"), "{}", scanned.stdout);
    let missing = place.scan(&["--vex", "no-such-file.json"]);
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("no-such-file.json"), "{}", missing.stderr);
    let old = place.write("old.json", &openvex("Team A", &statements()));
    let scanned = place.scan(&["--vex", &old, "--vex-max-age", "30"]);
    assert!(scanned.stdout.contains("3 statements of the VEX document are older than 30 days"), "{}", scanned.stdout);
}

#[test]
fn the_order_of_severities_can_be_chosen() {
    let place = Place::debian();
    let severity = |arguments: &[&str]| {
        let report = place.json(arguments);
        let matches = report["matches"]["matches"].as_array().cloned().unwrap_or_default();
        let found = matches.iter().find(|found| found["vulnerability"] == "CVE-2099-0005").cloned().unwrap_or_default();
        found["ratings"][0]["source"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(severity(&[]), "debian");
    assert_eq!(severity(&["--severity-order", "nvd,vendor"]), "debian", "nobody else rates it");
}

#[test]
fn explain_answers_with_a_reason() {
    let place = Place::debian();
    let document = place.write("team.json", &openvex("Team A", &statements()));
    let untrusted = json!([{"vulnerability": {"name": "CVE-2099-0013"}, "products": [{"@id": "pkg:pypi/some-lib"}],
        "status": "not_affected", "justification": "component_not_present"},
        {"vulnerability": {"name": "CVE-2099-0005"}, "products": [{"@id": "pkg:deb/debian/libcurl4"}],
        "status": "not_affected", "justification": "component_not_present"}]);
    place.attach(&openvex("Vendor B", &untrusted));
    let vex = ["--vex", document.as_str()];
    for (vulnerability, arguments, words) in [
        ("CVE-2099-0010", &[][..], "applies, severity High by ghsa: fixed in 2.0.0"),
        ("CVE-2099-0005", &[], "the vendor will not fix it"),
        (
            "CVE-2099-0005",
            &[],
            "`Vendor B` says in https://example.org/Vendor-B of pkg:deb/debian/libcurl4: not affected: component_not_present; not trusted",
        ),
        ("CVE-2099-0003", &[], "the installed version has the fix, which came with 1:1.2.13.dfsg-1"),
        ("CVE-2099-0012", &[], "outside the affected range (version 3.0.0 by semver order against <= 2.0.0)"),
        ("CVE-2099-0002", &[], "debian says that the package is not affected"),
        ("CVE-2099-0002", &vex, "`Team A` says in https://example.org/Team-A: affected (rebuild)"),
        (
            "CVE-2099-0001",
            &vex,
            "`Team A` says in https://example.org/Team-A of pkg:deb/debian/curl?arch=source: not affected",
        ),
        ("CVE-2099-0013", &[], "the file belongs to python3-some-lib, for which the distribution answers"),
        ("CVE-2099-0040", &[], "headers, documentation or symbols, none of the code of linux"),
        ("CVE-2099-0050", &[], "not installed: the advisories name absent"),
        ("CVE-2099-0014", &[], "the version cannot be compared as a semver version"),
        ("CVE-2099-0015", &[], "the advisory was withdrawn"),
        ("CVE-1999-0001", &[], "no proof that the image is safe from it"),
        ("CVE-2099-0050", &[], "the analysis of the image is incomplete (/usr/lib/node_modules/broken/package.json: "),
    ] {
        let told = place.explain(vulnerability, arguments);
        assert!(told.contains(words), "{vulnerability}: `{words}` is not in\n{told}");
        let all: Vec<&str> = arguments.iter().chain(&["-o", "json"]).copied().collect();
        let json: Value = serde_json::from_str(&place.explain(vulnerability, &all)).expect("JSON");
        assert!(json["verdict"].is_string() && json["remarks"].is_array(), "{json}");
    }
    insta::assert_snapshot!("vex-explain", place.explain("CVE-2099-0005", &vex));
}

#[test]
fn explain_says_that_it_knows_nothing_of_the_distribution() {
    let place = Place::new("ID=frobnix\nVERSION_ID=1\n");
    let told = place.explain("CVE-2099-0001", &[]);
    assert!(told.contains("was not found in this image, but the answer is incomplete"), "{told}");
    assert!(told.contains("no vulnerability data for distribution `frobnix:1`"), "{told}");
}

#[test]
fn a_document_is_no_directory_of_nothing() {
    let place = Place::debian();
    let empty = place.path("nothing");
    fs_err::create_dir_all(&empty).expect("the folder is writable");
    let scanned = place.scan(&["--vex", &Path::new(&empty).display().to_string()]);
    assert_eq!(scanned.code, 2);
    assert!(scanned.stderr.contains("has no `.json` files with VEX documents"), "{}", scanned.stderr);
}
