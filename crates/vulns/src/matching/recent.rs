//! Statements that were just looked up: packages of one name come one after the other, in many versions.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use killick_model::advisory::{Advisory, Statement};

use crate::index::{Index, IndexError};

/// Names that are kept. Small, because identities are ordered by name.
const MAX_NAMES: usize = 32;

/// Advisories whose CVEs are kept.
const MAX_CVES: usize = 10_000;

/// A statement with its advisory.
pub(crate) type Known = (Arc<Statement>, Option<Arc<Advisory>>);

/// An index, and what was just looked up in it.
pub(crate) struct Recent<'a> {
    pub(crate) index: &'a Index,
    found: HashMap<(usize, String), Vec<Known>>,
    cves: HashMap<String, Option<String>>,
}

impl<'a> Recent<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self { index, found: HashMap::new(), cves: HashMap::new() }
    }

    /// The CVE of an advisory of an ecosystem's database; `None` where nobody tells it, or several are told.
    pub(crate) fn cve(&mut self, id: &str) -> Result<Option<String>, IndexError> {
        if let Some(known) = self.cves.get(id) {
            return Ok(known.clone());
        }
        let mut cves = BTreeSet::new();
        for (at, _) in self.index.manifest().segments.iter().enumerate().filter(|(_, segment)| segment.tells_cves()) {
            let mut ids = self.index.aliases(at, id)?;
            ids.push(id.to_owned());
            for name in ids {
                for advisory in self.index.advisories(at, &name)? {
                    // A distribution's advisory is not another name of the vulnerabilities it packages.
                    if advisory.upstream.is_empty() {
                        let names = std::iter::once(advisory.id).chain(advisory.aliases);
                        cves.extend(names.filter(|name| name.starts_with("CVE-")));
                    }
                }
            }
        }
        let first = cves.pop_first().filter(|_| cves.is_empty());
        if self.cves.len() >= MAX_CVES {
            self.cves.clear();
        }
        self.cves.insert(id.to_owned(), first.clone());
        Ok(first)
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
