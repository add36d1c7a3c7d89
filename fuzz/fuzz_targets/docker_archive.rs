//! Archives: the output of `docker save`, or an OCI layout in a tar.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| killick_fuzz::read_archive(data));
