//! Versions: two, in all schemes. The order does not depend on which comes first.
#![no_main]

use std::cmp::Ordering;

use killick_model::version::{Scheme, compare};

libfuzzer_sys::fuzz_target!(|data: &str| {
    let (a, b) = data.split_once(char::is_whitespace).unwrap_or((data, data));
    for scheme in Scheme::ALL {
        let order = compare(scheme, a, b);
        assert_eq!(order, compare(scheme, b, a).map(Ordering::reverse), "{scheme:?}");
    }
});
