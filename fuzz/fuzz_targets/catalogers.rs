//! Every cataloger: its name, a blank, a path, a newline, the bytes of the file.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| killick_fuzz::cataloger(data));
