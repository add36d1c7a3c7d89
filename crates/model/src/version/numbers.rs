//! Versions that are lists of numbers: a longer list comes after the one it begins with, so `1.0` < `1.0.0`.
//!
//! Haskell: <https://pvp.haskell.org>, `Data.Version`. R: `?package_version`, "Writing R Extensions", 1.1.1.

use std::cmp::Ordering;

use super::{compare_numbers, is_number};

/// Haskell's order. Tags (`1.0-alpha`), which no longer are versions, have none.
pub(super) fn compare_pvp(a: &str, b: &str) -> Option<Ordering> {
    compare(a, b, |letter| letter == '.')
}

/// R's order: a dash is no different from a dot.
pub(super) fn compare_cran(a: &str, b: &str) -> Option<Ordering> {
    compare(a, b, |letter| matches!(letter, '.' | '-'))
}

fn compare(a: &str, b: &str, is_separator: fn(char) -> bool) -> Option<Ordering> {
    let (mut a, mut b) = (a.split(is_separator), b.split(is_separator));
    let mut order = Ordering::Equal;
    // To the end of both, because what follows may be no number.
    loop {
        let next = match (a.next(), b.next()) {
            (None, None) => return Some(order),
            (Some(a), Some(b)) if is_number(a) && is_number(b) => compare_numbers(a, b),
            (Some(number), None) if is_number(number) => Ordering::Greater,
            (None, Some(number)) if is_number(number) => Ordering::Less,
            _ => return None,
        };
        order = order.then(next);
    }
}
