//! Patterns of users: regular expressions in Python's syntax, against a text. First the pattern, then the text.
#![no_main]

use killick_policy::StartRegex;

libfuzzer_sys::fuzz_target!(|data: &str| {
    let (pattern, text) = data.split_once('\n').unwrap_or((data, data));
    if let Ok(regex) = StartRegex::new(pattern) {
        let _ = regex.is_match(text);
    }
});
