//! `OpenVEX`: <https://github.com/openvex/spec>, version 0.2.0, and documents of before, whose vulnerabilities and
//! products are plain ids.
//!
//! A statement without products is about the subject of the attestation that it is in.

use std::collections::HashMap;

use killick_model::digest::Digest;
use killick_model::vex::{Justification, VexStatus};
use serde::Deserialize;

use super::product::{Component, Product};
use super::statement::{Document, Maybe, Statement, instant, words};
use crate::providers::json::or_default;

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "@id", default, deserialize_with = "or_default")]
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    author: String,
    timestamp: Option<String>,
    last_updated: Option<String>,
    statements: Vec<Maybe<Said>>,
}

#[derive(Deserialize)]
struct Said {
    vulnerability: Vulnerability,
    #[serde(default, deserialize_with = "or_default")]
    products: Vec<Item>,
    status: VexStatus,
    justification: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    impact_statement: String,
    #[serde(default, deserialize_with = "or_default")]
    action_statement: String,
    #[serde(default, deserialize_with = "or_default")]
    status_notes: String,
    timestamp: Option<String>,
    last_updated: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Vulnerability {
    Id(String),
    Object {
        #[serde(rename = "@id", default, deserialize_with = "or_default")]
        id: String,
        #[serde(default, deserialize_with = "or_default")]
        name: String,
        #[serde(default, deserialize_with = "or_default")]
        aliases: Vec<String>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Id(String),
    Object {
        #[serde(rename = "@id", default, deserialize_with = "or_default")]
        id: String,
        #[serde(default, deserialize_with = "or_default")]
        identifiers: HashMap<String, String>,
        #[serde(default, deserialize_with = "or_default")]
        hashes: HashMap<String, String>,
        #[serde(default, deserialize_with = "or_default")]
        subcomponents: Vec<Item>,
    },
}

pub(super) fn read(bytes: &[u8], subjects: &[Digest]) -> serde_json::Result<Document> {
    let written: Written = serde_json::from_slice(bytes)?;
    let said_at = instant(written.last_updated.as_ref()).or(instant(written.timestamp.as_ref()));
    let mut document = Document::new(&written.id, &written.author, said_at);
    for said in written.statements {
        let Maybe::Known(said) = said else {
            document.skipped = document.skipped.saturating_add(1);
            continue;
        };
        let mut products: Vec<Product> = said.products.into_iter().map(Item::product).collect();
        if products.is_empty() {
            products = subjects.iter().map(|digest| Product::of(Component::of_digest(digest))).collect();
            document.unidentified = document.unidentified.saturating_add(usize::from(products.is_empty()));
        }
        document.push(Statement {
            names: said.vulnerability.names(),
            products,
            status: said.status,
            justification: said.justification.as_deref().and_then(Justification::parse),
            impact: words(&said.impact_statement).or_else(|| words(&said.status_notes)),
            action: words(&said.action_statement),
            said_at: instant(said.last_updated.as_ref()).or(instant(said.timestamp.as_ref())).or(said_at),
        });
    }
    Ok(document)
}

impl Vulnerability {
    fn names(self) -> Vec<String> {
        match self {
            Self::Id(id) => vec![last_part(&id)],
            Self::Object { id, name, aliases } => {
                let name = if name.is_empty() { last_part(&id) } else { name };
                std::iter::once(name).chain(aliases).collect()
            }
        }
    }
}

/// `CVE-2024-1` of `https://nvd.nist.gov/vuln/detail/CVE-2024-1`.
fn last_part(id: &str) -> String {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

impl Item {
    fn product(self) -> Product {
        match self {
            Self::Id(id) => Product::of(Component::new(&id, [id.as_str()])),
            Self::Object { id, identifiers, hashes, subcomponents } => Product {
                component: component(&id, &identifiers, &hashes),
                parts: subcomponents.into_iter().map(Self::part).collect(),
            },
        }
    }

    fn part(self) -> Component {
        match self {
            Self::Id(id) => Component::new(&id, [id.as_str()]),
            Self::Object { id, identifiers, hashes, .. } => component(&id, &identifiers, &hashes),
        }
    }
}

fn component(id: &str, identifiers: &HashMap<String, String>, hashes: &HashMap<String, String>) -> Component {
    let sha256 = hashes.get("sha-256").map(|hex| format!("sha256:{}", hex.to_ascii_lowercase()));
    // In a fixed order, whatever that of the map.
    let named = ["purl", "cpe23", "@cpe23", "cpe22", "@cpe22"].iter().filter_map(|key| identifiers.get(*key));
    Component::new(id, std::iter::once(id).chain(named.map(String::as_str)).chain(sha256.as_deref()))
}
