//! How much of what judging an image takes an SBOM tells.

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageKind};
use killick_model::sbom::{Deduction, Fidelity, Lack};

use crate::catalogers::sbom::told::About;

/// What was seen while a document was read.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Packages.
    packages: usize,
    /// Those that a document of ours tells everything of.
    own: usize,
    /// Those with a package URL.
    with_purl: usize,
    /// Those that it says the place of.
    with_place: usize,
    /// Entries of which nothing says which package they are.
    pub(super) nameless: usize,
    /// Entries that say which package they are, but not in which version.
    pub(super) versionless: usize,
    has_image_digest: bool,
    has_timestamp: bool,
}

impl Measured {
    pub(super) fn of(about: &About, has_image_digest: bool) -> Self {
        // Syft's own form has no place for it.
        let has_timestamp = about.created.is_some() || about.has_no_time;
        Self { has_image_digest, has_timestamp, ..Self::default() }
    }

    pub(super) fn add(&mut self, told: Told) {
        self.packages += 1;
        self.own += usize::from(told.is_own);
        self.with_purl += usize::from(told.has_purl || told.is_own);
        self.with_place += usize::from(told.has_place || told.is_own);
    }
}

/// What a document tells of one package.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    /// Everything: it is one of ours.
    pub(super) is_own: bool,
    /// Its package URL.
    pub(super) has_purl: bool,
    /// Where it is.
    pub(super) has_place: bool,
}

/// The score of a document with these packages.
pub(super) fn fidelity(measured: &Measured, distribution: Option<&Distribution>, packages: &[Package]) -> Fidelity {
    let all = packages.len();
    let mut deductions = Vec::new();
    let mut lacks = |lack, points: u8, reason: String| deductions.push(Deduction { lack, points, reason });
    let count = |is_it: &dyn Fn(&Package) -> bool| packages.iter().filter(|package| is_it(package)).count();
    let of_distribution = count(&|package| package.kind.is_os());
    // Whoever wrote down everything wrote down that there is nothing.
    let is_foreign = measured.own < all;

    if of_distribution > 0 {
        match distribution {
            None => lacks(
                Lack::Distribution,
                30,
                format!("no distribution is named: nobody knows whose advisories count for {of_distribution} packages"),
            ),
            Some(found) if found.version.is_none() && found.codename.is_none() && !is_rolling(&found.id) => {
                let id = &found.id;
                lacks(Lack::Distribution, 20, format!("no release of {id} is named: fixes differ between releases"));
            }
            Some(_) => {}
        }
    }
    if measured.nameless > 0 {
        let (none, entries) = (measured.nameless, all + measured.nameless);
        let reason = format!("{none} of {entries} entries do not say which package they are, and were skipped");
        lacks(Lack::Identity, share(30, none, entries), reason);
    }
    let unversioned = count(&|package| package.version.trim().is_empty()).saturating_add(measured.versionless);
    if unversioned > 0 {
        let entries = all + measured.versionless;
        let reason = format!("{unversioned} of {entries} packages have no version, and cannot be judged");
        lacks(Lack::Version, share(30, unversioned, entries), reason);
    }
    let without_purl = measured.packages.saturating_sub(measured.with_purl);
    if without_purl > 0 {
        let reason = format!("{without_purl} of {all} packages have no package URL, and are known by name alone");
        lacks(Lack::Purl, share(20, without_purl, all), reason);
    }
    let unknown = if is_foreign { count(&|package| package.kind == PackageKind::Binary) } else { 0 };
    if unknown > 0 {
        let reason =
            format!("{unknown} of {all} packages are of no packaging system that advisories are collected for");
        lacks(Lack::Ecosystem, share(10, unknown, all), reason);
    }
    let built = |package: &Package| matches!(package.kind, PackageKind::Deb | PackageKind::Rpm | PackageKind::Apk);
    if is_foreign && count(&built) > 0 && count(&|package| built(package) && package.source.is_some()) == 0 {
        let reason = "no package names its source package, which advisories of distributions speak of".to_owned();
        lacks(Lack::SourcePackages, 10, reason);
    }
    if !measured.has_image_digest {
        lacks(
            Lack::ImageDigest,
            10,
            "the digest of the image is missing: nobody knows which one this is about".to_owned(),
        );
    }
    let others = all - of_distribution;
    if is_foreign && of_distribution > 0 && others > 0 && count(&|package| package.owner.is_some()) == 0 {
        let reason = format!(
            "nothing says which of {others} other packages the distribution brought: they are judged as if it had not"
        );
        lacks(Lack::Ownership, 10, reason);
    }
    let placeless = measured.packages.saturating_sub(measured.with_place);
    if placeless > 0 {
        let reason = format!("{placeless} of {all} packages have no place in the image");
        lacks(Lack::Locations, share(5, placeless, all), reason);
    }
    if !measured.has_timestamp {
        lacks(Lack::Timestamp, 5, "nothing says when it was written".to_owned());
    }
    Fidelity::of(deductions)
}

/// The part of the points that some of all take, at least one.
fn share(points: u8, some: usize, all: usize) -> u8 {
    let part = usize::from(points).saturating_mul(some).div_ceil(all.max(1));
    u8::try_from(part).unwrap_or(points).clamp(1, points)
}

/// Distributions without releases.
fn is_rolling(id: &str) -> bool {
    matches!(id, "arch" | "archlinux" | "gentoo" | "wolfi" | "chainguard" | "opensuse-tumbleweed" | "minimos")
}
