//! Look-up by CPE: a guess by names, which counts only where nobody says better.
//!
//! CPE 2.3 names (NISTIR 7695) of the package, or on request those that may be made of what it says of itself. Product,
//! vendor and version are compared, and the target software where the criterion has one; the legacy service judged
//! everything by product alone. What is found so has [`Confidence::Cpe`].

use std::borrow::Cow;
use std::sync::Arc;

use killick_model::advisory::Level;
use killick_model::matching::Confidence;
use killick_model::package::{Package, PackageKind};
use killick_model::path::ImagePath;
use killick_model::version::range::Epoch;

use super::CpeUse;
use super::opinion::{Lookup, Opinion, opinion};
use super::outcome::Outcome;
use super::query::Query;
use crate::index::{Index, IndexError};
use crate::{names, namespaces};

/// Targets that anything in an image may be made for.
const TARGETS: &[&str] = &["*", "-", "", "linux", "linux_kernel", "unix", "docker"];

/// Adds what is said of the products a package may be.
pub(super) fn opinions(
    index: &Index,
    package: &Package,
    usage: CpeUse,
    found: &mut Vec<Opinion>,
) -> Result<(), IndexError> {
    for (segment, info) in index.segments_of(namespaces::CPE) {
        let is_legacy = info.provider == "anchore";
        let is_wanted = match usage {
            CpeUse::All => !package.kind.is_os() || !is_legacy,
            CpeUse::Binaries => package.kind == PackageKind::Binary || (is_legacy && !package.kind.is_os()),
        };
        if !is_wanted {
            continue;
        }
        for cpe in names_of(package).iter() {
            let Some(attributes) = names::cpe_attributes(cpe) else { continue };
            let version = names::cpe_version(&attributes).unwrap_or_else(|| package.version.clone());
            let Some(product) = attributes.get(2).map(|product| product.to_lowercase()) else { continue };
            for statement in index.cpes(segment, &product)? {
                if !is_legacy && !is_product(package.kind, &attributes, &statement.name) {
                    continue;
                }
                // A package has many guessed CPEs; the best one that finds a vulnerability stands for all.
                let known = |opinion: &Opinion| {
                    opinion.confidence == Confidence::Cpe && opinion.statement.advisory == statement.advisory
                };
                if found.iter().any(known) {
                    continue;
                }
                let query = Query {
                    name: cpe.as_str().into(),
                    version: version.as_str().into(),
                    confidence: Confidence::Cpe,
                    epoch: Epoch::Zero,
                    levels: &[Level::Cpe],
                };
                let advisory = index.advisories(segment, &statement.advisory)?.into_iter().next().map(Arc::new);
                let lookup = Lookup::new(index, segment, &query);
                let opinion = opinion(&lookup, &Arc::new(statement), advisory.as_ref(), package);
                if opinion.outcome == Outcome::Affected {
                    found.push(opinion);
                }
            }
        }
    }
    Ok(())
}

/// Whether a criterion speaks of the package with these attributes: of the same vendor, and made for Linux, for anything,
/// or for the language that the package is of.
fn is_product(kind: PackageKind, attributes: &[String], criterion: &str) -> bool {
    let Some(wanted) = names::cpe_attributes(criterion) else { return false };
    let vendor = |attributes: &[String]| attributes.get(1).map(|vendor| vendor.to_lowercase());
    let target = wanted.get(8).map_or("*", String::as_str).to_lowercase();
    let of_language: &[&str] = match kind {
        PackageKind::Npm => &["node.js", "nodejs"],
        PackageKind::Python => &["python"],
        PackageKind::Gem => &["ruby", "rails"],
        PackageKind::Java => &["java", "maven", "jenkins"],
        PackageKind::Go => &["go"],
        PackageKind::Rust => &["rust"],
        PackageKind::Composer => &["php"],
        _ => &[],
    };
    vendor(attributes) == vendor(&wanted)
        && (TARGETS.contains(&target.as_str()) || of_language.contains(&target.as_str()))
}

/// The names of a package; of one of a distribution those of its source as well, which is what its authors published.
fn names_of(package: &Package) -> Cow<'_, [String]> {
    let own = package.cpe_names();
    let Some(source) = package.source.as_ref().filter(|source| package.cpes.is_empty() && source.name != package.name)
    else {
        return own;
    };
    let published = Package::new(package.kind, &source.name, &source.version, ImagePath::default());
    published.cpe_names().iter().chain(own.iter()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use killick_model::package::SourcePackage;

    use super::*;

    #[test]
    fn packages_of_distributions_go_by_their_source_too() {
        let mut package = Package::new(PackageKind::Deb, "libssl1.1", "1.1.1n-0+deb11u5", ImagePath::default());
        let of = |package: &Package| -> Vec<String> {
            let all = names_of(package).iter().filter_map(|cpe| names::cpe_attributes(cpe)).collect::<Vec<_>>();
            all.iter().map(|attributes| format!("{}:{}", attributes[1], attributes[2])).collect()
        };
        assert!(!of(&package).contains(&"openssl:openssl".to_owned()));
        package.source = Some(SourcePackage { name: "openssl".to_owned(), version: "1.1.1n-0+deb11u5".to_owned() });
        assert_eq!(of(&package).first().map(String::as_str), Some("openssl:openssl"));
        package.cpes = vec!["cpe:2.3:a:own:own:1:*:*:*:*:*:*:*".to_owned()];
        assert_eq!(of(&package), ["own:own"]);
    }

    #[test]
    fn the_target_must_be_of_the_language() {
        let attributes = |cpe: &str| names::cpe_attributes(cpe).unwrap_or_default();
        let own = attributes("cpe:2.3:a:lib:lib:*:*:*:*:*:*:*:*");
        for (criterion, kind, want) in [
            ("cpe:2.3:a:lib:lib:*:*:*:*:*:*:*:*", PackageKind::Deb, true),
            ("cpe:2.3:a:LIB:lib:*:*:*:*:*:*:*:*", PackageKind::Deb, true),
            ("cpe:2.3:a:other:lib:*:*:*:*:*:*:*:*", PackageKind::Deb, false),
            ("cpe:2.3:a:lib:lib:*:*:*:*:*:node.js:*:*", PackageKind::Npm, true),
            ("cpe:2.3:a:lib:lib:*:*:*:*:*:node.js:*:*", PackageKind::Python, false),
            ("cpe:2.3:a:lib:lib:*:*:*:*:*:wordpress:*:*", PackageKind::Npm, false),
            ("cpe:2.3:a:lib:lib:*:*:*:*:*:linux:*:*", PackageKind::Python, true),
        ] {
            assert_eq!(is_product(kind, &own, criterion), want, "{criterion} {kind}");
        }
    }
}
