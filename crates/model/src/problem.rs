//! Things that went wrong without making the result worthless.

use serde::{Deserialize, Serialize};

/// One thing the reader of a result must know: what could not be read, and why.
///
/// Problems travel in the result. An error ends the work; a problem never does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Problem {
    /// A stable kebab-case word for machines, such as `limit-entries` or `malformed-database`.
    pub kind: String,
    /// What it happened to: a path, a layer digest, a feed record.
    pub subject: String,
    /// What happened, lower case, without a full stop.
    pub message: String,
}

impl Problem {
    /// A problem of `kind` with `subject`.
    pub fn new(kind: &str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), subject: subject.into(), message: message.into() }
    }
}
