//! The order in which gates and expressions see the things of an image, whatever order they came in.

use std::cell::OnceCell;
use std::cmp::Ordering;

use killick_model::file::FileEntry;
use killick_model::matching::Match;
use killick_model::package::Package;

use crate::evidence::Evidence;

/// Places of packages, matches and files in their order; `None` where they came in it, as they nearly always do.
#[derive(Debug, Default)]
pub(crate) struct Order {
    packages: OnceCell<Option<Vec<usize>>>,
    matches: OnceCell<Option<Vec<usize>>>,
    files: OnceCell<Option<Vec<usize>>>,
}

impl Order {
    /// Packages by kind, name, version, architecture and place.
    pub(crate) fn package<'e>(&self, evidence: &Evidence<'e>, at: usize) -> Option<&'e Package> {
        of(&self.packages, &evidence.analysis.packages, at, compare)
    }

    /// Matches by vulnerability and package.
    pub(crate) fn vulnerability<'e>(&self, evidence: &Evidence<'e>, at: usize) -> Option<&'e Match> {
        let package = |found: &Match| evidence.analysis.packages.get(found.package.0 as usize);
        of(&self.matches, &evidence.matches.matches, at, |one, other| {
            let by_package = || match (package(one), package(other)) {
                (Some(one), Some(other)) => compare(one, other),
                (one, other) => one.is_some().cmp(&other.is_some()),
            };
            one.vulnerability.cmp(&other.vulnerability).then_with(by_package)
        })
    }

    /// Files by path.
    pub(crate) fn file<'e>(&self, evidence: &Evidence<'e>, at: usize) -> Option<&'e FileEntry> {
        of(&self.files, &evidence.analysis.files, at, |one, other| one.path.cmp(&other.path))
    }
}

/// Packages by name and version, across kinds: the order of findings.
pub(crate) fn compare_by_name(one: &Package, other: &Package) -> Ordering {
    (&one.name, &one.version).cmp(&(&other.name, &other.version)).then_with(|| compare(one, other))
}

/// Packages by all that findings tell of them, so that no two that look different change places.
fn compare(one: &Package, other: &Package) -> Ordering {
    (one.kind, &one.name, &one.version, &one.architecture, &one.location, &one.nested)
        .cmp(&(other.kind, &other.name, &other.version, &other.architecture, &other.location, &other.nested))
        .then_with(|| (one.layer, &one.licenses).cmp(&(other.layer, &other.licenses)))
}

fn of<'e, T>(
    places: &OnceCell<Option<Vec<usize>>>,
    all: &'e [T],
    at: usize,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Option<&'e T> {
    let places = places.get_or_init(|| {
        if all.is_sorted_by(|one, other| compare(one, other).is_le()) {
            return None;
        }
        let mut order: Vec<(usize, &T)> = all.iter().enumerate().collect();
        order.sort_by(|(_, one), (_, other)| compare(one, other));
        Some(order.into_iter().map(|(place, _)| place).collect())
    });
    match places {
        None => all.get(at),
        Some(places) => all.get(*places.get(at)?),
    }
}
