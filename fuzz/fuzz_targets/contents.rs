//! All inspectors: a path, a newline, the bytes of the file.
#![no_main]

use std::sync::{Arc, LazyLock};

use killick_analysis::inspectors::Inspections;

static INSPECTIONS: LazyLock<Arc<Inspections>> =
    LazyLock::new(|| Arc::new(Inspections::new(killick_fuzz::all_inspections()).expect("the settings are right")));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((path, bytes)) = killick_fuzz::named(data) else { return };
    let Ok(path) = std::str::from_utf8(path) else { return };
    if let Some(layer) = killick_fuzz::file_in_tar(path, bytes) {
        killick_fuzz::inspected(layer, &INSPECTIONS);
    }
});
