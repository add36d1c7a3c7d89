//! Killick's own JSON: lossless, and stable within one [`SCHEMA_VERSION`].
//!
//! New keys may appear at any time; a key that changes its meaning or vanishes raises the version. `analysis`,
//! `matches` and `evaluation` are the model's own values, so that a document can be read back whole; packages are
//! named in matches by their position in `analysis.packages`, and `purls` has the same order.

use std::io::{self, Write};

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_model::purl::purl;
use killick_model::sbom::REPORT;
use serde::{Serialize, Serializer};

use super::{IndexReport, Knowledge, Report, Style, pretty};
use crate::upgrades::{Upgrade, upgrades};

/// Version of the layout.
const SCHEMA_VERSION: u32 = 1;

/// The document of one image.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    schema: Schema,
    tool: Tool<'a>,
    created: Timestamp,
    source: &'a str,
    analysis: &'a Analysis,
    purls: Purls<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matches: Option<&'a Matches>,
    /// For templates alone: programs can compare versions, templates cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    upgrades: Option<Vec<Upgrade<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<&'a Evaluation>,
    #[serde(skip_serializing_if = "<[Unsupported]>::is_empty")]
    unsupported: &'a [Unsupported],
    #[serde(skip_serializing_if = "Option::is_none")]
    knowledge: Option<&'a Knowledge>,
}

#[derive(Serialize)]
struct Schema {
    name: &'static str,
    version: u32,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'static str,
    version: &'a str,
}

/// The package URL of each package, made as it is written.
struct Purls<'a>(&'a Analysis);

impl Serialize for Purls<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let distribution = self.0.distribution.as_ref();
        out.collect_seq(self.0.packages.iter().map(|package| purl(package, distribution)))
    }
}

/// Several images of one index. The document of each is the one it has alone.
#[derive(Serialize)]
pub(crate) struct IndexDocument<'a> {
    schema: Schema,
    tool: Tool<'a>,
    created: Timestamp,
    source: &'a str,
    /// Of the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a Digest>,
    images: Vec<Image<'a>>,
}

#[derive(Serialize)]
struct Image<'a> {
    platform: &'a str,
    digest: &'a Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Document<'a>>,
    /// Why there is no report.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub(super) fn render(report: &Report<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    pretty(&document(report), out)
}

pub(super) fn render_index(index: &IndexReport<'_>, _style: Style, out: &mut dyn Write) -> io::Result<()> {
    pretty(&index_document(index, document), out)
}

/// `of` makes the document of each image.
pub(crate) fn index_document<'a>(index: &'a IndexReport<'a>, of: fn(&Report<'a>) -> Document<'a>) -> IndexDocument<'a> {
    let images = index.images.iter().map(|child| Image {
        platform: &child.platform,
        digest: child.digest,
        report: child.outcome.as_ref().ok().map(of),
        error: child.outcome.as_ref().err().map(String::as_str),
    });
    IndexDocument {
        schema: Schema { name: "killick-index-report", version: SCHEMA_VERSION },
        tool: Tool { name: "killick", version: index.tool_version },
        created: index.now,
        source: index.source,
        digest: index.digest,
        images: images.collect(),
    }
}

pub(crate) fn document<'a>(report: &Report<'a>) -> Document<'a> {
    Document {
        schema: Schema { name: REPORT, version: SCHEMA_VERSION },
        tool: Tool { name: "killick", version: report.tool_version },
        created: report.now,
        source: report.source,
        analysis: report.analysis,
        purls: Purls(report.analysis),
        matches: report.matches,
        upgrades: None,
        evaluation: report.evaluation,
        unsupported: report.unsupported,
        knowledge: report.knowledge,
    }
}

/// The document that a template sees.
pub(crate) fn document_for_templates<'a>(report: &Report<'a>) -> Document<'a> {
    let analysis = report.analysis;
    let of = |matches: &'a Matches| upgrades(&analysis.packages, analysis.distribution.as_ref(), matches);
    Document { upgrades: report.matches.map(of), ..document(report) }
}
