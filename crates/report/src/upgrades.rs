//! What to upgrade: for each package the version that mends whatever has a fix.
//!
//! The fix of one match need not be that of another, and a version past it may be of a later line that has the flaw still:
//! so each version that fixes anything is held against the ranges of all matches of the package.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use killick_model::distribution::Distribution;
use killick_model::matching::{Evidence, Match, Matches};
use killick_model::package::{Package, PackageId};
use killick_model::purl::purl;
use killick_model::version::range::Range;
use killick_model::version::{Scheme, compare};
use serde::Serialize;

/// A package to be upgraded, and to which version at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Upgrade<'a> {
    /// Where it is among the packages: one may lie at several places.
    packages: Vec<PackageId>,
    /// The lowest version that mends the most.
    to: &'a str,
    /// Positions of the matches that are gone then.
    mends: Vec<usize>,
    /// Positions of those that stay: without a fix, or with none that goes together with the others.
    leaves: Vec<usize>,
}

/// The upgrades of all packages of which a match has a fix, in the order of their first match. Packages of one package URL
/// are one.
pub(crate) fn upgrades<'a>(
    packages: &[Package],
    distribution: Option<&Distribution>,
    matches: &'a Matches,
) -> Vec<Upgrade<'a>> {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (at, found) in matches.matches.iter().enumerate() {
        let Some(package) = packages.get(found.package.0 as usize) else { continue };
        let group = *known.entry(purl(package, distribution)).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Group { scheme: package.kind.scheme(), packages: Vec::new(), found: Vec::new() });
        }
        let group = &mut groups[group];
        if group.packages.last() != Some(&found.package) {
            group.packages.push(found.package);
        }
        group.found.push((at, found));
    }
    groups.into_iter().filter_map(Group::upgrade).collect()
}

/// A package and its matches.
struct Group<'a> {
    scheme: Scheme,
    packages: Vec<PackageId>,
    found: Vec<(usize, &'a Match)>,
}

impl<'a> Group<'a> {
    fn upgrade(self) -> Option<Upgrade<'a>> {
        let fixed: Vec<Fixed<'a>> =
            self.found.iter().filter_map(|(at, found)| Fixed::of(self.scheme, *at, found)).collect();
        let mut best: Option<(&'a str, Vec<usize>)> = None;
        for version in candidates(self.scheme, &fixed) {
            let mends: Vec<usize> =
                fixed.iter().filter(|fixed| fixed.is_mended_by(version)).map(|fixed| fixed.at).collect();
            let is_everything = mends.len() == fixed.len();
            if best.as_ref().is_none_or(|(_, most)| mends.len() > most.len()) {
                best = Some((version, mends));
            }
            if is_everything {
                break;
            }
        }
        let (to, mends) = best?;
        let leaves = self.found.iter().map(|(at, _)| *at).filter(|at| !mends.contains(at)).collect();
        Some(Upgrade { packages: self.packages, to, mends, leaves })
    }
}

/// Versions that may mend everything, the lowest first; those without an order come last.
fn candidates<'a>(scheme: Scheme, fixed: &[Fixed<'a>]) -> Vec<&'a str> {
    let is_ordered = |version: &&str| scheme.accepts(&scheme.marked(version));
    let order = |a: &&str, b: &&str| order(scheme, a, b).unwrap_or(Ordering::Equal);
    let mut versions: Vec<&'a str> = fixed.iter().flat_map(|fixed| fixed.versions.iter().copied()).collect();
    versions.sort_unstable();
    versions.dedup();
    let (mut ordered, unordered): (Vec<&'a str>, Vec<&'a str>) = versions.into_iter().partition(is_ordered);
    ordered.sort_by(order);
    // What is before the first fix of any match leaves that match.
    let first = fixed.iter().filter_map(|fixed| fixed.versions.iter().copied().find(is_ordered)).max_by(order);
    if let Some(first) = first {
        ordered.retain(|version| order(version, &first).is_ge());
    }
    ordered.extend(unordered);
    ordered
}

/// A match that has a fix.
struct Fixed<'a> {
    scheme: Scheme,
    at: usize,
    /// The versions that fix it, lowest first; never empty.
    versions: Vec<&'a str>,
    /// What statements call affected, as far as they know a fix.
    affected: Vec<Range>,
}

impl<'a> Fixed<'a> {
    /// `None` without a fix, and of a package that does harm: nobody wants another version of that.
    fn of(scheme: Scheme, at: usize, found: &'a Match) -> Option<Self> {
        let versions: Vec<&str> =
            found.fix.versions.iter().map(String::as_str).filter(|version| !version.trim().is_empty()).collect();
        if versions.is_empty() || found.malicious {
            return None;
        }
        let knows_a_fix = |range: &Range| versions.iter().any(|version| is_outside(range, version));
        let affected = found.evidence.iter().filter_map(range).filter(knows_a_fix).collect();
        Some(Self { scheme, at, versions, affected })
    }

    fn is_mended_by(&self, version: &str) -> bool {
        if self.versions.contains(&version) {
            return true;
        }
        let is_reached = |fix: &&str| order(self.scheme, version, fix).is_some_and(Ordering::is_ge);
        if self.affected.is_empty() {
            return self.versions.iter().all(is_reached);
        }
        self.versions.first().is_some_and(is_reached) && self.affected.iter().all(|range| is_outside(range, version))
    }
}

fn is_outside(range: &Range, version: &str) -> bool {
    range.contains(&range.scheme.marked(version)) == Some(false)
}

fn order(scheme: Scheme, a: &str, b: &str) -> Option<Ordering> {
    compare(scheme, &scheme.marked(a), &scheme.marked(b))
}

/// The range that a statement was written out of.
fn range(evidence: &Evidence) -> Option<Range> {
    Range::written(evidence.scheme.parse().ok()?, &evidence.affected)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(kind: &str, version: &str) -> Package {
        serde_json::from_value(json!({
            "kind": kind, "name": "a", "version": version, "location": "/a", "layer": 0, "cataloger": "test",
        }))
        .unwrap()
    }

    fn found(package: u32, scheme: Scheme, fixes: &[&str], affected: &str) -> Match {
        let state = if fixes.is_empty() { "not-fixed" } else { "fixed" };
        serde_json::from_value(json!({
            "package": package, "vulnerability": "CVE-1", "severity": "high",
            "fix": {"state": state, "versions": fixes},
            "evidence": [{
                "provider": "p", "namespace": "n", "advisory": "CVE-1", "matched_name": "a", "compared_version": "1",
                "scheme": scheme.name(), "affected": affected, "confidence": "exact", "severity": "high",
            }],
        }))
        .unwrap()
    }

    #[test]
    fn the_version_mends_all_that_has_a_fix() {
        let lines = ">= 3.2, < 3.2.25 || >= 4.2, < 4.2.11 || >= 5.0, < 5.0.3";
        for (kind, installed, matches, want) in [
            ("deb", "1.0-1", &[][..], None),
            ("deb", "1.0-1", &[(&[][..], "*")], None),
            // The order is that of the kind, not that of the text; the first match need not have the highest fix.
            (
                "deb",
                "1.0-1",
                &[(&["1.0-9"][..], "< 1.0-9"), (&["1.0-10"], "< 1.0-10"), (&["1.0-2~deb12u1"], "< 1.0-2~deb12u1")],
                Some(("1.0-10", &[0, 1, 2][..], &[][..])),
            ),
            ("deb", "1.0-1", &[(&[], "*"), (&["1.0-2"], "< 1.0-2")], Some(("1.0-2", &[1], &[0]))),
            // One line of versions serves where it mends both.
            (
                "python",
                "3.2.1",
                &[(&["3.2.25", "4.2.11", "5.0.3"], lines), (&["4.2.12"], "< 4.2.12")],
                Some(("4.2.12", &[0, 1], &[])),
            ),
            // The highest of the first fixes is of a line that has the other flaw still.
            (
                "npm",
                "2.5.0",
                &[(&["2.7.1", "3.0.2"], "< 2.7.1 || >= 3.0.0, < 3.0.2"), (&["3.0.1"], "< 3.0.1")],
                Some(("3.0.2", &[0, 1], &[])),
            ),
            // Nothing is said of what lies between the fixes.
            (
                "npm",
                "2.5.0",
                &[(&["2.7.1", "3.0.2"], "= 2.5.0 || = 2.5.1 and 9 more versions"), (&["2.8.0"], "< 2.8.0")],
                Some(("3.0.2", &[0, 1], &[])),
            ),
            // No version mends both.
            (
                "npm",
                "1.0.0",
                &[(&["1.5.0"], "< 1.5.0 || >= 2.0.0"), (&["2.1.0"], "< 2.1.0")],
                Some(("2.1.0", &[1], &[0])),
            ),
            (
                "go",
                "v1.20.0",
                &[(&["1.20.9"], "< v1.20.9"), (&["1.20.10"], "< v1.20.10")],
                Some(("1.20.10", &[0, 1], &[])),
            ),
            ("npm", "1.0.0", &[(&["no version"], "*")], Some(("no version", &[0], &[]))),
        ] {
            let package = package(kind, installed);
            let scheme = package.kind.scheme();
            let matches = Matches {
                matches: matches.iter().map(|(fixes, affected)| found(0, scheme, fixes, affected)).collect(),
                ..Matches::default()
            };
            let told = upgrades(&[package], None, &matches);
            let want: Vec<_> = want
                .into_iter()
                .map(|(to, mends, leaves)| Upgrade {
                    packages: vec![PackageId(0)],
                    to,
                    mends: mends.to_vec(),
                    leaves: leaves.to_vec(),
                })
                .collect();
            assert_eq!(told, want, "{kind} {installed}");
        }
    }

    #[test]
    fn the_copies_of_a_package_are_one_upgrade_and_malware_is_none() {
        let packages = [package("npm", "1.0.0"), package("npm", "1.0.0"), package("npm", "2.0.0")];
        let fixed = |package| found(package, Scheme::Semver, &["3.0.0"], "< 3.0.0");
        let malware = Match { malicious: true, ..fixed(2) };
        let matches = Matches { matches: vec![fixed(0), fixed(1), malware], ..Matches::default() };
        let want =
            Upgrade { packages: vec![PackageId(0), PackageId(1)], to: "3.0.0", mends: vec![0, 1], leaves: vec![] };
        assert_eq!(upgrades(&packages, None, &matches), [want]);
    }
}
