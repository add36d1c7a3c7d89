//! The configuration of an image, and the Dockerfile that its history suggests.
#![no_main]

use killick_fuzz::{descriptor, read_layout};
use serde_json::json;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let config = descriptor("application/vnd.oci.image.config.v1+json", data);
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [] }).to_string();
    let manifest = manifest.as_bytes();
    let entry = descriptor("application/vnd.oci.image.manifest.v1+json", manifest);
    let index = json!({ "schemaVersion": 2, "manifests": [entry] }).to_string();
    read_layout(index.as_bytes(), &[manifest, data]);
    if let Ok(config) = serde_json::from_slice(data) {
        killick_model::dockerfile::infer(&config);
    }
});
