//! Remembers which credentials were verified, so that only the first of many requests pays for argon2.
//!
//! An entry is a keyed hash over the stored password hash and the password that was offered. It stops matching the
//! moment the stored hash changes, in this process or in another, so nothing has to be told about changes. The key
//! is made at start and never leaves the process; no password is kept.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

/// Entries kept; the oldest goes first.
const CAPACITY: usize = 4096;

/// What was verified before.
pub(crate) struct Verified {
    key: [u8; 32],
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    entries: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Verified {
    /// An empty memory with a fresh key.
    pub(crate) fn new() -> Self {
        let (first, second) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let key = Sha256::new().chain_update(first.as_bytes()).chain_update(second.as_bytes()).finalize().into();
        Self { key, seen: Mutex::default() }
    }

    /// Whether this password was verified against this stored hash.
    pub(crate) fn contains(&self, stored_hash: &str, password: &SecretString) -> bool {
        let entry = self.entry(stored_hash, password);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).entries.contains(&entry)
    }

    /// Remembers that this password was verified against this stored hash.
    pub(crate) fn insert(&self, stored_hash: &str, password: &SecretString) {
        let entry = self.entry(stored_hash, password);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.entries.insert(entry) {
            return;
        }
        seen.order.push_back(entry);
        if seen.order.len() > CAPACITY
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.entries.remove(&oldest);
        }
    }

    fn entry(&self, stored_hash: &str, password: &SecretString) -> [u8; 32] {
        Sha256::new()
            .chain_update(self.key)
            .chain_update((stored_hash.len() as u64).to_be_bytes())
            .chain_update(stored_hash)
            .chain_update(password.expose_secret())
            .finalize()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_password_is_forgotten_by_itself() {
        let (verified, password) = (Verified::new(), SecretString::from("p"));
        verified.insert("old hash", &password);
        assert!(verified.contains("old hash", &password));
        assert!(!verified.contains("new hash", &password));
        assert!(!verified.contains("old hash", &SecretString::from("q")));
    }

    #[test]
    fn memory_is_bounded() {
        let verified = Verified::new();
        for at in 0..CAPACITY + 10 {
            verified.insert("hash", &SecretString::from(at.to_string()));
        }
        assert_eq!(verified.seen.lock().unwrap().entries.len(), CAPACITY);
        assert!(!verified.contains("hash", &SecretString::from("0")));
        assert!(verified.contains("hash", &SecretString::from((CAPACITY + 9).to_string())));
    }
}
