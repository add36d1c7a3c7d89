//! The one place where the command line looks at the clock.

use jiff::Timestamp;

/// Now. Everything below gets it as an argument.
#[expect(clippy::disallowed_methods, reason = "the clock of the command line")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
