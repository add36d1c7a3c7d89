//! Versions of nobody's scheme (vendor ranges in NVD, programs recognised by their bytes): what people usually mean.
//!
//! Runs of digits compare by value, runs of letters as text, punctuation only separates. Words that announce a
//! release (`rc1`, `beta`) sort before it. Java's three ways of writing an update (`8u302`, `1.8.0_302`,
//! `8.0.302`) are one.

use std::cmp::Ordering;

use super::{compare_numbers, cut_digits, cut_letters, is_number};

pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    if !a.bytes().any(|byte| byte.is_ascii_alphanumeric()) || !b.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let (mut a, mut b) = (Runs::of(a), Runs::of(b));
    loop {
        let (next_a, next_b) = (a.next().unwrap_or(END), b.next().unwrap_or(END));
        if next_a.rank == Rank::End && next_b.rank == Rank::End {
            return Some(Ordering::Equal);
        }
        let order = next_a.rank.cmp(&next_b.rank).then_with(|| {
            if next_a.rank == Rank::Number {
                return compare_numbers(next_a.text, next_b.text);
            }
            let lower = |byte: u8| byte.to_ascii_lowercase();
            next_a.text.bytes().map(lower).cmp(next_b.text.bytes().map(lower))
        });
        if order.is_ne() {
            return Some(order);
        }
    }
}

/// Where a run stands against another at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// A word that announces what is before it.
    Announcement,
    End,
    Word,
    Number,
}

#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    rank: Rank,
    text: &'a str,
}

const END: Run<'static> = Run { rank: Rank::End, text: "" };

/// Words that announce a release wherever they stand.
const ANNOUNCEMENTS: [&str; 9] = ["alpha", "beta", "pre", "rc", "dev", "snapshot", "preview", "milestone", "nightly"];

/// The runs of digits and of letters of a version.
struct Runs<'a> {
    rest: &'a str,
    /// A Java runtime: `b` begins a build number.
    is_java: bool,
}

impl<'a> Runs<'a> {
    fn of(text: &'a str) -> Self {
        let text = match text.strip_prefix(['v', 'V']) {
            Some(rest) if starts_with_digit(rest) => rest,
            _ => text,
        };
        let java = text.strip_prefix("1.").filter(|rest| cut_digits(rest).1.starts_with(".0_"));
        Self { rest: java.unwrap_or(text), is_java: java.is_some() }
    }

    fn read(&mut self) -> Option<Run<'a>> {
        self.rest = self.rest.trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let (number, after) = cut_digits(self.rest);
        if !number.is_empty() {
            self.rest = after;
            return Some(Run { rank: Rank::Number, text: number });
        }
        let (word, after) = cut_letters(self.rest);
        self.rest = after;
        match word {
            "" => None,
            // The update of `8u302` is the third number.
            "u" if starts_with_digit(after) => {
                self.is_java = true;
                Some(Run { rank: Rank::Number, text: "0" })
            }
            "b" if self.is_java && starts_with_digit(after) => self.read(),
            "a" | "b" | "m" | "A" | "B" | "M" if starts_with_digit(after) => {
                Some(Run { rank: Rank::Announcement, text: word })
            }
            _ if ANNOUNCEMENTS.iter().any(|known| word.eq_ignore_ascii_case(known)) => {
                Some(Run { rank: Rank::Announcement, text: word })
            }
            _ => Some(Run { rank: Rank::Word, text: word }),
        }
    }

    /// Whether the rest, seen from here, holds nothing but zeros up to its end or its next word.
    fn only_zeros(&self) -> bool {
        let mut ahead = Runs { rest: self.rest, is_java: self.is_java };
        while let Some(run) = ahead.read() {
            if !is_number(run.text) {
                return true;
            }
            if run.text.bytes().any(|byte| byte != b'0') {
                return false;
            }
        }
        true
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    /// Zeros at the end of the numbers do not count.
    fn next(&mut self) -> Option<Run<'a>> {
        loop {
            let run = self.read()?;
            if run.text.bytes().any(|byte| byte != b'0') || !self.only_zeros() {
                return Some(run);
            }
        }
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
}
