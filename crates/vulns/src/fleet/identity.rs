//! All that matching looks at of one package.

use std::collections::BTreeSet;

use killick_model::distribution::Distribution;
use killick_model::package::{Package, PackageDetails, PackageEvidence, PackageKind};
use killick_model::path::ImagePath;
use serde::{Deserialize, Serialize};

use crate::matching::stream::Stream;
use crate::matching::{Subject, identity, opinion, query};
use crate::{names, namespaces};

/// A package without what no advisory can tell apart, and with what of its image decides: whatever images packages of
/// equal identity are in, they have equal matches.
///
/// - A package of a distribution has its distribution, which may be the image's.
/// - One that another package owns has that package, whose distribution may answer for it.
/// - A Go program in an image that has the standard library as a package of its own is not judged by its toolchain.
/// - A Go module keeps its symbols: few advisories tell packages apart by them, but those do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageIdentity {
    package: Package,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Box<Package>>,
}

/// A name that a package is looked up under in an ecosystem, a release of a distribution, or among CPE products.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupName {
    /// `debian:12`, `PyPI`, `cpe`.
    pub ecosystem: String,
    /// As the index has it.
    pub name: String,
}

impl PackageIdentity {
    /// The identities of an image's packages, in their order.
    pub fn all(subject: Subject<'_>) -> Vec<Self> {
        let has_stdlib = identity::has_stdlib(subject.packages);
        let reduced = |package: &Package, is_owner: bool| reduce(package, subject.distribution, has_stdlib, is_owner);
        let owner = |package: &Package| subject.packages.get(package.owner?.0 as usize);
        subject
            .packages
            .iter()
            .map(|package| Self {
                package: reduced(package, false),
                owner: owner(package).map(|owner| Box::new(reduced(owner, true))),
            })
            .collect()
    }

    /// The package, as far as it matters.
    pub fn package(&self) -> &Package {
        &self.package
    }

    /// The package that owns it.
    pub fn owner(&self) -> Option<&Package> {
        self.owner.as_deref()
    }

    /// The identity as a document: equal ones are equal bytes, to be kept or hashed.
    ///
    /// # Panics
    ///
    /// Without memory to write it to.
    pub fn to_document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("packages contain nothing that JSON cannot say, and memory does not fail")
    }

    /// The identity a document tells of.
    pub fn from_document(document: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(document)
    }

    /// The names it, or its owner, is looked up under.
    pub fn lookup_names(&self) -> BTreeSet<LookupName> {
        let mut found = BTreeSet::new();
        for package in std::iter::once(&self.package).chain(self.owner()) {
            add_names(package, &mut found);
        }
        found
    }

    /// The ecosystems and releases it, or its owner, is looked up in, whatever its name there.
    pub fn ecosystems(&self) -> BTreeSet<String> {
        let mut found: BTreeSet<String> = self.lookup_names().into_iter().map(|name| name.ecosystem).collect();
        // Whether the distribution knows all answers for what it owns, also where it was never asked.
        found.extend(self.owner().into_iter().flat_map(releases));
        found
    }
}

/// The releases whose data speak of a package of a distribution.
fn releases(package: &Package) -> Vec<String> {
    let Some(distribution) = &package.distribution else { return Vec::new() };
    let mut found = namespaces::of_distribution(distribution);
    found.extend(namespaces::beside(distribution));
    found
}

fn add_names(package: &Package, found: &mut BTreeSet<LookupName>) {
    if opinion::is_private(package) {
        return;
    }
    let mut add = |ecosystem: &str, name: &str| {
        found.insert(LookupName { ecosystem: ecosystem.to_owned(), name: name.to_owned() });
    };
    match package.kind.ecosystem() {
        None if package.kind.is_os() => {
            let queries = query::os(package);
            for release in releases(package) {
                for query in &queries {
                    add(&release, &query.name);
                }
            }
        }
        None => {}
        Some(ecosystem) => {
            let identity = identity::Identity { package, toolchain: identity::toolchain(package) };
            for query in query::language(ecosystem, &identity) {
                add(ecosystem, &query.name);
            }
            if matches!(package.details, PackageDetails::Java { .. }) {
                add(ecosystem, &format!(":{}", package.name));
            }
        }
    }
    if !package.kind.is_os() {
        for attributes in package.cpe_names().iter().filter_map(|cpe| names::cpe_attributes(cpe)) {
            if let Some(product) = attributes.get(2) {
                add(namespaces::CPE, &product.to_lowercase());
            }
        }
    }
}

/// The package with what matching looks at, and nothing else.
fn reduce(package: &Package, of_image: Option<&Distribution>, has_stdlib: bool, is_owner: bool) -> Package {
    let kind = package.kind;
    let distribution = package.distribution.as_ref().or(of_image).filter(|_| kind.is_os() || is_owner);
    Package {
        architecture: package.architecture.clone(),
        source: package.source.clone(),
        cpes: if kind.is_os() { Vec::new() } else { package.cpes.clone() },
        distribution: distribution.map(|distribution| Distribution {
            // openEuler tells its service packs nowhere else.
            pretty_name: distribution.pretty_name.clone().filter(|_| distribution.id == "openeuler"),
            like: Vec::new(),
            content_sets: Stream::deciding(distribution),
            ..distribution.clone()
        }),
        // So that it does not stand for the standard library of other packages it is judged with.
        evidence: PackageEvidence::Claimed,
        details: reduced_details(package, has_stdlib),
        ..Package::new(kind, &package.name, &package.version, ImagePath::default())
    }
}

fn reduced_details(package: &Package, has_stdlib: bool) -> PackageDetails {
    match &package.details {
        PackageDetails::Rpm { module: Some(module), .. } => PackageDetails::Rpm {
            epoch: None,
            source_rpm: None,
            module: Some(module.clone()),
            vendor: None,
            signatures: Vec::new(),
        },
        PackageDetails::Portage { slot, .. } => {
            PackageDetails::Portage { slot: slot.clone(), repository: None, use_flags: Vec::new() }
        }
        PackageDetails::Npm { is_private, .. } => PackageDetails::Npm { homepage: None, is_private: *is_private },
        PackageDetails::Java { group, pom_properties, .. } => PackageDetails::Java {
            group: group.clone(),
            specification_version: None,
            implementation_version: None,
            maven_version: None,
            pom_properties: pom_properties.as_ref().map(|_| String::new()),
            extension: String::new(),
        },
        PackageDetails::Go { main, toolchain, version_from, symbols, .. } => PackageDetails::Go {
            main: *main,
            toolchain: toolchain.clone().filter(|_| *main && !has_stdlib),
            checksum: None,
            version_from: version_from.clone().filter(|_| *main),
            symbols: symbols.clone(),
        },
        PackageDetails::Published { namespace: Some(namespace), .. } if package.kind == PackageKind::Hex => {
            PackageDetails::Published {
                namespace: Some(namespace.clone()),
                subpath: None,
                qualifiers: std::collections::BTreeMap::new(),
                checksum: None,
            }
        }
        _ => PackageDetails::None,
    }
}
