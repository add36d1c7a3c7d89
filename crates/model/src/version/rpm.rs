//! RPM versions, `[epoch:]version[-release]`: rpm-version(7).

use std::cmp::Ordering;

use super::{compare_numbers, compare_runs, is_number};

/// A missing epoch is 0; a missing release sorts before every release.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((epoch_a, a), (epoch_b, b)) = (split_epoch(a), split_epoch(b));
    let ((version_a, release_a), (version_b, release_b)) = (split_release(a), split_release(b));
    if version_a.is_empty() || version_b.is_empty() {
        return None;
    }
    let order = compare_numbers(epoch_a.unwrap_or("0"), epoch_b.unwrap_or("0"))
        .then_with(|| compare_segments(version_a, version_b))
        .then_with(|| match (release_a, release_b) {
            (Some(a), Some(b)) => compare_segments(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
    Some(order)
}

/// The epoch, if the text has one, and the rest.
pub(super) fn split_epoch(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((epoch, rest)) if is_number(epoch) => (Some(epoch), rest),
        _ => (None, text),
    }
}

fn split_release(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('-') {
        Some((version, "")) => (version, None),
        Some((version, release)) => (version, Some(release)),
        None => (text, None),
    }
}

/// Compares runs of digits and runs of letters; everything but `~` and `^` only separates.
fn compare_segments<'v>(mut a: &'v str, mut b: &'v str) -> Ordering {
    loop {
        (a, b) = (skip_separators(a), skip_separators(b));
        let (first_a, first_b) = (a.as_bytes().first(), b.as_bytes().first());
        let special = match (first_a, first_b) {
            (None, None) => return Ordering::Equal,
            (Some(b'~' | b'^'), same) if same == first_a => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (Some(b'~'), _) => Some(Ordering::Less),
            (_, Some(b'~')) => Some(Ordering::Greater),
            (Some(b'^') | None, Some(_)) => Some(Ordering::Less),
            (Some(_), Some(b'^') | None) => Some(Ordering::Greater),
            _ => None,
        };
        if let Some(order) = special {
            return order;
        }
        let (order, after_a, after_b) = compare_runs(a, b);
        (a, b) = (after_a, after_b);
        if order.is_ne() {
            return order;
        }
    }
}

fn skip_separators(text: &str) -> &str {
    text.trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric() && letter != '~' && letter != '^')
}
