//! Words of the v1 contract for facts of the model: package types, places, namespaces.
//!
//! Ids and messages are made of them, so they are part of what allowlists match.

use killick_model::analysis::Analysis;
use killick_model::matching::{FixState, Match};
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageKind};

/// The package type of the v1 contract.
pub fn package_type(package: &Package) -> &'static str {
    match package.kind {
        PackageKind::Deb => "dpkg",
        PackageKind::Apk => "APKG",
        kind => kind.name(),
    }
}

/// Where the v1 contract says the package is: `pkgdb` for packages of the distribution. One that something was copied
/// from is in no database.
pub fn package_path(package: &Package) -> String {
    match &package.details {
        _ if package.kind.is_os() && package.evidence != PackageEvidence::Copied => "pkgdb".to_owned(),
        // Where its first module is; distributions that install a module of their own name are named by that.
        PackageDetails::Python { site_packages, top_level, .. } => {
            let module = match top_level.first() {
                Some(first) if !top_level.contains(&package.name) => first,
                _ => &package.name,
            };
            site_packages.join(module.as_bytes()).map_or_else(|| site_packages.to_string(), |path| path.to_string())
        }
        _ => package.virtual_path(),
    }
}

/// The text in which the v1 contract has all licences of a package, one word each where it can.
pub(crate) fn license(package: &Package) -> String {
    let licenses = if package.kind.is_os() { package.license_words().join(" ") } else { package.licenses.join(" ") };
    if licenses.is_empty() { "N/A".to_owned() } else { licenses }
}

/// Whether the vendor said it will not fix it.
pub(crate) fn will_not_fix(found: &Match) -> bool {
    found.fix.state == FixState::WontFix
}

/// The namespace whose statement decided.
pub(crate) fn feed_group(found: &Match) -> &str {
    found.evidence.first().map_or("", |evidence| evidence.namespace.as_str())
}

/// The namespaces that may hold the data of an image's distribution: with the whole version, then shorter ones.
pub fn distribution_namespaces(analysis: &Analysis) -> Vec<String> {
    let Some(distribution) = &analysis.distribution else { return Vec::new() };
    let Some(version) = distribution.version.as_deref().filter(|version| !version.is_empty()) else {
        return Vec::new();
    };
    let name = match distribution.id.as_str() {
        "centos" | "fedora" | "redhat" | "rhel" | "rocky" => "rhel",
        other => other,
    };
    let mut versions = vec![version];
    let mut shorter = version;
    while let Some((rest, _)) = shorter.rsplit_once('.') {
        versions.push(rest);
        shorter = rest;
    }
    // `a.b.c.d` never occurs; what the contract names is the whole, the first two parts, and the first.
    versions.retain(|candidate| *candidate == version || candidate.matches('.').count() <= 1);
    versions.into_iter().map(|version| format!("{name}:{version}")).collect()
}
