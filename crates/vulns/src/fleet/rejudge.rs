//! Judging the identities concerned by both indexes.

use std::collections::HashSet;

use killick_model::matching::{Fix, Match};
use killick_model::package::PackageId;

use super::changes::{ChangeOptions, Changes};
use super::identity::PackageIdentity;
use super::inventory::Inventory;
use crate::index::{Index, IndexError};
use crate::matching::{MatchOptions, Subject, Suppressions, match_packages};

/// Identities that are judged at once: enough for all cores, and so few that their matches fit into memory whatever
/// changed.
const BATCH: usize = 1_024;

/// An identity whose matches changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejudged {
    /// Its number in the inventory.
    pub number: u64,
    /// It.
    pub identity: PackageIdentity,
    /// What changed, by vulnerability; never empty.
    pub changes: Vec<MatchChange>,
}

/// A vulnerability that applies where it did not, does not where it did, or otherwise. The package of the matches is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchChange {
    /// By the old index.
    pub old: Option<Match>,
    /// By the new one.
    pub new: Option<Match>,
}

/// How a match changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// There was none.
    Added,
    /// There is none any more.
    Removed,
    /// It has another severity or fix, is known to be exploited, or goes by another name.
    Decisive,
    /// Only other things are said about it.
    Incidental,
}

/// What re-judging came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Identities that were judged by both indexes.
    pub judged: u64,
    /// Of them those whose matches changed.
    pub changed: u64,
}

impl MatchChange {
    /// How it changed.
    pub fn kind(&self) -> ChangeKind {
        let (Some(old), Some(new)) = (&self.old, &self.new) else {
            return if self.old.is_none() { ChangeKind::Added } else { ChangeKind::Removed };
        };
        let fix = |found: &Match| Fix { observed_at: None, ..found.fix.clone() };
        let is_alike = old.vulnerability == new.vulnerability
            && old.severity == new.severity
            && old.known_exploited == new.known_exploited
            && fix(old) == fix(new);
        if is_alike { ChangeKind::Incidental } else { ChangeKind::Decisive }
    }

    /// The name it goes by, or went by.
    pub fn vulnerability(&self) -> &str {
        self.new.as_ref().or(self.old.as_ref()).map_or("", |found| &found.vulnerability)
    }
}

/// Judges the identities that `changes` concern by both indexes, and calls `visit` with those whose matches differ:
/// the same as judging every image by both and comparing, because no other identity can differ.
pub fn rejudge<I: Inventory>(
    old: &Index,
    new: &Index,
    changes: &Changes,
    options: ChangeOptions,
    inventory: &I,
    visit: &mut dyn FnMut(Rejudged) -> Result<(), I::Error>,
) -> Result<Totals, I::Error> {
    let mut totals = Totals::default();
    for numbers in concerned(changes, inventory)?.chunks(BATCH) {
        let mut there = Vec::with_capacity(numbers.len());
        let mut identities = Vec::with_capacity(numbers.len());
        for number in numbers {
            if let Some(identity) = inventory.identity(*number)? {
                there.push(*number);
                identities.push(identity);
            }
        }
        let (before, after) = (match_identities(old, &identities)?, match_identities(new, &identities)?);
        totals.judged += there.len() as u64;
        let judged = there.into_iter().zip(identities).zip(before.into_iter().zip(after));
        for ((number, identity), (before, after)) in judged {
            let changes = differences(before, after, options);
            if !changes.is_empty() {
                totals.changed += 1;
                visit(Rejudged { number, identity, changes })?;
            }
        }
    }
    Ok(totals)
}

/// The identities that may have other matches, those of one name together: so they are judged by what was just read.
fn concerned<I: Inventory>(changes: &Changes, inventory: &I) -> Result<Vec<u64>, I::Error> {
    let mut numbers = Vec::new();
    let mut known = HashSet::new();
    let mut add = |number: u64| {
        if known.insert(number) {
            numbers.push(number);
        }
    };
    for ecosystem in &changes.ecosystems {
        inventory.of_ecosystem(ecosystem, &mut add)?;
    }
    for (ecosystem, names) in &changes.names {
        for name in names {
            inventory.named(ecosystem, name, &mut add)?;
        }
    }
    Ok(numbers)
}

/// Which of the identities have other matches by the new index.
pub fn differing(
    old: &Index,
    new: &Index,
    identities: &[PackageIdentity],
    options: ChangeOptions,
) -> Result<Vec<bool>, IndexError> {
    let mut differing = Vec::with_capacity(identities.len());
    for identities in identities.chunks(BATCH) {
        let (before, after) = (match_identities(old, identities)?, match_identities(new, identities)?);
        let judged = before.into_iter().zip(after);
        differing.extend(judged.map(|(before, after)| !differences(before, after, options).is_empty()));
    }
    Ok(differing)
}

/// The matches of each identity, as if each was the only package of its image, beside its owner: the same as in whatever
/// image. Their package is 0.
pub fn match_identities(index: &Index, identities: &[PackageIdentity]) -> Result<Vec<Vec<Match>>, IndexError> {
    let mut packages = Vec::new();
    // Which identity a package is; owners are none.
    let mut identity_of = Vec::new();
    for (at, identity) in identities.iter().enumerate() {
        let mut package = identity.package().clone();
        if let Some(owner) = identity.owner() {
            package.owner = u32::try_from(packages.len()).ok().map(PackageId);
            packages.push(owner.clone());
            identity_of.push(None);
        }
        packages.push(package);
        identity_of.push(Some(at));
    }
    let subject = Subject { distribution: None, packages: &packages };
    let found =
        match_packages(index, subject, &MatchOptions { suppressed: Suppressions::Drop, ..MatchOptions::default() })?;
    let mut matches = vec![Vec::new(); identities.len()];
    for found in found.matches {
        let at = identity_of.get(found.package.0 as usize).copied().flatten();
        if let Some(slot) = at.and_then(|at| matches.get_mut(at)) {
            slot.push(Match { package: PackageId(0), ..found });
        }
    }
    Ok(matches)
}

/// Pairs matches of the same vulnerability, whatever it is called by now, and keeps what differs.
fn differences(old: Vec<Match>, new: Vec<Match>, options: ChangeOptions) -> Vec<MatchChange> {
    let mut old: Vec<Option<Match>> = old.into_iter().map(Some).collect();
    let mut new: Vec<Option<Match>> = new.into_iter().map(Some).collect();
    let mut changes = Vec::new();
    let same_name = |a: &Match, b: &Match| a.vulnerability == b.vulnerability;
    let shared_name = |a: &Match, b: &Match| names(a).any(|name| names(b).any(|other| name == other));
    for is_pair in [&same_name as &dyn Fn(&Match, &Match) -> bool, &shared_name] {
        for slot in &mut new {
            let Some(after) = slot.as_ref() else { continue };
            let partner = old.iter_mut().find(|before| before.as_ref().is_some_and(|before| is_pair(before, after)));
            if let Some(before) = partner {
                let (old, new) = (before.take(), slot.take());
                let told = |found: &Option<Match>| found.as_ref().map(|found| told(found, options));
                if told(&old) != told(&new) {
                    changes.push(MatchChange { old, new });
                }
            }
        }
    }
    changes.extend(old.into_iter().flatten().map(|old| MatchChange { old: Some(old), new: None }));
    changes.extend(new.into_iter().flatten().map(|new| MatchChange { old: None, new: Some(new) }));
    changes
        .sort_by(|a, b| crate::names::preference(a.vulnerability()).cmp(&crate::names::preference(b.vulnerability())));
    changes
}

fn names(found: &Match) -> impl Iterator<Item = &String> {
    std::iter::once(&found.vulnerability).chain(&found.aliases)
}

/// A match without what is no change: since when we know of it and, unless asked for, its EPSS score.
fn told(found: &Match, options: ChangeOptions) -> Match {
    let mut told = found.clone();
    told.fix.observed_at = None;
    told.epss = told.epss.filter(|_| options.epss);
    if !options.epss {
        // It follows from the EPSS, and else from what is compared anyway.
        told.risk = 0.0;
    }
    for evidence in &mut told.evidence {
        evidence.known_since = None;
    }
    told
}
