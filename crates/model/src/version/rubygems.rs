//! Ruby gem versions: `Gem::Version`, <https://docs.ruby-lang.org/en/master/Gem/Version.html>.
//!
//! A platform behind the version (`1.13.10-x86_64-linux`) is no part of it and is cut.

use std::cmp::Ordering;

use super::{compare_numbers, cut_digits, cut_letters, is_number};

/// Compares segment by segment; a missing one is 0, and text sorts before numbers.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (mut a, mut b) = (Segments::of(a)?, Segments::of(b)?);
    loop {
        let (next_a, next_b) = (a.next(), b.next());
        if next_a.is_none() && next_b.is_none() {
            return Some(Ordering::Equal);
        }
        let (next_a, next_b) = (next_a.unwrap_or("0"), next_b.unwrap_or("0"));
        let order = match (is_number(next_a), is_number(next_b)) {
            (true, true) => compare_numbers(next_a, next_b),
            (false, false) => next_a.cmp(next_b),
            (a_is_number, b_is_number) => a_is_number.cmp(&b_is_number),
        };
        if order.is_ne() {
            return Some(order);
        }
    }
}

/// First words of platforms that built gems name.
const PLATFORMS: [&str; 16] = [
    "x86_64",
    "x86",
    "x64",
    "aarch64",
    "arm64",
    "arm",
    "armv6",
    "armv7",
    "i386",
    "i686",
    "java",
    "jruby",
    "mswin32",
    "mswin64",
    "universal",
    "powerpc",
];

struct Segments<'a> {
    rest: &'a str,
    /// A `-` was read, which stands for `.pre.`.
    pre: bool,
    /// A segment of text was seen.
    in_text: bool,
}

impl<'a> Segments<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = match text.split_once('-') {
            Some((version, platform)) if is_platform(platform) => version,
            _ => text,
        };
        let mut words = text.split(['.', '-']);
        let valid = text.starts_with(|letter: char| letter.is_ascii_digit())
            && words.all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            && text.split('-').next().is_some_and(|release| release.split('.').next().is_some_and(is_number_or_mixed));
        valid.then_some(Self { rest: text, pre: false, in_text: false })
    }

    fn read(&mut self) -> Option<&'a str> {
        if std::mem::take(&mut self.pre) {
            return Some("pre");
        }
        let (number, after) = cut_digits(self.rest);
        let (segment, after) = if number.is_empty() { cut_letters(self.rest) } else { (number, after) };
        if segment.is_empty() {
            return None;
        }
        self.pre = after.starts_with('-');
        self.rest = after.strip_prefix(['.', '-']).unwrap_or(after);
        Some(segment)
    }

    /// Whether nothing but zeros comes before the next text.
    fn only_zeros_before_text(&self) -> bool {
        let mut ahead = Segments { rest: self.rest, pre: self.pre, in_text: self.in_text };
        loop {
            match ahead.read() {
                Some(segment) if !is_number(segment) => return true,
                Some(segment) if segment.bytes().all(|byte| byte == b'0') => {}
                _ => return false,
            }
        }
    }
}

fn is_platform(text: &str) -> bool {
    PLATFORMS.iter().any(|name| text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

fn is_number_or_mixed(word: &str) -> bool {
    word.starts_with(|letter: char| letter.is_ascii_digit())
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    /// Zeros in front of the first text do not count: `1.0.a` is `1.a`.
    fn next(&mut self) -> Option<&'a str> {
        loop {
            let segment = self.read()?;
            self.in_text |= !is_number(segment);
            let is_zero = segment.bytes().all(|byte| byte == b'0');
            if !(is_zero && !self.in_text && self.only_zeros_before_text()) {
                return Some(segment);
            }
        }
    }
}
