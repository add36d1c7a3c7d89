//! Releases and pockets of Ubuntu, by the names they have in OSV and in package URLs.

/// Codenames, with the numbers os-release has.
const RELEASES: &[(&str, &str)] = &[
    ("precise", "12.04"),
    ("trusty", "14.04"),
    ("utopic", "14.10"),
    ("vivid", "15.04"),
    ("wily", "15.10"),
    ("xenial", "16.04"),
    ("yakkety", "16.10"),
    ("zesty", "17.04"),
    ("artful", "17.10"),
    ("bionic", "18.04"),
    ("cosmic", "18.10"),
    ("disco", "19.04"),
    ("eoan", "19.10"),
    ("focal", "20.04"),
    ("groovy", "20.10"),
    ("hirsute", "21.04"),
    ("impish", "21.10"),
    ("jammy", "22.04"),
    ("kinetic", "22.10"),
    ("lunar", "23.04"),
    ("mantic", "23.10"),
    ("noble", "24.04"),
    ("oracular", "24.10"),
    ("plucky", "25.04"),
    ("questing", "25.10"),
    ("resolute", "26.04"),
];

/// Where a package of a release comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Pocket {
    /// The archive everybody has.
    Base,
    /// Longer support, for subscribers: builds marked `esm`.
    Esm,
    /// Validated cryptography, for subscribers: builds marked `fips`.
    Fips,
    /// Kernels under names of their own.
    Other,
}

impl Pocket {
    fn parse(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "" => Self::Base,
            name if name.starts_with("fips") => Self::Fips,
            name if name.contains("esm") => Self::Esm,
            _ => Self::Other,
        }
    }

    /// Marks of its builds, one of which they carry.
    pub(super) const fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Esm => &["esm"],
            Self::Fips => &["fips", "Fips"],
            Self::Base | Self::Other => &[],
        }
    }
}

/// Namespace and pocket of a codename.
pub(super) fn of_codename(codename: &str, pocket: &str) -> Option<(String, Pocket)> {
    let (_, number) = RELEASES.iter().find(|(name, _)| *name == codename)?;
    Some((format!("ubuntu:{number}"), Pocket::parse(pocket)))
}

/// Namespace and pocket of an ecosystem such as `Ubuntu:22.04:LTS`, `Ubuntu:Pro:18.04:LTS` or
/// `Ubuntu:Pro:FIPS-updates:20.04:LTS`.
pub(super) fn of_ecosystem(ecosystem: &str) -> Option<(String, Pocket)> {
    let mut pocket = Pocket::Base;
    for part in ecosystem.strip_prefix("Ubuntu:")?.split(':') {
        if part.starts_with(|first: char| first.is_ascii_digit()) {
            return Some((format!("ubuntu:{part}"), pocket));
        }
        pocket = if part == "Pro" { Pocket::Esm } else { Pocket::parse(part) };
    }
    None
}

/// Namespace and pocket of the qualifier `distro` of a package URL: `jammy`, `esm-infra/xenial`, `trusty/esm`.
pub(super) fn of_distro(distro: &str) -> Option<(String, Pocket)> {
    let (first, second) = distro.split_once('/').unwrap_or((distro, ""));
    of_codename(first, second).or_else(|| of_codename(second, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecosystems_and_distros_name_the_same() {
        for (ecosystem, distro, namespace, pocket) in [
            ("Ubuntu:22.04:LTS", "jammy", "ubuntu:22.04", Pocket::Base),
            ("Ubuntu:24.10", "oracular", "ubuntu:24.10", Pocket::Base),
            ("Ubuntu:Pro:16.04:LTS", "esm-infra/xenial", "ubuntu:16.04", Pocket::Esm),
            ("Ubuntu:Pro:14.04:LTS", "trusty/esm", "ubuntu:14.04", Pocket::Esm),
            ("Ubuntu:Pro:FIPS-updates:20.04:LTS", "fips-updates/focal", "ubuntu:20.04", Pocket::Fips),
            ("Ubuntu:Pro:Realtime:22.04:LTS", "realtime/jammy", "ubuntu:22.04", Pocket::Other),
            ("Ubuntu:Nvidia-BlueField:22.04:LTS", "bluefield/jammy", "ubuntu:22.04", Pocket::Other),
        ] {
            assert_eq!(of_ecosystem(ecosystem), Some((namespace.to_owned(), pocket)), "{ecosystem}");
            assert_eq!(of_distro(distro), Some((namespace.to_owned(), pocket)), "{distro}");
        }
        assert_eq!(of_ecosystem("Ubuntu:Pro"), None);
        assert_eq!(of_ecosystem("Debian:12"), None);
        assert_eq!(of_distro("bookworm"), None);
    }
}
