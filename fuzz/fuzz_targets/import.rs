//! What is uploaded of an image that somebody else analysed: Syft's JSON, with a manifest and a configuration that say
//! the same.
#![no_main]

use killick_analysis::imported::{Documents, check, read};
use killick_fetch::Limits;
use killick_fetch::documents::describe;
use killick_model::digest::Digest;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = check(data);
    let described = describe(data, data, &Limits::default());
    let documents = Documents {
        manifest_digest: Digest::of(b""),
        index_digest: None,
        config_digest: Digest::of(b""),
        config: described.config,
        layers: described.layers,
        problems: described.problems,
    };
    if let Ok(imported) = read(data, documents, 1000) {
        assert!(imported.analysis.is_consistent());
    }
});
