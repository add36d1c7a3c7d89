//! Counts wrong passwords, by who sends them and by whom they are for, and says how long to wait before the next.
//!
//! Nothing here knows the time: it is passed in. Names are kept as keyed hashes, and never more than [`CAPACITY`] of
//! them: the half that was heard of longest ago is forgotten when they are too many.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::LoginsConfig;

/// Clients, and users, that are remembered.
const CAPACITY: usize = 10_000;

/// Time without a wrong password after which the earlier ones are forgotten.
const MEMORY: Duration = Duration::from_mins(15);

/// Who tries to come in: an address, if it is known, and the name that was given.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Where the request came from.
    pub(crate) client: Option<IpAddr>,
    /// The name of the user.
    pub(crate) user: String,
}

/// Wrong passwords of late.
pub(crate) struct Failures {
    clients: Tally,
    users: Tally,
}

impl Failures {
    pub(crate) fn new(config: &LoginsConfig) -> Self {
        let seconds = Duration::from_secs;
        let tally = |free, longest| Tally {
            free,
            pause: seconds(config.pause_seconds),
            longest: seconds(longest),
            hasher: RandomState::new(),
            entries: Mutex::default(),
        };
        Self {
            clients: tally(config.client_failures, config.longest_client_pause_seconds),
            users: tally(config.user_failures, config.longest_user_pause_seconds),
        }
    }

    /// How long this caller must wait before a password of theirs is looked at; `None` if not at all.
    pub(crate) fn wait(&self, caller: &Caller, now: Instant) -> Option<Duration> {
        let client = caller.client.and_then(|address| self.clients.wait(&network(address), now));
        client.max(self.users.wait(&caller.user, now))
    }

    /// Counts a wrong password.
    pub(crate) fn count(&self, caller: &Caller, now: Instant) {
        if let Some(address) = caller.client {
            self.clients.count(&network(address), now);
        }
        self.users.count(&caller.user, now);
    }

    /// A right password: what was wrong before were slips. Those of the client stay, because it may have a user of its
    /// own to show between attempts at others.
    pub(crate) fn forgive(&self, caller: &Caller) {
        self.users.forget(&caller.user);
    }
}

/// One site has a whole IPv6 network, of 64 bits at least, and any address of it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

struct Tally {
    /// Failures that cost no waiting.
    free: u32,
    /// The pause after the first that does; doubled with each further one.
    pause: Duration,
    longest: Duration,
    hasher: RandomState,
    entries: Mutex<HashMap<u64, Entry>>,
}

#[derive(Clone, Copy)]
struct Entry {
    failures: u32,
    last: Instant,
}

impl Tally {
    fn wait(&self, key: &impl Hash, now: Instant) -> Option<Duration> {
        let entry = self.entries().get(&self.hasher.hash_one(key)).copied()?;
        let beyond = entry.failures.checked_sub(self.free)?;
        let pause = self.pause.saturating_mul(2_u32.saturating_pow(beyond)).min(self.longest);
        let waited = now.saturating_duration_since(entry.last);
        pause.checked_sub(waited).filter(|left| !left.is_zero())
    }

    fn count(&self, key: &impl Hash, now: Instant) {
        let key = self.hasher.hash_one(key);
        let mut entries = self.entries();
        if entries.len() >= CAPACITY && !entries.contains_key(&key) {
            // Half of them at once: it takes a look at all.
            let mut times: Vec<Instant> = entries.values().map(|entry| entry.last).collect();
            let (_, median, _) = times.select_nth_unstable(CAPACITY / 2);
            entries.retain(|_, entry| entry.last > *median);
        }
        let entry = entries.entry(key).or_insert(Entry { failures: 0, last: now });
        if now.saturating_duration_since(entry.last) >= MEMORY {
            entry.failures = 0;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
    }

    fn forget(&self, key: &impl Hash) {
        self.entries().remove(&self.hasher.hash_one(key));
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<u64, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failures() -> Failures {
        Failures::new(&LoginsConfig {
            client_failures: 3,
            user_failures: 5,
            pause_seconds: 1,
            longest_client_pause_seconds: 60,
            longest_user_pause_seconds: 4,
            ..LoginsConfig::default()
        })
    }

    fn caller(client: &str, user: &str) -> Caller {
        Caller { client: client.parse().ok(), user: user.to_owned() }
    }

    #[test]
    fn each_wrong_password_beyond_the_free_ones_doubles_the_wait() {
        let (failures, caller, mut now) = (failures(), caller("192.0.2.1", "admin"), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..11 {
            failures.count(&caller, now);
            let wait = failures.wait(&caller, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(failures.wait(&caller, now), None, "the wait is over when it is over");
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn the_wait_becomes_shorter_while_time_passes() {
        let (failures, caller, now) = (failures(), caller("192.0.2.1", "admin"), Instant::now());
        for _ in 0..5 {
            failures.count(&caller, now);
        }
        assert_eq!(failures.wait(&caller, now + SECOND), Some(3 * SECOND));
        assert_eq!(failures.wait(&caller, now + 4 * SECOND), None);
    }

    #[test]
    fn clients_and_users_are_counted_apart() {
        let (failures, now) = (failures(), Instant::now());
        for _ in 0..4 {
            failures.count(&caller("192.0.2.1", "admin"), now);
        }
        assert_eq!(failures.wait(&caller("192.0.2.1", "other"), now), Some(2 * SECOND), "the client, for another user");
        assert_eq!(failures.wait(&caller("192.0.2.2", "admin"), now), None, "another client, for the user");
        for client in ["192.0.2.3", "192.0.2.4"] {
            failures.count(&caller(client, "admin"), now);
        }
        assert_eq!(failures.wait(&caller("192.0.2.5", "admin"), now), Some(2 * SECOND), "a user whom many try");
        assert_eq!(failures.wait(&caller("", "admin"), now), Some(2 * SECOND), "from nobody knows where");
    }

    #[test]
    fn a_network_is_one_client() {
        let (failures, now) = (failures(), Instant::now());
        for (at, client) in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3"].into_iter().enumerate() {
            failures.count(&caller(client, &at.to_string()), now);
        }
        assert!(failures.wait(&caller("2001:db8::4", "x"), now).is_some());
        assert_eq!(failures.wait(&caller("2001:db8:0:1::1", "x"), now), None);
        for at in 0..3 {
            failures.count(&caller("::ffff:192.0.2.9", &format!("m{at}")), now);
        }
        assert!(failures.wait(&caller("192.0.2.9", "x"), now).is_some());
    }

    #[test]
    fn a_right_password_forgives_the_user_but_not_the_client() {
        let (failures, now) = (failures(), Instant::now());
        let caller = caller("192.0.2.1", "admin");
        for _ in 0..6 {
            failures.count(&caller, now);
        }
        failures.forgive(&caller);
        assert_eq!(failures.wait(&self::caller("192.0.2.2", "admin"), now), None);
        assert!(failures.wait(&caller, now).is_some());
    }

    #[test]
    fn old_failures_are_forgotten() {
        let (failures, caller, now) = (failures(), caller("192.0.2.1", "admin"), Instant::now());
        for _ in 0..9 {
            failures.count(&caller, now);
        }
        failures.count(&caller, now + MEMORY);
        assert_eq!(failures.wait(&caller, now + MEMORY), None);
    }

    #[test]
    fn memory_is_bounded() {
        let (failures, now) = (failures(), Instant::now());
        let known = caller("192.0.2.1", "admin");
        for _ in 0..9 {
            failures.count(&known, now);
        }
        for number in 0..2 * u32::try_from(CAPACITY).unwrap() {
            let address = Ipv6Addr::from(u128::from(number) << 64 | 0x2001 << 112).to_string();
            failures.count(&caller(&address, &address), now + Duration::from_millis(number.into()));
        }
        for tally in [&failures.clients, &failures.users] {
            let count = tally.entries().len();
            assert!((CAPACITY / 2..=CAPACITY).contains(&count), "{count}");
        }
        assert_eq!(failures.wait(&known, now), None, "what is oldest was forgotten");
    }
}
