//! The one place that looks at clocks.

use std::time::Instant;

use jiff::Timestamp;

/// This instant.
#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// This instant, of a clock that only goes forward.
pub(crate) fn steady() -> Instant {
    Instant::now()
}
