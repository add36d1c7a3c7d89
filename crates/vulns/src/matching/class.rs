//! Opinions about one vulnerability, whatever each source calls it.

use std::collections::HashMap;

use killick_model::advisory::Verdict;
use killick_model::matching::Confidence;
use killick_model::package::PackageKind;

use super::opinion::Opinion;
use super::outcome::Outcome;
use super::vendor::competence;
use crate::names;

/// Names one vulnerability may have. More than that are a mistake in somebody's data, and are not joined.
const MAX_NAMES: usize = 32;

/// One vulnerability of one package.
#[derive(Debug, Clone)]
pub(crate) struct Class {
    /// All names, best first.
    pub(crate) names: Vec<String>,
    /// What decides.
    pub(crate) outcome: Outcome,
    /// All opinions, the deciding one first.
    pub(crate) opinions: Vec<Opinion>,
}

impl Class {
    pub(crate) fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    pub(crate) fn shares_name_with(&self, other: &Self) -> bool {
        self.names.iter().any(|name| other.names.contains(name))
    }
}

/// The classes of one package's opinions, by name.
pub(crate) fn classes(kind: PackageKind, opinions: Vec<Opinion>) -> Vec<Class> {
    let mut sets: Vec<(Vec<String>, Vec<Opinion>)> = Vec::new();
    let mut place: HashMap<String, usize> = HashMap::new();
    // Whether a name may be in another set than the one it is found by.
    let mut is_torn = false;
    for opinion in opinions {
        for ids in opinion.vulnerabilities() {
            let mut into = sets.len();
            let mut known: Vec<usize> = ids.iter().filter_map(|id| place.get(id).copied()).collect();
            known.sort_unstable();
            known.dedup();
            let size = |at: &usize| sets[*at].0.len();
            if known.iter().map(size).sum::<usize>() + ids.len() <= MAX_NAMES {
                for at in known.iter().rev().copied() {
                    if into < sets.len() {
                        let (names, moved) = std::mem::take(&mut sets[into]);
                        add(&mut sets[at].0, names);
                        sets[at].1.extend(moved);
                    }
                    into = at;
                }
            } else {
                is_torn = true;
            }
            if into == sets.len() {
                sets.push((Vec::new(), Vec::new()));
            }
            let before = sets[into].0.len();
            add(&mut sets[into].0, ids);
            sets[into].1.push(opinion.clone());
            let placed = if is_torn || known.len() > 1 { 0 } else { before };
            for name in &sets[into].0[placed..] {
                place.insert(name.clone(), into);
            }
        }
    }
    let mut found: Vec<Class> =
        sets.into_iter().filter(|(names, _)| !names.is_empty()).map(|(names, all)| class(kind, names, all)).collect();
    sort_by_preference(&mut found, Class::name);
    found
}

/// Sorts by names; each is read once.
fn sort_by_preference<T>(items: &mut Vec<T>, name: fn(&T) -> &str) {
    let key = |item: T| {
        let (class, year, number, _) = names::preference(name(&item));
        ((class, year, number), item)
    };
    let mut keyed: Vec<_> = items.drain(..).map(key).collect();
    keyed.sort_by(|(a, one), (b, other)| a.cmp(b).then_with(|| name(one).cmp(name(other))));
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

/// Adds what is not there yet: many advisories about one CVE are still one name.
fn add(names: &mut Vec<String>, more: Vec<String>) {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

fn class(kind: PackageKind, mut names: Vec<String>, mut opinions: Vec<Opinion>) -> Class {
    sort_by_preference(&mut names, String::as_str);
    if let [only] = opinions.as_slice() {
        return Class { names, outcome: only.outcome, opinions };
    }
    opinions.sort_by_cached_key(|opinion| {
        (authority(kind, opinion), weight(opinion), names_key(&opinion.statement.advisory), opinion.provider.clone())
    });
    // Only the most competent source decides; where several are equally competent, whoever says affected does.
    let highest = opinions.first().map_or(0, |opinion| authority(kind, opinion));
    let competent = || opinions.iter().filter(|opinion| authority(kind, opinion) == highest);
    let outcome = competent().map(|opinion| opinion.outcome).min_by_key(|outcome| precedence(*outcome));
    let outcome = outcome.unwrap_or(Outcome::OutsideRange);
    opinions.sort_by_key(|opinion| opinion.outcome != outcome || authority(kind, opinion) != highest);
    Class { names, outcome, opinions }
}

/// Whose opinion counts, the lowest number most.
///
/// For distribution packages the distribution's own feed; for Go its own database, whose ranges are reviewed by
/// symbol; a guess by CPE last of all. Other sources of an ecosystem are equals.
fn authority(kind: PackageKind, opinion: &Opinion) -> u8 {
    if opinion.is_vendors() {
        return competence(&opinion.provider);
    }
    if opinion.confidence == Confidence::Cpe {
        return u8::MAX;
    }
    u8::from(kind == PackageKind::Go && !opinion.statement.advisory.starts_with("GO-"))
}

/// Of equals, one that knows a fix goes before one that does not.
fn weight(opinion: &Opinion) -> (bool, bool) {
    (opinion.outcome != Outcome::Affected, opinion.statement.fix.versions.is_empty())
}

fn names_key(id: &str) -> (u8, u64, u64, String) {
    let (class, year, number, id) = names::preference(id);
    (class, year, number, id.to_owned())
}

/// What a class comes to when equals differ. A version that is affected by one stream's row and fixed by
/// another's is affected; a negative statement of the vendor goes before mere absence from a range.
fn precedence(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Affected => 0,
        Outcome::NoAffectedCode => 1,
        Outcome::NotLinked => 2,
        Outcome::NotAffected => 3,
        Outcome::Fixed => 4,
        Outcome::Withdrawn => 5,
        Outcome::UnderInvestigation => 6,
        Outcome::OutsideRange | Outcome::OtherArchitecture | Outcome::OtherModule | Outcome::OtherBuild => 7,
        Outcome::NotAVulnerability => 8,
        Outcome::Unjudged => 9,
    }
}

/// Whether a class says anything definite that should silence a less competent source.
pub(crate) fn is_definite(class: &Class) -> bool {
    class.opinions.iter().any(|opinion| opinion.statement.verdict != Verdict::UnderInvestigation)
        && !matches!(class.outcome, Outcome::UnderInvestigation | Outcome::Unjudged)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use killick_model::advisory::{
        Advisory, AdvisoryKind, AdvisoryStatus, Instant, Level, License, StatedFix, Statement,
    };
    use killick_model::version::Scheme;
    use killick_model::version::range::Range;

    use super::*;

    fn opinion(id: &str, aliases: &[String]) -> Opinion {
        let statement = Statement {
            advisory: id.to_owned(),
            name: "p".to_owned(),
            level: Level::Module,
            versions: Range::all(Scheme::Semver),
            verdict: Verdict::Affected,
            fix: StatedFix::default(),
            qualifiers: Vec::new(),
            severity: None,
            known_since: Instant(0),
        };
        let advisory = Advisory {
            id: id.to_owned(),
            aliases: aliases.to_vec(),
            upstream: Vec::new(),
            kind: AdvisoryKind::Vulnerability,
            status: AdvisoryStatus::Active,
            published: None,
            modified: None,
            ratings: Vec::new(),
            cwes: Vec::new(),
            url: None,
            license: License::Public,
            known_since: Instant(0),
        };
        Opinion {
            provider: "osv".into(),
            namespace: "npm".into(),
            statement: Arc::new(statement),
            advisory: Some(Arc::new(advisory)),
            matched_name: "p".into(),
            compared_version: "1.0.0".into(),
            confidence: Confidence::Exact,
            linkage: None,
            outcome: Outcome::Affected,
            cve: None,
        }
    }

    fn names_of(opinions: Vec<Opinion>) -> Vec<Vec<String>> {
        classes(PackageKind::Npm, opinions).into_iter().map(|class| class.names).collect()
    }

    #[test]
    fn a_later_advisory_joins_what_earlier_ones_left_apart() {
        let found = names_of(vec![
            opinion("GHSA-a", &["CVE-2024-2".to_owned()]),
            opinion("X-1", &["Y-1".to_owned()]),
            opinion("Z-1", &["CVE-2024-2".to_owned(), "Y-1".to_owned()]),
            opinion("GHSA-other", &[]),
        ]);
        assert_eq!(found, [vec!["CVE-2024-2", "GHSA-a", "X-1", "Y-1", "Z-1"], vec!["GHSA-other"]]);
    }

    #[test]
    fn many_statements_of_one_advisory_are_one_class() {
        let found = names_of((0..100).map(|_| opinion("GHSA-a", &["CVE-2024-2".to_owned()])).collect());
        assert_eq!(found, [vec!["CVE-2024-2", "GHSA-a"]]);
    }

    #[test]
    fn bad_data_cannot_merge_everything() {
        let shared = |at: usize| vec![format!("CVE-2024-{at}"), format!("CVE-2024-{}", at + 1)];
        let found = names_of((0..200).map(|at| opinion(&format!("GHSA-{at}"), &shared(at))).collect());
        assert!(found.len() > 5, "{} classes", found.len());
        assert!(found.iter().all(|names| names.len() <= MAX_NAMES));
    }
}
