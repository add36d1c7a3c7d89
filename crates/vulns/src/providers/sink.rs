//! Where providers file their records.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use killick_model::advisory::{Advisory, Enrichment, Instant, License, Statement};
use killick_model::lifecycle::Lifecycle;
use killick_model::problem::Problem;
use killick_model::severity::Severity;

use crate::index::format::{Coverage, Segment};
use crate::index::records::{Budget, Records};
use crate::names;

/// Problems that are reported one by one; the rest is only counted.
const MAX_PROBLEMS: usize = 20;

/// `known_since` of records that are not written yet: the writer knows what the previous index knew.
pub(crate) const UNDATED: Instant = Instant(0);

/// What a namespace is; see [`Segment`].
#[derive(Debug, Clone)]
pub struct Namespace {
    /// Name in results.
    pub name: String,
    /// What packages are looked up in it.
    pub ecosystem: String,
    /// What silence means.
    pub coverage: Coverage,
    /// Terms of the data.
    pub license: License,
    /// Whom to thank.
    pub attribution: String,
}

/// Records and problems of one unit of one provider.
#[derive(Debug, Default)]
pub struct Sink {
    filings: BTreeMap<String, Filing>,
    noted: HashSet<u64>,
    skipped: u64,
    left_out: u64,
    problems: Vec<Problem>,
    known: HashMap<String, (Advisory, Option<Severity>)>,
    budget: Arc<Budget>,
}

/// Records of one namespace.
#[derive(Debug)]
pub struct Filing {
    namespace: Namespace,
    newest: Option<Instant>,
    records: Records,
}

impl Sink {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty sink whose records share memory with others.
    pub(crate) fn within(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), ..Self::default() }
    }

    /// Counts and reports a record that cannot be understood.
    pub fn skip(&mut self, subject: &str, message: impl std::fmt::Display) {
        self.skipped += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new("malformed-record", subject, message.to_string()));
        }
    }

    /// The filing of the namespace with this name, opened as `describe` says if it is new.
    pub fn file(&mut self, name: &str, describe: impl FnOnce() -> Namespace) -> &mut Filing {
        self.filings.entry(name.to_owned()).or_insert_with(|| Filing {
            namespace: describe(),
            newest: None,
            records: Records::new(&self.budget),
        })
    }

    /// Keeps an advisory and the vendor's rating for the files of the unit that are read after this one.
    pub(crate) fn remember(&mut self, advisory: &Advisory, severity: Option<Severity>) {
        self.known.insert(advisory.id.clone(), (advisory.clone(), severity));
    }

    /// What an earlier file of the unit said of an advisory.
    pub(crate) fn remembered(&self, id: &str) -> Option<(Advisory, Option<Severity>)> {
        self.known.get(id).cloned()
    }

    /// Notes that something was said, for later files of the unit, which must not say otherwise.
    ///
    /// Only hashes are kept: one collision in millions of notes would leave a statement out.
    pub fn note(&mut self, what: impl Hash) {
        self.noted.insert(hash(&what));
    }

    /// Whether that was noted.
    pub fn has_noted(&self, what: impl Hash) -> bool {
        self.noted.contains(&hash(&what))
    }

    /// Takes over what `other` noted, and nothing else of it.
    pub(crate) fn take_notes(&mut self, other: Self) {
        self.noted.extend(other.noted);
    }

    /// Counts a statement that says nothing versions could be compared with, such as a range of commits.
    pub fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Statements left out so far.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Records skipped so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Dates every filing that has no date of its own.
    pub(crate) fn date(&mut self, instant: Instant) {
        for filing in self.filings.values_mut() {
            filing.newest.get_or_insert(instant);
        }
    }

    /// Notes the date of a file for every filing so far.
    pub(crate) fn seen(&mut self, instant: Option<Instant>) {
        self.filings.values_mut().for_each(|filing| filing.seen(instant));
    }

    /// The problems since the last call.
    pub(crate) fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    /// What was filed, by namespace.
    pub(crate) fn finish(self) -> Vec<Filing> {
        let mut filings: Vec<Filing> = self.filings.into_values().collect();
        for filing in &mut filings {
            filing.records.settle();
        }
        filings
    }
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

impl Filing {
    /// Files a statement under the name of its package.
    pub fn statement(&mut self, statement: &Statement) {
        let ecosystem = &self.namespace.ecosystem;
        for key in names::keys(ecosystem, &statement.name) {
            self.records.statement(&key, statement);
        }
    }

    /// Files a statement under the product of its CPE.
    pub fn cpe(&mut self, product: &str, statement: &Statement) {
        self.records.cpe(&product.to_lowercase(), statement);
    }

    /// Files an advisory.
    pub fn advisory(&mut self, advisory: &Advisory) {
        self.seen(advisory.modified.or(advisory.published));
        self.records.advisory(advisory);
    }

    /// Files what is known about a CVE.
    pub fn enrichment(&mut self, cve: &str, enrichment: &Enrichment) {
        self.seen(enrichment.modified.or(enrichment.published));
        self.records.enrichment(cve, enrichment);
    }

    /// Files until when something is supported.
    pub fn lifecycle(&mut self, lifecycle: &Lifecycle) {
        self.records.lifecycle(lifecycle);
    }

    /// Notes a date found in the data.
    pub fn seen(&mut self, instant: Option<Instant>) {
        self.newest = self.newest.max(instant);
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Apart into the description of the segment to be and its records.
    pub(crate) fn into_segment(
        self,
        provider: &str,
        skipped: u64,
        inputs: Vec<(String, [u8; 32])>,
    ) -> (Segment, Records) {
        let Namespace { name, ecosystem, coverage, license, attribution } = self.namespace;
        let segment = Segment {
            provider: provider.to_owned(),
            namespace: name,
            ecosystem,
            coverage,
            license,
            attribution,
            data_instant: self.newest,
            advisories: 0,
            statements: 0,
            skipped,
            inputs,
            digest: [0; 32],
            offset: 0,
            blocks_bytes: 0,
            directory_bytes: 0,
        };
        (segment, self.records)
    }
}
