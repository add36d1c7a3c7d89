//! Files of feed providers: `PROVIDER FILE`, a newline, the bytes.
#![no_main]

use std::path::Path;

use killick_vulns::providers::{Input, Sink, provider};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((line, bytes)) = killick_fuzz::named(data) else { return };
    let Some((name, path)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else { return };
    let Some(provider) = provider(name) else { return };
    // The file is known under the name the input gives, but only names without surprises are made.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte);
    if path.is_empty() || path.len() > 80 || path.contains("..") || !path.bytes().all(is_plain) {
        return;
    }
    let path = Path::new(path);
    let Some(file_name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_relative()) else {
        return;
    };
    let written = path.with_file_name(file_name);
    let root = killick_fuzz::folder();
    let full = root.join(&written);
    if full.parent().is_none_or(|folder| std::fs::create_dir_all(folder).is_err())
        || std::fs::write(&full, bytes).is_err()
    {
        return;
    }
    let _ = (provider.read)(&Input { root, path: &written }, &mut Sink::new());
    let _ = std::fs::remove_file(full);
});
