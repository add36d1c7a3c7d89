//! Waiting, so that tests need not.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::pin::Pin;
use std::time::{Duration, Instant};

/// A clock that only goes forward, a way to pause, and chance.
pub trait Timer: Send + Sync {
    /// Time since some moment.
    fn now(&self) -> Duration;
    /// Pauses.
    fn sleep(&self, pause: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    /// A number from 0 up to but without 1, different each time.
    fn chance(&self) -> f64;
}

/// The real one.
#[derive(Debug, Clone)]
pub struct TokioTimer(Instant);

impl Default for TokioTimer {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Timer for TokioTimer {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, pause: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(pause))
    }

    fn chance(&self) -> f64 {
        let [high, low, ..] = RandomState::new().build_hasher().finish().to_be_bytes();
        f64::from(u16::from_be_bytes([high, low])) / 65536.0
    }
}
