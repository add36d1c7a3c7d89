//! Which release of the distribution a product of Red Hat's is, and which of its streams.

/// A release of the distribution, or a stream of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Release {
    /// `rhel:9`.
    pub(crate) namespace: String,
    /// Maintained apart from the main stream: extended updates, advanced updates, SAP solutions, extended life.
    pub(crate) is_apart: bool,
}

/// Products whose version is the release.
const MAIN: &[&str] = &["enterprise_linux", "rhel_extras", "rhel_extras_other", "rhel_extras_rt", "rhel_extras_sap"];

/// The same, of minor releases that live longer.
const APART: &[&str] = &[
    "enterprise_linux_eus",
    "rhel_aus",
    "rhel_e4s",
    "rhel_els",
    "rhel_eus",
    "rhel_eus_long_life",
    "rhel_mission_critical",
    "rhel_tus",
];

/// Collections that are installed beside the distribution, under names of their own; the release is in the edition.
const COLLECTIONS: &[&str] = &["rhel_software_collections", "devtools", "rhel_dotnet"];

/// The release a CPE such as `cpe:/a:redhat:rhel_eus:9.2::appstream` means; `None` for other products.
pub(crate) fn release(cpe: &str) -> Option<Release> {
    let mut parts = cpe.strip_prefix("cpe:/")?.split(':');
    let (_part, vendor, product) = (parts.next()?, parts.next()?, parts.next()?);
    let version = parts.next().unwrap_or_default();
    if vendor != "redhat" {
        return None;
    }
    let major = if COLLECTIONS.contains(&product) {
        cpe.rsplit(':').next()?.strip_prefix("el")?
    } else if MAIN.contains(&product) || APART.contains(&product) {
        version.split('.').next()?
    } else {
        return None;
    };
    let is_number = !major.is_empty() && major.len() <= 2 && major.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Release { namespace: format!("rhel:{major}"), is_apart: APART.contains(&product) })
}

/// What tells builds of one minor release: `.el9_2` of `3.0.7-16.el9_2.1`, `+el8.6.0` of a module's
/// `2.5.9-111.module+el8.6.0+19193+435404ae`.
pub(crate) fn mark(version: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    for (at, _) in version.match_indices("el") {
        let Some(start) = at.checked_sub(1) else { continue };
        let major = digits(version.get(at + 2..)?);
        let rest = version.get(at + 2 + major..)?;
        if major == 0 {
            continue;
        }
        let end = match (version.get(start..at)?, rest.get(..1)) {
            (".", Some("_")) => 1 + digits(rest.get(1..)?),
            ("+", Some(".")) => rest.find('+').unwrap_or(rest.len()),
            _ => continue,
        };
        if end > 1 {
            return version.get(start..at + 2 + major + end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_releases_or_not_ours() {
        for (cpe, expected) in [
            ("cpe:/o:redhat:enterprise_linux:9", Some(("rhel:9", false))),
            ("cpe:/a:redhat:enterprise_linux:8::appstream", Some(("rhel:8", false))),
            ("cpe:/o:redhat:enterprise_linux:10.0", Some(("rhel:10", false))),
            ("cpe:/a:redhat:rhel_eus:9.2::appstream", Some(("rhel:9", true))),
            ("cpe:/o:redhat:rhel_els:7", Some(("rhel:7", true))),
            ("cpe:/a:redhat:rhel_software_collections:3::el7", Some(("rhel:7", false))),
            ("cpe:/a:redhat:openshift:4.16::el9", None),
            ("cpe:/a:redhat:jboss_core_services:1::el8", None),
            ("cpe:/o:suse:sles:15:sp5", None),
            ("cpe:/o:redhat:enterprise_linux", None),
            ("cpe:2.3:o:redhat:enterprise_linux:9", None),
            ("", None),
        ] {
            let found = release(cpe);
            let found = found.as_ref().map(|release| (release.namespace.as_str(), release.is_apart));
            assert_eq!(found, expected, "{cpe}");
        }
    }

    #[test]
    fn builds_of_minor_releases_are_marked() {
        for (version, expected) in [
            ("1:3.0.7-16.el9_2.1", Some(".el9_2")),
            ("4.18.0-553.5.1.el8_10", Some(".el8_10")),
            ("2.5.9-111.module+el8.6.0+19193+435404ae", Some("+el8.6.0")),
            ("4.18.0-553.5.1.rt7.346.el8_10", Some(".el8_10")),
            ("3.0.7-27.el9", None),
            ("1.2-3.el", None),
            ("el9_2", None),
            ("1.el9_", None),
            ("é.el9é", None),
            ("", None),
        ] {
            assert_eq!(mark(version), expected, "{version}");
        }
    }
}
