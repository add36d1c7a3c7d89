//! The one place where the command line looks at clocks.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use killick_analysis::deadline::Elapsed;

/// Now, or the instant that `SOURCE_DATE_EPOCH` names (reproducible-builds.org, "`SOURCE_DATE_EPOCH` specification"):
/// then the same input gives the same documents. Everything below gets it as an argument.
#[expect(clippy::disallowed_methods, reason = "the clock of the command line")]
pub(crate) fn now() -> Timestamp {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    given.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_else(Timestamp::now)
}

/// Tells how much time has passed since now.
pub(crate) fn stopwatch() -> Elapsed {
    let begun = Instant::now();
    Arc::new(move || begun.elapsed())
}
