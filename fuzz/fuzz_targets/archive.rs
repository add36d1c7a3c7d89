//! The document of an archived analysis, ours or that of Anchore Engine, as it is uploaded.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = killick_server::check_archive(data);
});
