//! The advisory index: a file that came from elsewhere.
#![no_main]

use killick_vulns::index::Index;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(index) = Index::open(&killick_fuzz::file("index", data)) else { return };
    let _ = index.verify();
    for segment in 0..index.manifest().segments.len().min(8) {
        let _ = index.statements(segment, "openssl");
        let _ = index.advisories(segment, "CVE-2014-0160");
        let _ = index.aliases(segment, "CVE-2014-0160");
        let _ = index.cpes(segment, "openssl");
        let _ = index.enrichment(segment, "CVE-2014-0160");
    }
});
