//! Alpine package versions, `digits(.digits)*[letter](_suffix[digits])*[~hash][-rN]`: apk-version(8).

use std::cmp::Ordering;

use super::{compare_numbers, cut, cut_digits};

/// A version is a sequence of tokens. Where two sequences part, the kind of token decides, in the order of
/// [`rank`]; a suffix that announces a release sorts before everything else, even the end.
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (mut tokens_a, mut tokens_b) = (Tokens::new(a), Tokens::new(b));
    let mut decided = Ordering::Equal;
    loop {
        let (token_a, token_b) = (tokens_a.next()?, tokens_b.next()?);
        if token_a == Token::End && token_b == Token::End {
            return Some(decided);
        }
        // Tokens after the first difference are read only to see that both are versions.
        decided = decided.then_with(|| token_a.order(&token_b));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    First(&'a str),
    Number(&'a str),
    Letter(u8),
    Suffix(i8),
    SuffixNumber(&'a str),
    Hash(&'a str),
    Revision(&'a str),
    End,
}

impl Token<'_> {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            // A number with a leading zero is a decimal fraction.
            (Self::Number(a), Self::Number(b)) if a.starts_with('0') || b.starts_with('0') => a.cmp(b),
            (Self::First(a), Self::First(b))
            | (Self::Number(a), Self::Number(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => compare_numbers(a, b),
            (Self::Letter(a), Self::Letter(b)) => a.cmp(b),
            (Self::Suffix(a), Self::Suffix(b)) => a.cmp(b),
            (Self::Hash(a), Self::Hash(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::First(_) | Self::Number(_) => 7,
            Self::Letter(_) => 6,
            Self::Suffix(weight) if *weight < 0 => 0,
            Self::Suffix(_) => 5,
            Self::SuffixNumber(_) => 4,
            Self::Hash(_) => 3,
            Self::Revision(_) => 2,
            Self::End => 1,
        }
    }
}

/// Suffixes; those below zero announce a release, the others follow one.
const SUFFIXES: [(&str, i8); 9] =
    [("alpha", -4), ("beta", -3), ("pre", -2), ("rc", -1), ("cvs", 1), ("svn", 2), ("git", 3), ("hg", 4), ("p", 5)];

struct Tokens<'a> {
    rest: &'a str,
    /// What came before, which decides what may come now.
    last: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, last: None }
    }

    /// The next token, again and again [`Token::End`] at the end, or `None` where the text is no version.
    fn next(&mut self) -> Option<Token<'a>> {
        let (token, rest) = self.read()?;
        self.last = Some(token);
        self.rest = rest;
        Some(token)
    }

    fn read(&self) -> Option<(Token<'a>, &'a str)> {
        let rest = self.rest;
        let Some(last) = self.last else {
            let (number, rest) = cut_digits(rest);
            return (!number.is_empty()).then_some((Token::First(number), rest));
        };
        let in_numbers = matches!(last, Token::First(_) | Token::Number(_));
        match rest.as_bytes().first() {
            None => Some((Token::End, rest)),
            Some(b'.') if in_numbers => {
                let (number, rest) = cut_digits(&rest[1..]);
                (!number.is_empty()).then_some((Token::Number(number), rest))
            }
            Some(letter) if in_numbers && letter.is_ascii_lowercase() => Some((Token::Letter(*letter), &rest[1..])),
            Some(b'0'..=b'9') if matches!(last, Token::Suffix(_)) => {
                let (number, rest) = cut_digits(rest);
                Some((Token::SuffixNumber(number), rest))
            }
            Some(b'_') if !matches!(last, Token::Hash(_) | Token::Revision(_)) => {
                let (word, rest) = cut(&rest[1..], |byte| byte.is_ascii_lowercase());
                let (_, weight) = SUFFIXES.into_iter().find(|(name, _)| *name == word)?;
                Some((Token::Suffix(weight), rest))
            }
            Some(b'~') if !matches!(last, Token::Hash(_) | Token::Revision(_)) => {
                let (hash, rest) = cut(&rest[1..], |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                (!hash.is_empty()).then_some((Token::Hash(hash), rest))
            }
            Some(b'-') if !matches!(last, Token::Revision(_)) => {
                let (number, rest) = cut_digits(rest.strip_prefix("-r")?);
                Some((Token::Revision(number), rest))
            }
            _ => None,
        }
    }
}
