//! How often one user may call: a bucket of tokens for each, which fills up again.
//!
//! Nothing here knows the time: it is passed in. Users are kept as keyed hashes, and never more than [`CAPACITY`].

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::RateLimitsConfig;

/// Users that are remembered.
const CAPACITY: usize = 10_000;

/// The buckets of this process.
pub(crate) struct Rates {
    /// Time in which a bucket gains one token; none if nobody is limited.
    every: Option<Duration>,
    burst: u32,
    hasher: RandomState,
    /// When each bucket is, or was, full again.
    full_at: Mutex<HashMap<u64, Instant>>,
}

impl Rates {
    pub(crate) fn new(config: &RateLimitsConfig) -> Self {
        let every = Duration::from_mins(1).checked_div(config.user_requests_per_minute);
        Self { every, burst: config.user_burst.max(1), hasher: RandomState::new(), full_at: Mutex::default() }
    }

    /// Takes a token of the user; if there is none, how long it takes until there is.
    pub(crate) fn take(&self, user: &str, now: Instant) -> Result<(), Duration> {
        let Some(every) = self.every else { return Ok(()) };
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one(user);
        if full_at.len() >= CAPACITY && !full_at.contains_key(&key) {
            // A full bucket is as good as none; where all are in use, it begins anew for all.
            full_at.retain(|_, instant| *instant > now);
            if full_at.len() >= CAPACITY {
                full_at.clear();
            }
        }
        let full = full_at.get(&key).map_or(now, |instant| (*instant).max(now));
        let missing = full.saturating_duration_since(now).saturating_add(every);
        let most = every.saturating_mul(self.burst);
        if missing > most {
            return Err(missing.saturating_sub(most));
        }
        full_at.insert(key, full + every);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(user_requests_per_minute: u32, user_burst: u32) -> Rates {
        Rates::new(&RateLimitsConfig { user_requests_per_minute, user_burst })
    }

    #[test]
    fn a_burst_is_free_and_then_it_trickles() {
        let (rates, now) = (rates(60, 3), Instant::now());
        let second = Duration::from_secs(1);
        let burst: Vec<_> = (0..5).map(|_| rates.take("alice", now)).collect();
        assert_eq!(burst, [Ok(()), Ok(()), Ok(()), Err(second), Err(second)]);
        assert_eq!(rates.take("alice", now + second / 2), Err(second / 2));
        assert_eq!(rates.take("alice", now + second), Ok(()));
        assert_eq!(rates.take("alice", now + second), Err(second));
        assert_eq!(rates.take("bob", now), Ok(()), "everybody has their own");
        let later = now + 100 * second;
        let burst: Vec<_> = (0..4).map(|_| rates.take("alice", later).is_ok()).collect();
        assert_eq!(burst, [true, true, true, false], "more than a burst is not saved");
    }

    #[test]
    fn nobody_is_limited_unless_asked_for() {
        let (rates, now) = (rates(0, 1), Instant::now());
        assert!((0..1000).all(|_| rates.take("alice", now).is_ok()));
    }

    #[test]
    fn memory_is_bounded() {
        let (rates, now) = (rates(1, 1), Instant::now());
        for number in 0..2 * CAPACITY {
            assert!(rates.take(&number.to_string(), now).is_ok());
        }
        assert!(rates.full_at.lock().unwrap().len() <= CAPACITY);
    }
}
