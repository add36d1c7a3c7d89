//! Go module versions, <https://go.dev/ref/mod#versions>, and the names of Go releases (`go1.22rc1`).
//!
//! A module version begins with `v`; advisories that write it without must be given one first. Pseudo-versions need
//! no rule of their own: they are pre-releases.

use std::cmp::Ordering;

use super::semver::{Version, compare_core, compare_identifiers};
use super::{cut, cut_digits, cut_letters};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((core_a, pre_a), (core_b, pre_b)) = (parse(a)?, parse(b)?);
    Some(compare_core(&core_a, &core_b).then_with(|| match (pre_a, pre_b) {
        (Some(a), Some(b)) => compare_identifiers(a.identifiers(), b.identifiers()),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }))
}

/// A pre-release; that of a Go release (`rc1`) reads as two identifiers (`rc.1`).
struct Pre<'a> {
    words: &'a str,
    number: &'a str,
}

impl<'a> Pre<'a> {
    fn identifiers(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.words.split('.').chain((!self.number.is_empty()).then_some(self.number))
    }
}

fn parse(text: &str) -> Option<([&str; 3], Option<Pre<'_>>)> {
    match text.strip_prefix("go") {
        Some(release) => parse_release(release),
        None => parse_module(text.strip_prefix('v')?),
    }
}

fn parse_module(text: &str) -> Option<([&str; 3], Option<Pre<'_>>)> {
    let version = Version::parse(text)?;
    let padded = version.core.iter().any(|number| number.len() > 1 && number.starts_with('0'));
    // Only a complete version may have more than numbers.
    let complete = version.parts == 3 || text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let core_length: usize = version.core.iter().map(|number| number.len() + 1).sum();
    let dashed = version.pre.is_none() || text.as_bytes().get(core_length - 1) == Some(&b'-');
    if padded || !complete || !dashed {
        return None;
    }
    Some((version.core, version.pre.map(|words| Pre { words, number: "" })))
}

/// Reads what follows `go`. Distributors append to it (`-fips`, ` X:boringcrypto`), which has no order.
fn parse_release(text: &str) -> Option<([&str; 3], Option<Pre<'_>>)> {
    let (text, _) = cut(text, |byte| byte.is_ascii_alphanumeric() || byte == b'.');
    let (numbers, rest) = cut(text, |byte| byte.is_ascii_digit() || byte == b'.');
    let mut core = [""; 3];
    for (at, number) in numbers.split('.').enumerate() {
        *core.get_mut(at).filter(|_| !number.is_empty())? = number;
    }
    if rest.is_empty() {
        return Some((core, None));
    }
    let (words, rest) = cut_letters(rest);
    let (number, rest) = cut_digits(rest);
    (matches!(words, "rc" | "beta" | "alpha") && rest.is_empty()).then_some((core, Some(Pre { words, number })))
}
