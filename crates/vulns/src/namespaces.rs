//! Which statements speak of which packages: distribution releases and ecosystems.

use killick_model::distribution::Distribution;
use killick_model::version::Scheme;

use crate::providers::{rhel, suse};

/// Debian's releases, which its tracker names and os-release numbers.
const DEBIAN: &[(&str, &str)] = &[
    ("woody", "3"),
    ("sarge", "3.1"),
    ("etch", "4"),
    ("lenny", "5"),
    ("squeeze", "6"),
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// Distributions without releases: there is one state of their packages, whatever number the image has.
const ROLLING: &[&str] =
    &["arch", "bottlerocket", "chainguard", "echo", "gentoo", "minimos", "opensuse-tumbleweed", "secureos", "wolfi"];

/// Distributions whose packages are rebuilt from another's, under the same names and versions, and judged by it.
const JUDGED_AS: &[(&str, &str)] = &[
    ("archarm", "arch"),
    ("centos", "rhel"),
    ("endeavouros", "arch"),
    ("leap-micro", "opensuse-leap-micro"),
    ("raspbian", "debian"),
    ("redhat", "rhel"),
    ("scientific", "rhel"),
    ("sle_hpc", "sles"),
    ("sle_rt", "sles"),
    ("sled", "sles"),
    ("sles_sap", "sles"),
    ("suse-microos", "sle-micro"),
];

/// Segments with this ecosystem are looked up by CPE.
pub(crate) const CPE: &str = "cpe";

/// The namespace of a Debian release by codename.
pub(crate) fn debian(codename: &str) -> String {
    let number = DEBIAN.iter().find(|(name, _)| *name == codename).map_or(codename, |(_, number)| number);
    format!("debian:{number}")
}

/// The namespace of an OSV ecosystem with its suffix, such as `Alpine:v3.18` or `PyPI`.
pub(crate) fn osv(ecosystem: &str) -> String {
    let (family, release) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    let id = match family {
        "Debian" => "debian",
        "Alpine" => "alpine",
        "AlmaLinux" => "almalinux",
        "Rocky Linux" => "rocky",
        "Ubuntu" if !release.starts_with("Pro") => "ubuntu",
        "openEuler" => "openeuler",
        "Mageia" => "mageia",
        "Alpaquita" => "alpaquita",
        "openSUSE" => {
            return match release.rsplit_once(' ') {
                Some(("Leap", version)) => format!("opensuse-leap:{version}"),
                _ => format!("opensuse-{}", release.to_lowercase().replace(' ', "-")),
            };
        }
        "SUSE" => return suse::release(&format!("SUSE {release}")).unwrap_or_else(|| ecosystem.to_owned()),
        "Red Hat" => {
            // Streams that are maintained apart stay apart: their rows lack the mark of their builds.
            let found = rhel::release(&format!("cpe:/a:redhat:{release}")).filter(|release| !release.is_apart);
            return found.map_or_else(|| ecosystem.to_owned(), |release| release.namespace);
        }
        "Azure Linux" if release == "2" => return "mariner:2.0".to_owned(),
        "Azure Linux" => return format!("azurelinux:{}", if release == "3" { "3.0" } else { release }),
        "Wolfi" | "Chainguard" | "MinimOS" | "Echo" => return family.to_lowercase(),
        _ => return ecosystem.to_owned(),
    };
    // The tracker counted `6.0` before there were point releases.
    let release = if id == "debian" { release.strip_suffix(".0").unwrap_or(release) } else { release };
    let release = release.trim_start_matches('v');
    format!("{id}:{}", release.strip_suffix(":LTS").unwrap_or(release))
}

/// The version order of an ecosystem, given as OSV names it without suffix.
pub(crate) fn scheme(family: &str) -> Scheme {
    match family {
        // opam orders versions as Debian does.
        "Debian" | "Ubuntu" | "Echo" | "opam" => Scheme::Dpkg,
        "Alpine" | "Wolfi" | "Chainguard" | "Alpaquita" | "BellSoft Hardened Containers" | "MinimOS" => Scheme::Apk,
        "AlmaLinux" | "Rocky Linux" | "Red Hat" | "SUSE" | "openSUSE" | "openEuler" | "Mageia" | "Azure Linux" => {
            Scheme::Rpm
        }
        "PyPI" => Scheme::Pep440,
        "Maven" => Scheme::Maven,
        "RubyGems" => Scheme::RubyGems,
        "Go" => Scheme::Go,
        "NuGet" => Scheme::Nuget,
        "Packagist" => Scheme::Composer,
        "Hex" => Scheme::Hex,
        "npm" | "crates.io" | "SwiftURL" | "Bitnami" | "GitHub Actions" => Scheme::Semver,
        "Pub" | "Julia" => Scheme::Pub,
        "Hackage" | "GHC" => Scheme::Pvp,
        "CRAN" => Scheme::Cran,
        _ => Scheme::Generic,
    }
}

/// The namespaces that may speak of the packages of a distribution, best first. The first one with data counts.
pub(crate) fn of_distribution(distribution: &Distribution) -> Vec<String> {
    let id = distribution.id.as_str();
    let id = JUDGED_AS.iter().find(|(name, _)| *name == id).map_or(id, |(_, judge)| judge);
    let version = distribution.version.as_deref().unwrap_or_default();
    let mut parts = version.split('.');
    let major = parts.next().unwrap_or_default();
    let minor = parts.next();
    let major_minor = minor.map(|minor| format!("{id}:{major}.{minor}"));
    let codename = distribution.codename.as_deref();
    match id {
        "debian" => {
            let mut found = Vec::new();
            if major.is_empty() && codename.is_none() {
                // Nothing tells the release: any answer would be about another one.
                return found;
            }
            if major.bytes().all(|byte| byte.is_ascii_digit()) && !major.is_empty() {
                found.push(format!("debian:{major}"));
            } else {
                // Testing and unstable both call themselves by the next codename, `trixie/sid`.
                let word = version.split('/').next().filter(|word| !word.is_empty());
                found.extend(codename.or(word).map(debian));
                found.push("debian:sid".to_owned());
            }
            found
        }
        // A development snapshot has a date or `_alpha` in its version: it follows edge.
        "alpine" if version.contains("_alpha") || version.contains("edge") => vec!["alpine:edge".to_owned()],
        "alpine" | "ubuntu" => major_minor.into_iter().collect(),
        // Amazon Linux 1 has one stream of updates, whatever the version of its snapshot.
        "amzn" if major.starts_with("201") => vec!["amzn:2018.03".to_owned()],
        // A service pack is a release of its own; the bare number is the first one.
        "sles" => vec![format!("sles:{}", major_minor_of(version))],
        id if ROLLING.contains(&id) => vec![id.to_owned()],
        "openeuler" => vec![openeuler(version, distribution.pretty_name.as_deref().unwrap_or_default())],
        _ => {
            let mut found: Vec<String> = major_minor.into_iter().collect();
            found.push(if major.is_empty() { id.to_owned() } else { format!("{id}:{major}") });
            found
        }
    }
}

/// The namespace of packages that people install beside those of a distribution, under names it does not use.
pub(crate) fn beside(distribution: &Distribution) -> Option<String> {
    const REBUILDS: &[&str] = &["almalinux", "centos", "ol", "redhat", "rhel", "rocky", "scientific"];
    let major = distribution.version.as_deref()?.split('.').next().filter(|major| !major.is_empty())?;
    REBUILDS.contains(&distribution.id.as_str()).then(|| format!("epel:{major}"))
}

/// `15.5` of `15.5` and of `15.5.1`; `15` of `15`.
fn major_minor_of(version: &str) -> &str {
    let end = version.match_indices('.').nth(1).map_or(version.len(), |(at, _)| at);
    version.get(..end).unwrap_or(version)
}

/// openEuler's service packs are releases of their own, and told by the name for people only:
/// `openEuler 22.03 (LTS-SP3)`.
fn openeuler(version: &str, pretty_name: &str) -> String {
    let pack = pretty_name.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(pack, _)| pack.trim());
    match pack.filter(|pack| !pack.is_empty()) {
        Some(pack) => format!("openeuler:{version}-{pack}"),
        None => format!("openeuler:{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_find_their_namespace() {
        for (id, version, codename, expected) in [
            ("debian", Some("12"), Some("bookworm"), "debian:12"),
            ("debian", Some("12.5"), None, "debian:12"),
            ("debian", None, Some("forky"), "debian:14 debian:sid"),
            ("debian", Some("forky/sid"), None, "debian:14 debian:sid"),
            ("debian", None, None, ""),
            ("raspbian", Some("11"), None, "debian:11"),
            ("alpine", Some("3.18.4"), None, "alpine:3.18"),
            ("alpine", Some("3.20.0_alpha20240329"), None, "alpine:edge"),
            ("ubuntu", Some("22.04"), Some("jammy"), "ubuntu:22.04"),
            ("centos", Some("8"), None, "rhel:8"),
            ("rhel", Some("9.4"), None, "rhel:9.4 rhel:9"),
            ("centos", Some("9"), None, "rhel:9"),
            ("rocky", Some("9.3"), None, "rocky:9.3 rocky:9"),
            ("ol", Some("8.9"), None, "ol:8.9 ol:8"),
            ("amzn", Some("2017.09"), None, "amzn:2018.03"),
            ("amzn", Some("2"), None, "amzn:2"),
            ("amzn", Some("2023"), None, "amzn:2023"),
            ("sles", Some("15.5"), None, "sles:15.5"),
            ("sles", Some("15"), None, "sles:15"),
            ("sles_sap", Some("15.5"), None, "sles:15.5"),
            ("opensuse-leap", Some("15.6"), None, "opensuse-leap:15.6 opensuse-leap:15"),
            ("opensuse-tumbleweed", Some("20240101"), None, "opensuse-tumbleweed"),
            ("almalinux", Some("9.4"), None, "almalinux:9.4 almalinux:9"),
            ("wolfi", Some("20230201"), None, "wolfi"),
            ("arch", Some("20240101.0.204074"), None, "arch"),
            ("gentoo", Some("2.15"), None, "gentoo"),
            ("openeuler", Some("24.03"), None, "openeuler:24.03"),
        ] {
            let distribution = Distribution {
                id: id.to_owned(),
                version: version.map(str::to_owned),
                codename: codename.map(str::to_owned),
                ..Distribution::default()
            };
            assert_eq!(of_distribution(&distribution).join(" "), expected, "{id} {version:?} {codename:?}");
        }
    }

    #[test]
    fn service_packs_of_openeuler_are_releases() {
        let distribution = Distribution {
            id: "openeuler".to_owned(),
            version: Some("22.03".to_owned()),
            pretty_name: Some("openEuler 22.03 (LTS-SP3)".to_owned()),
            ..Distribution::default()
        };
        assert_eq!(of_distribution(&distribution), ["openeuler:22.03-LTS-SP3"]);
    }

    #[test]
    fn osv_ecosystems_become_namespaces() {
        for (ecosystem, namespace) in [
            ("PyPI", "PyPI"),
            ("Debian:12", "debian:12"),
            ("Alpine:v3.18", "alpine:3.18"),
            ("Ubuntu:22.04:LTS", "ubuntu:22.04"),
            ("Ubuntu:Pro:18.04:LTS", "Ubuntu:Pro:18.04:LTS"),
            ("AlmaLinux:9", "almalinux:9"),
            ("SUSE:Linux Enterprise Server 15 SP5", "sles:15.5"),
            ("SUSE:Linux Enterprise Module for Basesystem 15 SP5", "sles:15.5"),
            ("SUSE:Manager Server 4.3", "SUSE:Manager Server 4.3"),
            ("Red Hat:enterprise_linux:9::appstream", "rhel:9"),
            ("Red Hat:rhel_eus:9.2::appstream", "Red Hat:rhel_eus:9.2::appstream"),
            ("Azure Linux:3", "azurelinux:3.0"),
            ("Azure Linux:2", "mariner:2.0"),
            ("Debian:6.0", "debian:6"),
            ("openEuler:22.03-LTS-SP3", "openeuler:22.03-LTS-SP3"),
            ("openSUSE:Leap 15.6", "opensuse-leap:15.6"),
            ("openSUSE:Tumbleweed", "opensuse-tumbleweed"),
            ("MinimOS", "minimos"),
            ("Mageia:9", "mageia:9"),
        ] {
            assert_eq!(osv(ecosystem), namespace);
        }
    }
}
