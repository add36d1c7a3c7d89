//! Files that say which distribution an image is: a path, a newline, the bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((path, bytes)) = killick_fuzz::named(data) else { return };
    let Some(path) = std::str::from_utf8(path).ok().filter(|path| path.starts_with("etc/") && path.len() < 90) else {
        return;
    };
    if !path.contains("..") && !path.contains('\0') {
        killick_fuzz::analysis(killick_fuzz::tar(&[(path, bytes)]));
    }
});
