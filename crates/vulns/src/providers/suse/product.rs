//! Which release a product of SUSE's is, by its name.

/// Products under names of their own, with the namespace they are.
const FAMILIES: &[(&str, &str)] = &[
    ("openSUSE Leap Micro ", "opensuse-leap-micro"),
    ("openSUSE Leap ", "opensuse-leap"),
    ("openSUSE Tumbleweed", "opensuse-tumbleweed"),
    ("openSUSE ", "opensuse"),
    ("SUSE Linux Enterprise Micro ", "sle-micro"),
    ("SUSE Linux Micro ", "sl-micro"),
    ("SUSE Linux Enterprise ", "sles"),
    ("SUSE Package Hub ", "sles"),
];

/// The namespace of `SUSE Linux Enterprise Module for Basesystem 15 SP5`; `None` for what is no part of a release.
pub(crate) fn release(name: &str) -> Option<String> {
    let (rest, family) = FAMILIES.iter().find_map(|(prefix, family)| Some((name.strip_prefix(prefix)?, *family)))?;
    if family == "opensuse-tumbleweed" {
        return Some(family.to_owned());
    }
    // A fork of packages for one appliance.
    if rest.contains("Teradata") {
        return None;
    }
    let mut words = rest.split(' ').skip_while(|word| !word.starts_with(|first: char| first.is_ascii_digit()));
    let base = words.next()?.split('-').next()?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_number(base) {
        return None;
    }
    // Long-term support of a service pack, `15 SP1-LTSS`, is that service pack.
    let pack = words.next().and_then(|word| word.strip_prefix("SP")?.split('-').next());
    let family = match family {
        "opensuse-leap" if base.starts_with("42.") => "opensuse",
        // Since 6.0 it is no part of the enterprise server, but its first documents did not know.
        "sle-micro" if !base.starts_with("5.") => "sl-micro",
        family => family,
    };
    Some(match pack.filter(|pack| is_number(pack)) {
        Some(pack) => format!("{family}:{base}.{pack}"),
        None => format!("{family}:{base}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_belong_to_releases() {
        for (name, expected) in [
            ("SUSE Linux Enterprise Server 15 SP5", Some("sles:15.5")),
            ("SUSE Linux Enterprise Server 15", Some("sles:15")),
            ("SUSE Linux Enterprise Server 15-LTSS", Some("sles:15")),
            ("SUSE Linux Enterprise Server 11 SP4 LTSS", Some("sles:11.4")),
            ("SUSE Linux Enterprise Server 16.0", Some("sles:16.0")),
            ("SUSE Linux Enterprise High Performance Computing 15 SP3-ESPOS", Some("sles:15.3")),
            ("SUSE Linux Enterprise Module for Basesystem 15 SP4", Some("sles:15.4")),
            ("SUSE Linux Enterprise Server for SAP Applications 12 SP2", Some("sles:12.2")),
            ("SUSE Linux Enterprise Server Teradata 12 SP3-LTSS", None),
            ("SUSE Linux Enterprise Micro 5.2", Some("sle-micro:5.2")),
            ("SUSE Linux Micro 6.0", Some("sl-micro:6.0")),
            ("SUSE Linux Enterprise Micro 6.0", Some("sl-micro:6.0")),
            ("openSUSE Leap 15.2", Some("opensuse-leap:15.2")),
            ("openSUSE Leap 42.3", Some("opensuse:42.3")),
            ("openSUSE Leap Micro 5.2", Some("opensuse-leap-micro:5.2")),
            ("openSUSE 13.2", Some("opensuse:13.2")),
            ("openSUSE Tumbleweed", Some("opensuse-tumbleweed")),
            ("SUSE Manager Proxy 4.2", None),
            ("SUSE CaaS Platform 4.0", None),
            ("SUSE Linux Enterprise Server", None),
            ("core9", None),
            ("", None),
        ] {
            assert_eq!(release(name).as_deref(), expected, "{name}");
        }
    }
}
