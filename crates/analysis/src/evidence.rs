//! Several witnesses of one package: the best one speaks.

use std::borrow::Cow;
use std::collections::HashSet;

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageKind};
use killick_model::purl::python_name;

/// Leaves out packages that are claimed or declared where the same version of the same package is installed: the lock
/// file beside a folder of installed packages tells nothing new. One that is installed twice is there twice.
pub(crate) fn keep_best(packages: &mut Vec<Package>, own: Option<&Distribution>) {
    let installed: HashSet<(PackageKind, String, String)> =
        packages.iter().filter(|package| package.evidence.is_installed()).map(identity).collect();
    // A package of another distribution is another one.
    let is_foreign = |package: &Package| package.distribution.is_some() && own.is_some();
    let is_there = |package: &Package| !is_foreign(package) && installed.contains(&identity(package));
    packages.retain(|package| package.evidence.is_installed() || !is_there(package));
}

/// Kind, name and version in the one spelling under which a lock file and an installation agree.
fn identity(package: &Package) -> (PackageKind, String, String) {
    let (name, version) = (package.name.as_str(), package.version.as_str());
    let (name, version) = match package.kind {
        PackageKind::Python => (Cow::Owned(python_name(name)), python_version(version)),
        PackageKind::Composer => (Cow::Owned(name.to_lowercase()), version.trim_start_matches('v')),
        PackageKind::Npm => (Cow::Borrowed(name), version.trim_start_matches(['v', '='])),
        // What follows the dash is the platform.
        PackageKind::Gem => (Cow::Borrowed(name), version.split('-').next().unwrap_or(version)),
        _ => (Cow::Borrowed(name), version),
    };
    (package.kind, name.into_owned(), version.to_owned())
}

/// A release without the zeros that do not count: `1.0` is `1`.
fn python_version(version: &str) -> &str {
    let mut version = version.trim_start_matches('v');
    if version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        while let Some(shorter) = version.strip_suffix(".0") {
            version = shorter;
        }
    }
    version
}

#[cfg(test)]
mod tests {
    use killick_model::package::PackageEvidence;
    use killick_model::path::ImagePath;

    use super::*;

    #[test]
    fn spellings_of_one_package_are_one() {
        let identity = |kind, name, version| identity(&Package::new(kind, name, version, ImagePath::default()));
        for (kind, one, other) in [
            (PackageKind::Python, ("ruamel.yaml", "1.0"), ("Ruamel_yaml", "1.0.0")),
            (PackageKind::Composer, ("symfony/Yaml", "v1.0.0"), ("symfony/yaml", "1.0.0")),
            (PackageKind::Npm, ("@a/b", "v1.0.0"), ("@a/b", "1.0.0")),
            (PackageKind::Gem, ("nokogiri", "1.10.4-x86_64-linux"), ("nokogiri", "1.10.4")),
        ] {
            assert_eq!(identity(kind, one.0, one.1), identity(kind, other.0, other.1));
        }
        let python = |version| identity(PackageKind::Python, "a", version);
        assert_ne!(python("1.0rc1.0"), python("1.0rc1"));
        assert_ne!(python("1.10"), python("1.1"));
    }

    #[test]
    fn what_is_installed_is_not_declared_as_well() {
        let package = |evidence, name: &str, version: &str, place: &str| Package {
            evidence,
            ..Package::new(PackageKind::Python, name, version, ImagePath::from(place))
        };
        let mut packages = vec![
            package(PackageEvidence::Declared, "ruamel.yaml", "1.0", "/srv/uv.lock"),
            package(PackageEvidence::Declared, "flask", "1.0", "/srv/uv.lock"),
            package(PackageEvidence::Installed, "ruamel_yaml", "1.0", "/a/METADATA"),
            package(PackageEvidence::Installed, "ruamel_yaml", "1.0", "/b/METADATA"),
            package(PackageEvidence::Installed, "flask", "2.0", "/a/METADATA"),
            package(PackageEvidence::Claimed, "flask", "2.0", "/sbom.json"),
        ];
        keep_best(&mut packages, None);
        let kept: Vec<String> =
            packages.iter().map(|package| format!("{}@{}", package.name, package.location)).collect();
        assert_eq!(
            kept,
            ["flask@/srv/uv.lock", "ruamel_yaml@/a/METADATA", "ruamel_yaml@/b/METADATA", "flask@/a/METADATA"]
        );
    }
    #[test]
    fn a_claim_about_another_distribution_is_kept() {
        let distribution = Distribution { id: "debian".to_owned(), ..Distribution::default() };
        let package = |evidence, distribution: Option<&Distribution>| Package {
            evidence,
            distribution: distribution.cloned(),
            ..Package::new(PackageKind::Deb, "libssl3", "3.0.11-1", ImagePath::default())
        };
        for (claimed, own, count) in [
            (None, Some(&distribution), 1),
            (Some(&distribution), Some(&distribution), 2),
            // Nothing tells what is installed there; the claim may be the one that does.
            (Some(&distribution), None, 1),
        ] {
            let mut packages =
                vec![package(PackageEvidence::Installed, None), package(PackageEvidence::Claimed, claimed)];
            keep_best(&mut packages, own);
            assert_eq!(packages.len(), count, "{claimed:?}");
        }
    }
}
