//! CycloneDX: `vulnerabilities[].analysis` of versions 1.4 to 1.6 (<https://cyclonedx.org/docs/1.6/json/>).
//!
//! What a vulnerability affects is a component of the same document, or by a BOM-Link one of another document, which is
//! identified only where the link's fragment is a package URL, as many tools write. Where the document is about an image
//! with a digest, everything in it is about that image alone.

use std::collections::{BTreeMap, HashMap};

use killick_model::vex::{Justification, VexStatus};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::product::{Component, Product};
use super::statement::{Document, Maybe, Statement, instant, words};
use crate::providers::json::or_default;
use crate::vers::Vers;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default, deserialize_with = "or_default")]
    serial_number: String,
    version: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    components: Vec<Item>,
    #[serde(default, deserialize_with = "or_default")]
    vulnerabilities: Vec<Maybe<Vulnerability>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    timestamp: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    authors: Vec<Party>,
    supplier: Option<Party>,
    manufacturer: Option<Party>,
    manufacture: Option<Party>,
    component: Option<Item>,
}

#[derive(Deserialize)]
struct Party {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "bom-ref", default, deserialize_with = "or_default")]
    bom_ref: String,
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    version: Option<String>,
    purl: Option<String>,
    cpe: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    hashes: Vec<Hash>,
    #[serde(default, deserialize_with = "or_default")]
    components: Vec<Item>,
}

#[derive(Deserialize)]
struct Hash {
    #[serde(default)]
    alg: String,
    #[serde(default)]
    content: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default, deserialize_with = "or_default")]
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    references: Vec<Reference>,
    updated: Option<String>,
    analysis: Option<Analysis>,
    #[serde(default, deserialize_with = "or_default")]
    recommendation: String,
    #[serde(default, deserialize_with = "or_default")]
    affects: Vec<Affects>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Analysis {
    state: Option<String>,
    justification: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    detail: String,
    first_issued: Option<String>,
    last_updated: Option<String>,
}

#[derive(Deserialize)]
struct Affects {
    #[serde(rename = "ref")]
    target: String,
    #[serde(default, deserialize_with = "or_default")]
    versions: Vec<Versions>,
}

#[derive(Deserialize)]
struct Versions {
    version: Option<String>,
    range: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    status: String,
}

pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Document> {
    let written: Written = serde_json::from_slice(bytes)?;
    let said_at = instant(written.metadata.timestamp.as_ref());
    let id = match written.version {
        Some(version) if !written.serial_number.is_empty() => format!("{}/{version}", written.serial_number),
        _ => written.serial_number.clone(),
    };
    let mut document = Document::new(&id, written.metadata.issuer(), said_at);
    let components = components(&written);
    let scope = written.metadata.component.as_ref().filter(|component| component.is_image());
    for vulnerability in &written.vulnerabilities {
        let Maybe::Known(vulnerability) = vulnerability else {
            document.skipped = document.skipped.saturating_add(1);
            continue;
        };
        let Some(analysis) = &vulnerability.analysis else { continue };
        let Some(state) = analysis.state.as_deref() else { continue };
        let Some(status) = status(state) else {
            document.skipped = document.skipped.saturating_add(1);
            continue;
        };
        let names = std::iter::once(&vulnerability.id).chain(vulnerability.references.iter().map(|other| &other.id));
        let names: Vec<String> = names.cloned().collect();
        let said = [&analysis.last_updated, &analysis.first_issued, &vulnerability.updated];
        let said_at = said.into_iter().find_map(|text| instant(text.as_ref())).or(said_at);
        let mut by_status: BTreeMap<VexStatus, Vec<Product>> = BTreeMap::from([(status, Vec::new())]);
        for affects in &vulnerability.affects {
            let component = match components.get(affects.target.as_str()) {
                Some(item) => item.component(),
                None => linked(&affects.target),
            };
            for (status, component) in affects.limited(status, &component, &mut document.unidentified) {
                by_status.entry(status).or_default().push(
                    match scope.filter(|scope| scope.bom_ref != affects.target) {
                        Some(scope) => Product { component: scope.component(), parts: vec![component] },
                        None => Product::of(component),
                    },
                );
            }
        }
        for (of, products) in by_status {
            // The reason is one for what the analysis says, not for what it leaves out.
            let is_said = of == status;
            document.push(Statement {
                names: names.clone(),
                products,
                status: of,
                justification: analysis.justification.as_deref().and_then(Justification::parse).filter(|_| is_said),
                impact: words(&analysis.detail)
                    .or_else(|| words(state).filter(|_| state == "false_positive"))
                    .filter(|_| is_said),
                action: words(&vulnerability.recommendation).filter(|_| of == VexStatus::Affected),
                said_at,
            });
        }
    }
    Ok(document)
}

fn status(state: &str) -> Option<VexStatus> {
    Some(match state {
        "resolved" | "resolved_with_pedigree" => VexStatus::Fixed,
        "exploitable" => VexStatus::Affected,
        "in_triage" => VexStatus::UnderInvestigation,
        "false_positive" | "not_affected" => VexStatus::NotAffected,
        _ => return None,
    })
}

/// Every component by its reference.
fn components(written: &Written) -> HashMap<&str, &Item> {
    let mut found = HashMap::new();
    let mut open: Vec<&Item> = written.metadata.component.iter().chain(&written.components).collect();
    while let Some(item) = open.pop() {
        open.extend(&item.components);
        if !item.bom_ref.is_empty() {
            found.insert(item.bom_ref.as_str(), item);
        }
    }
    found
}

/// The component of another document: `urn:cdx:UUID/VERSION#REF`, where the reference is a package URL.
fn linked(target: &str) -> Component {
    let fragment = target.strip_prefix("urn:cdx:").and_then(|link| link.split_once('#')).map(|(_, fragment)| fragment);
    let name = fragment.unwrap_or(target);
    if name.starts_with("pkg:") {
        return Component::new(name, [name]);
    }
    match percent_decode_str(name).decode_utf8() {
        Ok(decoded) => Component::new(&decoded, [&*decoded]),
        Err(_) => Component::new(target, []),
    }
}

impl Affects {
    /// The component for each status that is said of versions of it. An analysis is of the versions that are listed, if
    /// any are, and of all of them otherwise; of those that are listed as unaffected nothing worse is said.
    fn limited(
        &self,
        status: VexStatus,
        component: &Component,
        unidentified: &mut usize,
    ) -> BTreeMap<VexStatus, Component> {
        if self.versions.is_empty() {
            return BTreeMap::from([(status, component.clone())]);
        }
        let mut found: BTreeMap<VexStatus, Component> = BTreeMap::new();
        for listed in &self.versions {
            let status = match listed.status.as_str() {
                "unknown" => VexStatus::UnderInvestigation,
                "unaffected" if !status.clears() => VexStatus::NotAffected,
                _ => status,
            };
            let range = match listed.range.as_deref().map(Vers::parse).transpose() {
                Ok(range) if range.is_some() || listed.version.is_some() => range,
                _ => {
                    *unidentified = unidentified.saturating_add(1);
                    continue;
                }
            };
            let component = found.entry(status).or_insert_with(|| component.clone());
            component.versions.extend(listed.version.clone());
            component.ranges.extend(range);
        }
        found
    }
}

impl Metadata {
    fn issuer(&self) -> &str {
        let parties = self.authors.iter().chain(&self.supplier).chain(&self.manufacturer).chain(&self.manufacture);
        parties.map(|party| party.name.as_str()).find(|name| !name.is_empty()).unwrap_or_default()
    }
}

impl Item {
    /// Whether it is an image that its digest tells.
    fn is_image(&self) -> bool {
        self.kind == "container" && self.component().has_digest()
    }

    fn component(&self) -> Component {
        let hashes = self.hashes.iter().filter(|hash| hash.alg == "SHA-256");
        let sha256: Vec<String> = hashes.map(|hash| format!("sha256:{}", hash.content.to_ascii_lowercase())).collect();
        let version = self.version.iter().filter(|version| version.starts_with("sha256:"));
        let named = self.purl.iter().chain(&self.cpe).chain(&sha256).chain(version).map(String::as_str);
        Component::new(self.purl.as_deref().unwrap_or(&self.name), named)
    }
}
