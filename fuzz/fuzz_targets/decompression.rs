//! Decompression: the stored bytes of a layer, in an archive that knows no digest of them.
#![no_main]

use killick_fuzz::{read_archive, tar};

const CONFIG: &[u8] = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}}"#;
const MANIFEST: &[u8] = br#"[{"Config":"config.json","RepoTags":["a:b"],"Layers":["layer"]}]"#;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    read_archive(&tar(&[("manifest.json", MANIFEST), ("config.json", CONFIG), ("layer", data)]));
});
