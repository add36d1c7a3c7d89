//! Arch Linux versions, `[epoch:]version[-release]`: vercmp(8).
//!
//! Like RPM's, but `~` and `^` are plain separators, the number of separators counts, and letters that follow
//! directly make a version older. By the packaging system's own rule `1.0` equals both `1.0-1` and `1.0-2`: a
//! release counts only if both sides state one.

use std::cmp::Ordering;

use super::rpm::split_epoch;
use super::{compare_numbers, compare_runs};

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
            _ => Ordering::Equal,
        });
    Some(order)
}

fn split_release(text: &str) -> (&str, Option<&str>) {
    text.rsplit_once('-').map_or((text, None), |(version, release)| (version, Some(release)))
}

fn compare_segments<'v>(mut a: &'v str, mut b: &'v str) -> Ordering {
    while !a.is_empty() && !b.is_empty() {
        let ((separators_a, rest_a), (separators_b, rest_b)) = (cut_separators(a), cut_separators(b));
        (a, b) = (rest_a, rest_b);
        if a.is_empty() || b.is_empty() {
            break;
        }
        let order = separators_a.len().cmp(&separators_b.len());
        if order.is_ne() {
            return order;
        }
        let (order, after_a, after_b) = compare_runs(a, b);
        (a, b) = (after_a, after_b);
        if order.is_ne() {
            return order;
        }
    }
    let starts_with_letter = |text: &str| text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) if starts_with_letter(b) => Ordering::Greater,
        (true, false) => Ordering::Less,
        _ if starts_with_letter(a) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

fn cut_separators(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| byte.is_ascii_alphanumeric()).unwrap_or(text.len()))
}
