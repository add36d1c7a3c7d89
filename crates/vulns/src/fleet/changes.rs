//! What one index knows otherwise than another.

use std::collections::{BTreeMap, BTreeSet};

use killick_model::advisory::{Advisory, Enrichment, Instant, Statement};
use killick_model::lifecycle::Lifecycle;
use rayon::prelude::*;
use serde::de::DeserializeOwned;

use crate::index::difference::{Effort, Place, visit_differing, visit_wanted};
use crate::index::write::Dated;
use crate::index::{Index, IndexError, Segment, Table, decode};
use crate::names;

/// What counts as a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeOptions {
    /// Whether another EPSS score alone is one: nearly all of them move every day.
    pub epss: bool,
}

/// A key of which the two indexes say different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedKey<'a> {
    /// Who says it.
    pub provider: &'a str,
    /// Where.
    pub namespace: &'a str,
    /// Of what.
    pub table: Table,
    /// The name of a package or product, the id of an advisory, a CVE.
    pub key: &'a str,
    /// Whether the old index has it.
    pub is_in_old: bool,
    /// Whether the new one has it.
    pub is_in_new: bool,
}

/// What packages have to be judged again for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Ecosystems, and releases of distributions, of which a source came, went, or means something else by its silence:
    /// all their packages are concerned.
    pub ecosystems: BTreeSet<String>,
    /// Names of packages and of CPE products about which something else is said now, by ecosystem.
    pub names: BTreeMap<String, BTreeSet<String>>,
    /// Vulnerabilities that are rated or named otherwise.
    pub vulnerabilities: BTreeSet<String>,
    /// Products of which the support ends at another time. Matches do not depend on it.
    pub lifecycles: BTreeSet<String>,
    /// What it took.
    pub effort: Effort,
}

/// One segment in both indexes.
#[derive(Clone, Copy)]
struct Pair<'a> {
    old: Option<Place<'a>>,
    new: Option<Place<'a>>,
}

/// Calls `visit` with every key of which the indexes say different things, by segment and table, ascending. Since when
/// we know something is no part of what is said. Reads the blocks that differ, and holds one of each side.
pub fn visit_changed_keys(
    old: &Index,
    new: &Index,
    options: ChangeOptions,
    visit: &mut dyn FnMut(ChangedKey<'_>),
) -> Result<(), IndexError> {
    for pair in pairs(old, new) {
        let Some(info) = pair.info() else { continue };
        pair.visit(options, &mut Effort::default(), &mut |table, key, before, after| {
            visit(ChangedKey {
                provider: &info.provider,
                namespace: &info.namespace,
                table,
                key,
                is_in_old: before.is_some(),
                is_in_new: after.is_some(),
            });
            Ok(())
        })?;
    }
    Ok(())
}

impl Changes {
    /// Compares two indexes for all packages there may be.
    pub fn between(old: &Index, new: &Index, options: ChangeOptions) -> Result<Self, IndexError> {
        let pairs = pairs(old, new);
        let parts: Result<Vec<Self>, IndexError> = pairs.par_iter().map(|pair| pair.changes(options)).collect();
        let mut changes = Self::default();
        for part in parts? {
            changes.absorb(part);
        }
        if !changes.vulnerabilities.is_empty() {
            let mut vulnerabilities = changes.vulnerabilities.clone();
            vulnerabilities.extend(names_of_ecosystems(new, &changes.vulnerabilities)?);
            let concerned: Result<Vec<Self>, IndexError> =
                pairs.par_iter().map(|pair| pair.concerned(&vulnerabilities)).collect();
            for part in concerned? {
                changes.absorb(part);
            }
        }
        Ok(changes)
    }

    /// Whether no match can be another one.
    pub fn is_empty(&self) -> bool {
        self.ecosystems.is_empty() && self.names.is_empty()
    }

    fn absorb(&mut self, part: Self) {
        self.ecosystems.extend(part.ecosystems);
        self.vulnerabilities.extend(part.vulnerabilities);
        self.lifecycles.extend(part.lifecycles);
        for (ecosystem, names) in part.names {
            self.names.entry(ecosystem).or_default().extend(names);
        }
        self.effort.add(part.effort);
    }

    fn name(&mut self, ecosystem: &str, name: &str) {
        match self.names.get_mut(ecosystem) {
            Some(names) => {
                names.insert(name.to_owned());
            }
            None => {
                self.names.insert(ecosystem.to_owned(), BTreeSet::from([name.to_owned()]));
            }
        }
    }
}

/// The names, by ecosystem, under which an index speaks of any of these vulnerabilities.
pub(crate) fn speaking_of(
    index: &Index,
    vulnerabilities: &BTreeSet<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>, IndexError> {
    let segments = 0..index.manifest().segments.len();
    let parts: Result<Vec<Changes>, IndexError> = segments
        .into_par_iter()
        .map(|segment| Pair { old: None, new: Some((index, segment)) }.concerned(vulnerabilities))
        .collect();
    let mut found = Changes::default();
    parts?.into_iter().for_each(|part| found.absorb(part));
    Ok(found.names)
}

/// What the databases of ecosystems call these vulnerabilities: a distribution that uses such a name is judged by the CVE
/// that they tell.
fn names_of_ecosystems(index: &Index, vulnerabilities: &BTreeSet<String>) -> Result<BTreeSet<String>, IndexError> {
    let mut found = BTreeSet::new();
    for (at, _) in index.manifest().segments.iter().enumerate().filter(|(_, segment)| segment.tells_cves()) {
        let place = (index, at);
        let mut ids = vulnerabilities.clone();
        visit_wanted(place, Table::Aliases, vulnerabilities, &mut |key, value| {
            ids.extend(decode_at::<String>(Some(place), Table::Aliases, key, Some(value))?);
            Ok(())
        })?;
        visit_wanted(place, Table::Advisories, &ids, &mut |key, value| {
            let advisories = decode_at::<Advisory>(Some(place), Table::Advisories, key, Some(value))?;
            let advisories = advisories.into_iter().filter(|advisory| advisory.upstream.is_empty());
            let names = advisories.flat_map(|advisory| std::iter::once(advisory.id).chain(advisory.aliases));
            found.extend(names.filter(|name| names::is_of_ecosystem(name)));
            Ok(())
        })?;
    }
    Ok(found)
}

fn pairs<'a>(old: &'a Index, new: &'a Index) -> Vec<Pair<'a>> {
    let mut pairs: BTreeMap<(&str, &str), Pair<'_>> = BTreeMap::new();
    let none = Pair { old: None, new: None };
    for (at, segment) in old.manifest().segments.iter().enumerate() {
        pairs.entry((&segment.provider, &segment.namespace)).or_insert(none).old = Some((old, at));
    }
    for (at, segment) in new.manifest().segments.iter().enumerate() {
        pairs.entry((&segment.provider, &segment.namespace)).or_insert(none).new = Some((new, at));
    }
    pairs.into_values().collect()
}

fn info((index, segment): Place<'_>) -> Option<&Segment> {
    index.manifest().segments.get(segment)
}

/// Takes the table, the key, and the encoded records of both sides.
type Visit<'a> = dyn FnMut(Table, &str, Option<&[u8]>, Option<&[u8]>) -> Result<(), IndexError> + 'a;

impl<'a> Pair<'a> {
    fn info(&self) -> Option<&'a Segment> {
        self.new.or(self.old).and_then(info)
    }

    fn is_same(&self) -> bool {
        let digest = |place: Option<Place<'a>>| place.and_then(info).map(|segment| segment.digest);
        digest(self.old) == digest(self.new)
    }

    /// Calls `visit` with every key of which the sides say different things.
    fn visit(&self, options: ChangeOptions, effort: &mut Effort, visit: &mut Visit<'_>) -> Result<(), IndexError> {
        effort.segments += 1;
        if self.is_same() {
            return Ok(());
        }
        effort.segments_compared += 1;
        // The names change with the statements.
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Names) {
            visit_differing(self.old, self.new, table, effort, &mut |key, before, after| {
                let says_the_same = match table {
                    Table::Packages | Table::Cpes => {
                        self.says_the_same::<Statement>(table, key, before, after, said)?
                    }
                    Table::Advisories => self.says_the_same::<Advisory>(table, key, before, after, said)?,
                    Table::Lifecycles => self.says_the_same::<Lifecycle>(table, key, before, after, said)?,
                    Table::Enrichment => {
                        let said = |records| said_of_all(records, options);
                        self.says_the_same::<Enrichment>(table, key, before, after, said)?
                    }
                    Table::Aliases | Table::Names => false,
                };
                if says_the_same { Ok(()) } else { visit(table, key, before, after) }
            })?;
        }
        Ok(())
    }

    fn says_the_same<T: DeserializeOwned + PartialEq>(
        &self,
        table: Table,
        key: &str,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
        said: impl Fn(Vec<T>) -> Vec<T>,
    ) -> Result<bool, IndexError> {
        let before: Vec<T> = decode_at(self.old, table, key, before)?;
        let after: Vec<T> = decode_at(self.new, table, key, after)?;
        Ok(said(before) == said(after))
    }

    fn changes(&self, options: ChangeOptions) -> Result<Changes, IndexError> {
        let mut changes = Changes::default();
        let (old, new) = (self.old.and_then(info), self.new.and_then(info));
        let meaning = |segment: &Segment| (segment.ecosystem.clone(), segment.coverage);
        if old.map(meaning) != new.map(meaning) {
            let ecosystems = old.into_iter().chain(new).map(|segment| segment.ecosystem.clone());
            changes.ecosystems.extend(ecosystems.filter(|ecosystem| !ecosystem.is_empty()));
        }
        let ecosystem = self.info().map_or("", |segment| segment.ecosystem.as_str());
        let mut effort = Effort::default();
        self.visit(options, &mut effort, &mut |table, key, before, after| {
            match table {
                Table::Packages | Table::Cpes => changes.name(ecosystem, key),
                Table::Advisories => {
                    for advisory in [
                        decode_at::<Advisory>(self.old, table, key, before)?,
                        decode_at::<Advisory>(self.new, table, key, after)?,
                    ]
                    .into_iter()
                    .flatten()
                    {
                        changes.vulnerabilities.insert(advisory.id);
                        changes.vulnerabilities.extend(advisory.aliases);
                        changes.vulnerabilities.extend(advisory.upstream);
                    }
                }
                Table::Aliases | Table::Enrichment => {
                    changes.vulnerabilities.insert(key.to_owned());
                }
                Table::Names => {}
                Table::Lifecycles => {
                    changes.lifecycles.insert(key.to_owned());
                }
            }
            Ok(())
        })?;
        changes.effort = effort;
        Ok(changes)
    }

    /// The names under which the new side speaks of any of these vulnerabilities, by whatever name of it. Statements
    /// that only the old side has are changes themselves.
    fn concerned(&self, vulnerabilities: &BTreeSet<String>) -> Result<Changes, IndexError> {
        let mut changes = Changes::default();
        let Some((index, segment)) = self.new else { return Ok(changes) };
        let ecosystem = self.info().map_or("", |segment| segment.ecosystem.as_str());
        let mut advisories = vulnerabilities.clone();
        // An advisory that had one of these names in the old index only is one of these vulnerabilities itself.
        visit_wanted((index, segment), Table::Aliases, vulnerabilities, &mut |key, value| {
            advisories.extend(decode_at::<String>(self.new, Table::Aliases, key, Some(value))?);
            Ok(())
        })?;
        visit_wanted((index, segment), Table::Names, &advisories, &mut |key, value| {
            for name in decode_at::<String>(self.new, Table::Names, key, Some(value))? {
                changes.name(ecosystem, &name);
            }
            Ok(())
        })?;
        Ok(changes)
    }
}

/// The records of an entry; none where there is none.
fn decode_at<T: DeserializeOwned>(
    place: Option<Place<'_>>,
    table: Table,
    key: &str,
    value: Option<&[u8]>,
) -> Result<Vec<T>, IndexError> {
    let (Some((index, segment)), Some(value)) = (place, value) else { return Ok(Vec::new()) };
    decode(value).map_err(|error| index.corrupt(segment, table.name(), &format!("records of `{key}`: {error}")))
}

/// Records without the instant from which they are known.
fn said<T: Dated>(mut records: Vec<T>) -> Vec<T> {
    for record in &mut records {
        *record.known_since() = Instant(0);
    }
    records
}

/// What of enrichment matches depend on. What says nothing is as good as nothing.
fn said_of_all(records: Vec<Enrichment>, options: ChangeOptions) -> Vec<Enrichment> {
    let mut records = said(records);
    for record in &mut records {
        record.epss_millionths = record.epss_millionths.filter(|_| options.epss);
    }
    records.retain(|record| {
        !record.ratings.is_empty()
            || !record.cwes.is_empty()
            || record.exploited.is_some()
            || record.epss_millionths.is_some()
            || record.status.is_void()
    });
    records
}
