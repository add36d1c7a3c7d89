//! The index of an OCI layout.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| killick_fuzz::read_layout(data, &[]));
