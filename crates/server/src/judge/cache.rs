//! Facts and matches that were read lately, so that asking again costs no decoding. Bounded by count.

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
use super::verdict::{Judged, VerdictKey};

/// Images whose facts are kept.
const ANALYSES: usize = 16;
/// Images whose matches are kept, with what else is known of them.
const MATCHES: usize = 64;
/// Images whose vulnerabilities are kept as they are answered, which may be some hundred kilobytes each.
const ANSWERS: usize = 32;
/// Verdicts that are kept, which are good for a second.
const VERDICTS: usize = 16;
/// Bundles that are kept, with their compiled patterns.
const BUNDLES: usize = 16;
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

    pub(super) fn keep_verdict(&self, key: VerdictKey, verdict: Arc<Judged>) {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).keep(key, verdict, VERDICTS);
    }

    /// The bundle whose document has this digest.
    pub(crate) fn bundle(&self, digest: &Digest) -> Option<Arc<Bundle>> {
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner).get(digest)
    }

    pub(crate) fn keep_bundle(&self, digest: Digest, bundle: Arc<Bundle>) {
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner).keep(digest, bundle, BUNDLES);
    }

    pub(crate) fn exceptions(&self, key: &ExceptionsKey) -> Option<Arc<Exceptions>> {
        self.exceptions.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    pub(crate) fn keep_exceptions(&self, key: ExceptionsKey, exceptions: Arc<Exceptions>) {
        self.exceptions.lock().unwrap_or_else(PoisonError::into_inner).keep(key, exceptions, EXCEPTIONS);
    }

    pub(crate) fn keep_matches(&self, key: MatchKey, matches: Arc<Matches>) {
        self.matches.lock().unwrap_or_else(PoisonError::into_inner).keep(key, matches, MATCHES);
    }
}

/// The few values used last.
struct Recent<K, V> {
    values: HashMap<K, (u64, V)>,
    tick: u64,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), tick: 0 }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Recent<K, V> {
    fn get(&mut self, key: &K) -> Option<V> {
        self.tick += 1;
        let (used, value) = self.values.get_mut(key)?;
        *used = self.tick;
        Some(value.clone())
    }

    fn keep(&mut self, key: K, value: V, capacity: usize) {
        self.tick += 1;
        self.values.insert(key, (self.tick, value));
        if self.values.len() > capacity {
            let oldest = self.values.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.values.remove(&oldest);
            }
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
}
