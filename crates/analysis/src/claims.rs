//! Which distribution answers for packages that documents claim.
//!
//! A document tells of what it was made of, which need not be the image it lies in: the wheel of a Python package was
//! built on another distribution, a stage that was copied from another image brings its SBOM along. Advisories of one
//! distribution say nothing of another's versions.

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageEvidence, PackageKind};

/// Leaves those claims to the image's distribution that are about its packages; the others keep the distribution that
/// the document says, or get one that is nothing but a name where it says none and the image's cannot be meant.
pub(crate) fn settle(packages: &mut [Package], own: Option<&Distribution>) {
    // Files say of themselves whose they are in the same way.
    let is_claim = |evidence| matches!(evidence, PackageEvidence::Claimed | PackageEvidence::Copied);
    let claims = packages.iter_mut().filter(|package| is_claim(package.evidence));
    for package in claims.filter(|package| package.kind.is_os()) {
        match (package.distribution.as_ref(), own) {
            (Some(claimed), Some(own)) if is_same(claimed, own) => package.distribution = None,
            (None, Some(own)) if kind(own).is_some_and(|kind| kind != package.kind) => {
                package.distribution = usual(package.kind);
            }
            _ => {}
        }
    }
}

/// Whether what a document says may be meant of the image's own distribution: the releases agree as far as both are
/// told.
fn is_same(claimed: &Distribution, own: &Distribution) -> bool {
    if claimed.id != own.id {
        return false;
    }
    let versions = claimed.version.as_deref().zip(own.version.as_deref());
    let codenames = claimed.codename.as_deref().zip(own.codename.as_deref());
    match (versions, codenames) {
        // `12` is 12.5, and 3.19.1 is of 3.19.
        (Some((a, b)), _) => a.split('.').zip(b.split('.')).all(|(a, b)| a == b),
        (None, Some((a, b))) => a == b,
        (None, None) => true,
    }
}

/// The packaging system of a distribution, where it is known.
pub(crate) fn kind(distribution: &Distribution) -> Option<PackageKind> {
    let names = std::iter::once(&distribution.id).chain(&distribution.like);
    names.into_iter().find_map(|name| match name.as_str() {
        "alpine" | "wolfi" | "chainguard" | "alpaquita" | "minimos" | "postmarketos" => Some(PackageKind::Apk),
        "debian" | "ubuntu" | "raspbian" | "kali" => Some(PackageKind::Deb),
        "arch" | "archlinux" => Some(PackageKind::Pacman),
        "gentoo" => Some(PackageKind::Portage),
        "openwrt" => Some(PackageKind::Opkg),
        "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" | "suse" | "sles" | "opensuse"
        | "azurelinux" | "mariner" | "photon" | "openeuler" | "mageia" => Some(PackageKind::Rpm),
        _ => None,
    })
}

/// Whose packages of a kind are when nobody says so: of the distribution that is known for it, in no release, which nobody
/// can judge. RPM has none; `linux` is what os-release(5) gives for an id that is not told.
fn usual(kind: PackageKind) -> Option<Distribution> {
    let id = match kind {
        PackageKind::Deb => "debian",
        PackageKind::Apk => "alpine",
        PackageKind::Rpm => "linux",
        PackageKind::Pacman => "arch",
        PackageKind::Portage => "gentoo",
        PackageKind::Opkg => "openwrt",
        _ => return None,
    };
    Some(Distribution { id: id.to_owned(), ..Distribution::default() })
}

#[cfg(test)]
mod tests {
    use killick_model::path::ImagePath;
    use killick_model::purl::parse;

    use super::*;

    fn distribution(id: &str, version: &str, like: &str) -> Distribution {
        Distribution {
            id: id.to_owned(),
            version: (!version.is_empty()).then(|| version.to_owned()),
            codename: (id == "debian" && version == "12").then(|| "bookworm".to_owned()),
            like: like.split_whitespace().map(str::to_owned).collect(),
            pretty_name: None,
            content_sets: Vec::new(),
        }
    }

    #[test]
    fn claims_are_of_the_image_or_of_another_distribution() {
        let bookworm = distribution("debian", "12", "");
        let alpine = distribution("alpine", "3.19.1", "");
        let rocky = distribution("rocky", "9.3", "rhel centos fedora");
        let unheard_of = distribution("acme", "1", "");
        for (purl, own, want) in [
            ("pkg:deb/debian/a@1?distro=debian-12", Some(&bookworm), None),
            ("pkg:deb/debian/a@1?distro=debian-12.5", Some(&bookworm), None),
            ("pkg:deb/debian/a@1?distro=bookworm", Some(&bookworm), None),
            ("pkg:deb/debian/a@1", Some(&bookworm), None),
            ("pkg:deb/debian/a@1?distro=debian-11", Some(&bookworm), Some("debian:11")),
            ("pkg:deb/debian/a@1?distro=trixie", Some(&bookworm), Some("debian")),
            ("pkg:deb/ubuntu/a@1?distro=ubuntu-22.04", Some(&bookworm), Some("ubuntu:22.04")),
            ("pkg:apk/alpine/a@1?distro=alpine-3.19.0", Some(&alpine), Some("alpine:3.19.0")),
            ("pkg:apk/alpine/a@1?distro=alpine-3.19", Some(&alpine), None),
            ("pkg:apk/alpine/a@1?distro=alpine-3.16.3", Some(&alpine), Some("alpine:3.16.3")),
            ("pkg:deb/a@1", Some(&alpine), Some("debian")),
            ("pkg:deb/a@1", Some(&bookworm), None),
            ("pkg:deb/a@1", Some(&unheard_of), None),
            ("pkg:rpm/a@1", Some(&rocky), None),
            ("pkg:rpm/a@1", Some(&alpine), Some("linux")),
            ("pkg:rpm/a@1", None, None),
            ("pkg:deb/debian/a@1?distro=debian-12", None, Some("debian:12")),
            ("pkg:npm/a@1", None, None),
        ] {
            let (package, distribution) = parse::package(purl, &ImagePath::default()).expect("a package");
            let mut packages = [Package { distribution, evidence: PackageEvidence::Claimed, ..package }];
            settle(&mut packages, own);
            let found = packages[0].distribution.as_ref().map(Distribution::label);
            assert_eq!(found.as_deref(), want, "{purl} in {own:?}");
        }
    }
}
