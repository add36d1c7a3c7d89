//! The one place that reads the wall clock.

use jiff::Timestamp;

/// This instant.
#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
