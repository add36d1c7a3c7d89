//! The distribution that answers for a package: the image's, or the one a copied package is of.

use killick_model::distribution::Distribution;
use killick_model::package::Package;

use super::Subject;
use super::stream::Stream;
use crate::index::{Coverage, Index};
use crate::namespaces;

/// The segments that speak of the distribution's packages, most competent provider first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vendor {
    pub(crate) segments: Vec<usize>,
    /// Whether the silence of one of them means something.
    pub(crate) is_complete: bool,
    /// The stream of a minor release that all its packages are of.
    pub(crate) stream: Option<Stream>,
}

impl Vendor {
    pub(crate) fn new(index: &Index, distribution: Option<&Distribution>) -> Self {
        let candidates = distribution.map(namespaces::of_distribution).unwrap_or_default();
        let beside = distribution.and_then(namespaces::beside);
        let mut second_hand = None;
        for namespace in &candidates {
            let mut found: Vec<_> = index.segments_of(namespace).collect();
            let Some(best) = found.iter().map(|(_, segment)| competence(&segment.provider)).min() else { continue };
            found.extend(beside.iter().flat_map(|beside| index.segments_of(beside)));
            found.sort_by_key(|(at, segment)| (competence(&segment.provider), *at));
            let vendor = Self {
                is_complete: found.iter().any(|(_, segment)| segment.coverage == Coverage::Full),
                segments: found.into_iter().map(|(at, _)| at).collect(),
                stream: distribution.and_then(Stream::of),
            };
            // A collection that knows the minor release does not go before the distribution that speaks of the major one.
            if best < SECOND_HAND {
                return vendor;
            }
            second_hand.get_or_insert(vendor);
        }
        second_hand.unwrap_or_default()
    }
}

/// Who answers for the packages of one image.
#[derive(Debug)]
pub(crate) struct Vendors<'a> {
    own: (Option<&'a Distribution>, Vendor),
    /// Of packages that are of another distribution.
    foreign: Vec<(&'a Distribution, Vendor)>,
}

impl<'a> Vendors<'a> {
    pub(crate) fn new(index: &Index, subject: Subject<'a>) -> Self {
        let own = (subject.distribution, Vendor::new(index, subject.distribution));
        let mut foreign: Vec<(&Distribution, Vendor)> = Vec::new();
        for distribution in subject.packages.iter().filter_map(|package| package.distribution.as_ref()) {
            if !foreign.iter().any(|(known, _)| *known == distribution) {
                foreign.push((distribution, Vendor::new(index, Some(distribution))));
            }
        }
        Self { own, foreign }
    }

    pub(crate) fn of(&self, package: &Package) -> &Vendor {
        let foreign = package.distribution.as_ref().and_then(|distribution| {
            self.foreign.iter().find(|(known, _)| *known == distribution).map(|(_, vendor)| vendor)
        });
        foreign.unwrap_or(&self.own.1)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (Option<&'a Distribution>, &Vendor)> {
        let foreign = self.foreign.iter().map(|(distribution, vendor)| (Some(*distribution), vendor));
        std::iter::once((self.own.0, &self.own.1)).chain(foreign)
    }
}

/// Competence of collections of what others say.
const SECOND_HAND: u8 = 3;

/// Who maintains packages beyond their distribution's end knows them best; then the distribution's own feed, then its
/// records in OSV, then what Anchore's database and
/// its forerunner made of it.
pub(crate) fn competence(provider: &str) -> u8 {
    match provider {
        "elts" => 0,
        "osv" => 2,
        "anchore" | "grype" => SECOND_HAND,
        _ => 1,
    }
}
