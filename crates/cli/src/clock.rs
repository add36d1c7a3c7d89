//! The one place where the command line looks at clocks.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use killick_analysis::deadline::Elapsed;

use crate::report_error::with_hint;

/// Now, or the instant that `SOURCE_DATE_EPOCH` names (reproducible-builds.org, "`SOURCE_DATE_EPOCH` specification"):
/// then the same input gives the same documents. Everything below gets it as an argument.
#[expect(clippy::disallowed_methods, reason = "the clock of the command line")]
pub(crate) fn now() -> Timestamp {
    let given = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    given.and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or_else(wall)
}

/// Now, whatever documents are to say: tokens end by the clocks of those who gave them.
#[expect(clippy::disallowed_methods, reason = "the clock of the command line")]
pub(crate) fn wall() -> Timestamp {
    Timestamp::now()
}

/// Fails if `SOURCE_DATE_EPOCH` names no instant: documents would carry another one than their maker believes.
pub(crate) fn check() -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the clock of the command line")]
    let given = std::env::var("SOURCE_DATE_EPOCH").unwrap_or_default();
    let seconds = given.parse().ok().map(Timestamp::from_second);
    if given.is_empty() || matches!(seconds, Some(Ok(_))) {
        return Ok(());
    }
    Err(with_hint(
        format!("SOURCE_DATE_EPOCH is `{given}`, which is no instant"),
        "give seconds since 1970, as `date +%s` prints them, or unset it",
    ))
}

/// Tells how much time has passed since now.
pub(crate) fn stopwatch() -> Elapsed {
    let begun = Instant::now();
    Arc::new(move || begun.elapsed())
}
