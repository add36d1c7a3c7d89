//! Names of packages and products, made comparable.

use std::borrow::Cow;

/// The name under which a package of this ecosystem is looked up.
pub fn normalise<'a>(ecosystem: &str, name: &'a str) -> Cow<'a, str> {
    match ecosystem {
        // PEP 503: case and runs of separators do not count.
        "PyPI" => Cow::Owned(pep503(name)),
        // Repositories of GitHub among them, whose addresses people write as they like.
        "NuGet" | "Packagist" | "Hex" | "Bitnami" | "SwiftURL" | "GitHub Actions" => Cow::Owned(name.to_lowercase()),
        "crates.io" => Cow::Owned(name.replace('_', "-").to_lowercase()),
        _ => Cow::Borrowed(name),
    }
}

/// All keys a statement about this package is filed under.
///
/// Maven statements are filed under `:artifact` as well, for archives that do not tell their group.
pub(crate) fn keys(ecosystem: &str, name: &str) -> Vec<String> {
    let mut keys = vec![normalise(ecosystem, name).into_owned()];
    if ecosystem == "Maven"
        && let Some((_, artifact)) = name.split_once(':')
    {
        keys.push(format!(":{artifact}"));
    }
    keys
}

fn pep503(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for letter in name.chars() {
        if matches!(letter, '-' | '_' | '.') {
            if !normal.ends_with('-') {
                normal.push('-');
            }
        } else {
            normal.extend(letter.to_lowercase());
        }
    }
    normal
}

/// The attributes of a CPE 2.3 name after `cpe:2.3:`, unescaped: part, vendor, product, version, update, … .
pub(crate) fn cpe_attributes(cpe: &str) -> Option<Vec<String>> {
    let mut attributes = vec![String::new()];
    let mut letters = cpe.strip_prefix("cpe:2.3:")?.chars();
    while let Some(letter) = letters.next() {
        let last = attributes.last_mut()?;
        match letter {
            '\\' => last.push(letters.next()?),
            ':' => attributes.push(String::new()),
            letter => last.push(letter),
        }
    }
    (attributes.len() >= 4).then_some(attributes)
}

/// The exact version of a CPE, with its update part where it has one.
pub(crate) fn cpe_version(attributes: &[String]) -> Option<String> {
    let version = attributes.get(3).filter(|version| !matches!(version.as_str(), "" | "*" | "-"))?;
    Some(match attributes.get(4).map(String::as_str) {
        None | Some("" | "*" | "-") => version.clone(),
        Some(update) => format!("{version}-{update}"),
    })
}

/// Whether an id is one of the databases of ecosystems, which tell the CVE of what they describe.
pub(crate) fn is_of_ecosystem(id: &str) -> bool {
    ["GHSA-", "GO-", "PYSEC-", "RUSTSEC-"].iter().any(|prefix| id.starts_with(prefix))
}

/// Which CVE, or other name, a vulnerability goes by: a CVE before a GHSA id before anything else, older ones first.
pub(crate) fn preference(id: &str) -> (u8, u64, u64, &str) {
    if let Some((year, number)) = id.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) {
        return (0, year.parse().unwrap_or(u64::MAX), number.parse().unwrap_or(u64::MAX), id);
    }
    (if id.starts_with("GHSA-") { 1 } else { 2 }, 0, 0, id)
}

/// Where a vulnerability is described, by its id.
pub(crate) fn url(id: &str, provider: &str) -> Option<String> {
    let prefix = id.split_once('-').map_or(id, |(prefix, _)| prefix);
    Some(match prefix {
        _ if provider == "debian" => format!("https://security-tracker.debian.org/tracker/{id}"),
        "CVE" if provider == "rhel" => format!("https://access.redhat.com/security/cve/{id}"),
        "CVE" if provider == "suse" => format!("https://www.suse.com/security/cve/{id}.html"),
        "CVE" if provider == "ubuntu" => format!("https://ubuntu.com/security/{id}"),
        "CVE" => format!("https://nvd.nist.gov/vuln/detail/{id}"),
        "GHSA" => format!("https://github.com/advisories/{id}"),
        "GO" => format!("https://pkg.go.dev/vuln/{id}"),
        "RUSTSEC" => format!("https://rustsec.org/advisories/{id}.html"),
        "RLSA" => format!("https://errata.rockylinux.org/{id}"),
        "FEDORA" => format!("https://bodhi.fedoraproject.org/updates/{id}"),
        "ELSA" => format!("https://linux.oracle.com/errata/{id}.html"),
        "ALSA" => {
            let (_, number) = id.split_once('-')?;
            format!("https://errata.almalinux.org/?search={number}")
        }
        _ => format!("https://osv.dev/vulnerability/{id}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_their_ecosystem_does() {
        for (ecosystem, name, normal) in [
            ("PyPI", "Ruamel_.Yaml", "ruamel-yaml"),
            ("PyPI", "Django", "django"),
            ("npm", "@Scope/Name", "@Scope/Name"),
            ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
            ("crates.io", "tokio_util", "tokio-util"),
            ("SwiftURL", "github.com/sparkle-project/Sparkle", "github.com/sparkle-project/sparkle"),
            ("GitHub Actions", "Actions/checkout", "actions/checkout"),
            ("Go", "github.com/A/b", "github.com/A/b"),
        ] {
            assert_eq!(normalise(ecosystem, name), normal, "{ecosystem} {name}");
        }
        assert_eq!(keys("Maven", "a.b:c"), ["a.b:c", ":c"]);
    }

    #[test]
    fn cpe_attributes_are_unescaped() {
        let attributes = cpe_attributes(r"cpe:2.3:a:gnu:lib\:c\+\+:1.0:rc1:*:*:*:*:*:*").unwrap();
        assert_eq!(attributes[2], "lib:c++");
        assert_eq!(cpe_version(&attributes).as_deref(), Some("1.0-rc1"));
        assert_eq!(cpe_attributes("cpe:/a:b:c"), None);
        assert_eq!(cpe_attributes(r"cpe:2.3:a:b:c:\"), None);
    }

    #[test]
    fn cves_come_first_and_older_ones_before_younger() {
        let mut ids = ["GO-2023-1", "CVE-2023-10000", "GHSA-aaaa-bbbb-cccc", "CVE-2023-9999"];
        ids.sort_by_key(|id| preference(id));
        assert_eq!(ids, ["CVE-2023-9999", "CVE-2023-10000", "GHSA-aaaa-bbbb-cccc", "GO-2023-1"]);
    }
}
