//! Until when what is in an image is supported, out of the index.
//!
//! A matcher by [`Lifecycle`]s would be none: that something is no longer supported is no vulnerability, but tells why
//! nothing is heard of any.

use std::collections::BTreeMap;

use killick_model::advisory::Instant;
use killick_model::distribution::Distribution;
use killick_model::lifecycle::{Lifecycle, Support, Unsupported};
use killick_model::package::{Package, PackageId, PackageKind};
use killick_model::version::compare;

use crate::index::{Index, IndexError};
use crate::matching::Subject;
use crate::namespaces;

/// Distributions that have another name on endoflife.date than in os-release(5).
const DISTRIBUTIONS: &[(&str, &str)] = &[
    ("alpine", "alpine-linux"),
    ("amzn", "amazon-linux"),
    ("azurelinux", "azure-linux"),
    ("ol", "oracle-linux"),
    ("opensuse-leap", "opensuse"),
    ("raspbian", "debian"),
    ("rocky", "rocky-linux"),
];

/// Programs that have another name there than among packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("dotnet-runtime", "dotnet"),
    ("elasticsearch-oss", "elasticsearch"),
    ("node", "nodejs"),
    ("postgres", "postgresql"),
];

/// What is known of the release of a distribution; `None` where nobody speaks of it.
pub fn of_distribution(index: &Index, distribution: &Distribution) -> Result<Option<Lifecycle>, IndexError> {
    let id = distribution.id.as_str();
    let product = DISTRIBUTIONS.iter().find(|(name, _)| *name == id).map_or(id, |(_, product)| product);
    of_product(index, product, distribution.version.as_deref().unwrap_or_default())
}

/// What is known of the line of a product a version belongs to: of `3.11.4` the line `3.11` before `3`.
pub fn of_product(index: &Index, product: &str, version: &str) -> Result<Option<Lifecycle>, IndexError> {
    let mut best: Option<Lifecycle> = None;
    for lifecycle in all(index, product)? {
        let is_longer = best.as_ref().is_none_or(|best| best.cycle.len() < lifecycle.cycle.len());
        if is_longer && is_of_line(version, &lifecycle.cycle) {
            best = Some(lifecycle);
        }
    }
    Ok(best)
}

/// What is known of a package: that its distribution supports it no longer or in part, or until when its line of
/// releases is supported, for programs no distribution answers for.
pub fn of_package(
    index: &Index,
    distribution: Option<&Distribution>,
    package: &Package,
) -> Result<Option<Lifecycle>, IndexError> {
    if package.kind == PackageKind::Binary {
        let name = package.name.as_str();
        let product = PROGRAMS.iter().find(|(program, _)| *program == name).map_or(name, |(_, product)| product);
        return of_product(index, product, package.version.strip_prefix('v').unwrap_or(&package.version));
    }
    let distribution = package.distribution.as_ref().or(distribution);
    let Some(distribution) = distribution.filter(|_| package.kind.is_os()) else { return Ok(None) };
    let source = package.source_name();
    let version = package.source.as_ref().map_or(package.version.as_str(), |source| source.version.as_str());
    for release in namespaces::of_distribution(distribution) {
        let found = all(index, &release)?.into_iter().find(|lifecycle| {
            let is_named = match lifecycle.cycle.strip_suffix(".*") {
                Some(prefix) => source.starts_with(prefix),
                None => source == lifecycle.cycle,
            };
            let scheme = package.kind.scheme();
            let is_spoken_of = lifecycle
                .last_version
                .as_deref()
                .is_none_or(|last| compare(scheme, version, last).is_some_and(std::cmp::Ordering::is_le));
            is_named && is_spoken_of
        });
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What of `subject` is past the end of its support at `now`: its distribution first, then programs that no
/// distribution answers for, each line once, by name.
pub fn unsupported(index: &Index, subject: Subject<'_>, now: Instant) -> Result<Vec<Unsupported>, IndexError> {
    let mut found = Vec::new();
    if let Some(distribution) = subject.distribution {
        let lifecycle = of_distribution(index, distribution)?;
        found.extend(lifecycle.and_then(|lifecycle| Unsupported::at(now, &lifecycle)));
    }
    let mut programs: BTreeMap<(&str, &str), Vec<PackageId>> = BTreeMap::new();
    for (at, package) in subject.packages.iter().enumerate() {
        if package.kind == PackageKind::Binary && package.owner.is_none() && package.evidence.is_installed() {
            let id = PackageId(u32::try_from(at).unwrap_or(u32::MAX));
            programs.entry((&package.name, &package.version)).or_default().push(id);
        }
    }
    let mut lines: BTreeMap<(String, String), Unsupported> = BTreeMap::new();
    for ids in programs.into_values() {
        let Some(package) = ids.first().and_then(|id| subject.packages.get(id.0 as usize)) else { continue };
        let lifecycle = of_package(index, subject.distribution, package)?;
        // What is extended for those who pay is no promise to anybody else, but no end either.
        let ended = lifecycle.and_then(|lifecycle| Unsupported::at(now, &lifecycle));
        if let Some(ended) = ended.filter(|ended| ended.support == Support::Ended) {
            let key = (ended.product.clone(), ended.cycle.clone());
            lines.entry(key).or_insert(ended).packages.extend(ids);
        }
    }
    for line in lines.values_mut() {
        line.packages.sort_unstable();
    }
    found.extend(lines.into_values());
    Ok(found)
}

fn all(index: &Index, product: &str) -> Result<Vec<Lifecycle>, IndexError> {
    let mut found = Vec::new();
    for segment in 0..index.manifest().segments.len() {
        found.extend(index.lifecycles(segment, product)?);
    }
    Ok(found)
}

/// Whether a version is the line itself or of it: `3.1` is no version of line `3.11`.
fn is_of_line(version: &str, line: &str) -> bool {
    version.strip_prefix(line).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use killick_model::package::{PackageEvidence, SourcePackage};
    use killick_model::path::ImagePath;

    use super::*;
    use crate::{BuildOptions, build};

    fn index() -> Index {
        let work = tempfile::tempdir().unwrap();
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/providers");
        for case in ["eol/api", "support/lists"] {
            crate::providers::tests::pack(&testdata.join(case).join("feeds"), work.path());
        }
        let out = work.path().join("index");
        build(&[work.path().to_owned()], &out, &BuildOptions::default()).unwrap();
        Index::open(&out).unwrap()
    }

    fn distribution(id: &str, version: &str) -> Distribution {
        Distribution { id: id.to_owned(), version: Some(version.to_owned()), ..Distribution::default() }
    }

    #[test]
    fn releases_of_distributions_end() {
        let index = index();
        let now = Instant::parse("2026-07-01").unwrap();
        for (id, version, expected) in [
            ("debian", "12", Some(Support::Extended)),
            ("debian", "12.5", Some(Support::Extended)),
            ("raspbian", "12", Some(Support::Extended)),
            ("debian", "1", None),
            ("ubuntu", "18.04", Some(Support::Ended)),
            ("ubuntu", "24.04", Some(Support::Full)),
            ("ubuntu", "24.10", None),
            ("unheard-of", "1", None),
        ] {
            let found = of_distribution(&index, &distribution(id, version)).unwrap();
            assert_eq!(found.map(|lifecycle| lifecycle.support_at(now)), expected, "{id} {version}");
        }
    }

    #[test]
    fn packages_end_with_their_line_or_before_their_release() {
        let index = index();
        let debian = distribution("debian", "12");
        let now = Instant::parse("2026-07-01").unwrap();
        let path = || ImagePath::new(b"somewhere").unwrap();
        for (kind, name, version, source, expected) in [
            (PackageKind::Binary, "python", "3.11.4", None, Some(("3.11", Support::Full))),
            (PackageKind::Binary, "python", "2.7.18", None, Some(("2.7", Support::Ended))),
            (PackageKind::Binary, "python", "3.1.1", None, None),
            (PackageKind::Python, "python", "2.7", None, None),
            (PackageKind::Deb, "lxd-client", "5.0.2-5+deb12u6", Some("lxd"), Some(("lxd", Support::Ended))),
            // Somebody went on after the last supported version.
            (PackageKind::Deb, "lxd-client", "5.0.2-5+deb12u7", Some("lxd"), None),
            (PackageKind::Deb, "golang-1.19-go", "1.19.8-2", None, Some(("golang.*", Support::Limited))),
            (PackageKind::Deb, "adns", "1.6.0-2", None, Some(("adns", Support::Limited))),
            (PackageKind::Deb, "adns-tools", "1.6.0-2", None, None),
        ] {
            let mut package = Package::new(kind, name, version, path());
            package.source =
                source.map(|source| SourcePackage { name: source.to_owned(), version: version.to_owned() });
            let found = of_package(&index, Some(&debian), &package).unwrap();
            let found = found.as_ref().map(|lifecycle| (lifecycle.cycle.as_str(), lifecycle.support_at(now)));
            assert_eq!(found, expected, "{kind} {name} {version}");
        }
    }

    #[test]
    fn what_is_past_its_end_is_told_once() {
        let index = index();
        let now = Instant::parse("2026-07-01").unwrap();
        let program = |name: &str, version: &str, path: &[u8]| {
            Package::new(PackageKind::Binary, name, version, ImagePath::new(path).unwrap())
        };
        let packages = [
            program("python", "2.7.18", b"usr/bin/python2"),
            program("python", "3.11.4", b"usr/bin/python3"),
            program("python", "2.7.3", b"opt/python"),
            // The distribution answers for it.
            Package { owner: Some(PackageId(1)), ..program("python", "2.7.18", b"bin/python") },
            Package { evidence: PackageEvidence::Claimed, ..program("python", "2.7.18", b"sbom.json") },
            program("unheard-of", "2.7.18", b"bin/unheard-of"),
        ];
        let told = |id: &str, version: &str| -> Vec<String> {
            let distribution = distribution(id, version);
            let subject = Subject { distribution: Some(&distribution), packages: &packages };
            let found = unsupported(&index, subject, now).unwrap();
            found
                .iter()
                .map(|ended| {
                    let ids: Vec<u32> = ended.packages.iter().map(|id| id.0).collect();
                    format!("{} {} {:?} {ids:?}", ended.product, ended.cycle, ended.support)
                })
                .collect()
        };
        let python = "python 2.7 Ended [0, 2]";
        assert_eq!(told("ubuntu", "18.04"), ["ubuntu 18.04 Ended []", python]);
        assert_eq!(told("debian", "12"), ["debian 12 Extended []", python]);
        assert_eq!(told("ubuntu", "24.04"), [python]);
        assert_eq!(told("unheard-of", "1"), [python]);
    }
}
