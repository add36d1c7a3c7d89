//! The common pass over contents: all rules of all inspectors at once.
//!
//! One automaton finds the keywords of all rules; a rule's regular expression sees only what is around its own. Large
//! contents are seen through a window that moves on, and keeps as much as any rule reaches back; nothing is held whole.
//!
//! Work is bounded whatever the content: overlapping surroundings are joined, so that a rule sees a byte once, and all
//! rules together see no more than a multiple of the content (`CONTENT_SHARE`) before the rest is left out.

mod expression;
mod window;
mod words;

use regex::bytes::Captures;

pub use expression::Expression;
pub(crate) use window::Scan;
use words::Words;

use crate::inspectors::settings::SettingsError;

/// How far a line, or anything else a rule looks at, goes from a keyword in either direction.
pub const LINE_REACH: usize = 8 << 10;

/// Bytes that all regular expressions may see of one content, besides as many times its size.
const FREE_WORK: u64 = 16 << 20;
/// How many times the size of a content all regular expressions may see.
const CONTENT_SHARE: u64 = 4;

/// Hits kept of one rule in one content.
const MAX_HITS: usize = 1000;
/// Hits kept of all rules in one content.
const MAX_CONTENT_HITS: usize = 4000;

/// Bytes of a keyword that are looked for.
const MAX_KEYWORD: usize = 64;

/// What to look for in every content.
pub struct Rule {
    /// A match has one of these in it. With none, every line is looked at.
    pub keywords: Vec<Keyword>,
    /// What must match. Its first group, if it has one, is the finding; what is around it may be part of others.
    pub regex: Expression,
    /// What of the content the regular expression sees.
    pub reach: Reach,
    /// Whether a match counts, and what to note of it. Without, each counts and there is nothing to note.
    pub judge: Option<Judge>,
}

/// Judges a match.
pub type Judge = Box<dyn Fn(&Captures<'_>) -> Option<Vec<u8>> + Send + Sync>;

/// A word that shows where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyword {
    /// Its bytes; lower case if the case is no matter.
    pub bytes: Vec<u8>,
    /// ASCII letters match in either case.
    pub any_case: bool,
}

/// What a regular expression sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The line of the keyword alone, as far as [`LINE_REACH`] in either direction. A line is one hit.
    Line,
    /// This many bytes before and after the keyword, at most [`LINE_REACH`]. Each match is a hit.
    Bytes(usize, usize),
}

/// The rules of all inspectors, compiled.
pub(crate) struct Rules {
    owned: Vec<Owned>,
    words: Words,
    /// Rules without keywords.
    everywhere: Vec<u16>,
}

/// A rule and whose it is.
pub(crate) struct Owned {
    pub(crate) inspector: &'static str,
    /// Its number among the rules of that inspector.
    pub(crate) number: u16,
    pub(crate) rule: Rule,
}

impl Rules {
    pub(crate) fn new(rules: Vec<Owned>) -> Result<Self, SettingsError> {
        let everywhere = (0_u16..).zip(&rules).filter(|(_, owned)| owned.rule.keywords.is_empty());
        let everywhere = everywhere.map(|(number, _)| number).collect();
        let words = Words::new(&rules)
            .map_err(|fault| SettingsError::Pattern { name: "keywords".to_owned(), reason: fault.to_string() })?;
        Ok(Self { owned: rules, words, everywhere })
    }

    /// Starts on contents, one after another.
    pub(crate) fn scan(&self) -> Scan<'_> {
        Scan::new(self)
    }

    fn rule(&self, number: u16) -> Option<&Owned> {
        self.owned.get(usize::from(number))
    }
}

#[cfg(test)]
mod tests;
