//! What an image has from its base, what the application brought, and what another base would change.
//!
//! A function of analyses and matches: nothing is built. A package that the base has in the same version came with it;
//! everything else is the application's, also a package of the base that it upgraded.

use std::collections::{BTreeMap, BTreeSet};

use killick_model::analysis::Analysis;
use killick_model::package::{Package, PackageKind};
use killick_model::severity::Severity;
use serde::Serialize;

use crate::comparison::Side;

mod text;

pub use text::text;

/// An image on its base, and on others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaseReport {
    /// The image as the user named it.
    pub image: String,
    /// What it is based on, if one of the given images is it: all layers of that are at its bottom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// How many packages came with the base.
    pub packages_of_base: usize,
    /// How many packages the application brought.
    pub packages_of_application: usize,
    /// Vulnerabilities of packages that came with the base.
    pub of_base: Counts,
    /// Vulnerabilities of packages that the application brought.
    pub of_application: Counts,
    /// What the other given images would make of it, the best first.
    pub others: Vec<OtherBase>,
}

/// Vulnerabilities: pairs of a vulnerability and a package.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Counts(pub BTreeMap<Severity, usize>);

impl Counts {
    fn of<'a>(severities: impl Iterator<Item = &'a Severity>) -> Self {
        let mut counts = BTreeMap::new();
        for severity in severities {
            *counts.entry(*severity).or_default() += 1;
        }
        Self(counts)
    }

    /// These and those.
    fn with(&self, others: &Self) -> Self {
        let mut counts = self.0.clone();
        for (severity, count) in &others.0 {
            *counts.entry(*severity).or_default() += count;
        }
        Self(counts)
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// The numbers by severity, the worst first: what is compared to say which is better.
    fn rank(&self) -> Vec<usize> {
        let severities = [
            Severity::Critical,
            Severity::High,
            Severity::Medium,
            Severity::Low,
            Severity::Negligible,
            Severity::Unknown,
        ];
        severities.iter().map(|severity| self.0.get(severity).copied().unwrap_or_default()).collect()
    }
}

/// The same application on another base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherBase {
    /// The base as the user named it.
    pub source: String,
    /// Vulnerabilities that the image would have then.
    pub then: Counts,
    /// Vulnerabilities that it has now and would not have.
    pub removed: Counts,
    /// Vulnerabilities that it would have and has not.
    pub added: Counts,
}

impl BaseReport {
    /// The base that is better than the one there is, and than all others.
    pub fn best(&self) -> Option<&OtherBase> {
        let now: BTreeMap<Severity, usize> =
            self.of_base.0.iter().chain(&self.of_application.0).fold(BTreeMap::new(), |mut sum, (severity, count)| {
                *sum.entry(*severity).or_default() += count;
                sum
            });
        self.others.first().filter(|other| other.then.rank() < Counts(now).rank())
    }
}

/// What makes packages of two images the same.
type Identity<'a> = (PackageKind, &'a str, Option<&'a str>, &'a str);

/// The same but for the version: an application that brings it replaces that of any base.
type Name<'a> = (PackageKind, &'a str, Option<&'a str>);

/// One vulnerability of one package, whatever the version of the package.
type Vulnerable<'a> = (&'a str, PackageKind, &'a str);

fn name(package: &Package) -> Name<'_> {
    (package.kind, &package.name, package.architecture.as_deref())
}

fn identity(package: &Package) -> Identity<'_> {
    (package.kind, &package.name, package.architecture.as_deref(), &package.version)
}

/// Whether all layers of `base` are at the bottom of `image`.
fn is_based_on(image: &Analysis, base: &Analysis) -> bool {
    let mut pairs = image.layers.iter().zip(&base.layers);
    base.layers.len() <= image.layers.len() && pairs.all(|(one, other)| one.diff_id == other.diff_id)
}

/// Holds the image against images it is, or may be, based on. Of several that it is based on, the one with most layers
/// is its base.
pub fn report(image: &Side<'_>, bases: &[Side<'_>]) -> BaseReport {
    let own = bases
        .iter()
        .enumerate()
        .filter(|(_, base)| is_based_on(image.analysis, base.analysis))
        .max_by_key(|(at, base)| (base.analysis.layers.len(), std::cmp::Reverse(*at)))
        .map(|(at, _)| at);
    let base = own.and_then(|at| bases.get(at));
    let with_base: BTreeSet<Identity<'_>> =
        base.map(|base| base.analysis.packages.iter().map(identity).collect()).unwrap_or_default();
    let is_of_base = |package: &Package| with_base.contains(&identity(package));
    let (packages_of_base, packages_of_application): (Vec<&Package>, Vec<&Package>) =
        image.analysis.packages.iter().partition(|package| is_of_base(package));
    let replaced: BTreeSet<Name<'_>> = packages_of_application.iter().map(|package| name(package)).collect();
    let now = vulnerable(image, |_| true);
    let application = vulnerable(image, |package| !is_of_base(package));
    let of_base = vulnerable(image, is_of_base);
    let others = bases.iter().enumerate().filter(|(at, _)| Some(*at) != own).map(|(_, other)| {
        let mut then = vulnerable(other, |package| !replaced.contains(&name(package)));
        then.extend(application.iter().map(|(key, severity)| (*key, *severity)));
        let only = |these: &BTreeMap<Vulnerable<'_>, Severity>, those: &BTreeMap<Vulnerable<'_>, Severity>| {
            Counts::of(these.iter().filter(|(key, _)| !those.contains_key(*key)).map(|(_, severity)| severity))
        };
        OtherBase {
            source: other.source.to_owned(),
            removed: only(&now, &then),
            added: only(&then, &now),
            then: Counts::of(then.values()),
        }
    });
    let mut others: Vec<OtherBase> = others.collect();
    others.sort_by_key(|other| other.then.rank());
    BaseReport {
        image: image.source.to_owned(),
        base: base.map(|base| base.source.to_owned()),
        packages_of_base: packages_of_base.len(),
        packages_of_application: packages_of_application.len(),
        of_base: Counts::of(of_base.values()),
        of_application: Counts::of(application.values()),
        others,
    }
}

/// Vulnerabilities of those packages.
fn vulnerable<'a>(side: &Side<'a>, is_meant: impl Fn(&Package) -> bool) -> BTreeMap<Vulnerable<'a>, Severity> {
    let packages = &side.analysis.packages;
    let found = side.matches.matches.iter().filter_map(|found| {
        let package = packages.get(usize::try_from(found.package.0).ok()?)?;
        is_meant(package).then(|| ((found.anchore_id(package), package.kind, package.name.as_str()), found.severity))
    });
    found.collect()
}

#[cfg(test)]
mod tests;
