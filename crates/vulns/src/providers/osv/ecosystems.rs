//! What is known about the ecosystems OSV collects: terms, and who is a distribution.

use killick_model::advisory::License;

/// Licence and attribution of an ecosystem's records.
const TERMS: &[(&str, License, &str)] = &[
    ("AlmaLinux", License::Attribution, "AlmaLinux OSV database, MIT"),
    ("Alpine", License::Public, "Alpine Linux security database"),
    ("Bitnami", License::Attribution, "Bitnami vulnerability database, Apache-2.0"),
    ("CRAN", License::Attribution, "R Consortium advisory database, Apache-2.0"),
    ("Chainguard", License::NotRedistributable, "Chainguard advisories, CC-BY-NC-ND with a scanner licence"),
    ("Debian", License::Public, "Debian security tracker"),
    ("Drupal", License::Attribution, "Drupal advisory database, MIT"),
    ("GitHub Actions", License::Attribution, "GitHub Advisory Database, CC-BY-4.0"),
    ("Go", License::Attribution, "Go vulnerability database, CC-BY-4.0; GitHub Advisory Database, CC-BY-4.0"),
    ("Hackage", License::Public, "Haskell security advisories, CC0-1.0"),
    ("Hex", License::Attribution, "GitHub Advisory Database, CC-BY-4.0"),
    ("Julia", License::Attribution, "Julia security advisories, CC-BY-4.0"),
    ("Maven", License::Attribution, "GitHub Advisory Database, CC-BY-4.0"),
    ("MinimOS", License::NotRedistributable, "MinimOS advisories, terms not stated"),
    ("NuGet", License::Attribution, "GitHub Advisory Database, CC-BY-4.0"),
    ("OSS-Fuzz", License::Attribution, "OSS-Fuzz vulnerabilities, CC-BY-4.0"),
    ("PSF", License::Attribution, "PSF advisory database, CC-BY-4.0"),
    ("Packagist", License::Public, "FriendsOfPHP security advisories, Unlicense"),
    ("Pub", License::Attribution, "GitHub Advisory Database, CC-BY-4.0"),
    ("PyPI", License::Attribution, "PyPA advisory database, CC-BY-4.0; GitHub Advisory Database, CC-BY-4.0"),
    ("Red Hat", License::Attribution, "Red Hat security data, CC-BY-4.0"),
    ("Rocky Linux", License::Attribution, "Rocky Linux advisories, BSD"),
    ("RubyGems", License::Public, "Ruby Advisory Database, public domain"),
    ("SUSE", License::Attribution, "SUSE security data, CC-BY-4.0"),
    ("SwiftURL", License::Attribution, "GitHub Advisory Database, CC-BY-4.0"),
    ("Ubuntu", License::ShareAlike, "Ubuntu security notices, CC-BY-SA-4.0"),
    ("Wolfi", License::NotRedistributable, "Wolfi advisories, CC-BY-NC-ND with a scanner licence"),
    ("crates.io", License::Public, "RustSec advisory database, CC0-1.0; GitHub Advisory Database, CC-BY-4.0"),
    ("npm", License::Attribution, "GitHub Advisory Database, CC-BY-4.0; Node.js security working group, MIT"),
    ("opam", License::Public, "OCaml security advisories, CC0-1.0"),
];

/// Ecosystems that are Linux distributions: they package vulnerabilities that have a name already.
const DISTRIBUTIONS: &[&str] = &[
    "AlmaLinux",
    "Alpaquita",
    "Alpine",
    "Azure Linux",
    "BellSoft Hardened Containers",
    "Chainguard",
    "Debian",
    "Echo",
    "Mageia",
    "MinimOS",
    "Red Hat",
    "Rocky Linux",
    "SUSE",
    "Ubuntu",
    "Wolfi",
    "openEuler",
    "openSUSE",
];

/// Archives that contain packages of other ecosystems as their own.
const GUESTS: &[(&str, &str)] = &[("Drupal", "Packagist"), ("Hackage", "GHC")];

pub(super) fn terms(family: &str) -> (License, &'static str) {
    TERMS
        .iter()
        .find(|(name, ..)| *name == family)
        .map_or((License::Unknown, "see the source"), |(_, license, attribution)| (*license, *attribution))
}

pub(super) fn is_distribution(family: &str) -> bool {
    DISTRIBUTIONS.contains(&family)
}

/// An ecosystem without its suffix: a release, or the address of a repository.
pub(super) fn family(ecosystem: &str) -> &str {
    ecosystem.split(':').next().unwrap_or(ecosystem)
}

/// Whether the archive of `family` is the one that answers for packages of `ecosystem`.
pub(super) fn belongs(ecosystem: &str, family: &str) -> bool {
    let own = self::family(ecosystem);
    own == family || GUESTS.contains(&(family, own))
}
