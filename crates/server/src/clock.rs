//! The one place that reads the wall clock.

use jiff::Timestamp;

/// This instant.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
