//! Composer versions: <https://getcomposer.org/doc/articles/versions.md>.

use std::cmp::Ordering;

use super::{compare_numbers, cut_digits, cut_letters};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    match (branch(a), branch(b)) {
        // Two branches have no order, unless they are the same one.
        (Some(a), Some(b)) => (a == b).then_some(Ordering::Equal),
        (Some(_), None) => Version::parse(b).map(|_| Ordering::Less),
        (None, Some(_)) => Version::parse(a).map(|_| Ordering::Greater),
        (None, None) => Some(Version::parse(a)?.order(&Version::parse(b)?)),
    }
}

/// The name of a development branch without a number.
fn branch(text: &str) -> Option<&str> {
    text.strip_prefix("dev-")
}

/// What is behind a version number, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stability {
    Development,
    Alpha,
    Beta,
    Candidate,
    Stable,
    Patch,
}

struct Version<'a> {
    numbers: [&'a str; 4],
    stability: Stability,
    /// Numbers of the stability, joined by `.` or `-`.
    stage: &'a str,
    /// A development version on the way to the stated stage.
    development: bool,
}

/// Stands for `x` in the name of a branch: newer than every release of it.
const BRANCH_NUMBER: &str = "9999999";

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.split('+').next()?;
        let mut rest = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let mut version = Self { numbers: [""; 4], stability: Stability::Stable, stage: "", development: false };
        let (mut count, mut is_branch, mut is_date) = (0, false, false);
        loop {
            let (number, after) = cut_digits(rest);
            let wildcard = rest.strip_prefix(['x', 'X', '*']);
            match wildcard {
                Some(after) if count > 0 => {
                    is_branch = true;
                    rest = after;
                }
                _ if number.is_empty() || is_branch => return None,
                _ => {
                    *version.numbers.get_mut(count)? = number;
                    is_date |= count == 0 && number.len() == 4;
                    rest = after;
                }
            }
            count += 1;
            let joins = |next: char| next.is_ascii_digit() || matches!(next, 'x' | 'X' | '*');
            let separator = if is_date { ['.', '-'] } else { ['.', '.'] };
            match rest.strip_prefix(separator) {
                Some(after) if after.starts_with(joins) => rest = after,
                _ => break,
            }
        }
        if is_branch {
            for number in version.numbers.iter_mut().filter(|number| number.is_empty()) {
                *number = BRANCH_NUMBER;
            }
            version.stability = Stability::Development;
            return matches!(rest, "" | "-dev" | ".dev").then_some(version);
        }
        version.read_stability(rest).then_some(version)
    }

    /// `[._-]word[numbers][-dev]`; says whether that was everything.
    fn read_stability(&mut self, text: &'a str) -> bool {
        let (word, rest) = cut_letters(text.strip_prefix(['.', '-', '_']).unwrap_or(text));
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        self.stability = match word {
            "" => return text.is_empty(),
            _ if is(&["dev"]) => Stability::Development,
            _ if is(&["alpha", "a"]) => Stability::Alpha,
            _ if is(&["beta", "b"]) => Stability::Beta,
            _ if is(&["rc"]) => Stability::Candidate,
            _ if is(&["stable"]) => Stability::Stable,
            _ if is(&["patch", "pl", "p"]) => Stability::Patch,
            _ => return false,
        };
        let (stage, rest) = super::cut(rest, |byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        self.stage = stage.trim_matches(['.', '-']);
        self.development = matches!(rest, "dev" | "DEV");
        rest.is_empty() || self.development
    }

    fn order(&self, other: &Self) -> Ordering {
        let numbers = self.numbers.iter().zip(&other.numbers).map(|(a, b)| compare_numbers(a, b));
        numbers
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
            .then_with(|| self.stability.cmp(&other.stability))
            .then_with(|| compare_stage(self.stage, other.stage))
            .then_with(|| other.development.cmp(&self.development))
    }
}

/// Number by number; fewer before more.
fn compare_stage(a: &str, b: &str) -> Ordering {
    let split = |text| str::split(text, ['.', '-']).filter(|number| !number.is_empty());
    let (mut a, mut b) = (split(a), split(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) => compare_numbers(a, b),
            (a, _) => return if a.is_none() { Ordering::Less } else { Ordering::Greater },
        };
        if order.is_ne() {
            return order;
        }
    }
}
