//! Gentoo versions, `N(.N)*[letter](_suffix[N])*[-rN]`: Package Manager Specification, "Version comparison".

use std::cmp::Ordering;

use super::{compare_numbers, cut, cut_digits, cut_letters, is_number};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    let order = compare_components(a.numbers, b.numbers)
        .then_with(|| a.letter.cmp(b.letter))
        .then_with(|| compare_suffixes(a.suffixes, b.suffixes))
        .then_with(|| compare_numbers(a.revision, b.revision));
    Some(order)
}

struct Version<'a> {
    numbers: &'a str,
    letter: &'a str,
    /// Without the leading `_`.
    suffixes: &'a str,
    revision: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (text, revision) = match text.split_once("-r") {
            Some((text, revision)) if is_number(revision) => (text, revision),
            Some(_) => return None,
            None => (text, "0"),
        };
        let (numbers, rest) = cut(text, |byte| byte.is_ascii_digit() || byte == b'.');
        let (letter, rest) = cut_letters(rest);
        let suffixes = if rest.is_empty() { "" } else { rest.strip_prefix('_')? };
        let version = Self { numbers, letter, suffixes, revision };
        let suffixes_are_known = rest.is_empty() || suffixes.split('_').all(|word| suffix(word).is_some());
        (numbers.split('.').all(is_number) && letter.len() <= 1 && suffixes_are_known).then_some(version)
    }
}

/// The first number by value; a later one with a leading zero is a decimal fraction.
fn compare_components(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    let mut is_first = true;
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) if !is_first && (a.starts_with('0') || b.starts_with('0')) => {
                a.trim_end_matches('0').cmp(b.trim_end_matches('0'))
            }
            (Some(a), Some(b)) => compare_numbers(a, b),
            (a, _) => return if a.is_none() { Ordering::Less } else { Ordering::Greater },
        };
        if order.is_ne() {
            return order;
        }
        is_first = false;
    }
}

/// Rank and number of a suffix; an absent suffix has rank 0.
fn suffix(word: &str) -> Option<(i8, &str)> {
    let (name, number) = cut_letters(word);
    let rank = match name {
        "alpha" => -4,
        "beta" => -3,
        "pre" => -2,
        "rc" => -1,
        "p" => 1,
        _ => return None,
    };
    let (number, rest) = cut_digits(number);
    rest.is_empty().then_some((rank, number))
}

fn compare_suffixes(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('_').filter_map(suffix), b.split('_').filter_map(suffix));
    loop {
        let (next_a, next_b) = (a.next(), b.next());
        if next_a.is_none() && next_b.is_none() {
            return Ordering::Equal;
        }
        let ((rank_a, number_a), (rank_b, number_b)) = (next_a.unwrap_or((0, "")), next_b.unwrap_or((0, "")));
        let order = rank_a.cmp(&rank_b).then_with(|| compare_numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
    }
}
