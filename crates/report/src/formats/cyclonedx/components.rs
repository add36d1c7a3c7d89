//! The components of a document: the image, its distribution, its packages.

use std::collections::BTreeMap;

use jiff::Timestamp;
use killick_model::lifecycle::{Support, Unsupported};
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageId, PackageKind};
use killick_model::purl::purl;
use killick_model::sbom::{IMAGE_FACTS, ImageFacts, PACKAGE_FACTS, PackageFacts};

use super::document::{
    Component, Dependency, Evidence, Hash, Identity, IdentityEvidence, License, LicenseChoice, Method, Occurrence,
    Organization, Property,
};
use super::{Scoped, Version, package_id, property};
use crate::formats::Report;
use crate::licenses::{canonical, joined};

/// Everything of an image but the image itself.
pub(super) fn all<'a>(scoped: &'a Scoped<'_>) -> impl Iterator<Item = Component> + use<'a> {
    let analysis = scoped.report.analysis;
    let packages = analysis.packages.iter().enumerate().map(|(at, package)| component(scoped, at, package));
    packages.chain(analysis.distribution.as_ref().map(|distribution| Component {
        bom_ref: Some(format!("{}distribution", scoped.scope)),
        version: distribution.version.clone(),
        description: distribution.pretty_name.clone(),
        properties: support(scoped.report, None),
        ..Component::new("operating-system", &distribution.id)
    }))
}

/// The image of a report.
pub(super) fn image(scoped: &Scoped<'_>, source: &str) -> Component {
    let analysis = scoped.report.analysis;
    let mut properties = vec![
        property("killick:image:id", analysis.config_digest.hex()),
        property("killick:image:platform", format!("{}/{}", analysis.config.os, analysis.config.architecture)),
    ];
    let layers = analysis.layers.iter().enumerate();
    properties.extend(layers.map(|(at, layer)| property(&format!("killick:image:layer:{at}"), &layer.diff_id)));
    properties.push(property(IMAGE_FACTS, ImageFacts::of(analysis).text()));
    Component {
        bom_ref: Some(scoped.own_ref()),
        version: Some(analysis.manifest_digest.to_string()),
        hashes: vec![Hash { alg: "SHA-256", content: analysis.manifest_digest.hex() }],
        properties,
        ..Component::new("container", source)
    }
}

/// What the image consists of, and what packages of the distribution do.
pub(super) fn dependencies<'a>(scoped: &'a Scoped<'_>) -> impl Iterator<Item = Dependency> + use<'a> {
    let analysis = scoped.report.analysis;
    let all = (0..analysis.packages.len()).map(|at| scoped.package_ref(package_id(at)));
    let distribution = analysis.distribution.iter().map(|_| format!("{}distribution", scoped.scope));
    let own = Dependency { from: scoped.own_ref(), on: all.chain(distribution).collect() };
    let mut owned: BTreeMap<PackageId, Vec<String>> = BTreeMap::new();
    for (at, package) in analysis.packages.iter().enumerate() {
        if let Some(owner) = package.owner {
            owned.entry(owner).or_default().push(scoped.package_ref(package_id(at)));
        }
    }
    let owned = owned.into_iter().map(|(owner, on)| Dependency { from: scoped.package_ref(owner), on });
    std::iter::once(own).chain(owned)
}

/// How old the data is.
pub(super) fn data(report: &Report<'_>) -> impl Iterator<Item = Property> {
    let newest = report.knowledge.and_then(|knowledge| knowledge.newest_data);
    newest.into_iter().map(|newest| property("killick:data:newest", newest))
}

pub(super) fn problems(report: &Report<'_>) -> impl Iterator<Item = Property> {
    report.problems().map(|problem| {
        property(&format!("killick:problem:{}", problem.kind), format!("{}: {}", problem.subject, problem.message))
    })
}

/// What is said of the support of a package, or of the distribution, that is past its end.
fn support(report: &Report<'_>, of: Option<PackageId>) -> Vec<Property> {
    // Their packages are in ascending order.
    let is_it = |ended: &&Unsupported| match of {
        Some(id) => ended.packages.binary_search(&id).is_ok(),
        None => ended.packages.is_empty(),
    };
    let told = |ended: &Unsupported| {
        let state = if ended.support == Support::Ended { "ended" } else { "extended" };
        let dated = |name: &str, day: Option<Timestamp>| day.map(|day| property(name, day.strftime("%F")));
        [
            Some(property("killick:support", state)),
            Some(property("killick:support:cycle", format!("{} {}", ended.product, ended.cycle))),
            dated("killick:support:ended", ended.ended),
            dated("killick:support:extended-until", ended.extended_until),
        ]
    };
    report.unsupported.iter().filter(is_it).flat_map(told).flatten().collect()
}

fn component(scoped: &Scoped<'_>, at: usize, package: &Package) -> Component {
    let report = scoped.report;
    let layer = report.analysis.layers.get(package.layer as usize);
    let mut properties = vec![
        property("killick:package:kind", package.kind),
        property("killick:package:cataloger", &package.cataloger),
        property("killick:package:evidence", package.evidence.name()),
        property("killick:package:layer", package.layer),
    ];
    properties.extend(layer.map(|layer| property("killick:package:layer:diff-id", &layer.diff_id)));
    if scoped.version == Version::V1_4 {
        // Later versions have it as evidence.
        properties.push(property("killick:package:location", package.virtual_path()));
    }
    properties.extend(support(report, Some(package_id(at))));
    properties.extend(package.architecture.iter().map(|text| property("killick:package:architecture", text)));
    properties.extend(
        package
            .source
            .iter()
            .map(|source| property("killick:package:source", format!("{} {}", source.name, source.version))),
    );
    properties.extend(package.distribution.iter().map(|found| property("killick:package:distribution", found.label())));
    properties.extend(package.fetched_from.iter().map(|address| property("killick:package:fetched-from", address)));
    if package.is_development {
        properties.push(property("killick:package:development", true));
    }
    properties.extend(package.owner.map(|owner| property("killick:package:owner", scoped.package_ref(owner))));
    let cpes = package.cpe_names();
    properties.extend(cpes.iter().skip(1).map(|cpe| property("killick:package:cpe", cpe)));
    let id = package_id(at);
    properties.push(property(PACKAGE_FACTS, PackageFacts::of(id.0, package).text()));
    let group = match &package.details {
        PackageDetails::Java { group, .. } => group.clone(),
        _ => None,
    };
    let url = purl(package, report.analysis.distribution.as_ref());
    Component {
        bom_ref: Some(scoped.package_ref(id)),
        // Who builds the packages of a distribution supplies them; who writes a package publishes it.
        supplier: package.origin.clone().filter(|_| package.kind == PackageKind::Rpm).map(|name| Organization { name }),
        group,
        // Version 1.4 and later may go without.
        version: Some(package.version.clone()).filter(|version| !version.is_empty()),
        publisher: package.origin.clone(),
        // What is not wanted where the image runs.
        scope: package.is_development.then_some("excluded"),
        licenses: licenses(&package.licenses),
        cpe: cpes.first().cloned(),
        evidence: evidence(scoped, package, &url),
        purl: Some(url),
        properties,
        ..Component::new("library", &package.name)
    }
}

/// How it is known that the package is there, and where, which version 1.4 has no words for.
fn evidence(scoped: &Scoped<'_>, package: &Package, url: &str) -> Option<Evidence> {
    // The package itself is there; its files are; somebody says so.
    let confidence = match package.evidence {
        PackageEvidence::Installed => 1.0,
        PackageEvidence::Copied => 0.8,
        PackageEvidence::Claimed | PackageEvidence::Declared => 0.5,
    };
    let technique = match (package.evidence, package.kind) {
        (PackageEvidence::Copied, _) => "hash-comparison",
        (PackageEvidence::Claimed, _) => "attestation",
        (_, PackageKind::Binary | PackageKind::Go | PackageKind::Rust | PackageKind::LinuxKernel) => "binary-analysis",
        _ => "manifest-analysis",
    };
    let concluded_value = (scoped.version >= Version::V1_6).then(|| url.to_owned());
    let methods = [Method { technique, confidence, value: package.virtual_path() }];
    let identity = Identity { field: "purl", confidence, concluded_value, methods };
    let identity = match scoped.version {
        Version::V1_4 => return None,
        Version::V1_5 => IdentityEvidence::One(identity),
        Version::V1_6 => IdentityEvidence::Several([identity]),
    };
    Some(Evidence { identity, occurrences: occurrences(scoped, package) })
}

/// Where the package is: of one that files were copied from, each of them.
fn occurrences(scoped: &Scoped<'_>, package: &Package) -> Vec<Occurrence> {
    let analysis = scoped.report.analysis;
    let at = |location: String, layer: u32| {
        let found = usize::try_from(layer).ok().and_then(|at| analysis.layers.get(at));
        let found = found.filter(|_| scoped.version >= Version::V1_6);
        Occurrence { location, additional_context: found.map(|found| format!("layer {layer}: {}", found.diff_id)) }
    };
    if package.evidence == PackageEvidence::Copied && !package.files.is_empty() {
        let layer = |path: &[u8]| analysis.file(path).map_or(package.layer, |file| file.layer);
        return package.files.iter().map(|file| at(file.path.to_string(), layer(file.path.as_bytes()))).collect();
    }
    vec![at(package.virtual_path(), package.layer)]
}

/// Declared licences: SPDX ids where they are some, one SPDX expression if all are some, any other text as a name.
fn licenses(declared: &[String]) -> Vec<LicenseChoice> {
    let declared: Vec<&String> = declared.iter().filter(|text| !text.trim().is_empty()).collect();
    if declared.iter().any(|text| text.contains(' ')) {
        let terms: Option<Vec<String>> = declared.iter().map(|text| canonical(text)).collect();
        if let Some(expression) = terms.and_then(|terms| joined(&terms)) {
            return vec![LicenseChoice::Expression { expression }];
        }
    }
    let choice = |text: &String| {
        let id = spdx::license_id(text).filter(|id| id.name == text).map(|id| id.name.to_owned());
        let name = if id.is_none() { Some(text.clone()) } else { None };
        LicenseChoice::License { license: License { id, name } }
    };
    declared.into_iter().map(choice).collect()
}
