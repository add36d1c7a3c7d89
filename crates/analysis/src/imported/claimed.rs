//! A package as an SBOM claims it, with all that is said of it.

use std::collections::{BTreeMap, HashMap};

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageDetails, PackageKind, SourcePackage};
use killick_model::path::ImagePath;
use killick_model::purl::python_name;
use killick_model::sbom::PackageFacts;

use super::artifact;
use crate::catalogers::sbom::claim::{Claim, NoPackage};

/// Entries of a list of a package that are kept.
const MAX_LISTED: usize = 1000;

/// What a document of ours says of the package, if it says it of this one: whoever changed the name or the version in the
/// document meant it.
pub(super) fn facts(claim: &Claim) -> Option<PackageFacts> {
    let facts = serde_json::from_str(claim.hints.facts.as_deref()?).ok()?;
    said_of(facts, claim.name.as_deref(), claim.version.as_deref())
}

/// Those facts, if they are of the package of this name and version, and no more than a package may have.
pub(super) fn said_of(facts: PackageFacts, name: Option<&str>, version: Option<&str>) -> Option<PackageFacts> {
    let package = &facts.package;
    // Formats have their own ways with blanks.
    let same = |own: &str, said: Option<&str>| own.split_whitespace().eq(said.unwrap_or_default().split_whitespace());
    let lists = [package.licenses.len(), package.cpes.len(), package.nested.len()];
    let is_it = same(&package.name, name) && same(&package.version, version);
    (is_it && lists.iter().all(|entries| *entries <= MAX_LISTED)).then_some(facts)
}

/// The package of a claim, with what is said of it besides.
pub(super) fn package(claim: Claim, layers: &HashMap<String, u32>) -> Result<Package, NoPackage> {
    let (hints, name, version) = (claim.hints.clone(), claim.name.clone(), claim.version.clone());
    let place = hints.location.as_deref().unwrap_or_default();
    // Members of archives are named behind the archive.
    let mut members = place.split(':');
    let location = members.next().and_then(|path| ImagePath::new(path.as_bytes())).unwrap_or_default();
    let mut package = claim.into_package(&location)?;
    let members = members.filter(|member| !member.is_empty()).take(artifact::MAX_NESTED);
    package.nested = members.map(str::to_owned).collect();
    artifact::CATALOGER.clone_into(&mut package.cataloger);
    package.distribution = package.distribution.take().map(in_our_words);
    package.layer = hints.layer.as_deref().and_then(|digest| layers.get(digest)).copied().unwrap_or(0);
    if let (PackageKind::Binary, Some(kind)) = (package.kind, hints.kind.as_deref().and_then(artifact::kind)) {
        package.kind = kind;
    }
    if let Some(name) = name.filter(|name| package.kind == PackageKind::Python && python_name(name) == package.name) {
        package.name = name;
    }
    // Package URLs leave out epochs, platforms and prefixes that the version itself has.
    let version = version.map(|version| version.trim().to_owned());
    let is_longer = |version: &String| version.len() > package.version.len() && version.contains(&package.version);
    if let Some(version) = version.filter(is_longer) {
        package.version = version;
    }
    if package.kind.is_os() {
        package.architecture = package.architecture.take().or(hints.architecture);
    }
    if package.source.is_none() {
        package.source = source(&package, hints.source, hints.source_rpm.as_deref());
    }
    if let (Some(name), PackageDetails::Rpm { source_rpm, .. }) = (hints.source_rpm, &mut package.details) {
        source_rpm.get_or_insert(name);
    }
    Ok(package)
}

fn source(package: &Package, said: (Option<String>, Option<String>), rpm: Option<&str>) -> Option<SourcePackage> {
    if !package.kind.is_os() {
        return None;
    }
    if let Some(source) = rpm.and_then(SourcePackage::of_rpm) {
        return Some(source);
    }
    let version = said.1.unwrap_or_else(|| package.version.clone());
    // A source RPM has no epoch in its name.
    let version = match version.split_once(':') {
        Some((_, rest)) if package.kind == PackageKind::Rpm => rest.to_owned(),
        _ => version,
    };
    let source = SourcePackage { name: said.0?, version };
    (source.name != package.name || source.version != package.version).then_some(source)
}

/// The distribution that most packages of the document are said to be of.
pub(super) fn usual_distribution<'a>(packages: impl Iterator<Item = &'a Package>) -> Option<Distribution> {
    let mut counts: BTreeMap<String, (usize, &Distribution)> = BTreeMap::new();
    for distribution in packages.filter_map(|package| package.distribution.as_ref()) {
        counts.entry(distribution.label()).or_insert((0, distribution)).0 += 1;
    }
    let usual = counts.into_values().max_by_key(|(count, distribution)| (*count, distribution.version.is_some()));
    usual.map(|(_, distribution)| in_our_words(distribution.clone()))
}

/// A distribution as `os-release` names it: other tools have names of their own.
pub(super) fn in_our_words(mut distribution: Distribution) -> Distribution {
    let id = distribution.id.trim().to_lowercase();
    distribution.id = match id.as_str() {
        "redhat" => "rhel".to_owned(),
        "oracle" => "ol".to_owned(),
        "amazon" => "amzn".to_owned(),
        "alma" => "almalinux".to_owned(),
        "suse linux enterprise server" => "sles".to_owned(),
        "cbl-mariner" => "mariner".to_owned(),
        "opensuse.leap" => "opensuse-leap".to_owned(),
        "opensuse.tumbleweed" => "opensuse-tumbleweed".to_owned(),
        _ => id,
    };
    // `12.5` is a state of Debian 12, and `os-release` has the release alone.
    if let ("debian", Some(version)) = (distribution.id.as_str(), &mut distribution.version) {
        version.truncate(version.find('.').unwrap_or(version.len()));
    }
    distribution
}
