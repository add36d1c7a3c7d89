//! Deciding whether a password is right, without letting wrong ones cost more than they must.
//!
//! What was verified before is let in at once, whoever else tries to: nobody can lock out a user who is at work. All
//! others wait for a turn; and who has sent too many wrong passwords of late, or tries a user for whom too many were
//! sent, is told to wait without a look at the password.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::failures::{Caller, Failures};
use super::hasher::Hasher;
use super::password::{self, PasswordError};
use super::verified::Verified;
use crate::config::LoginsConfig;

/// Why a password was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    /// Too many were wrong; come again after this time.
    Away(Duration),
    /// Too many others are waiting.
    Busy,
}

/// Why nobody can log in.
#[derive(Debug, thiserror::Error)]
pub enum LoginsError {
    /// A password cannot be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The threads cannot be started.
    #[error("cannot start the threads that hash passwords")]
    Threads(#[source] rayon::ThreadPoolBuildError),
}

/// Everything that is remembered about logins, in this process only.
pub(crate) struct Logins {
    verified: Arc<Verified>,
    failures: Arc<Failures>,
    hasher: Hasher,
    /// Verified when nobody has the name, so that a wrong name takes as long as a wrong password.
    nobodys_hash: String,
    clock: fn() -> Instant,
}

impl Logins {
    pub(crate) fn new(config: &LoginsConfig, clock: fn() -> Instant) -> Result<Self, LoginsError> {
        Ok(Self {
            verified: Arc::new(Verified::new()),
            failures: Arc::new(Failures::new(config)),
            hasher: Hasher::new().map_err(LoginsError::Threads)?,
            nobodys_hash: password::hash(&password::random())?,
            clock,
        })
    }

    /// Whether the password is the one that was stored as a hash; if nobody has the name, it never is.
    pub(crate) async fn is_right(
        &self,
        caller: &Caller,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, Turned> {
        let is_somebody = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobodys_hash.clone());
        if self.verified.contains(&stored, &password) {
            return Ok(is_somebody);
        }
        self.turn_away(caller)?;
        let turn = self.hasher.turn().await.ok_or(Turned::Busy)?;
        // Much may have happened while waiting.
        if self.verified.contains(&stored, &password) {
            return Ok(is_somebody);
        }
        self.turn_away(caller)?;
        let (verified, failures) = (Arc::clone(&self.verified), Arc::clone(&self.failures));
        let (caller, clock) = (caller.clone(), self.clock);
        // Counted in the work itself: who hangs up before the answer has tried all the same.
        let is_right = self.hasher.run(turn, move || {
            let is_right = password::verify(&password, &stored) && is_somebody;
            if is_right {
                verified.insert(&stored, &password);
                failures.forgive(&caller);
            } else {
                failures.count(&caller, clock());
            }
            is_right
        });
        Ok(is_right.await)
    }

    /// Hashes a password that is to be stored.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<Result<String, PasswordError>, Turned> {
        let turn = self.hasher.turn().await.ok_or(Turned::Busy)?;
        Ok(self.hasher.run(turn, move || password::hash(&password)).await)
    }

    fn turn_away(&self, caller: &Caller) -> Result<(), Turned> {
        match self.failures.wait(caller, (self.clock)()) {
            None => Ok(()),
            Some(wait) => Err(Turned::Away(wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    /// A clock that stands.
    fn noon() -> Instant {
        static NOON: OnceLock<Instant> = OnceLock::new();
        *NOON.get_or_init(Instant::now)
    }

    fn logins() -> Logins {
        let config = LoginsConfig { client_failures: 3, user_failures: 5, ..LoginsConfig::default() };
        Logins::new(&config, noon).unwrap()
    }

    fn caller(client: [u8; 4], user: &str) -> Caller {
        Caller { client: Some(client.into()), user: user.to_owned() }
    }

    async fn try_in(logins: &Logins, caller: &Caller, password: &str, stored: Option<&str>) -> Result<bool, Turned> {
        logins.is_right(caller, SecretString::from(password), stored.map(str::to_owned)).await
    }

    #[tokio::test]
    async fn only_the_right_password_of_somebody_is_right() {
        let (logins, caller) = (logins(), caller([192, 0, 2, 1], "admin"));
        let stored = logins.hash(SecretString::from("right")).await.unwrap().unwrap();
        assert_eq!(try_in(&logins, &caller, "right", Some(&stored)).await, Ok(true));
        assert_eq!(try_in(&logins, &caller, "wrong", Some(&stored)).await, Ok(false));
        assert_eq!(try_in(&logins, &caller, "right", None).await, Ok(false));
    }

    #[tokio::test]
    async fn wrong_passwords_are_turned_away_and_users_at_work_are_not() {
        let logins = logins();
        let stored = logins.hash(SecretString::from("right")).await.unwrap().unwrap();
        let at_work = caller([192, 0, 2, 1], "admin");
        assert_eq!(try_in(&logins, &at_work, "right", Some(&stored)).await, Ok(true));
        let attacker = caller([192, 0, 2, 66], "admin");
        let mut outcomes = Vec::new();
        for number in 0..5 {
            outcomes.push(try_in(&logins, &attacker, &format!("guess {number}"), Some(&stored)).await);
        }
        let away = Err(Turned::Away(Duration::from_secs(1)));
        assert_eq!(outcomes, [Ok(false), Ok(false), Ok(false), away, away]);
        assert_eq!(try_in(&logins, &attacker, "guess", None).await, away, "another name");
        assert_eq!(try_in(&logins, &attacker, "right", Some(&stored)).await, Ok(true), "it was verified before");
        assert_eq!(try_in(&logins, &at_work, "right", Some(&stored)).await, Ok(true));
    }

    #[tokio::test]
    async fn many_at_once_with_the_right_password_are_let_in() {
        let logins = logins();
        let stored = logins.hash(SecretString::from("right")).await.unwrap().unwrap();
        let caller = caller([192, 0, 2, 1], "admin");
        let all = (0..30).map(|_| try_in(&logins, &caller, "right", Some(&stored)));
        assert!(futures_util::future::join_all(all).await.into_iter().all(|outcome| outcome == Ok(true)));
    }

    #[tokio::test]
    async fn many_wrong_ones_at_once_are_not_all_looked_at() {
        let logins = logins();
        let stored = logins.hash(SecretString::from("right")).await.unwrap().unwrap();
        let caller = caller([192, 0, 2, 66], "admin");
        let guesses: Vec<String> = (0..60).map(|number| format!("guess {number}")).collect();
        let all = guesses.iter().map(|guess| try_in(&logins, &caller, guess, Some(&stored)));
        let outcomes = futures_util::future::join_all(all).await;
        let looked_at = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let threads = (rayon::current_num_threads() / 2).max(1);
        assert!((3..=3 + threads).contains(&looked_at), "{looked_at} of {threads} at a time");
    }
}
