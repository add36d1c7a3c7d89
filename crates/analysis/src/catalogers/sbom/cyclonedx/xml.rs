//! CycloneDX in XML, all versions: the same components as in JSON, in elements and attributes.
//!
//! Schema: <https://cyclonedx.org/schema/bom/>.

use super::{Component, License, LicenseChoice, Supplier, add};
use crate::catalogers::sbom::claim::Claim;
use crate::catalogers::sbom::lenient::{List, Maybe, Text};
use crate::catalogers::xml::Element;

/// What stands in the first element of every version.
pub(in crate::catalogers::sbom) const NAMESPACE: &[u8] = b"cyclonedx.org/schema/bom";

/// What a document claims.
pub(in crate::catalogers::sbom) fn claims(root: &Element) -> Vec<Claim> {
    let mut claims = Vec::new();
    let subject = root.child("metadata").and_then(|metadata| metadata.child("component"));
    for element in subject.into_iter().chain(components(root)) {
        add(component(element), &mut claims);
    }
    claims
}

/// The components that an element lists.
fn components(element: &Element) -> impl Iterator<Item = &Element> {
    element.child("components").into_iter().flat_map(|list| list.all("component"))
}

/// The reader of XML bounds how deep components lie in components.
fn component(element: &Element) -> Component {
    let text = |name: &str| Text(element.text_of(name).map(str::to_owned));
    let supplier = element.child("supplier").map(|supplier| Supplier { name: text_of(supplier, "name") });
    let licenses = element.child("licenses").into_iter().flat_map(|list| &list.children);
    Component {
        kind: Text(element.attribute("type").map(str::to_owned)),
        name: text("name"),
        version: text("version"),
        purl: text("purl"),
        cpe: text("cpe"),
        scope: text("scope"),
        publisher: text("publisher"),
        author: text("author"),
        supplier: Maybe(supplier),
        licenses: List(licenses.map(license).collect()),
        components: List(components(element).map(component).collect()),
    }
}

fn license(element: &Element) -> LicenseChoice {
    if element.name == "expression" {
        return LicenseChoice { expression: Text(element.text().map(str::to_owned)), license: Maybe(None) };
    }
    let license = License { id: text_of(element, "id"), name: text_of(element, "name") };
    LicenseChoice { expression: Text(None), license: Maybe(Some(license)) }
}

fn text_of(element: &Element, name: &str) -> Text {
    Text(element.text_of(name).map(str::to_owned))
}
