//! Bitnami's components, compiled by Bitnami and unpacked to `opt/bitnami`, outside of any package manager.
//!
//! Each component brings an SPDX document, `.spdx-NAME.spdx`, as JSON or as tags and values: what it has a Bitnami address
//! for is what was built into it, the rest what a scanner claimed to see in that. Older images have a list instead,
//! `.bitnami_components.json`, of names and versions.

use std::collections::{BTreeMap, HashSet};

use killick_model::package::{PackageEvidence, PackageKind};
use killick_model::problem::Problem;
use serde::Deserialize;

use crate::catalogers::sbom::lenient::{List, Maybe, Text};
use crate::catalogers::sbom::{spdx, tag_value};
use crate::catalogers::{Cataloger, Found, Image, Joined, WantedFile, Wants, document, package};

/// Components of one list or document; real ones have some dozen.
const MAX_COMPONENTS: usize = 10_000;

/// Finds the components of Bitnami.
pub(crate) struct Bitnami;

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    packages: List<spdx::Package>,
    #[serde(default)]
    relationships: List<spdx::Relationship>,
}

#[derive(Deserialize)]
struct Component {
    #[serde(default)]
    version: Text,
    #[serde(default)]
    arch: Text,
}

impl Cataloger for Bitnami {
    fn name(&self) -> &'static str {
        "bitnami"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn kinds(&self) -> &'static [PackageKind] {
        &[PackageKind::Bitnami]
    }

    fn wants(&self) -> Wants {
        Wants { globs: &["opt/bitnami/.bitnami_components.json", "opt/bitnami/**/.spdx-*.spdx"], executables: &[] }
    }

    fn read(&self, file: &mut WantedFile<'_>, found: &mut Found) {
        if file.path.file_name() == b".bitnami_components.json" {
            components(file, found);
        } else {
            document(file, found);
        }
    }

    fn join(&self, image: &Image<'_>, joined: &mut Joined) {
        for (path, layer, found) in image.found {
            joined.take(self.name(), path, *layer, found);
        }
        // A document tells more than the list. The same library may be in several components.
        let is_list = |location: &[u8]| location.ends_with(b".json");
        joined.packages.sort_by_key(|package| is_list(package.location.as_bytes()));
        let mut seen = HashSet::new();
        joined.packages.retain(|package| {
            let is_new = seen.insert((package.kind, package.name.clone(), package.version.clone()));
            is_new || !is_list(package.location.as_bytes())
        });
    }
}

fn components(file: &WantedFile<'_>, found: &mut Found) {
    let Some(components) = document::json::<BTreeMap<String, Maybe<Component>>>(file, found) else { return };
    let mut incomplete = 0_usize;
    for (name, component) in components.into_iter().take(MAX_COMPONENTS) {
        let Some((version, arch)) = component.0.and_then(|component| Some((component.version.0?, component.arch.0)))
        else {
            incomplete += 1;
            continue;
        };
        let mut package = package(PackageKind::Bitnami, &name, &version, file.path);
        package.architecture = arch;
        found.packages.push(package);
    }
    if incomplete > 0 {
        let message = format!("{incomplete} components have no version, skipped");
        found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
    }
}

fn document(file: &WantedFile<'_>, found: &mut Found) {
    let claims = if file.bytes.trim_ascii_start().starts_with(b"{") {
        document::json::<Document>(file, found).map(|document| spdx::claims(document.packages, &document.relationships))
    } else {
        document::text(file, found).map(|text| tag_value::claims(&text))
    };
    let claims = claims.unwrap_or_default();
    if claims.is_empty() && found.problems.is_empty() {
        let message = "it names no package";
        found.problems.push(Problem::new("malformed-package", file.path.to_string(), message));
    }
    for claim in claims.into_iter().take(MAX_COMPONENTS) {
        let Ok(mut package) = claim.into_package(file.path) else { continue };
        if package.kind == PackageKind::Bitnami {
            package.evidence = PackageEvidence::Installed;
        }
        found.packages.push(package);
    }
}
