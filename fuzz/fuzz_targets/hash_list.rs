//! A list of digests of malware.
#![no_main]

use killick_analysis::inspectors::Inspections;
use killick_analysis::inspectors::settings::{HashList, MalwareSettings, Settings};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let hash_lists = vec![HashList { name: "list".to_owned(), text: text.to_owned() }];
    let malware = MalwareSettings { hash_lists, clamd: None };
    let _ = Inspections::new(Settings { malware, ..Settings::default() });
});
