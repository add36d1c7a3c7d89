//! Documents for people and for other tools.

use std::io::{self, Write};

use jiff::Timestamp;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::{Match, Matches};
use killick_model::printable::printable;
use killick_model::problem::Problem;
use killick_model::severity::Severity;
use serde::{Deserialize, Serialize, Serializer};

mod csaf_vex_json;
pub(crate) mod csv;
mod cyclonedx;
mod gitlab;
mod grype_json;
mod html;
pub(crate) mod json;
mod junit;
pub(crate) mod markdown;
mod openvex_json;
mod sarif;
mod spdx;
mod syft_json;
pub(crate) mod table;

/// Everything there is to say about one image.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The image as the user named it.
    pub source: &'a str,
    /// What it consists of.
    pub analysis: &'a Analysis,
    /// What is known to be wrong with it, if that was asked.
    pub matches: Option<&'a Matches>,
    /// Whether policy lets it through, if that was asked.
    pub evaluation: Option<&'a Evaluation>,
    /// What of it is past the end of its support, if that was asked.
    pub unsupported: &'a [Unsupported],
    /// What the matches rest on.
    pub knowledge: Option<&'a Knowledge>,
    /// Who issues VEX documents made of it: a name, and in angle brackets an address that is theirs.
    pub author: Option<&'a str>,
    /// Version of Killick.
    pub tool_version: &'a str,
    /// The instant the report speaks for.
    pub now: Timestamp,
}

impl<'a> Report<'a> {
    /// What could not be read, and what could not be judged.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &'a Problem> {
        self.analysis.problems.iter().chain(self.matches.into_iter().flat_map(|matches| &matches.problems))
    }
}

/// Everything there is to say about several images: of one index, or named one by one.
#[derive(Debug, Clone)]
pub struct IndexReport<'a> {
    /// The index, or the images, as the user named them.
    pub source: &'a str,
    /// Digest of the index, if there is one.
    pub digest: Option<&'a Digest>,
    /// Those of its images that were wanted, in its order.
    pub images: Vec<IndexedReport<'a>>,
    /// Version of Killick.
    pub tool_version: &'a str,
    /// The instant the report speaks for.
    pub now: Timestamp,
}

impl IndexReport<'_> {
    /// One of its images, for people.
    pub(crate) fn name_of(&self, image: &IndexedReport<'_>) -> String {
        match self.digest {
            Some(_) => format!("{} ({})", self.source, image.platform),
            None => image.platform.clone(),
        }
    }
}

/// One image of several.
#[derive(Debug, Clone)]
pub struct IndexedReport<'a> {
    /// What it is for; where images were named one by one, behind its name.
    pub platform: String,
    /// Digest of its manifest.
    pub digest: &'a Digest,
    /// What there is to say about it, or why there is nothing.
    pub outcome: Result<Report<'a>, String>,
}

/// How old the vulnerability data is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knowledge {
    /// The newest date in the data, if any has one: an index that was built today of old files knows nothing new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_data: Option<Timestamp>,
    /// Its sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<DataSource>,
}

/// One source of the advisory index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// Provider name.
    pub provider: String,
    /// When upstream last changed it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// Advisories it holds.
    pub advisories: u64,
}

/// How a document for people looks. Machines' formats ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Columns of the terminal; `None` for as wide as needed.
    pub width: Option<u16>,
    /// Whether colour is wanted.
    pub colour: bool,
}

/// Columns under a header, as wide as needed or as the terminal is. Nothing in a cell can rewrite the terminal.
pub fn aligned(header: &[&str], rows: Vec<Vec<String>>, style: Style) -> String {
    let rows = rows.into_iter().map(|row| row.iter().map(|cell| table::layout::plain(cell)).collect());
    table::layout::table(header, &[], rows.collect(), style)
}

/// What a document tells besides packages, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Vulnerabilities, or a verdict.
    Findings,
    /// Vulnerabilities.
    Vulnerabilities,
}

/// One output format.
#[derive(Debug)]
pub struct Format {
    /// Its name on the command line; a version that is not the usual one stands behind `@`.
    pub name: &'static str,
    /// What it is, for help texts.
    pub description: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What its documents tell: without it they would read as if nothing were found.
    pub needs: Needs,
    /// Writes the report, with a newline at the end: in many small pieces, so that a report of a million files
    /// never is in memory. Fails only where the writer does.
    pub render: fn(&Report<'_>, Style, &mut dyn Write) -> io::Result<()>,
    /// Writes one report of several images.
    pub render_index: fn(&IndexReport<'_>, Style, &mut dyn Write) -> io::Result<()>,
}

/// Every format, the default first.
pub const FORMATS: &[Format] = &[
    Format {
        name: "table",
        description: "tables for people",
        media_type: "text/plain; charset=utf-8",
        needs: Needs::Nothing,
        render: table::render,
        render_index: table::render_index,
    },
    Format {
        name: "json",
        description: "everything Killick knows, in its own stable layout",
        media_type: "application/json",
        needs: Needs::Nothing,
        render: json::render,
        render_index: json::render_index,
    },
    Format {
        name: "cyclonedx-json",
        description: "CycloneDX 1.6, with vulnerabilities and their analysis (VEX) where they were asked for",
        media_type: "application/vnd.cyclonedx+json; version=1.6",
        needs: Needs::Nothing,
        render: cyclonedx::json::<6>,
        render_index: cyclonedx::json_index::<6>,
    },
    Format {
        name: "cyclonedx-json@1.5",
        description: "CycloneDX 1.5",
        media_type: "application/vnd.cyclonedx+json; version=1.5",
        needs: Needs::Nothing,
        render: cyclonedx::json::<5>,
        render_index: cyclonedx::json_index::<5>,
    },
    Format {
        name: "cyclonedx-json@1.4",
        description: "CycloneDX 1.4",
        media_type: "application/vnd.cyclonedx+json; version=1.4",
        needs: Needs::Nothing,
        render: cyclonedx::json::<4>,
        render_index: cyclonedx::json_index::<4>,
    },
    Format {
        name: "cyclonedx-xml",
        description: "CycloneDX 1.6 as XML",
        media_type: "application/vnd.cyclonedx+xml; version=1.6",
        needs: Needs::Nothing,
        render: cyclonedx::xml::<6>,
        render_index: cyclonedx::xml_index::<6>,
    },
    Format {
        name: "cyclonedx-xml@1.5",
        description: "CycloneDX 1.5 as XML",
        media_type: "application/vnd.cyclonedx+xml; version=1.5",
        needs: Needs::Nothing,
        render: cyclonedx::xml::<5>,
        render_index: cyclonedx::xml_index::<5>,
    },
    Format {
        name: "cyclonedx-xml@1.4",
        description: "CycloneDX 1.4 as XML",
        media_type: "application/vnd.cyclonedx+xml; version=1.4",
        needs: Needs::Nothing,
        render: cyclonedx::xml::<4>,
        render_index: cyclonedx::xml_index::<4>,
    },
    Format {
        name: "spdx-json",
        description: "SPDX 2.3",
        media_type: "application/spdx+json",
        needs: Needs::Nothing,
        render: spdx::render_json,
        render_index: spdx::render_json_index,
    },
    Format {
        name: "spdx-json@3.0",
        description: "SPDX 3.0.1 as JSON-LD",
        media_type: "application/spdx+json",
        needs: Needs::Nothing,
        render: spdx::render_graph,
        render_index: spdx::render_graph_index,
    },
    Format {
        name: "spdx",
        description: "SPDX 2.3 as tag-value text",
        media_type: "text/spdx; charset=utf-8",
        needs: Needs::Nothing,
        render: spdx::render_tag_value,
        render_index: spdx::render_tag_value_index,
    },
    Format {
        name: "sarif",
        description: "SARIF 2.1.0, for code scanning services",
        media_type: "application/sarif+json",
        needs: Needs::Findings,
        render: sarif::render,
        render_index: sarif::render_index,
    },
    Format {
        name: "openvex-json",
        description: "OpenVEX 0.2.0: what is known of each vulnerability of each package",
        media_type: "application/vnd.openvex+json",
        needs: Needs::Vulnerabilities,
        render: openvex_json::render,
        render_index: openvex_json::render_index,
    },
    Format {
        name: "csaf-vex-json",
        description: "CSAF 2.0, profile VEX",
        media_type: "application/vnd.oasis.csaf+json; version=2.0",
        needs: Needs::Vulnerabilities,
        render: csaf_vex_json::render,
        render_index: csaf_vex_json::render_index,
    },
    Format {
        name: "html",
        description: "one page with charts, for browsers and phones",
        media_type: "text/html; charset=utf-8",
        needs: Needs::Nothing,
        render: html::render,
        render_index: html::render_index,
    },
    Format {
        name: "markdown",
        description: "for comments of pull and merge requests, of limited length",
        media_type: "text/markdown; charset=utf-8",
        needs: Needs::Nothing,
        render: markdown::render,
        render_index: markdown::render_index,
    },
    Format {
        name: "csv",
        description: "a row for each vulnerability, or finding, or package",
        media_type: "text/csv; charset=utf-8",
        needs: Needs::Nothing,
        render: csv::render,
        render_index: csv::render_index,
    },
    Format {
        name: "junit",
        description: "JUnit XML, for test reports of pipelines",
        media_type: "application/xml",
        needs: Needs::Findings,
        render: junit::render,
        render_index: junit::render_index,
    },
    Format {
        name: "gitlab",
        description: "container scanning report of GitLab, schema 15",
        media_type: "application/json",
        needs: Needs::Vulnerabilities,
        render: gitlab::render,
        render_index: gitlab::render_index,
    },
    Format {
        name: "syft-json",
        description: "as Syft writes it",
        media_type: "application/vnd.syft+json",
        needs: Needs::Nothing,
        render: syft_json::render,
        render_index: syft_json::render_index,
    },
    Format {
        name: "grype-json",
        description: "as Grype writes it",
        media_type: "application/json",
        needs: Needs::Vulnerabilities,
        render: grype_json::render,
        render_index: grype_json::render_index,
    },
];

/// The format of this name.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// Where to read about Killick.
pub(crate) const HOME: &str = "https://github.com/killick-project/killick";

/// Indented JSON with a newline at the end.
fn pretty(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    out.write_all(b"\n")
}

/// A list whose items are made as they are written, anew each time.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq((self.0)())
    }
}

/// Text of strangers in one line, without letters that hide or reorder others.
pub(crate) fn one_line(text: &str) -> String {
    printable(&text.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned()
}

/// A UUID of version 8 (RFC 9562, section 5.8) out of a digest.
fn content_uuid(digest: &Digest) -> String {
    let mut raw = [0; 16];
    raw.copy_from_slice(&digest.as_bytes()[..16]);
    raw[6] = (raw[6] & 0x0f) | 0x80;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let hex = Digest::from_sha256(std::array::from_fn(|at| raw.get(at).copied().unwrap_or(0))).hex();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

/// Matches as people look at them: what is most urgent first.
fn by_risk(matches: &Matches) -> Vec<&Match> {
    let mut sorted: Vec<&Match> = matches.matches.iter().collect();
    sorted.sort_by(|a, b| {
        let by_risk = b.risk.total_cmp(&a.risk).then(b.severity.cmp(&a.severity));
        by_risk.then_with(|| a.vulnerability.cmp(&b.vulnerability)).then(a.package.cmp(&b.package))
    });
    sorted
}

/// How many there are of each severity, the worst first; nothing of what there is none of.
fn severity_counts(matches: &Matches) -> Vec<(Severity, usize)> {
    let count = |severity| matches.matches.iter().filter(|found| found.severity == severity).count();
    let counts = Severity::ALL.into_iter().rev().map(|severity| (severity, count(severity)));
    counts.filter(|(_, count)| *count > 0).collect()
}

/// A fix for people: the versions, or what is known instead.
fn fix_text(fix: &killick_model::matching::Fix) -> String {
    use killick_model::matching::FixState;
    match fix.state {
        FixState::Fixed => fix.versions.join(", "),
        FixState::WontFix => "won't fix".to_owned(),
        FixState::Deferred => "deferred".to_owned(),
        FixState::NotFixed => "not fixed".to_owned(),
        FixState::Unknown => String::new(),
    }
}
