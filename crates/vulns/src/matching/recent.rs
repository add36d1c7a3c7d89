//! Statements that were just looked up: packages of one name come one after the other, in many versions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use killick_model::advisory::{Advisory, Statement};

use crate::index::{Index, IndexError};

/// Names that are kept. Small, because identities are ordered by name.
const MAX_NAMES: usize = 32;

/// A statement with its advisory.
pub(crate) type Known = (Arc<Statement>, Option<Arc<Advisory>>);

/// An index, and what was just looked up in it.
pub(crate) struct Recent<'a> {
    pub(crate) index: &'a Index,
    found: HashMap<(usize, String), Vec<Known>>,
}

impl<'a> Recent<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self { index, found: HashMap::new() }
    }

    /// What a segment says about a name.
    pub(crate) fn statements(&mut self, segment: usize, name: &str) -> Result<&[Known], IndexError> {
        if self.found.len() >= MAX_NAMES {
            self.found.clear();
        }
        let slot = match self.found.entry((segment, name.to_owned())) {
            Entry::Occupied(known) => return Ok(known.into_mut()),
            Entry::Vacant(slot) => slot,
        };
        let mut advisories: HashMap<String, Option<Arc<Advisory>>> = HashMap::new();
        let mut found = Vec::new();
        for statement in self.index.statements(segment, name)? {
            let advisory = if let Some(advisory) = advisories.get(&statement.advisory) {
                advisory.clone()
            } else {
                let first = self.index.advisories(segment, &statement.advisory)?.into_iter().next().map(Arc::new);
                advisories.insert(statement.advisory.clone(), first.clone());
                first
            };
            found.push((Arc::new(statement), advisory));
        }
        Ok(slot.insert(found))
    }
}
