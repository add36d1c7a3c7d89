//! The layer pass and the merge: an uncompressed tar.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    killick_fuzz::analysis(data.to_vec());
});
