//! CSAF 2.0 VEX: OASIS "Common Security Advisory Framework Version 2.0", profile 5.
//!
//! The image is a product by its package URL, each package one as well, and what is said is said of the package as a
//! component of the image. The types are our own subset: the maintained crate (`csaf`) is made for validating.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use killick_model::digest::Digester;
use killick_model::purl::purl;
use killick_model::vex::{Justification, VexStatus};
use serde_json::{Map, Value, json};

use super::{HOME, IndexReport, Report, Style, content_uuid, pretty};
use crate::vex::{self, Author};

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    write(std::iter::once(report), report.tool_version, &report.now.to_string(), out)
}

/// One document; each image is a product of its own.
pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let reports = index.images.iter().filter_map(|child| child.outcome.as_ref().ok());
    write(reports, index.tool_version, &index.now.to_string(), out)
}

fn write<'r, 'a: 'r>(
    reports: impl Iterator<Item = &'r Report<'a>> + Clone,
    version: &str,
    now: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let author = Author::of(reports.clone().next());
    let source = reports.clone().next().map_or("no image", |report| report.source);
    let (tree, vulnerabilities) = body(reports);
    let mut document = json!({
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "lang": "en",
            "notes": [{
                "category": "summary",
                "title": "Author comment",
                "text": format!("What is known of the packages of {source}, as Killick judged it."),
            }],
            "publisher": {
                "category": "other",
                "name": author.name,
                "namespace": author.address.unwrap_or(HOME),
            },
            "title": format!("Vulnerabilities of {source}"),
            "tracking": {
                "current_release_date": now,
                "generator": {"date": now, "engine": {"name": "Killick", "version": version}},
                "id": "",
                "initial_release_date": now,
                "revision_history": [{"date": now, "number": "1", "summary": "Initial version."}],
                "status": "final",
                "version": "1",
            },
        },
        "product_tree": tree,
    });
    // An empty list is none by the schema.
    if !vulnerabilities.is_empty() {
        document["vulnerabilities"] = vulnerabilities.into();
    }
    // The id follows from the content, so that the same input has the same one.
    let mut digester = Digester::default();
    pretty(&document, &mut digester)?;
    if let Some(id) = document.pointer_mut("/document/tracking/id") {
        *id = content_uuid(&digester.digest()).into();
    }
    pretty(&document, out)
}

/// What is said of one vulnerability.
#[derive(Default)]
struct Said {
    aliases: BTreeSet<String>,
    status: BTreeMap<VexStatus, BTreeSet<String>>,
    flags: BTreeMap<&'static str, BTreeSet<String>>,
    impacts: BTreeMap<String, BTreeSet<String>>,
    actions: BTreeMap<String, BTreeSet<String>>,
}

fn body<'r, 'a: 'r>(reports: impl Iterator<Item = &'r Report<'a>>) -> (Value, Vec<Value>) {
    let mut products = Map::new();
    let mut relationships = Map::new();
    let mut said: BTreeMap<&str, Said> = BTreeMap::new();
    for (at, report) in reports.enumerate() {
        let image = format!("IMAGE-{at}");
        let image_purl = vex::image_purl(report.source, &report.analysis.manifest_digest);
        let name = format!("{} ({})", report.source, report.analysis.manifest_digest);
        products.insert(image.clone(), product(&image, &name, &image_purl));
        for statement in vex::statements(report) {
            let package = report.analysis.package(statement.package);
            let id = format!("PACKAGE-{at}-{}", statement.package.0);
            let placed = format!("{image}:{id}");
            if !products.contains_key(&id) {
                let name = format!("{} {}", package.name, package.version);
                let purl = purl(package, report.analysis.distribution.as_ref());
                products.insert(id.clone(), product(&id, &name, &purl));
                let whole = json!({"name": format!("{name} in {}", report.source), "product_id": placed});
                let relationship = json!({
                    "category": "default_component_of", "full_product_name": whole,
                    "product_reference": id, "relates_to_product_reference": image,
                });
                relationships.insert(placed.clone(), relationship);
            }
            let of = said.entry(statement.vulnerability).or_default();
            of.aliases.extend(statement.aliases.iter().cloned());
            of.status.entry(statement.status).or_default().insert(placed.clone());
            if statement.status == VexStatus::NotAffected
                && let Some(label) = statement.justification.and_then(Justification::label)
            {
                of.flags.entry(label).or_default().insert(placed.clone());
            }
            let words = match statement.status {
                VexStatus::Affected => &mut of.actions,
                VexStatus::NotAffected | VexStatus::UnderInvestigation | VexStatus::Fixed => &mut of.impacts,
            };
            if !statement.words.is_empty() {
                words.entry(statement.words).or_default().insert(placed);
            }
        }
    }
    let mut tree = json!({"full_product_names": products.into_iter().map(|(_, value)| value).collect::<Vec<_>>()});
    if !relationships.is_empty() {
        tree["relationships"] = relationships.into_iter().map(|(_, value)| value).collect::<Vec<_>>().into();
    }
    (tree, said.into_iter().map(|(name, said)| vulnerability(name, said)).collect())
}

fn product(id: &str, name: &str, purl: &str) -> Value {
    json!({"name": name, "product_id": id, "product_identification_helper": {"purl": purl}})
}

fn vulnerability(name: &str, said: Said) -> Value {
    let is_cve = is_cve(name);
    let mut found = Map::new();
    if is_cve {
        found.insert("cve".to_owned(), name.into());
    }
    let others = said.aliases.iter().map(String::as_str).chain(Some(name).filter(|_| !is_cve));
    // The authority that numbers it is the word before the first dash.
    let ids: Vec<Value> =
        others.map(|id| json!({"system_name": id.split('-').next().unwrap_or(id), "text": id})).collect();
    if !ids.is_empty() {
        found.insert("ids".to_owned(), ids.into());
    }
    let flags = remarks(&said.flags, "label", "");
    if !flags.is_empty() {
        found.insert("flags".to_owned(), flags.into());
    }
    let note =
        format!("{name} in the packages of this image: what advisories, VEX documents and the image itself tell.");
    found.insert("notes".to_owned(), json!([{"category": "general", "text": note, "title": "Scope"}]));
    let mut status = Map::new();
    for (kind, ids) in said.status {
        let kind = match kind {
            VexStatus::NotAffected => "known_not_affected",
            VexStatus::Affected => "known_affected",
            VexStatus::Fixed => "fixed",
            VexStatus::UnderInvestigation => "under_investigation",
        };
        status.insert(kind.to_owned(), ids.into_iter().collect::<Vec<_>>().into());
    }
    found.insert("product_status".to_owned(), status.into());
    let actions = said.actions.into_iter().map(|(details, ids)| {
        let category = match details.as_str() {
            details if details.starts_with("upgrade ") => "vendor_fix",
            "the vendor will not fix it" => "no_fix_planned",
            "no fix is known" | "the vendor has put off the fix" => "none_available",
            _ => "mitigation",
        };
        json!({"category": category, "details": details, "product_ids": ids})
    });
    let actions: Vec<Value> = actions.collect();
    if !actions.is_empty() {
        found.insert("remediations".to_owned(), actions.into());
    }
    let impacts = remarks(&said.impacts, "details", "impact");
    if !impacts.is_empty() {
        found.insert("threats".to_owned(), impacts.into());
    }
    found.into()
}

/// `{[category], key: word, product_ids}` of each word.
fn remarks<K: ToString>(words: &BTreeMap<K, BTreeSet<String>>, key: &str, category: &str) -> Vec<Value> {
    let remark = |(word, ids): (&K, &BTreeSet<String>)| {
        let mut remark = Map::new();
        if !category.is_empty() {
            remark.insert("category".to_owned(), category.into());
        }
        remark.insert(key.to_owned(), word.to_string().into());
        remark.insert("product_ids".to_owned(), ids.iter().cloned().collect::<Vec<_>>().into());
        Value::Object(remark)
    };
    words.iter().map(remark).collect()
}

/// By the pattern of the schema.
fn is_cve(name: &str) -> bool {
    let Some((year, number)) = name.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')) else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    year.len() == 4 && digits(year) && number.len() >= 4 && digits(number)
}
