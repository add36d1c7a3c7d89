//! CSAF 2.0: OASIS "Common Security Advisory Framework Version 2.0", profile 5 (VEX) and all others that have a
//! `product_status`.
//!
//! Products are what the product tree says they are, by package URL, CPE or the hash of a file; of a relationship, the
//! one product is a part of the other. Below a range of versions (`product_version_range`) they are those versions of the
//! product; one in words cannot be compared, and its products count as unidentified.

use std::collections::HashMap;

use killick_model::vex::{Justification, VexStatus};
use serde::Deserialize;

use super::product::{Component, Product};
use super::statement::{Document, Statement, instant, words};
use crate::providers::json::or_default;
use crate::vers::Vers;

/// Relationships that are followed from a component to what it is in.
const MAX_STEPS: usize = 4;

#[derive(Deserialize)]
struct Written {
    document: Meta,
    #[serde(default, deserialize_with = "or_default")]
    product_tree: Tree,
    #[serde(default, deserialize_with = "or_default")]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default, deserialize_with = "or_default")]
    publisher: Publisher,
    tracking: Tracking,
}

#[derive(Deserialize, Default)]
struct Publisher {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Tracking {
    #[serde(default)]
    id: String,
    #[serde(default)]
    status: String,
    current_release_date: Option<String>,
}

#[derive(Deserialize, Default)]
struct Tree {
    #[serde(default, deserialize_with = "or_default")]
    branches: Vec<Branch>,
    #[serde(default, deserialize_with = "or_default")]
    full_product_names: Vec<Named>,
    #[serde(default, deserialize_with = "or_default")]
    product_groups: Vec<Group>,
    #[serde(default, deserialize_with = "or_default")]
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default, deserialize_with = "or_default")]
    category: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    product: Option<Named>,
    #[serde(default, deserialize_with = "or_default")]
    branches: Vec<Branch>,
}

#[derive(Deserialize)]
struct Named {
    product_id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    product_identification_helper: Helper,
}

#[derive(Deserialize, Default)]
struct Helper {
    cpe: Option<String>,
    purl: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    hashes: Vec<Hashes>,
}

#[derive(Deserialize)]
struct Hashes {
    #[serde(default, deserialize_with = "or_default")]
    file_hashes: Vec<Hash>,
}

#[derive(Deserialize)]
struct Hash {
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct Group {
    group_id: String,
    #[serde(default, deserialize_with = "or_default")]
    product_ids: Vec<String>,
}

#[derive(Deserialize)]
struct Relationship {
    full_product_name: Named,
    product_reference: String,
    relates_to_product_reference: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default, deserialize_with = "or_default")]
    cve: String,
    #[serde(default, deserialize_with = "or_default")]
    ids: Vec<Id>,
    #[serde(default, deserialize_with = "or_default")]
    product_status: Statuses,
    #[serde(default, deserialize_with = "or_default")]
    flags: Vec<Remark>,
    #[serde(default, deserialize_with = "or_default")]
    threats: Vec<Remark>,
    #[serde(default, deserialize_with = "or_default")]
    remediations: Vec<Remark>,
}

#[derive(Deserialize)]
struct Id {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Statuses {
    #[serde(deserialize_with = "or_default")]
    fixed: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    first_fixed: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    known_affected: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    first_affected: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    last_affected: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    known_not_affected: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    under_investigation: Vec<String>,
}

/// A flag, a threat or a remediation: something about some products.
#[derive(Deserialize)]
struct Remark {
    #[serde(default, deserialize_with = "or_default")]
    label: String,
    #[serde(default, deserialize_with = "or_default")]
    category: String,
    #[serde(default, deserialize_with = "or_default")]
    details: String,
    #[serde(default, deserialize_with = "or_default")]
    product_ids: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    group_ids: Vec<String>,
}

pub(super) fn read(bytes: &[u8]) -> serde_json::Result<Document> {
    let written: Written = serde_json::from_slice(bytes)?;
    let tracking = &written.document.tracking;
    let said_at = instant(tracking.current_release_date.as_ref());
    let mut document = Document::new(&tracking.id, &written.document.publisher.name, said_at);
    document.is_draft = tracking.status == "draft";
    let products = Products::of(&written.product_tree);
    for vulnerability in &written.vulnerabilities {
        let names: Vec<String> = std::iter::once(&vulnerability.cve)
            .chain(vulnerability.ids.iter().map(|id| &id.text))
            .filter(|name| !name.is_empty())
            .cloned()
            .collect();
        let statuses = &vulnerability.product_status;
        let labels = products.remarks(&vulnerability.flags, |remark| Justification::parse(&remark.label));
        let impacts = products
            .remarks(&vulnerability.threats, |remark| words(&remark.details).filter(|_| remark.category == "impact"));
        let actions = products.remarks(&vulnerability.remediations, |remark| words(&remark.details));
        for (status, ids) in [
            (VexStatus::Fixed, &statuses.fixed),
            (VexStatus::Fixed, &statuses.first_fixed),
            (VexStatus::Affected, &statuses.known_affected),
            (VexStatus::Affected, &statuses.first_affected),
            (VexStatus::Affected, &statuses.last_affected),
            (VexStatus::NotAffected, &statuses.known_not_affected),
            (VexStatus::UnderInvestigation, &statuses.under_investigation),
        ] {
            for id in ids {
                let of = |words: &HashMap<&str, String>| words.get(id.as_str()).or_else(|| words.get("")).cloned();
                document.push(Statement {
                    names: names.clone(),
                    products: vec![products.product(id)],
                    status,
                    justification: labels.get(id.as_str()).or_else(|| labels.get("")).copied(),
                    impact: of(&impacts).filter(|_| status != VexStatus::Affected),
                    action: of(&actions).filter(|_| status == VexStatus::Affected),
                    said_at,
                });
            }
        }
    }
    Ok(document)
}

/// What product ids mean.
struct Products<'a> {
    named: HashMap<&'a str, (&'a Named, Option<Vers>)>,
    groups: HashMap<&'a str, &'a [String]>,
    relationships: HashMap<&'a str, (&'a str, &'a str)>,
}

impl<'a> Products<'a> {
    fn of(tree: &'a Tree) -> Self {
        let full = tree.full_product_names.iter();
        let mut named: HashMap<&str, (&Named, Option<Vers>)> =
            full.map(|product| (product.product_id.as_str(), (product, None))).collect();
        let mut open: Vec<(&Branch, Option<Vers>)> = tree.branches.iter().map(|branch| (branch, None)).collect();
        while let Some((branch, outer)) = open.pop() {
            let range = if branch.category == "product_version_range" {
                // Whatever else identifies a range of versions that is told in words, it does not tell which.
                let Some(range) = range(&branch.name) else { continue };
                Some(range)
            } else {
                outer
            };
            open.extend(branch.branches.iter().map(|inner| (inner, range.clone())));
            named.extend(branch.product.iter().map(|product| (product.product_id.as_str(), (product, range.clone()))));
        }
        let relationships = tree.relationships.iter().map(|relationship| {
            let Relationship { full_product_name, product_reference, relates_to_product_reference } = relationship;
            let name = full_product_name.product_id.as_str();
            (name, (product_reference.as_str(), relates_to_product_reference.as_str()))
        });
        Self {
            named,
            groups: tree.product_groups.iter().map(|group| (group.group_id.as_str(), &*group.product_ids)).collect(),
            relationships: relationships.collect(),
        }
    }

    /// What is said of single products, by id; under no id, what is said of all of them.
    fn remarks<T: Clone>(&self, remarks: &'a [Remark], of: impl Fn(&Remark) -> Option<T>) -> HashMap<&'a str, T>
    where
        'a: 'a,
    {
        let mut found = HashMap::new();
        for remark in remarks {
            let Some(what) = of(remark) else { continue };
            let groups =
                remark.group_ids.iter().filter_map(|id| self.groups.get(id.as_str())).flat_map(|ids| ids.iter());
            let mut is_named = false;
            for id in remark.product_ids.iter().chain(groups) {
                is_named = true;
                found.entry(id.as_str()).or_insert_with(|| what.clone());
            }
            if !is_named && remark.group_ids.is_empty() {
                found.entry("").or_insert(what);
            }
        }
        found
    }

    fn product(&self, id: &str) -> Product {
        let Some(&(reference, mut outer)) = self.relationships.get(id) else { return Product::of(self.component(id)) };
        for _ in 0..MAX_STEPS {
            let Some(&(_, next)) = self.relationships.get(outer) else { break };
            outer = next;
        }
        Product { component: self.component(outer), parts: vec![self.component(reference)] }
    }

    fn component(&self, id: &str) -> Component {
        let Some((named, range)) = self.named.get(id) else { return Component::new(id, []) };
        let helper = &named.product_identification_helper;
        let hashes = helper.hashes.iter().flat_map(|hashes| &hashes.file_hashes);
        let sha256: Vec<String> = hashes
            .filter(|hash| hash.algorithm.eq_ignore_ascii_case("sha256"))
            .map(|hash| format!("sha256:{}", hash.value.to_ascii_lowercase()))
            .collect();
        let named_by = helper.purl.iter().chain(&helper.cpe).chain(&sha256).map(String::as_str);
        let name = helper.purl.as_deref().unwrap_or(if named.name.is_empty() { id } else { &named.name });
        Component { ranges: range.iter().cloned().collect(), ..Component::new(name, named_by) }
    }
}

/// The versions a branch of the category `product_version_range` means: its name is a specifier, with a scheme or
/// without one.
fn range(name: &str) -> Option<Vers> {
    if name.trim_start().starts_with("vers:") { Vers::parse(name).ok() } else { Vers::parse_bare(name).ok() }
}
