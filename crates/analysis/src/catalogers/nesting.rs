//! What the small parsers of literal syntaxes share: bounds, and an error that tells its line.

use std::fmt;

/// Levels of nesting; real files have fewer than ten.
const DEPTH: usize = 64;

/// Values of one file; the largest real ones have some ten thousand.
const NODES: usize = 500_000;

/// Counts values and levels, against files that are nothing but brackets.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    depth: usize,
    count: usize,
}

impl Nodes {
    /// Counts one value; `false` if it is one too many.
    pub(super) fn add(&mut self) -> bool {
        self.count += 1;
        self.count <= NODES
    }

    /// Begins a level; `false` if it is one too many.
    pub(super) fn enter(&mut self) -> bool {
        self.depth += 1;
        self.depth <= DEPTH
    }

    /// Ends a level.
    pub(super) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

/// Why a file is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    line: usize,
    reason: &'static str,
}

impl Malformed {
    /// At a byte of the text.
    pub(super) fn new(text: &str, at: usize, reason: &'static str) -> Self {
        let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        Self { line: 1 + memchr::memchr_iter(b'\n', before).count(), reason }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}: {}", self.line, self.reason)
    }
}
