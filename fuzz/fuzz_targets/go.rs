//! The `go` cataloger: a path, a newline, the bytes of the file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| killick_fuzz::cataloger("go", data));
