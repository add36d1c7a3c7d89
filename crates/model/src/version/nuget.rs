//! `NuGet` versions: <https://learn.microsoft.com/nuget/concepts/package-versioning>.

use std::cmp::Ordering;

use super::{compare_numbers, is_number};

/// Up to four numbers, then a semantic pre-release in any case; what follows `+` has no order.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let ((numbers_a, pre_a), (numbers_b, pre_b)) = (parse(a)?, parse(b)?);
    let order = (0..4)
        .map(|at| compare_numbers(numbers_a[at], numbers_b[at]))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal);
    Some(order.then_with(|| match (pre_a, pre_b) {
        (Some(a), Some(b)) => compare_pre(a, b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }))
}

fn parse(text: &str) -> Option<([&str; 4], Option<&str>)> {
    let text = text.split('+').next()?;
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (text, pre) = text.split_once('-').map_or((text, None), |(text, pre)| (text, Some(pre)));
    let mut numbers = [""; 4];
    for (at, number) in text.split('.').enumerate() {
        *numbers.get_mut(at).filter(|_| is_number(number))? = number;
    }
    let is_identifier =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    pre.is_none_or(|pre| pre.split('.').all(is_identifier)).then_some((numbers, pre))
}

fn compare_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) => match (is_number(a), is_number(b)) {
                (true, true) => compare_numbers(a, b),
                (false, false) => {
                    let lower = |byte: u8| byte.to_ascii_lowercase();
                    a.bytes().map(lower).cmp(b.bytes().map(lower))
                }
                (a_is_number, b_is_number) => b_is_number.cmp(&a_is_number),
            },
            (a, _) => return if a.is_none() { Ordering::Less } else { Ordering::Greater },
        };
        if order.is_ne() {
            return order;
        }
    }
}
