//! Python versions: <https://packaging.python.org/en/latest/specifications/version-specifiers/>.
//!
//! Versions from before the specification (`2011k`) are not ordered.

use std::cmp::Ordering;

use super::{compare_numbers, cut, cut_digits, is_number};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    let order = compare_numbers(a.epoch, b.epoch)
        .then_with(|| compare_release(a.release, b.release))
        .then_with(|| compare_phase(a.phase(), b.phase()))
        .then_with(|| compare_optional(a.post, b.post))
        // Without `.dev` a version is the later one.
        .then_with(|| match (a.dev, b.dev) {
            (Some(a), Some(b)) => compare_numbers(a, b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        })
        .then_with(|| compare_local(a.local, b.local));
    Some(order)
}

/// The version without its local part, for comparing with a bound that has none.
pub(super) fn without_local(text: &str) -> &str {
    text.split_once('+').map_or(text, |(public, _)| public)
}

struct Version<'a> {
    epoch: &'a str,
    release: &'a str,
    pre: Option<(Phase, &'a str)>,
    post: Option<&'a str>,
    dev: Option<&'a str>,
    local: Option<&'a str>,
}

/// Where a version stands before or at its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Only `.dev`: before every pre-release.
    Development,
    Alpha,
    Beta,
    Candidate,
    Final,
}

const PRE: [(&str, Phase); 8] = [
    ("alpha", Phase::Alpha),
    ("a", Phase::Alpha),
    ("beta", Phase::Beta),
    ("b", Phase::Beta),
    ("preview", Phase::Candidate),
    ("pre", Phase::Candidate),
    ("rc", Phase::Candidate),
    ("c", Phase::Candidate),
];

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (text, local) = match text.split_once('+') {
            Some((text, local)) => (text, Some(local)),
            None => (text, None),
        };
        if !local.is_none_or(|local| segments(local).all(is_segment)) {
            return None;
        }
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (epoch, text) = text.split_once('!').unwrap_or(("0", text));
        let (release, rest) = cut_release(text);
        if !is_number(epoch) || release.is_empty() {
            return None;
        }
        let mut version = Self { epoch, release, pre: None, post: None, dev: None, local };
        let mut rest = rest;
        if let Some((phase, number, after)) = PRE.iter().find_map(|(word, phase)| {
            let (number, after) = cut_marker(rest, word)?;
            Some((*phase, number, after))
        }) {
            version.pre = Some((phase, number));
            rest = after;
        }
        // `1.0-4` is an implicit post-release.
        let implicit = rest.strip_prefix('-').map(cut_digits).filter(|(number, _)| !number.is_empty());
        if let Some((number, after)) =
            implicit.or_else(|| ["post", "rev", "r"].iter().find_map(|word| cut_marker(rest, word)))
        {
            version.post = Some(number);
            rest = after;
        }
        if let Some((number, after)) = cut_marker(rest, "dev") {
            version.dev = Some(number);
            rest = after;
        }
        rest.is_empty().then_some(version)
    }

    fn phase(&self) -> (Phase, &'a str) {
        match self.pre {
            Some(pre) => pre,
            None if self.post.is_none() && self.dev.is_some() => (Phase::Development, ""),
            None => (Phase::Final, ""),
        }
    }
}

/// Numbers joined by dots, without a dot that belongs to what follows.
fn cut_release(text: &str) -> (&str, &str) {
    let (numbers, _) = cut(text, |byte| byte.is_ascii_digit() || byte == b'.');
    let mut end = 0;
    for number in numbers.split('.') {
        if number.is_empty() {
            break;
        }
        end += number.len() + 1;
    }
    text.split_at(end.saturating_sub(1))
}

/// `[-_.]?word[-_.]?[digits]`, in any case: the digits and what follows.
fn cut_marker<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let separators = ['-', '_', '.'];
    let text = text.strip_prefix(separators).unwrap_or(text);
    let (head, rest) = text.split_at_checked(word.len())?;
    if !head.eq_ignore_ascii_case(word) || rest.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return None;
    }
    match rest.strip_prefix(separators).map(cut_digits) {
        Some((number, after)) if !number.is_empty() => Some((number, after)),
        _ => Some(cut_digits(rest)),
    }
}

/// Zeros at the end do not count.
fn compare_release(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (next_a, next_b) = (a.next(), b.next());
        if next_a.is_none() && next_b.is_none() {
            return Ordering::Equal;
        }
        let order = compare_numbers(next_a.unwrap_or("0"), next_b.unwrap_or("0"));
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_phase(a: (Phase, &str), b: (Phase, &str)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| compare_numbers(a.1, b.1))
}

/// Absent before present.
fn compare_optional(a: Option<&str>, b: Option<&str>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare_numbers(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn segments(local: &str) -> impl Iterator<Item = &str> {
    local.split(['.', '-', '_'])
}

fn is_segment(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn compare_local(a: Option<&str>, b: Option<&str>) -> Ordering {
    let (Some(a), Some(b)) = (a, b) else { return a.is_some().cmp(&b.is_some()) };
    let (mut a, mut b) = (segments(a), segments(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => compare_numbers(a, b),
                (false, false) => compare_ignoring_case(a, b),
                (a_is_number, _) => a_is_number.cmp(&!a_is_number),
            },
            (a, _) => return if a.is_none() { Ordering::Less } else { Ordering::Greater },
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_ignoring_case(a: &str, b: &str) -> Ordering {
    a.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(b.bytes().map(|byte| byte.to_ascii_lowercase()))
}
