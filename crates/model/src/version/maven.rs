//! Maven versions: <https://maven.apache.org/pom.html#Version_Order_Specification>. Every text is a version.

use std::cmp::Ordering;

use super::{compare_numbers, cut_digits, is_number};

#[expect(clippy::unnecessary_wraps, reason = "one signature for all schemes; here every text is a version")]
/// Compares token by token; the shorter version is padded with tokens that mean nothing.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (tokens(a), tokens(b));
    let order = (0..a.len().max(b.len())).map(|at| match (a.get(at), b.get(at)) {
        (Some(a), Some(b)) => a.order(b),
        (Some(a), None) => a.order(&a.padding()),
        (None, Some(b)) => b.padding().order(b),
        (None, None) => Ordering::Equal,
    });
    Some(order.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
}

#[derive(Debug, Clone, Copy)]
struct Token<'a> {
    /// Begins at a `-` or where digits and letters meet, rather than at a `.`.
    hyphen: bool,
    text: &'a str,
    /// `a`, `b` and `m` abbreviate only in front of a number.
    before_number: bool,
}

impl Token<'_> {
    /// What an absent token means beside this one.
    fn padding(&self) -> Self {
        let text = if is_number(self.text) { "0" } else { "" };
        Self { hyphen: self.hyphen, text, before_number: false }
    }

    fn means_nothing(&self) -> bool {
        self.text.bytes().all(|byte| byte == b'0') || self.qualifier() == (RELEASE, "")
    }

    /// Rank among the qualifiers, and the text where the rank leaves the order open.
    fn qualifier(&self) -> (u8, &str) {
        let is = |word: &str| self.text.eq_ignore_ascii_case(word);
        let short = |word: &str| self.before_number && is(word);
        match self.text {
            _ if is("alpha") || short("a") => (0, ""),
            _ if is("beta") || short("b") => (1, ""),
            _ if is("milestone") || short("m") => (2, ""),
            _ if is("rc") || is("cr") => (3, ""),
            _ if is("snapshot") => (4, ""),
            _ if is("") || is("final") || is("ga") || is("release") => (RELEASE, ""),
            _ if is("sp") => (RELEASE + 1, ""),
            text => (RELEASE + 2, text),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (is_number(self.text), is_number(other.text)) {
            // `.1` is newer than `-1`.
            (true, true) if self.hyphen != other.hyphen => other.hyphen.cmp(&self.hyphen),
            (true, true) => compare_numbers(self.text, other.text),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => {
                let ((rank_a, text_a), (rank_b, text_b)) = (self.qualifier(), other.qualifier());
                let lower = |text: &str| text.to_lowercase();
                rank_a.cmp(&rank_b).then_with(|| lower(text_a).cmp(&lower(text_b)))
            }
        }
    }
}

/// Rank of a release among the qualifiers.
const RELEASE: u8 = 5;

/// Splits at dots, hyphens, underscores and between digits and letters, and drops what means nothing at the end
/// of the version and in front of a hyphen.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token<'_>> = Vec::with_capacity(8);
    let (mut rest, mut hyphen) = (text, false);
    loop {
        let (number, after_number) = cut_digits(rest);
        let (token, after) = if number.is_empty() {
            let end = rest.find(|letter: char| letter.is_ascii_digit() || is_separator(letter));
            rest.split_at(end.unwrap_or(rest.len()))
        } else {
            (number, after_number)
        };
        let before_number = number.is_empty() && after.starts_with(|letter: char| letter.is_ascii_digit());
        // Nothing between two separators is a zero.
        let text = if token.is_empty() { "0" } else { token };
        if hyphen {
            drop_nothings(&mut tokens);
        } else if !is_number(text) {
            // A qualifier behind a dot stands as if behind a hyphen, but empties only its own run of dots.
            while tokens.last().is_some_and(|last| !last.hyphen && last.means_nothing()) {
                tokens.pop();
            }
            hyphen = true;
        }
        tokens.push(Token { hyphen, text, before_number });
        let Some(next) = after.chars().next() else { break };
        hyphen = next != '.';
        rest = if is_separator(next) { &after[1..] } else { after };
        if rest.is_empty() {
            break;
        }
    }
    drop_nothings(&mut tokens);
    tokens
}

fn is_separator(letter: char) -> bool {
    matches!(letter, '.' | '-' | '_')
}

fn drop_nothings(tokens: &mut Vec<Token<'_>>) {
    while tokens.last().is_some_and(Token::means_nothing) {
        tokens.pop();
    }
}
