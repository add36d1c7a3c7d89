//! An SBOM in place of an image, of any format.
#![no_main]

use killick_analysis::imported::read_sbom;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(analysis) = read_sbom(data, 1000) {
        assert!(analysis.is_consistent());
        assert!(analysis.sbom.is_none_or(|origin| origin.fidelity.score <= 100));
    }
});
