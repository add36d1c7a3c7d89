//! Which sources of an index speak of the packages of an image.

use std::collections::BTreeSet;

use crate::index::Index;
use crate::matching::Subject;
use crate::matching::vendor::Vendors;
use crate::namespaces;
use crate::status::{SourceStatus, source};

/// The sources that judge packages of `subject`: those of its distribution and of the ecosystems of its packages. By
/// (provider, namespace).
pub fn sources(index: &Index, subject: Subject<'_>) -> Vec<SourceStatus> {
    let vendors = Vendors::new(index, subject);
    let mut used = BTreeSet::new();
    for package in subject.packages.iter().filter(|package| package.kind.is_os()) {
        used.extend(vendors.of(package).segments.iter().copied());
    }
    let kinds: BTreeSet<_> = subject.packages.iter().map(|package| package.kind).filter(|kind| !kind.is_os()).collect();
    for kind in kinds {
        used.extend(index.segments_of(kind.ecosystem().unwrap_or(namespaces::CPE)).map(|(at, _)| at));
    }
    let mut sources: Vec<_> = used.into_iter().filter_map(|at| index.manifest().segments.get(at)).map(source).collect();
    sources.sort_by(|a, b| (&a.provider, &a.namespace).cmp(&(&b.provider, &b.namespace)));
    sources
}

#[cfg(test)]
mod tests {
    use killick_model::distribution::Distribution;
    use killick_model::package::{Package, PackageKind};
    use killick_model::path::ImagePath;

    use super::*;

    #[test]
    fn only_those_that_speak_of_a_package() {
        let index = Index::starter().unwrap();
        let debian =
            Distribution { id: "debian".to_owned(), version: Some("12".to_owned()), ..Distribution::default() };
        let package = |kind| Package::new(kind, "a", "1", ImagePath::from("/a"));
        let of = |packages: &[Package]| -> Vec<String> {
            let found = sources(&index, Subject { distribution: Some(&debian), packages });
            found.iter().map(|source| source.namespace.clone()).collect()
        };
        assert!(of(&[]).is_empty());
        let npm = of(&[package(PackageKind::Npm)]);
        assert!(!npm.is_empty() && npm.iter().all(|namespace| namespace == "npm"), "{npm:?}");
        let both = of(&[package(PackageKind::Npm), package(PackageKind::Deb)]);
        assert!(both.len() > npm.len() && both.iter().any(|namespace| namespace.starts_with("debian")), "{both:?}");
    }
}
