//! Lists and descriptions that upstreams of advisories publish beside their data.
#![no_main]

use killick_fetch::feeds::lists;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for change in lists::changes(bytes).into_iter().flatten() {
        assert!(change.name.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
    }
    for change in lists::modified(bytes).into_iter().flatten() {
        assert!(lists::is_name(&change.name) && !change.name.contains('/'));
    }
    for path in lists::listing(bytes, "c").into_iter().flatten() {
        assert!(lists::is_document(&path) && !path.split('/').any(|part| part.starts_with('.')));
    }
    let _ = lists::topics(bytes);
    let text = String::from_utf8_lossy(bytes);
    let sums = [lists::meta(&text), lists::checksum(&text)];
    if let Ok(Some((sum, path))) = lists::updateinfo(&text) {
        assert!(sum.len() == 64 && lists::is_document(&path));
    }
    assert!(sums.into_iter().flatten().all(|sum| sum.len() == 64));
});
