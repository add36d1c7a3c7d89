//! The one place that looks at clocks.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use killick_analysis::deadline::Elapsed;

/// This instant.
#[expect(clippy::disallowed_methods, reason = "everybody else asks here")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// This instant, of a clock that only goes forward.
pub(crate) fn steady() -> Instant {
    Instant::now()
}

/// Tells how much time has passed since now.
pub(crate) fn stopwatch() -> Elapsed {
    let begun = steady();
    Arc::new(move || begun.elapsed())
}
