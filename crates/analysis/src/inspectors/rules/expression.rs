//! Regular expressions of tables, compiled when they are first needed: compiling takes longer than reading a small image,
//! and of a hundred an image needs few.

use std::fmt;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

/// A regular expression over bytes.
#[derive(Clone)]
pub struct Expression {
    pattern: Box<str>,
    /// `None` inside if the pattern is malformed.
    compiled: OnceLock<Option<Regex>>,
}

impl Expression {
    /// A pattern that is known to be well-formed, as one of a tested table is. One that is not matches nothing.
    pub fn later(pattern: &str) -> Self {
        Self { pattern: pattern.into(), compiled: OnceLock::new() }
    }

    /// The pattern.
    pub fn as_str(&self) -> &str {
        &self.pattern
    }

    /// The pattern, compiled; `None` if it is malformed.
    pub fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| RegexBuilder::new(&self.pattern).unicode(false).build().ok()).as_ref()
    }
}

impl From<Regex> for Expression {
    fn from(regex: Regex) -> Self {
        Self { pattern: regex.as_str().into(), compiled: OnceLock::from(Some(regex)) }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Expression({:?})", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_bytes() {
        let later = Expression::later(r"\xff(a|b)");
        assert!(later.regex().unwrap().is_match(b"\xffb"));
        assert_eq!(later.as_str(), r"\xff(a|b)");
        assert!(Expression::later("(").regex().is_none());
        let now = Expression::from(Regex::new("(?-u)x").unwrap());
        assert_eq!((now.as_str(), now.regex().unwrap().is_match(b"x")), ("(?-u)x", true));
    }
}
