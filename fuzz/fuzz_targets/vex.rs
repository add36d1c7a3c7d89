//! A VEX document: OpenVEX, CSAF or CycloneDX, or an in-toto statement about one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = killick_vulns::vex::probe(data);
});
