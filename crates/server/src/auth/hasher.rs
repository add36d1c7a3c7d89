//! Where passwords are hashed: slow on purpose, on threads of its own, few at a time, and with a bounded queue, so that
//! who sends wrong passwords keeps nobody else from working.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cpu;

/// Passwords that wait for their turn. At some tens of milliseconds each, the last waits about two seconds.
const WAITING: usize = 64;

/// A few threads for hashing.
pub(crate) struct Hasher {
    pool: rayon::ThreadPool,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// The right to hash one password. It goes with the work: who leaves before the end has not freed the thread.
pub(crate) struct Turn(OwnedSemaphorePermit);

impl Hasher {
    /// Half of the processors hash, at least one.
    pub(crate) fn new() -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = (rayon::current_num_threads() / 2).max(1);
        Ok(Self {
            pool: rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|number| format!("passwords-{number}"))
                .build()?,
            turns: Arc::new(Semaphore::new(threads)),
            places: Arc::new(Semaphore::new(WAITING)),
        })
    }

    /// Waits for a turn; `None` if too many wait already.
    pub(crate) async fn turn(&self) -> Option<Turn> {
        let _place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        Some(Turn(turn.expect("the semaphore is never closed")))
    }

    /// Hashes, or compares with a hash.
    pub(crate) async fn run<T: Send + 'static>(&self, turn: Turn, work: impl FnOnce() -> T + Send + 'static) -> T {
        cpu::run_on(&self.pool, move || {
            let _turn = turn.0;
            work()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn who_leaves_does_not_free_the_thread() {
        let hasher = Hasher::new().unwrap();
        let threads = hasher.turns.available_permits();
        let mut running = Vec::new();
        for _ in 0..threads {
            let turn = hasher.turn().await.unwrap();
            let (release, released) = mpsc::channel::<()>();
            let (start, started) = mpsc::channel();
            let work = hasher.run(turn, move || {
                start.send(()).unwrap();
                let _ = released.recv();
            });
            let mut work = Box::pin(work);
            // Starts it, and leaves.
            assert!(futures_util::poll!(&mut work).is_pending());
            started.recv().unwrap();
            running.push(release);
        }
        assert_eq!(hasher.turns.available_permits(), 0);
        let mut waiting = Box::pin(hasher.turn());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(running);
        assert!(waiting.await.is_some());
    }

    #[tokio::test]
    async fn the_queue_is_bounded() {
        let hasher = Hasher::new().unwrap();
        let mut taken = Vec::new();
        while hasher.turns.available_permits() > 0 {
            taken.push(hasher.turn().await.unwrap());
        }
        let mut queue: Vec<_> = (0..WAITING).map(|_| Box::pin(hasher.turn())).collect();
        for waiting in &mut queue {
            assert!(futures_util::poll!(waiting).is_pending());
        }
        assert!(hasher.turn().await.is_none());
        queue.pop();
        assert!(futures_util::poll!(Box::pin(hasher.turn())).is_pending(), "who left made room");
    }
}
