//! How long one image may take, by a clock of the caller's.

use std::sync::Arc;
use std::time::Duration;

use crate::error::ReadError;

/// Tells how long the analysis has been running.
pub type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The name of the limit.
pub(crate) const NAME: &str = "limit-analysis-seconds";

/// When the analysis of an image is given up. Looked at between pieces of work that are bounded by themselves.
#[derive(Clone, Copy)]
pub(crate) struct Deadline<'a> {
    elapsed: Option<&'a Elapsed>,
    seconds: u64,
}

impl<'a> Deadline<'a> {
    /// After so many seconds; never if they are 0, or without a clock.
    pub(crate) fn new(elapsed: Option<&'a Elapsed>, seconds: u64) -> Self {
        Self { elapsed: elapsed.filter(|_| seconds > 0), seconds }
    }

    /// The limit as an error, once it is reached.
    pub(crate) fn check(self) -> Result<(), ReadError> {
        match self.elapsed {
            Some(elapsed) if elapsed() >= Duration::from_secs(self.seconds) => {
                Err(ReadError::Limit(NAME, self.seconds))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_up_when_it_has_passed() {
        let after = |seconds| -> Elapsed { Arc::new(move || Duration::from_secs(seconds)) };
        for (passed, limit, want) in [(9, 10, true), (10, 10, false), (11, 10, false), (11, 0, true)] {
            assert_eq!(Deadline::new(Some(&after(passed)), limit).check().is_ok(), want, "{passed} of {limit}");
        }
        assert!(Deadline::new(None, 1).check().is_ok());
    }
}
