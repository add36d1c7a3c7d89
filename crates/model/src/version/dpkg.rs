//! Debian versions, `[epoch:]upstream[-revision]`: Debian Policy 5.6.12, deb-version(7).

use std::cmp::Ordering;

use super::{compare_numbers, cut_digits, is_number};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Version::parse(a)?, Version::parse(b)?);
    let order = compare_numbers(a.epoch, b.epoch)
        .then_with(|| compare_parts(a.upstream, b.upstream))
        .then_with(|| compare_parts(a.revision, b.revision));
    Some(order)
}

struct Version<'a> {
    epoch: &'a str,
    upstream: &'a str,
    revision: &'a str,
}

impl<'a> Version<'a> {
    /// As lax about characters as dpkg is about installed versions; only a broken epoch, an empty part or a
    /// blank makes a text no version.
    fn parse(text: &'a str) -> Option<Self> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if is_number(epoch) => (epoch, rest),
            Some(_) => return None,
            None => ("0", text),
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            Some((_, "")) => return None,
            Some((upstream, revision)) => (upstream, revision),
            None => (rest, "0"),
        };
        let blank = rest.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control());
        (!upstream.is_empty() && !blank).then_some(Self { epoch, upstream, revision })
    }
}

/// The order of upstream versions and of revisions: alternately text and number.
fn compare_parts(mut a: &str, mut b: &str) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        let (text_a, rest_a) = cut_text(a);
        let (text_b, rest_b) = cut_text(b);
        let (number_a, after_a) = cut_digits(rest_a);
        let (number_b, after_b) = cut_digits(rest_b);
        let order = compare_text(text_a, text_b).then_with(|| compare_numbers(number_a, number_b));
        if order.is_ne() {
            return order;
        }
        (a, b) = (after_a, after_b);
    }
    Ordering::Equal
}

fn cut_text(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().position(|byte| byte.is_ascii_digit()).unwrap_or(text.len()))
}

fn compare_text(a: &str, b: &str) -> Ordering {
    let longest = a.len().max(b.len());
    let weights = |text: &str, at| text.as_bytes().get(at).map_or(0, |&byte| weight(byte));
    (0..longest).map(|at| weights(a, at).cmp(&weights(b, at))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// `~` before the end of the text (0), then letters, then everything else.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => i32::from(byte),
        byte => i32::from(byte) + 256,
    }
}
