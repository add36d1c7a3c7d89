//! Facts and matches that were read lately, so that asking again costs no decoding. Bounded by count; what
//! may be of any size, because it follows a bundle that somebody wrote, by bytes too.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::matching::Matches;
use killick_policy::{Bundle, Exceptions};
use killick_report::vulnerabilities::{Kind, WontFix};
use serde_json::value::RawValue;

use super::Background;
use super::verdict::{BUNDLE_FACTOR, Judged, VerdictKey};

/// Images whose facts are kept.
const ANALYSES: usize = 16;
/// Images whose matches are kept, with what else is known of them.
const MATCHES: usize = 64;
/// Images whose vulnerabilities are kept as they are answered, which may be some hundred kilobytes each.
const ANSWERS: usize = 32;
/// Verdicts that are kept, which are good for a second.
const VERDICTS: Room = Room { values: 16, bytes: 64 << 20 };
/// Bundles that are kept, with their compiled patterns.
const BUNDLES: Room = Room { values: 16, bytes: 128 << 20 };
/// Accounts whose exceptions are kept.
const EXCEPTIONS: usize = 64;

/// Account, number and last change of its exceptions.
type ExceptionsKey = (String, i64, i64);
/// Account, digest, and when it was analysed.
pub(super) type ImageKey = (String, String, Option<Timestamp>);
/// The same, and the index.
pub(super) type MatchKey = (String, String, Option<Timestamp>, Digest);

/// The same, and which of the vulnerabilities.
type AnswerKey = (MatchKey, Kind, WontFix);

/// What was read lately.
#[derive(Default)]
pub(crate) struct Cache {
    analyses: Mutex<Recent<ImageKey, Arc<Analysis>>>,
    matches: Mutex<Recent<MatchKey, Arc<Matches>>>,
    backgrounds: Mutex<Recent<MatchKey, Arc<Background>>>,
    vulnerabilities: Mutex<Recent<AnswerKey, Arc<RawValue>>>,
    verdicts: Mutex<Recent<VerdictKey, Arc<Judged>>>,
    bundles: Mutex<Recent<Digest, Arc<Bundle>>>,
    exceptions: Mutex<Recent<ExceptionsKey, Arc<Exceptions>>>,
}

impl Cache {
    pub(crate) fn analysis(&self, key: &ImageKey) -> Option<Arc<Analysis>> {
        self.analyses.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    pub(crate) fn keep_analysis(&self, key: ImageKey, analysis: Arc<Analysis>) {
        self.analyses.lock().unwrap_or_else(PoisonError::into_inner).keep(key, analysis, ANALYSES);
    }

    pub(crate) fn matches(&self, key: &MatchKey) -> Option<Arc<Matches>> {
        self.matches.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    pub(super) fn background(&self, key: &MatchKey) -> Option<Arc<Background>> {
        self.backgrounds.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    pub(super) fn keep_background(&self, key: MatchKey, background: Arc<Background>) {
        self.backgrounds.lock().unwrap_or_else(PoisonError::into_inner).keep(key, background, MATCHES);
    }

    pub(crate) fn vulnerabilities(&self, key: &AnswerKey) -> Option<Arc<RawValue>> {
        self.vulnerabilities.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    pub(crate) fn keep_vulnerabilities(&self, key: AnswerKey, answer: Arc<RawValue>) {
        self.vulnerabilities.lock().unwrap_or_else(PoisonError::into_inner).keep(key, answer, ANSWERS);
    }

    pub(super) fn verdict(&self, key: &VerdictKey) -> Option<Arc<Judged>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    /// Keeps a verdict that takes about so many bytes.
    pub(super) fn keep_verdict(&self, key: VerdictKey, verdict: Arc<Judged>, bytes: usize) {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).keep_within(key, verdict, bytes, VERDICTS);
    }

    /// The bundle whose document has this digest.
    pub(crate) fn bundle(&self, digest: &Digest) -> Option<Arc<Bundle>> {
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner).get(digest)
    }

    /// Keeps a bundle whose document has so many bytes.
    pub(crate) fn keep_bundle(&self, digest: Digest, bundle: Arc<Bundle>, document_bytes: usize) {
        let bytes = document_bytes.saturating_mul(BUNDLE_FACTOR);
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner).keep_within(digest, bundle, bytes, BUNDLES);
    }

    pub(crate) fn exceptions(&self, key: &ExceptionsKey) -> Option<Arc<Exceptions>> {
        self.exceptions.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    pub(crate) fn keep_exceptions(&self, key: ExceptionsKey, exceptions: Arc<Exceptions>) {
        self.exceptions.lock().unwrap_or_else(PoisonError::into_inner).keep(key, exceptions, EXCEPTIONS);
    }

    /// Forgets what follows from matches, and the matches.
    pub(crate) fn forget_matches(&self) {
        *self.matches.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
        *self.backgrounds.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
        *self.vulnerabilities.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
        *self.verdicts.lock().unwrap_or_else(PoisonError::into_inner) = Recent::default();
    }

    pub(crate) fn keep_matches(&self, key: MatchKey, matches: Arc<Matches>) {
        self.matches.lock().unwrap_or_else(PoisonError::into_inner).keep(key, matches, MATCHES);
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    /// The most that one value may take: a large one must not cost all others their place.
    fn largest(self) -> usize {
        self.bytes / 4
    }
}

/// The few values used last.
struct Recent<K, V> {
    values: HashMap<K, Used<V>>,
    tick: u64,
    bytes: usize,
}

/// A value, when it was used, and what it takes.
struct Used<V> {
    at: u64,
    bytes: usize,
    value: V,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), tick: 0, bytes: 0 }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    fn get(&mut self, key: &K) -> Option<V> {
        self.tick += 1;
        let used = self.values.get_mut(key)?;
        used.at = self.tick;
        Some(used.value.clone())
    }

    fn keep(&mut self, key: K, value: V, capacity: usize) {
        self.keep_within(key, value, 0, Room { values: capacity, bytes: 0 });
    }

    /// Keeps a value, unless it is so large that nearly nothing else could be.
    fn keep_within(&mut self, key: K, value: V, bytes: usize, room: Room) {
        if bytes > room.largest() {
            return;
        }
        self.tick += 1;
        let before = self.values.insert(key, Used { at: self.tick, bytes, value });
        self.bytes = self.bytes - before.map_or(0, |before| before.bytes) + bytes;
        while self.values.len() > room.values || self.bytes > room.bytes {
            let oldest = self.values.iter().min_by_key(|(_, used)| used.at).map(|(key, _)| key.clone());
            let Some(removed) = oldest.and_then(|oldest| self.values.remove(&oldest)) else { return };
            self.bytes -= removed.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let mut recent = Recent::default();
        recent.keep(1, 'a', 2);
        recent.keep(2, 'b', 2);
        assert_eq!(recent.get(&1), Some('a'));
        recent.keep(3, 'c', 2);
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&3)), (Some('a'), None, Some('c')));
    }

    #[test]
    fn what_is_large_takes_the_place_of_more_and_what_is_larger_none() {
        let room = Room { values: 10, bytes: 40 };
        let mut recent = Recent::default();
        for (key, bytes) in [(1, 10), (2, 10), (3, 10), (4, 5)] {
            recent.keep_within(key, 'a', bytes, room);
        }
        assert_eq!((recent.values.len(), recent.bytes), (4, 35));
        recent.keep_within(5, 'b', 10, room);
        assert_eq!((recent.get(&1), recent.get(&2), recent.get(&5)), (None, Some('a'), Some('b')));
        assert_eq!(recent.bytes, 35);
        recent.keep_within(6, 'c', 11, room);
        assert_eq!((recent.get(&6), recent.values.len(), recent.bytes), (None, 4, 35));
        // The same again is counted once.
        recent.keep_within(5, 'd', 3, room);
        assert_eq!((recent.get(&5), recent.values.len(), recent.bytes), (Some('d'), 4, 28));
    }
}
