//! Under which names a package is looked up, and which of its versions is compared.

use std::borrow::Cow;

use killick_model::advisory::Level;
use killick_model::matching::Confidence;
use killick_model::package::{Package, PackageDetails, PackageKind};
use killick_model::version::range::Epoch;

use super::identity::Identity;
use crate::names;

/// A name to look up, and the version to hold against what is found.
pub(crate) struct Query<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(super) version: Cow<'a, str>,
    pub(super) confidence: Confidence,
    pub(super) epoch: Epoch,
    /// Levels of statements that may be about this name.
    pub(super) levels: &'static [Level],
}

/// The names of a distribution package: its source package, and itself.
pub(crate) fn os(package: &Package) -> Vec<Query<'_>> {
    let (name, version) = (package.name.as_str(), package.version.as_str());
    let source = package.source_name();
    let source_version = match &package.source {
        Some(source) => Cow::Borrowed(source.version.as_str()),
        None => without_rebuild(package.kind, version),
    };
    let epoch = if package.kind == PackageKind::Rpm && package.source.is_some() { Epoch::OfBound } else { Epoch::Zero };
    if source == name {
        return vec![
            Query {
                name: name.into(),
                version: source_version,
                confidence: Confidence::Exact,
                epoch,
                levels: &[Level::Source, Level::Any],
            },
            Query {
                name: name.into(),
                version: version.into(),
                confidence: Confidence::Exact,
                epoch: Epoch::Zero,
                levels: &[Level::Binary],
            },
        ];
    }
    vec![
        Query {
            name: source.into(),
            version: source_version,
            confidence: Confidence::Source,
            epoch,
            levels: &[Level::Source, Level::Any],
        },
        Query {
            name: name.into(),
            version: version.into(),
            confidence: Confidence::Exact,
            epoch: Epoch::Zero,
            levels: &[Level::Binary, Level::Any],
        },
    ]
}

/// Debian's `+bN` marks a rebuild of the same source.
fn without_rebuild(kind: PackageKind, version: &str) -> Cow<'_, str> {
    match version.rsplit_once("+b") {
        Some((source, number))
            if kind == PackageKind::Deb && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            source.into()
        }
        _ => version.into(),
    }
}

/// Bitnami numbers its builds of one release, `17.2.0-8`; its advisories are about releases, and the few that name a build
/// do so to tell that it is fixed. A semantic version with a dash would come before its release.
fn without_revision(version: &str) -> &str {
    /// A longer number is a date.
    const DIGITS: usize = 4;
    match version.rsplit_once('-') {
        Some((release, number))
            if !release.is_empty()
                && (1..=DIGITS).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            release
        }
        _ => version,
    }
}

/// `v4` and `v4.1` are tags that are moved along with releases: they stand for the latest of their series.
fn latest(version: &str) -> Cow<'_, str> {
    const LAST: &str = ".999999999";
    let numbers = version.strip_prefix('v').unwrap_or(version);
    let is_series = numbers.split('.').all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    match numbers.split('.').count() {
        // A commit may be all digits.
        parts @ 1..=2 if is_series && numbers.len() < 20 => Cow::Owned(format!("{version}{}", LAST.repeat(3 - parts))),
        _ => version.into(),
    }
}

/// The names of a language package.
pub(crate) fn language<'a>(ecosystem: &str, identity: &Identity<'a>) -> Vec<Query<'a>> {
    let package = identity.package;
    let query = |name: Cow<'a, str>, version: Cow<'a, str>| Query {
        name,
        version,
        confidence: Confidence::Exact,
        epoch: Epoch::Zero,
        levels: &[Level::Module, Level::Any],
    };
    let name = match &package.details {
        PackageDetails::Java { group: Some(group), .. } => Cow::Owned(format!("{group}:{}", package.name)),
        PackageDetails::Java { group: None, .. } => return Vec::new(),
        // A package of an organisation is none of the public ones, whatever its name.
        PackageDetails::Published { namespace: Some(namespace), .. } if package.kind == PackageKind::Hex => {
            Cow::Owned(format!("{namespace}/{}", package.name))
        }
        _ => names::normalise(ecosystem, &package.name),
    };
    let version = match package.kind {
        // `1.13.10-x86_64-linux`: what follows the dash is the platform, a version has none.
        PackageKind::Gem => package.version.split('-').next().unwrap_or_default().into(),
        // The standard library goes by the name of its Go release.
        PackageKind::Go if package.name == "stdlib" && package.version.starts_with(|c: char| c.is_ascii_digit()) => {
            Cow::Owned(format!("go{}", package.version))
        }
        PackageKind::GithubAction => latest(&package.version),
        PackageKind::Bitnami => without_revision(&package.version).into(),
        _ => package.version.as_str().into(),
    };
    let mut queries = vec![query(name, version)];
    queries.extend(identity.toolchain.map(|toolchain| query("stdlib".into(), toolchain.into())));
    queries
}

#[cfg(test)]
mod tests {
    use killick_model::version::{Scheme, compare};

    use super::*;

    /// Versions of packages and bounds of advisories as they are in Bitnami's data.
    #[test]
    fn a_build_of_bitnami_is_its_release() {
        for (package, bound, want) in [
            ("17.2.0-8", "17.2.0", "="),
            ("17.2.0-8", "17.2.1", "<"),
            ("17.2.0", "17.2.0", "="),
            ("5.15.12-3", "5.15.12", "="),
            ("4.0.20-0", "4.0.20-0", ">"),
            ("1.81.0-1", "1.81.0-1", ">"),
            ("1.80.9-12", "1.81.0-1", "<"),
            ("1.62.0-0", "1.62.0-0", ">"),
            ("2.6.0-rc1", "2.6.0", "<"),
            ("2.6.0-rc1-2", "2.6.0-rc1", "="),
            ("2.6.0-5", "2.6.0-rc1", ">"),
            ("3.6.5-8-g210218", "3.6.5", "<"),
            ("0.0.0-20250807212521", "0.0.0", "<"),
            ("7.2.4-10", "7.2.10", "<"),
        ] {
            let order = compare(Scheme::Semver, without_revision(package), bound).expect("versions");
            let found = match order {
                std::cmp::Ordering::Less => "<",
                std::cmp::Ordering::Equal => "=",
                std::cmp::Ordering::Greater => ">",
            };
            assert_eq!(found, want, "{package} {bound}");
        }
        assert_eq!(without_revision("-1"), "-1");
        assert_eq!(without_revision("1-"), "1-");
    }
}
