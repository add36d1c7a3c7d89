//! `OpenVEX` 0.2.0: <https://github.com/openvex/spec>.
//!
//! The product of every statement is the image, by its digest; its packages are the subcomponents. Packages of which the
//! same is said of the same vulnerability are in one statement.

use std::collections::BTreeMap;
use std::io::{self, Write};

use killick_model::digest::Digester;
use killick_model::purl::purl;
use killick_model::vex::VexStatus;
use serde::Serialize;

use super::{IndexReport, Report, Style, content_uuid, pretty};
use crate::vex::{self, Author};

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@id")]
    id: String,
    author: &'a str,
    timestamp: String,
    version: u32,
    tooling: String,
    statements: Vec<Statement<'a>>,
}

#[derive(Serialize)]
struct Statement<'a> {
    vulnerability: Vulnerability<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    products: [Product; 1],
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_notes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    justification: Option<&'static str>,
    #[serde(rename = "impact_statement", skip_serializing_if = "Option::is_none")]
    impact: Option<String>,
    #[serde(rename = "action_statement", skip_serializing_if = "Option::is_none")]
    action: Option<String>,
}

#[derive(Serialize)]
struct Vulnerability<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    aliases: &'a [String],
}

#[derive(Serialize)]
struct Product {
    #[serde(rename = "@id")]
    id: String,
    subcomponents: Vec<Subcomponent>,
}

#[derive(Serialize)]
struct Subcomponent {
    #[serde(rename = "@id")]
    id: String,
}

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    write(std::iter::once(report), report.tool_version, report.now.to_string(), out)
}

/// One document; each image is a product of its own.
pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    let reports = index.images.iter().filter_map(|child| child.outcome.as_ref().ok());
    write(reports, index.tool_version, index.now.to_string(), out)
}

fn write<'r, 'a: 'r>(
    reports: impl Iterator<Item = &'r Report<'a>> + Clone,
    version: &str,
    timestamp: String,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut document = Document {
        context: "https://openvex.dev/ns/v0.2.0",
        id: String::new(),
        author: Author::of(reports.clone().next()).name,
        timestamp,
        version: 1,
        tooling: format!("killick {version}"),
        statements: reports.flat_map(statements).collect(),
    };
    // The id follows from the content, so that the same input has the same one.
    let mut digester = Digester::default();
    pretty(&document, &mut digester)?;
    document.id = content_uuid(&digester.digest());
    pretty(&document, out)
}

fn statements<'a>(report: &Report<'a>) -> Vec<Statement<'a>> {
    let product = vex::image_purl(report.source, &report.analysis.manifest_digest);
    let distribution = report.analysis.distribution.as_ref();
    let mut places: BTreeMap<(String, VexStatus, String, String), usize> = BTreeMap::new();
    let mut found: Vec<Statement<'_>> = Vec::new();
    for said in vex::statements(report) {
        let label = said.justification.and_then(killick_model::vex::Justification::label);
        let key =
            (said.vulnerability.to_owned(), said.status, label.unwrap_or_default().to_owned(), said.words.clone());
        let at = *places.entry(key).or_insert(found.len());
        let id = purl(report.analysis.package(said.package), distribution);
        if let Some(known) = found.get_mut(at) {
            let parts = &mut known.products[0].subcomponents;
            // The same package in several places is one.
            if parts.last().is_none_or(|part| part.id != id) && !parts.iter().any(|part| part.id == id) {
                parts.push(Subcomponent { id });
            }
            continue;
        }
        let words = Some(said.words).filter(|words| !words.is_empty());
        // A justification and an impact statement exclude each other.
        let (notes, impact, action) = match (said.status, label) {
            (VexStatus::NotAffected, None) => (None, words, None),
            (VexStatus::Affected, _) => (None, None, words),
            _ => (words, None, None),
        };
        found.push(Statement {
            vulnerability: Vulnerability { name: said.vulnerability, aliases: said.aliases },
            timestamp: said.said_at.map(|instant| instant.to_string()),
            products: [Product { id: product.clone(), subcomponents: vec![Subcomponent { id }] }],
            status: said.status.name(),
            status_notes: notes,
            justification: label.filter(|_| said.status == VexStatus::NotAffected),
            impact,
            action,
        });
    }
    found
}
