//! A bound on the bytes of all files held in memory at once.
//!
//! Cannot deadlock: a thread asks only while it holds nothing, never for more than there is in all, and gives back
//! without waiting for anything, because catalogers run on the file right away.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that may be held, shared by all layers that are being read.
#[derive(Debug)]
pub struct Budget {
    total: u64,
    free: Mutex<u64>,
    returned: Condvar,
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { total, free: Mutex::new(total), returned: Condvar::new() }
    }

    /// The most that can be held at once.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Waits until `bytes` may be held; `None` if they never may. The caller must not hold another share.
    pub fn hold(&self, bytes: u64) -> Option<Held<'_>> {
        if bytes > self.total {
            return None;
        }
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.returned.wait_while(free, |free| *free < bytes).unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        drop(free);
        Some(Held { budget: self, bytes })
    }
}

/// A share of the budget, given back when dropped.
#[derive(Debug)]
pub struct Held<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.budget.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_there_is_is_refused() {
        let budget = Budget::new(10);
        assert!(budget.hold(11).is_none());
        let held = budget.hold(10);
        assert!(held.is_some());
        drop(held);
        assert!(budget.hold(10).is_some());
    }

    #[test]
    fn everybody_gets_a_turn() {
        let budget = Budget::new(3);
        std::thread::scope(|scope| {
            for bytes in [1, 2, 3, 3, 2, 1] {
                let budget = &budget;
                scope.spawn(move || drop(budget.hold(bytes)));
            }
        });
        assert!(budget.hold(3).is_some());
    }
}
