//! Policy bundles: parsed, checked, and evaluated, in both ways, on a small image that has something for every gate. The
//! same document as exceptions and as a case.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::inspection::{
    Inspection, MalwareFinding, MalwareScan, PatternMatch, RetrievedFile, SearchedFile, Secret, SecretScan,
};
use killick_model::matching::Matches;
use killick_policy::cases::Case;
use killick_policy::diff::bundles;
use killick_policy::lint::{LintOptions, lint};
use killick_policy::{
    Bundle, Compatibility, DEFAULT_NOTICE_DAYS, Evidence, Exceptions, Options, PackageFeed, PublishedPackage, evaluate,
};

/// `killick_fuzz` makes it from a few files; what inspectors would find is made up.
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| {
    let status = b"Package: openssl\nStatus: install ok installed\nVersion: 1.1.1-1\nArchitecture: amd64\n";
    let package = br#"{"name": "yarn", "version": "1.22.10", "license": "MIT"}"#;
    let files = [
        ("etc/os-release", b"ID=debian\nVERSION_ID=12\n".as_slice()),
        ("var/lib/dpkg/status", status),
        ("app/node_modules/yarn/package.json", package),
        ("etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n"),
    ];
    let mut analysis = killick_fuzz::analysis(killick_fuzz::tar(&files)).expect("a good image");
    let retrieved = |path: &str, content: &[u8]| RetrievedFile { path: path.into(), layer: 0, content: content.into() };
    let secret = |rule: &str, is_hidden: bool| Secret {
        rule: rule.into(),
        about: String::new(),
        path: "/app/key".into(),
        layer: 0,
        line: 1,
        preview: String::new(),
        fingerprint: String::new(),
        is_hidden,
    };
    let pattern = PatternMatch { name: "NAME".into(), regex: ".*password.*".into(), lines: vec![1] };
    let malware = MalwareFinding { path: "/app/x".into(), layer: 0, signature: "Eicar".into(), is_hidden: true };
    analysis.inspection = Inspection {
        retrieved_files: Some(vec![
            retrieved("/etc/httpd.conf", b"SSLEnabled yes \xff\n"),
            retrieved("/etc/passwd", b"root:x:0:0:root:/root:/bin/bash\n\nftp:x:14\n"),
        ]),
        content_search: Some(vec![SearchedFile { path: "/app/x".into(), layer: 0, matches: vec![pattern] }]),
        secrets: Some(SecretScan {
            findings: vec![secret("AWS_ACCESS_KEY", false), secret("KEY", true)],
            patterns: [("KEY".into(), "k".into())].into(),
        }),
        malware: Some(vec![MalwareScan {
            scanner: "clamav".into(),
            engine_version: None,
            database_version: None,
            database_date: None,
            is_complete: false,
            findings: vec![malware],
        }]),
        ..Inspection::default()
    };
    analysis
});

static NPM: LazyLock<PackageFeed> = LazyLock::new(|| {
    let published = PublishedPackage { latest: "1.22.11".into(), versions: vec!["1.22.11".into()] };
    PackageFeed { packages: [("yarn".into(), published)].into() }
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(document) = serde_json::from_slice(data) else { return };
    Bundle::check_schema(&document);
    let Ok(bundle) = Bundle::parse(&document) else { return };
    bundle.validate();
    bundle.needs();
    let matches = Matches::default();
    let mut evidence = Evidence::new(&ANALYSIS, &matches, Timestamp::UNIX_EPOCH);
    evidence.npm_feed = Some(&NPM);
    for compatibility in [Compatibility::Repaired, Compatibility::Engine11] {
        let mut evaluation = evaluate(&bundle, &evidence, "docker.io/library/debian:12", &Options { compatibility });
        if let Ok(exceptions) = Exceptions::parse(&document) {
            exceptions.apply(&mut evaluation, DEFAULT_NOTICE_DAYS);
        }
        let against = [evaluation];
        lint(&bundle, &LintOptions { now: Timestamp::UNIX_EPOCH, notice_days: DEFAULT_NOTICE_DAYS, against: &against });
    }
    bundles(&document, &serde_json::Value::Null);
    let _ = Case::parse(&document, None);
});
