//! Several witnesses of one package: the best one speaks.

use std::borrow::Cow;
use std::collections::HashSet;

use killick_model::package::{Package, PackageKind};
use killick_model::purl::python_name;

/// Leaves out packages that are claimed or declared where the same version of the same package is installed: the lock
/// file beside a folder of installed packages tells nothing new. One that is installed twice is there twice.
pub(crate) fn keep_best(packages: &mut Vec<Package>) {
    let installed: HashSet<(PackageKind, String, String)> =
        packages.iter().filter(|package| package.evidence.is_installed()).map(identity).collect();
    packages.retain(|package| package.evidence.is_installed() || !installed.contains(&identity(package)));
}

fn identity(package: &Package) -> (PackageKind, String, String) {
    let name = match package.kind {
        PackageKind::Python => Cow::Owned(python_name(&package.name)),
        _ => Cow::Borrowed(package.name.as_str()),
    };
    (package.kind, name.into_owned(), package.version.clone())
}

#[cfg(test)]
mod tests {
    use killick_model::package::PackageEvidence;
    use killick_model::path::ImagePath;

    use super::*;

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
        keep_best(&mut packages);
        let kept: Vec<String> =
            packages.iter().map(|package| format!("{}@{}", package.name, package.location)).collect();
        assert_eq!(
            kept,
            ["flask@/srv/uv.lock", "ruamel_yaml@/a/METADATA", "ruamel_yaml@/b/METADATA", "flask@/a/METADATA"]
        );
    }
}
