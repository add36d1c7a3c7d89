//! Semantic versioning 2.0.0, <https://semver.org>, section 11; build metadata has no order.
//!
//! The common order accepts what node-semver's loose mode accepts (`v1.2.3`, `=1.2.3`, `1.2.3beta`) and short forms
//! (`1.2` is `1.2.0`), because advisories are less careful than registries.

use std::cmp::Ordering;

use super::{compare_numbers, cut_digits};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    Some(Version::parse_loose(a)?.order(&Version::parse_loose(b)?))
}

/// The order of Hex, where every version has exactly three parts.
pub(super) fn compare_strict(a: &str, b: &str) -> Option<Ordering> {
    Some(Version::parse_strict(a)?.order(&Version::parse_strict(b)?))
}

/// The order of Pub and Julia: of two builds of one version the one with the greater metadata is the later one.
///
/// <https://github.com/dart-lang/pub_semver>, "Semantics"; Julia's manual, "Version Number Literals".
pub(super) fn compare_with_build(a: &str, b: &str) -> Option<Ordering> {
    let order = compare(a, b)?;
    Some(order.then_with(|| match (a.split_once('+'), b.split_once('+')) {
        (Some((_, a)), Some((_, b))) => compare_identifiers(a.split('.'), b.split('.')),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }))
}

/// Three numbers and a pre-release.
pub(super) struct Version<'a> {
    pub(super) core: [&'a str; 3],
    /// How many of the numbers are written.
    pub(super) parts: usize,
    pub(super) pre: Option<&'a str>,
}

impl<'a> Version<'a> {
    pub(super) fn parse_loose(text: &'a str) -> Option<Self> {
        let text = text.trim_start_matches(['=', ' ']);
        Self::parse(text.strip_prefix(['v', 'V']).unwrap_or(text))
    }

    fn parse_strict(text: &'a str) -> Option<Self> {
        let version = Self::parse(text)?;
        let core_length: usize = version.core.iter().map(|number| number.len() + 1).sum();
        let dashed = matches!(text.as_bytes().get(core_length - 1), None | Some(b'-' | b'+'));
        (version.parts == 3 && dashed).then_some(version)
    }

    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (text, build) = match text.split_once('+') {
            Some((text, build)) => (text, Some(build)),
            None => (text, None),
        };
        if build.is_some_and(|build| build.bytes().any(|byte| byte.is_ascii_whitespace())) {
            return None;
        }
        let (first, mut rest) = cut_digits(text);
        let mut version = Self { core: [first, "", ""], parts: 1, pre: None };
        while version.parts < 3 {
            let Some((number, after)) = rest.strip_prefix('.').map(cut_digits) else { break };
            if number.is_empty() {
                return None;
            }
            version.core[version.parts] = number;
            version.parts += 1;
            rest = after;
        }
        if !rest.is_empty() {
            let pre = rest.strip_prefix('-').or_else(|| rest.starts_with(is_letter).then_some(rest))?;
            if !pre.split('.').all(is_identifier) {
                return None;
            }
            version.pre = Some(pre);
        }
        (!first.is_empty()).then_some(version)
    }

    fn order(&self, other: &Self) -> Ordering {
        compare_core(&self.core, &other.core).then_with(|| match (self.pre, other.pre) {
            (Some(a), Some(b)) => compare_identifiers(a.split('.'), b.split('.')),
            (a, b) => a.is_none().cmp(&b.is_none()),
        })
    }
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphabetic()
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

pub(super) fn compare_core(a: &[&str], b: &[&str]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| compare_numbers(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Numbers by value and before words, words by ASCII, fewer before more.
pub(super) fn compare_identifiers<'a>(
    mut a: impl Iterator<Item = &'a str>,
    mut b: impl Iterator<Item = &'a str>,
) -> Ordering {
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) => match (super::is_number(a), super::is_number(b)) {
                (true, true) => compare_numbers(a, b),
                (false, false) => a.cmp(b),
                (a_is_number, _) => return if a_is_number { Ordering::Less } else { Ordering::Greater },
            },
            (a, _) => return if a.is_none() { Ordering::Less } else { Ordering::Greater },
        };
        if order.is_ne() {
            return order;
        }
    }
}
