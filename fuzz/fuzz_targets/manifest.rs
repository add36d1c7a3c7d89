//! A manifest or nested index of either kind.
#![no_main]

use killick_fuzz::{descriptor, read_layout};
use serde_json::json;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let manifest = descriptor("application/vnd.oci.image.manifest.v1+json", data);
    read_layout(json!({ "schemaVersion": 2, "manifests": [manifest] }).to_string().as_bytes(), &[data]);
});
