//! CycloneDX in XML, all versions: the same components as in JSON, in elements and attributes.
//!
//! Schema: <https://cyclonedx.org/schema/bom/>.

use super::{
    Bom, Component, Dependency, Evidence, Hash, License, LicenseChoice, Metadata, Occurrence, Property, Supplier, Tool,
};
use crate::catalogers::sbom::claim::Claim;
use crate::catalogers::sbom::lenient::{List, Long, Maybe, OneOrList, Text, Words};
use crate::catalogers::sbom::told::Told;
use crate::catalogers::xml::Element;

/// What stands in the first element of every version.
pub(in crate::catalogers::sbom) const NAMESPACE: &[u8] = b"cyclonedx.org/schema/bom";

/// What a document claims.
pub(in crate::catalogers::sbom) fn claims(root: &Element) -> Vec<Claim> {
    told(root).claims
}

/// The same, and what it says besides.
pub(in crate::catalogers::sbom) fn told(root: &Element) -> Told {
    let metadata = root.child("metadata");
    let edges = root.child("dependencies").into_iter().flat_map(|list| list.all("dependency"));
    // The version is the end of the namespace: `http://cyclonedx.org/schema/bom/1.6`.
    let version = root.attribute("xmlns").and_then(|namespace| namespace.rsplit('/').next()).map(str::to_owned);
    super::told(Bom {
        version,
        metadata: metadata.map(self::metadata).unwrap_or_default(),
        components: List(components(root).map(component).collect()),
        dependencies: List(edges.map(dependency).collect()),
    })
}

fn metadata(element: &Element) -> Metadata {
    let tools = element.child("tools");
    let old = tools.into_iter().flat_map(|tools| tools.all("tool"));
    let new = tools.into_iter().flat_map(components);
    let tool = |element: &Element| Tool {
        name: text_of(element, "name"),
        version: text_of(element, "version"),
        ..Tool::default()
    };
    Metadata {
        timestamp: text_of(element, "timestamp"),
        tools: OneOrList(old.chain(new).map(tool).collect()),
        component: Maybe(element.child("component").map(component)),
    }
}

fn dependency(element: &Element) -> Dependency {
    let on = element.all("dependency").filter_map(|on| on.attribute("ref")).map(str::to_owned);
    Dependency { from: Text(element.attribute("ref").map(str::to_owned)), on: Words(on.collect()) }
}

/// The components that an element lists.
fn components(element: &Element) -> impl Iterator<Item = &Element> {
    element.child("components").into_iter().flat_map(|list| list.all("component"))
}

/// The elements of a list of this name.
fn listed<'a>(element: &'a Element, name: &str) -> impl Iterator<Item = &'a Element> + use<'a> {
    element.child(name).into_iter().flat_map(|list| &list.children)
}

/// The reader of XML bounds how deep components lie in components.
fn component(element: &Element) -> Component {
    let text = |name: &str| Text(element.text_of(name).map(str::to_owned));
    let attribute = |name: &str| Text(element.attribute(name).map(str::to_owned));
    let supplier = element.child("supplier").map(|supplier| Supplier { name: text_of(supplier, "name") });
    let hash = |hash: &Element| Hash {
        alg: Text(hash.attribute("alg").map(str::to_owned)),
        content: Text(hash.text().map(str::to_owned)),
    };
    let property = |property: &Element| Property {
        name: Text(property.attribute("name").map(str::to_owned)),
        value: Long(property.text().map(str::to_owned)),
    };
    let evidence = element.child("evidence").map(|evidence| Evidence {
        occurrences: List(
            listed(evidence, "occurrences").map(|found| Occurrence { location: text_of(found, "location") }).collect(),
        ),
    });
    Component {
        kind: attribute("type"),
        id: attribute("bom-ref"),
        description: text("description"),
        hashes: List(listed(element, "hashes").map(hash).collect()),
        evidence: Maybe(evidence),
        properties: List(listed(element, "properties").map(property).collect()),
        name: text("name"),
        version: text("version"),
        purl: text("purl"),
        cpe: text("cpe"),
        scope: text("scope"),
        publisher: text("publisher"),
        author: text("author"),
        supplier: Maybe(supplier),
        licenses: List(listed(element, "licenses").map(license).collect()),
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
