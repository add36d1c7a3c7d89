//! Policy bundles: parsed, checked, and evaluated on a small image.
#![no_main]

use std::sync::LazyLock;

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::matching::Matches;
use killick_policy::{Bundle, Evidence, Options, evaluate};

/// `killick_fuzz` makes it from two files.
static ANALYSIS: LazyLock<Analysis> = LazyLock::new(|| {
    let status = b"Package: openssl\nStatus: install ok installed\nVersion: 1.1.1-1\nArchitecture: amd64\n";
    let files = [("etc/os-release", b"ID=debian\nVERSION_ID=12\n".as_slice()), ("var/lib/dpkg/status", status)];
    killick_fuzz::analysis(killick_fuzz::tar(&files)).expect("a good image")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(document) = serde_json::from_slice(data) else { return };
    Bundle::check_schema(&document);
    let Ok(bundle) = Bundle::parse(&document) else { return };
    bundle.validate();
    let matches = Matches::default();
    let evidence = Evidence::new(&ANALYSIS, &matches, Timestamp::UNIX_EPOCH);
    evaluate(&bundle, &evidence, "docker.io/library/debian:12", &Options::default());
});
