//! CycloneDX, in JSON here, in XML in `xml`, all versions: the components, those in components, and what the document is about.

pub(super) mod xml;

use serde::Deserialize;

use super::claim::Claim;
use super::lenient::{List, Maybe, Text};

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    component: Maybe<Component>,
}

#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Component {
    #[serde(default, rename = "type")]
    kind: Text,
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default)]
    purl: Text,
    #[serde(default)]
    cpe: Text,
    #[serde(default)]
    scope: Text,
    #[serde(default)]
    publisher: Text,
    #[serde(default)]
    author: Text,
    #[serde(default)]
    supplier: Maybe<Supplier>,
    #[serde(default)]
    licenses: List<LicenseChoice>,
    #[serde(default)]
    components: List<Component>,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Supplier {
    #[serde(default)]
    name: Text,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct LicenseChoice {
    #[serde(default)]
    expression: Text,
    #[serde(default)]
    license: Maybe<License>,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct License {
    #[serde(default)]
    id: Text,
    #[serde(default)]
    name: Text,
}

/// What a document claims. The parser bounds how deep components lie in components.
pub(super) fn claims(metadata: Maybe<Metadata>, components: List<Component>) -> Vec<Claim> {
    let mut claims = Vec::new();
    let subject = metadata.0.and_then(|metadata| metadata.component.0);
    for component in subject.into_iter().chain(components.0) {
        add(component, &mut claims);
    }
    claims
}

fn add(component: Component, claims: &mut Vec<Claim>) {
    let Component { kind, name, version, purl, cpe, scope, publisher, author, supplier, licenses, components } =
        component;
    // Not software of its own: the image, its distribution, single files, data.
    let is_package = matches!(
        kind.0.as_deref(),
        None | Some("application" | "framework" | "library" | "firmware" | "platform" | "device-driver")
    );
    if is_package && !scope.is("excluded") {
        let supplier = supplier.0.and_then(|supplier| supplier.name.0);
        claims.push(Claim {
            name: name.0,
            version: version.0,
            purl: purl.0,
            cpes: cpe.0.into_iter().collect(),
            licenses: licenses.0.into_iter().filter_map(LicenseChoice::text).collect(),
            origin: supplier.or(publisher.0).or(author.0),
        });
    }
    for inner in components.0 {
        add(inner, claims);
    }
}

impl LicenseChoice {
    fn text(self) -> Option<String> {
        let license = self.license.0.unwrap_or_default();
        self.expression.0.or(license.id.0).or(license.name.0)
    }
}
