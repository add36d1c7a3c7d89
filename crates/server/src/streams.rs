//! Answers that go on for long: how many there may be, and that they end when the service does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Streams of one process, and of one user in it.
const MOST: usize = 200;
const MOST_OF_USER: usize = 20;

/// The open streams. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Streams {
    open: Arc<Mutex<HashMap<String, usize>>>,
    ended: watch::Sender<bool>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { open: Arc::default(), ended: watch::Sender::new(false) }
    }
}

/// The right to one stream; it ends with the value.
#[derive(Debug)]
pub(crate) struct Stream {
    open: Arc<Mutex<HashMap<String, usize>>>,
    user: String,
    ended: watch::Receiver<bool>,
}

impl Streams {
    /// Opens one for a user; nothing if there are too many.
    pub(crate) fn open(&self, user: &str) -> Option<Stream> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.values().sum::<usize>() >= MOST || open.get(user).is_some_and(|of_user| *of_user >= MOST_OF_USER) {
            return None;
        }
        *open.entry(user.to_owned()).or_default() += 1;
        Some(Stream { open: Arc::clone(&self.open), user: user.to_owned(), ended: self.ended.subscribe() })
    }

    /// Ends all of them: a service that stops waits for its answers.
    pub(crate) fn end(&self) {
        self.ended.send_replace(true);
    }
}

impl Stream {
    /// Waits until all streams are to end.
    pub(crate) async fn ended(&mut self) {
        // Without a sender there is no service.
        let _ = self.ended.wait_for(|ended| *ended).await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let left = open.get(&self.user).map_or(0, |of_user| of_user.saturating_sub(1));
        if left == 0 {
            open.remove(&self.user);
        } else {
            open.insert(self.user.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_has_them_all() {
        let streams = Streams::default();
        let mut alice: Vec<_> = std::iter::from_fn(|| streams.open("alice")).collect();
        assert_eq!(alice.len(), MOST_OF_USER);
        let others = (0..MOST).filter_map(|number| streams.open(&format!("user {number}"))).collect::<Vec<_>>();
        assert_eq!(others.len(), MOST - MOST_OF_USER);
        drop(others);
        assert!(streams.open("alice").is_none());
        alice.pop();
        let mut again = streams.open("alice").unwrap();
        streams.end();
        again.ended().await;
        drop((alice, again));
        assert!(streams.open.lock().unwrap().is_empty(), "nothing is remembered of who went");
    }
}
