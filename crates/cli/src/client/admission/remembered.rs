//! Verdicts that count for a while.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::judge::Verdict;

/// Images of which a verdict is kept.
const IMAGES: usize = 4096;

/// Verdicts by image, until they are too old.
pub(super) struct Remembered {
    lives: Duration,
    verdicts: Mutex<HashMap<String, (Instant, Verdict)>>,
}

impl Remembered {
    pub(super) fn new(lives: Duration) -> Self {
        Self { lives, verdicts: Mutex::default() }
    }

    pub(super) fn get(&self, image: &str, now: Instant) -> Option<Verdict> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, verdict) = verdicts.get(image)?;
        (now.duration_since(*since) < self.lives).then(|| verdict.clone())
    }

    /// Keeps a verdict; where there is no room, those that are too old go, and then all.
    pub(super) fn put(&self, image: &str, verdict: &Verdict, now: Instant) {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= IMAGES {
            verdicts.retain(|_, (since, _)| now.duration_since(*since) < self.lives);
        }
        if verdicts.len() >= IMAGES {
            verdicts.clear();
        }
        verdicts.insert(image.to_owned(), (now, verdict.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_in_time_and_size() {
        let (remembered, begin) = (Remembered::new(Duration::from_secs(30)), Instant::now());
        let later = |seconds| begin + Duration::from_secs(seconds);
        remembered.put("a", &Verdict::Passes(None), begin);
        assert_eq!(remembered.get("a", later(29)), Some(Verdict::Passes(None)));
        assert_eq!(remembered.get("a", later(30)), None);
        for image in 0..2 * IMAGES {
            remembered.put(&image.to_string(), &Verdict::Passes(None), later(31));
        }
        assert!(remembered.verdicts.lock().unwrap_or_else(PoisonError::into_inner).len() <= IMAGES);
        assert!(remembered.get(&(2 * IMAGES - 1).to_string(), later(32)).is_some());
    }
}
