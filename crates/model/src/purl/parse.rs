//! The other way: the package that a package URL names, as far as it says.
//!
//! Documents of others write them more or less as the specification wants. What is understood is taken over in the form
//! in which this project's catalogers know such packages, so that one that is claimed and installed is told to be one.

use std::str::FromStr;

use packageurl::PackageUrl;

use crate::distribution::Distribution;
use crate::package::{Package, PackageDetails, PackageKind, SourcePackage};
use crate::path::ImagePath;

/// Bytes of an address that is looked at.
const PURL_BYTES: usize = 4096;

/// The package of a package URL, said to be there by the file at `location`, and the distribution it is of, if the
/// address says one.
///
/// `None` for what is no package URL, and for what is no package within an image: an image, a model, a file. A type that
/// no kind has, `github` and `generic` among them, becomes [`PackageKind::Binary`].
pub fn package(purl: &str, location: &ImagePath) -> Option<(Package, Option<Distribution>)> {
    let purl = purl.trim();
    if purl.len() > PURL_BYTES {
        return None;
    }
    // As in writing: the specification wants Go paths in lower case, but modules are told apart by case.
    let is_go = purl.starts_with("pkg:golang/");
    let purl = PackageUrl::from_str(&purl.replacen("pkg:golang/", "pkg:generic/", 1)).ok()?;
    let qualifier = |key: &str| purl.qualifiers().get(key).map(ToString::to_string).filter(|value| !value.is_empty());
    let kind = match purl.ty() {
        "generic" if is_go => PackageKind::Go,
        "docker" | "oci" | "huggingface" | "mlflow" | "swid" => return None,
        // A repository of sources. What a workflow runs from one is not in an image.
        "github" | "generic" => PackageKind::Binary,
        // Of older documents.
        "alpine" => PackageKind::Apk,
        "arch" => PackageKind::Pacman,
        other => PackageKind::all().find(|kind| kind.purl_type() == other).unwrap_or(PackageKind::Binary),
    };
    let name = match (kind, purl.namespace()) {
        (
            PackageKind::Npm
            | PackageKind::Go
            | PackageKind::Portage
            | PackageKind::Composer
            | PackageKind::Swift
            | PackageKind::Terraform,
            Some(namespace),
        ) => format!("{namespace}/{}", purl.name()),
        _ => purl.name().to_owned(),
    };
    let version = purl.version().unwrap_or_default();
    let mut package = Package::new(kind, &name, version, location.clone());
    if kind.is_os() || kind == PackageKind::Bitnami {
        package.architecture = qualifier("arch");
    }
    match kind {
        PackageKind::Rpm => {
            let epoch = qualifier("epoch").and_then(|epoch| epoch.parse().ok());
            if let Some(epoch) = epoch {
                package.version = format!("{epoch}:{version}");
            }
            let source_rpm = qualifier("upstream");
            package.source = source_rpm.as_deref().and_then(SourcePackage::of_rpm);
            let (module, signatures) = (qualifier("rpmmod"), Vec::new());
            package.details = PackageDetails::Rpm { epoch, source_rpm, module, vendor: None, signatures };
        }
        PackageKind::Deb | PackageKind::Apk | PackageKind::Pacman | PackageKind::Opkg => {
            package.source = qualifier("upstream").map(|upstream| match upstream.split_once('@') {
                Some((name, version)) => SourcePackage { name: name.to_owned(), version: version.to_owned() },
                None => SourcePackage { name: upstream, version: version.to_owned() },
            });
        }
        PackageKind::Java => {
            package.details = PackageDetails::Java {
                group: purl.namespace().map(str::to_owned),
                specification_version: None,
                implementation_version: None,
                maven_version: None,
                pom_properties: None,
                extension: qualifier("type").unwrap_or_else(|| "jar".to_owned()),
            };
        }
        PackageKind::Gem => {
            if let Some(platform) = qualifier("platform").filter(|platform| platform != "ruby") {
                package.version = format!("{version}-{platform}");
            }
        }
        _ => {}
    }
    // The namespace of a Gentoo package is its category.
    let vendor = purl.namespace().filter(|_| kind != PackageKind::Portage);
    let mut distribution = if kind.is_os() { distribution(qualifier("distro"), vendor) } else { None };
    if let Some(distribution) =
        distribution.as_mut().filter(|found| found.version.is_none() && found.codename.is_none())
    {
        distribution.version = release(kind, version);
    }
    Some((package, distribution))
}

/// The release that a version is marked with: 8.10 of `8.5.0-22.el8_10`, 12 of `3.0.11-1~deb12u2`.
fn release(kind: PackageKind, version: &str) -> Option<String> {
    let mark = match kind {
        PackageKind::Rpm => ".el",
        PackageKind::Deb => "deb",
        _ => return None,
    };
    let (before, after) = version.rsplit_once(mark)?;
    if kind == PackageKind::Deb && !before.ends_with(['~', '+']) {
        return None;
    }
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).take(3).count();
    let (major, rest) = after.split_at_checked(digits(after))?;
    let minor = rest.strip_prefix('_').filter(|_| kind == PackageKind::Rpm).unwrap_or_default();
    let minor = minor.get(..digits(minor))?;
    match (major, minor) {
        ("", _) => None,
        (major, "") => Some(major.to_owned()),
        (major, minor) => Some(format!("{major}.{minor}")),
    }
}

/// `debian-12`, `rhel-9.4`, or a codename as in `bookworm`; else the vendor alone.
fn distribution(label: Option<String>, vendor: Option<&str>) -> Option<Distribution> {
    let vendor = vendor.map(|vendor| if vendor == "redhat" { "rhel" } else { vendor });
    let Some(label) = label else {
        return vendor.map(|id| Distribution { id: id.to_owned(), ..Distribution::default() });
    };
    let dash = label.rmatch_indices('-').map(|(at, _)| at);
    // A version begins with a digit, and names have dashes too: `opensuse-leap-15.5`.
    let split = dash.into_iter().find(|at| label.as_bytes().get(at + 1).is_some_and(u8::is_ascii_digit));
    let (id, version) = match split {
        Some(at) => (label.get(..at)?, label.get(at + 1..)),
        None => (label.as_str(), None),
    };
    let id = if id == "redhat" { "rhel" } else { id };
    let is_codename = version.is_none() && vendor.is_some_and(|vendor| vendor != id);
    Some(Distribution {
        id: if is_codename { vendor? } else { id }.to_owned(),
        version: version.map(str::to_owned),
        codename: is_codename.then(|| label.clone()),
        ..Distribution::default()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::purl::purl;

    fn read(text: &str) -> Option<(Package, Option<Distribution>)> {
        package(text, &ImagePath::from("/sbom.json"))
    }

    #[test]
    fn what_was_written_is_read() {
        for text in [
            "pkg:deb/debian/libss2@1:1.47.0-2%2Bb2?arch=amd64&distro=debian-12&upstream=e2fsprogs%401:1.47.0-2",
            "pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=x86_64&distro=rhel-9.4&epoch=1&rpmmod=nodejs:18:1:2\
             &upstream=openssl-3.0.7-27.el9.src.rpm",
            "pkg:apk/alpine/libcrypto3@3.1.4-r5?arch=x86_64&distro=alpine-3.19.1&upstream=openssl",
            "pkg:alpm/arch/pacman@6.0.1-1?arch=x86_64&distro=arch",
            "pkg:ebuild/dev-libs/openssl@3.0.9-r1",
            "pkg:npm/%40scope/name@1.0.0",
            "pkg:pypi/ruamel-yaml-clib@0.2",
            "pkg:maven/org.apache/core@1.0?type=war",
            "pkg:golang/github.com/Azure/b/v2@v2.1.0",
            "pkg:gem/nokogiri@1.13.10?platform=x86_64-linux",
            "pkg:cargo/serde@1.0.0",
            "pkg:composer/symfony/http-kernel@v4.2.0",
            "pkg:swift/github.com/apple/swift-nio@2.40.0",
            "pkg:bitnami/apache@2.4.62-3",
            "pkg:generic/openssl@1.1.1w",
        ] {
            let (package, distribution) = read(text).unwrap();
            assert_eq!(purl(&package, distribution.as_ref()), text);
        }
    }

    #[test]
    fn kinds_and_names() {
        for (text, want) in [
            (
                "pkg:golang/github.com/Azure/go-autorest/autorest@v0.11.29#sub",
                "go github.com/Azure/go-autorest/autorest v0.11.29",
            ),
            ("pkg:github/openssl/openssl.git@openssl-3.3.1", "binary openssl.git openssl-3.3.1"),
            ("pkg:hex/acme/phoenix@1.4.0", "hex phoenix 1.4.0"),
            ("pkg:maven/org.apache.commons/commons-text@1.9", "java commons-text 1.9"),
            ("pkg:unheard-of/x/y@1", "binary y 1"),
            ("pkg:npm/left-pad", "npm left-pad "),
            ("pkg:alpine/musl@1.2", "apk musl 1.2"),
        ] {
            let (package, _) = read(text).unwrap();
            assert_eq!(format!("{} {} {}", package.kind, package.name, package.version), want, "{text}");
        }
        for nothing in
            ["", "pkg:", "pkg:deb", "http://example.com", "pkg:oci/debian@sha256:1", &"pkg:npm/x".repeat(1000)]
        {
            assert!(read(nothing).is_none(), "{nothing}");
        }
    }

    #[test]
    fn distributions() {
        for (text, want) in [
            ("pkg:deb/debian/a@1?distro=debian-12", Some("debian:12")),
            ("pkg:deb/debian/a@1?distro=bookworm", Some("debian")),
            ("pkg:deb/ubuntu/a@1", Some("ubuntu")),
            ("pkg:rpm/opensuse/a@1?distro=opensuse-leap-15.5", Some("opensuse-leap:15.5")),
            ("pkg:rpm/redhat/a@1?distro=redhat-9.4", Some("rhel:9.4")),
            ("pkg:apk/wolfi/a@1?arch=x86_64", Some("wolfi")),
            ("pkg:rpm/almalinux/libgfortran@8.5.0-22.el8_10", Some("almalinux:8.10")),
            ("pkg:rpm/almalinux/a@1-1.el9.x86_64", Some("almalinux:9")),
            ("pkg:rpm/fedora/a@1-1.fc40", Some("fedora")),
            ("pkg:deb/debian/libssl3@3.0.11-1~deb12u2", Some("debian:12")),
            ("pkg:deb/debian/a@1-1%2Bdeb11u1?distro=debian-12", Some("debian:12")),
            ("pkg:deb/debian/a@1debian", Some("debian")),
            ("pkg:deb/a@1", None),
            ("pkg:npm/a@1?distro=debian-12", None),
        ] {
            let (_, distribution) = read(text).unwrap();
            assert_eq!(distribution.map(|distribution| distribution.label()).as_deref(), want, "{text}");
        }
        assert_eq!(
            read("pkg:deb/debian/a@1?distro=bookworm").unwrap().1.unwrap().codename.as_deref(),
            Some("bookworm")
        );
    }

    proptest! {
        #[test]
        fn any_text_ends(text in ".{0,60}", kind in "(deb|rpm|npm|golang|maven|generic)") {
            let _ = read(&text);
            let _ = read(&format!("pkg:{kind}/{text}"));
        }
    }
}
