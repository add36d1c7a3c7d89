//! What was seen in the contents of one analysis, so that none is inspected twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::facts::ContentFacts;

/// Contents remembered at most: some 16 MiB. Those of more are inspected where they are met.
const CONTENTS: usize = 200_000;

/// Inspected contents by digest, shared by all layers that are being read.
#[derive(Debug, Default)]
pub(crate) struct Memo(Mutex<HashMap<[u8; 32], Arc<ContentFacts>>>);

impl Memo {
    /// What was seen in the content; `None` if it was not inspected yet.
    pub(crate) fn get(&self, sha256: &[u8; 32]) -> Option<Arc<ContentFacts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(sha256).cloned()
    }

    /// Remembers what was seen.
    pub(crate) fn put(&self, seen: &Arc<ContentFacts>) {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if contents.len() < CONTENTS {
            contents.insert(seen.sha256, Arc::clone(seen));
        }
    }
}
