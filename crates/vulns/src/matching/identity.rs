//! What advisories can tell apart: packages with equal identity get equal matches.
//!
//! Which functions programs link is not among it: few advisories ask, and [`linkage`](super::linkage) tells apart
//! what those can.

use std::collections::HashMap;

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageDetails, PackageKind};

use super::{CpeUse, opinion, outcome};

/// One package standing for all that are equal to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) package: &'a Package,
    /// Go release to judge the standard library by, where no package of its own stands for it.
    pub(crate) toolchain: Option<&'a str>,
}

/// Id, version, codename and content sets of a distribution.
type Release<'a> = (&'a str, Option<&'a str>, Option<&'a str>, &'a [String]);

#[derive(PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key<'a> {
    kind: PackageKind,
    source: &'a str,
    name: &'a str,
    version: &'a str,
    source_version: &'a str,
    architecture: Option<&'a str>,
    group: Option<&'a str>,
    named: bool,
    private: bool,
    unknown_base: bool,
    toolchain: Option<&'a str>,
    cpes: &'a [String],
    /// Of a package that is of another distribution than the image.
    distribution: Option<Release<'a>>,
}

/// Distinct identities with the positions of their packages, in an order that keeps look-ups close together.
pub(crate) fn group(packages: &[Package], cpe: CpeUse) -> Vec<(Identity<'_>, Vec<usize>)> {
    let has_stdlib = has_stdlib(packages);
    let mut found: HashMap<Key<'_>, (Identity<'_>, Vec<usize>)> = HashMap::with_capacity(packages.len());
    for (at, package) in packages.iter().enumerate() {
        let toolchain = toolchain(package).filter(|_| !has_stdlib);
        found
            .entry(key(package, toolchain, cpe))
            .or_insert_with(|| (Identity { package, toolchain }, Vec::new()))
            .1
            .push(at);
    }
    let mut groups: Vec<_> = found.into_iter().collect();
    groups.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Whether a package stands for the standard library of Go. One that somebody only claims stands for no program that is
/// there.
pub(crate) fn has_stdlib(packages: &[Package]) -> bool {
    let is_stdlib = |package: &Package| package.kind == PackageKind::Go && package.name == "stdlib";
    packages.iter().any(|package| is_stdlib(package) && package.evidence.is_installed())
}

fn key<'a>(package: &'a Package, toolchain: Option<&'a str>, cpe: CpeUse) -> Key<'a> {
    let (group, named) = match &package.details {
        PackageDetails::Java { group, pom_properties, .. } => (group.as_deref(), pom_properties.is_some()),
        PackageDetails::Rpm { module, .. } => (module.as_deref(), false),
        PackageDetails::Portage { slot, .. } => (slot.as_deref(), false),
        PackageDetails::Published { namespace, .. } if package.kind == PackageKind::Hex => {
            (namespace.as_deref(), false)
        }
        _ => (None, false),
    };
    Key {
        kind: package.kind,
        source: package.source_name(),
        name: &package.name,
        version: &package.version,
        source_version: package.source_version(),
        architecture: package.architecture.as_deref(),
        group,
        named,
        private: opinion::is_private(package),
        unknown_base: outcome::is_of_unknown_base(package),
        toolchain,
        cpes: if package.kind.is_os() && cpe != CpeUse::All { &[] } else { &package.cpes },
        distribution: package.distribution.as_ref().map(|distribution| {
            let Distribution { id, version, codename, content_sets, .. } = distribution;
            (id.as_str(), version.as_deref(), codename.as_deref(), content_sets.as_slice())
        }),
    }
}

pub(crate) fn toolchain(package: &Package) -> Option<&str> {
    match &package.details {
        PackageDetails::Go { main: true, toolchain, .. } => toolchain.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use killick_model::package::PackageEvidence;
    use killick_model::path::ImagePath;

    use super::*;

    #[test]
    fn a_claim_about_the_standard_library_hides_no_program() {
        let go = |name: &str, version: &str| Package::new(PackageKind::Go, name, version, ImagePath::default());
        let program = Package {
            details: PackageDetails::Go {
                main: true,
                toolchain: Some("go1.20.1".to_owned()),
                checksum: None,
                version_from: None,
                symbols: None,
            },
            ..go("example.com/app", "v1.0.0")
        };
        for (evidence, toolchain) in [(PackageEvidence::Claimed, Some("go1.20.1")), (PackageEvidence::Installed, None)]
        {
            let packages = [program.clone(), Package { evidence, ..go("stdlib", "go1.99.0") }];
            let groups = group(&packages, CpeUse::default());
            let found = groups.iter().find(|(identity, _)| identity.package.name == "example.com/app");
            assert_eq!(found.and_then(|(identity, _)| identity.toolchain), toolchain);
        }
    }
}
