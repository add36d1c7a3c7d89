//! What the user means by a name: a vulnerability, or an advisory of a distribution with the vulnerabilities it fixes
//! (`DSA-5532-1`, `RHSA-2024:1234`, `USN-6450-1`), in whatever case it was typed.
//!
//! Some sources have a record of each advisory, others name it beside the fixes that it shipped; both are searched. What
//! is under neither is looked for among all names, so that the nearest ones can be told.

use std::collections::BTreeSet;

use killick_model::advisory::Statement;
use rayon::prelude::*;

use crate::index::{Index, IndexError, Table, decode};
use crate::names;

/// Vulnerabilities of one advisory that are followed.
const MAX_VULNERABILITIES: usize = 4_000;

/// Names that are told instead of one that nobody knows.
const MAX_SIMILAR: usize = 5;

/// Letters that all names that are looked at have in common with the one that was asked for.
const MIN_STEM: usize = 6;

/// Letters of a name that is looked for.
const MAX_LETTERS: usize = 100;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// As the sources write it; as it was typed, where none does.
    pub(crate) name: String,
    /// The vulnerabilities of an advisory, the newest first; none where the name is that of a vulnerability.
    pub(crate) vulnerabilities: Vec<String>,
    /// Namespaces of the sources that speak of the advisory.
    pub(crate) namespaces: BTreeSet<String>,
    /// Names like it, where nobody knows it.
    pub(crate) similar: Vec<String>,
}

/// Finds out what is meant by `text`.
pub(crate) fn resolve(index: &Index, text: &str) -> Result<Asked, IndexError> {
    let text = text.trim();
    for name in spellings(text) {
        if let Some(asked) = known(index, &name)? {
            return Ok(asked);
        }
    }
    let unknown = Asked { name: text.to_owned(), ..Asked::default() };
    if text.is_empty() || text.len() > MAX_LETTERS {
        return Ok(unknown);
    }
    let mut found = search(index, text)?;
    if text.len() < MIN_STEM {
        // So short a word is like many.
        found.similar.clear();
    }
    if let Some(name) = found.exact {
        // It may be a record whose name nobody would guess the case of.
        return match known(index, &name)? {
            Some(asked) => Ok(asked),
            None => Ok(Asked {
                name,
                vulnerabilities: ordered(found.fixed),
                namespaces: found.namespaces,
                ..Asked::default()
            }),
        };
    }
    let similar = found.similar.into_iter().take(MAX_SIMILAR).map(|(_, name)| name).collect();
    Ok(Asked { similar, ..unknown })
}

/// How a name may be written: as it was typed, and as those who give such names write them.
fn spellings(text: &str) -> Vec<String> {
    let upper = text.to_ascii_uppercase();
    let mut found = vec![text.to_owned()];
    // `GHSA-jfh8-c2jp-5v3q`: the prefix alone is in capitals. `openSUSE-SU-2024:0001-1` is found by searching.
    let ghsa = upper.strip_prefix("GHSA-").map(|rest| format!("GHSA-{}", rest.to_ascii_lowercase()));
    for spelling in [Some(upper.clone()), ghsa].into_iter().flatten() {
        if !found.contains(&spelling) {
            found.push(spelling);
        }
    }
    found
}

/// What sources have under exactly this name.
fn known(index: &Index, name: &str) -> Result<Option<Asked>, IndexError> {
    let (mut is_known, mut fixed, mut namespaces) = (false, BTreeSet::new(), BTreeSet::new());
    for (at, segment) in index.manifest().segments.iter().enumerate() {
        for advisory in index.advisories(at, name)? {
            is_known = true;
            // Of one that has other names as well, they say what it is about.
            if advisory.aliases.is_empty() && !advisory.upstream.is_empty() {
                namespaces.insert(segment.namespace.clone());
                fixed.extend(advisory.upstream);
            } else {
                return Ok(Some(Asked { name: name.to_owned(), ..Asked::default() }));
            }
        }
        is_known = is_known || !index.aliases(at, name)?.is_empty() || !index.enrichment(at, name)?.is_empty();
    }
    Ok(is_known.then(|| Asked {
        name: name.to_owned(),
        vulnerabilities: ordered(fixed),
        namespaces,
        similar: Vec::new(),
    }))
}

fn ordered(names: BTreeSet<String>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_by(|a, b| names::preference(a).cmp(&names::preference(b)));
    names.truncate(MAX_VULNERABILITIES);
    names
}

/// What is found by looking at everything.
#[derive(Default)]
struct Found {
    /// The name, in the case that sources write it in.
    exact: Option<String>,
    /// Vulnerabilities that fixes of the advisory are fixes of.
    fixed: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    /// Names with how far they are from it, the nearest first.
    similar: BTreeSet<(usize, String)>,
}

impl Found {
    /// Takes a name into account; whether it is the one.
    fn see(&mut self, wanted: &str, name: &str) -> bool {
        if name.eq_ignore_ascii_case(wanted) {
            self.exact.get_or_insert_with(|| name.to_owned());
            return true;
        }
        if let Some(distance) = distance(wanted, name) {
            self.similar.insert((distance, name.to_owned()));
            if self.similar.len() > MAX_SIMILAR {
                self.similar.pop_last();
            }
        }
        false
    }

    fn join(mut self, other: Self) -> Self {
        self.exact = self.exact.or(other.exact);
        self.fixed.extend(other.fixed);
        self.namespaces.extend(other.namespaces);
        self.similar.extend(other.similar);
        self
    }
}

fn search(index: &Index, wanted: &str) -> Result<Found, IndexError> {
    let segments = &index.manifest().segments;
    // Without its last letter, so that the nearest ones are found as well.
    let stem = wanted.char_indices().next_back().filter(|(at, _)| *at > MIN_STEM);
    let stem = stem.and_then(|(end, _)| wanted.get(..end)).unwrap_or(wanted);
    let found: Result<Vec<Found>, IndexError> = segments
        .par_iter()
        .enumerate()
        .map(|(at, segment)| {
            let mut found = Found::default();
            for table in [Table::Advisories, Table::Aliases, Table::Enrichment] {
                index.visit_keys(at, table, &mut |name| {
                    found.see(wanted, name);
                })?;
            }
            index.visit_entries(at, Table::Packages, &mut |key, value| {
                if !contains(value, stem.as_bytes()) {
                    return Ok(());
                }
                let statements: Vec<Statement> = decode(value)
                    .map_err(|error| index.corrupt(at, Table::Packages.name(), &format!("`{key}`: {error}")))?;
                for statement in statements {
                    for name in &statement.fix.advisories {
                        if found.see(wanted, name) {
                            found.fixed.insert(statement.advisory.clone());
                            found.namespaces.insert(segment.namespace.clone());
                        }
                    }
                }
                Ok(())
            })?;
            Ok(found)
        })
        .collect();
    Ok(found?.into_iter().fold(Found::default(), Found::join))
}

/// Whether encoded records may hold a name, in any case: most need not be decoded.
fn contains(bytes: &[u8], name: &[u8]) -> bool {
    bytes.windows(name.len().max(1)).any(|window| window.eq_ignore_ascii_case(name))
}

/// How far a name is from the one that was asked for: it goes on where that ends, or a letter or two differ. `None` where
/// it is another one.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let is_longer = name.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted));
    let added = name.len().saturating_sub(wanted.len());
    let is_next = name.get(wanted.len()..).is_some_and(|rest| rest.starts_with(|c: char| !c.is_ascii_alphanumeric()));
    if is_longer && (is_next || added <= 2) {
        return Some(added);
    }
    if wanted.len() != name.len() {
        return None;
    }
    let differing = wanted.bytes().zip(name.bytes()).filter(|(a, b)| !a.eq_ignore_ascii_case(b)).count();
    (differing == 1).then_some(differing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_are_given() {
        assert_eq!(spellings("cve-2024-1"), ["cve-2024-1", "CVE-2024-1"]);
        assert_eq!(spellings("GHSA-JFH8-C2JP-5V3Q"), ["GHSA-JFH8-C2JP-5V3Q", "GHSA-jfh8-c2jp-5v3q"]);
        assert_eq!(spellings("dsa-5532-1"), ["dsa-5532-1", "DSA-5532-1"]);
    }

    #[test]
    fn the_nearest_names_differ_little() {
        for (wanted, name, want) in [
            ("DSA-5532", "DSA-5532-1", Some(2)),
            ("DSA-5532-1", "DSA-5532-2", Some(1)),
            ("dsa-553", "DSA-5532-1", None),
            ("CVE-2024-123", "CVE-2024-1234", Some(1)),
            ("CVE-2024-1234", "CVE-2024-123", None),
            ("CVE-2024-1234", "CVE-2023-1235", None),
            ("é", "e", None),
        ] {
            assert_eq!(distance(wanted, name), want, "{wanted} {name}");
        }
        assert!(contains(b"..rhsa-2024:1..", b"RHSA-2024:1"));
        assert!(!contains(b"", b"RHSA-2024:1"));
    }
}
