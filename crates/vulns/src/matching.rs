//! Matching: packages by the index, to matches that carry their evidence.
//!
//! 1. Packages that cannot be told apart by any advisory are judged once ([`identity`], [`linkage`]).
//! 2. Everything the index says about their names becomes an opinion with an outcome ([`opinion`], [`outcome`]).
//! 3. Opinions about the same vulnerability under different names become one class ([`class`]); who is most
//!    competent decides it.
//! 4. A decided class becomes a match or a suppression of each package, with ratings attached ([`finding`]). Files
//!    that belong to a distribution package are judged by the distribution here ([`ownership`]).

use std::collections::BTreeSet;

use killick_model::analysis::Analysis;
use killick_model::distribution::Distribution;
use killick_model::matching::{Matches, NO_DATA_FOR_CLAIMS};
use killick_model::package::{Package, PackageKind};
use killick_model::problem::Problem;
use rayon::prelude::*;

use self::class::Class;
use self::identity::{Identity, group};
use self::recent::Recent;
use self::vendor::Vendors;
use crate::index::{Index, IndexError};
use crate::namespaces;
use crate::scores::SeverityOrder;

pub(crate) mod class;
mod codeless;
mod cpe;
pub(crate) mod finding;
pub(crate) mod identity;
pub(crate) mod knowledge;
mod linkage;
pub(crate) mod opinion;
pub(crate) mod outcome;
mod ownership;
pub(crate) mod query;
mod recent;
pub(crate) mod stream;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod vendor;

/// What is judged: packages, and the distribution that answers for some of them.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The distribution the packages are installed on.
    pub distribution: Option<&'a Distribution>,
    /// The packages; [`PackageId`](killick_model::package::PackageId)s are positions in it.
    pub packages: &'a [Package],
}

impl<'a> From<&'a Analysis> for Subject<'a> {
    fn from(analysis: &'a Analysis) -> Self {
        Self { distribution: analysis.distribution.as_ref(), packages: &analysis.packages }
    }
}

/// How to match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatchOptions {
    /// Whether to keep what does not count.
    pub suppressed: Suppressions,
    /// Whose severity counts.
    pub severity_order: SeverityOrder,
    /// Which packages are looked up by CPE.
    pub cpe: CpeUse,
}

/// Which packages are looked up by CPE. What is found so is a guess by names, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CpeUse {
    /// Software that was recognised by its content, of which nobody knows better.
    #[default]
    Binaries,
    /// Every package that has a CPE. A vendor's statement, or one of the ecosystem's database, goes before.
    All,
}

/// What to keep of what does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Suppressions {
    /// Each vulnerability some source names for a package, with the reason why it does not count.
    #[default]
    Keep,
    /// Nothing: for judging many images, where only matches are of interest.
    Drop,
}

/// Judges the packages of `subject` by `index`.
///
/// Packages nobody can judge are named in the problems, so that no matches is not mistaken for no vulnerabilities.
pub fn match_packages(index: &Index, subject: Subject<'_>, options: &MatchOptions) -> Result<Matches, IndexError> {
    let judged = judge(index, subject, options.cpe)?;
    let mut matches = finding::report(index, subject, &judged, options)?;
    matches.problems.extend(judged.problems);
    matches.problems.sort();
    matches.problems.dedup();
    Ok(matches)
}

/// All classes of all packages, and what could not be judged.
pub(crate) struct Judged<'a> {
    pub(crate) vendors: Vendors<'a>,
    pub(crate) identities: Vec<(Identity<'a>, Vec<usize>)>,
    /// Of each identity.
    pub(crate) classes: Vec<Vec<Class>>,
    pub(crate) problems: Vec<Problem>,
}

pub(crate) fn judge<'a>(index: &Index, subject: Subject<'a>, cpe: CpeUse) -> Result<Judged<'a>, IndexError> {
    let vendors = Vendors::new(index, subject);
    let identities = linkage::split(index, subject.packages, group(subject.packages, cpe))?;
    let opinions: Result<Vec<_>, IndexError> = identities
        .par_iter()
        .map_init(
            || Recent::new(index),
            |recent, (identity, _)| opinion::opinions(recent, vendors.of(identity.package), identity, cpe),
        )
        .collect();
    let opinions = opinions?;
    let mut problems = silence(index, &vendors, subject);
    let mut classes = Vec::with_capacity(identities.len());
    for ((identity, _), opinions) in identities.iter().zip(opinions) {
        problems.extend(outcome::problem(identity, &opinions));
        classes.push(class::classes(identity.package.kind, opinions));
    }
    Ok(Judged { vendors, identities, classes, problems })
}

/// Packages about which nothing is known because there are no data of their kind.
fn silence(index: &Index, vendors: &Vendors<'_>, subject: Subject<'_>) -> Vec<Problem> {
    let count = |belongs: &dyn Fn(&Package) -> bool| {
        let those = subject.packages.iter().filter(|package| belongs(package));
        let (there, claimed): (Vec<_>, Vec<_>) = those.partition(|package| package.evidence.is_there());
        let kind = if there.is_empty() { NO_DATA_FOR_CLAIMS } else { "no-data" };
        (there.len() + claimed.len(), kind)
    };
    let no_data = |subject: String, what: String, (count, kind): (usize, &str)| {
        Problem::new(kind, subject, format!("no vulnerability data for {what}: {count} packages are not judged"))
    };
    let mut problems = Vec::new();
    for (distribution, vendor) in vendors.all().filter(|(_, vendor)| vendor.segments.is_empty()) {
        let of_vendor = |package: &Package| package.kind.is_os() && std::ptr::eq(vendors.of(package), vendor);
        let os = count(&of_vendor);
        if os.0 > 0 {
            problems.push(match distribution {
                Some(distribution) => {
                    let label = distribution.label();
                    no_data(label.clone(), format!("distribution `{label}`"), os)
                }
                None => no_data("distribution".to_owned(), "an unknown distribution".to_owned(), os),
            });
        }
    }
    let kinds: BTreeSet<PackageKind> = subject.packages.iter().map(|package| package.kind).collect();
    let has_cpe = index.segments_of(namespaces::CPE).next().is_some();
    for kind in kinds.into_iter().filter(|kind| !kind.is_os()) {
        let ecosystem = kind.ecosystem();
        let known = ecosystem.map_or(has_cpe, |ecosystem| index.segments_of(ecosystem).next().is_some());
        if !known {
            let what =
                ecosystem.map_or("binaries without an ecosystem".to_owned(), |name| format!("ecosystem `{name}`"));
            problems.push(no_data(kind.name().to_owned(), what, count(&|package| package.kind == kind)));
        }
    }
    problems
}
