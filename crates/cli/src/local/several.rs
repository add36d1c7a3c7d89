//! Images that are held against bundles or each other: sources, or reports that were stored with `-o json`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use killick_analysis::inspectors::Inspections;
use killick_model::analysis::Analysis;
use killick_model::evaluation::Evaluation;
use killick_model::lifecycle::Unsupported;
use killick_model::matching::Matches;
use killick_model::sbom::REPORT;
use killick_policy::{Bundle, Evidence, FeedGroup, JudgingSource, Options};
use killick_report::comparison::Side;
use killick_vulns::{Index, MatchOptions, Subject};
use serde::Deserialize;
use serde_json::Value;

use super::check::{is_folder, reference, size};
use super::documents;
use super::image::{ReadingArgs, analyse_one_named};
use super::knowledge::{self, KnowledgeArgs};
use crate::report_error::hinted;

/// What is known of one image.
pub(super) struct Facts {
    source: String,
    /// Under which name it is judged.
    reference: String,
    analysis: Analysis,
    matches: Matches,
    unsupported: Vec<Unsupported>,
    feeds: Arc<Vec<FeedGroup>>,
    judging: Vec<JudgingSource>,
}

impl Facts {
    /// What the user called the image.
    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// As one of two images that are compared.
    pub(super) fn side(&self) -> Side<'_> {
        Side { source: &self.source, analysis: &self.analysis, matches: &self.matches }
    }

    /// The verdict of a bundle.
    pub(super) fn evaluate(&self, bundle: &Bundle, options: Options, now: Timestamp) -> Evaluation {
        let evidence = Evidence {
            feeds: &self.feeds,
            sources: &self.judging,
            unsupported: &self.unsupported,
            image_size_bytes: size(&self.analysis),
            declared_packages: is_folder(&self.source),
            ..Evidence::new(&self.analysis, &self.matches, now)
        };
        killick_policy::evaluate(bundle, &evidence, &self.reference, &options)
    }
}

/// Analyses the sources and reads the reports. The index is opened only if a source needs it.
pub(super) async fn read(
    sources: &[String],
    reading: &ReadingArgs,
    inspections: Arc<Inspections>,
    knowledge: &KnowledgeArgs,
    now: Timestamp,
) -> anyhow::Result<Vec<Facts>> {
    let mut index = None;
    let mut all = Vec::new();
    for source in sources {
        if is_report(source) {
            all.push(report(source)?);
            continue;
        }
        if index.is_none() {
            let opened = knowledge::open(knowledge)?;
            let feeds = Arc::new(knowledge::feed_groups(&killick_vulns::status(&opened, now)));
            index = Some((opened, feeds));
        }
        let Some((index, feeds)) = &index else { continue };
        let image = analyse_one_named(source, reading, Arc::clone(&inspections)).await;
        all.push(judged(source, image.with_context(|| format!("`{source}`"))?, index, feeds, now)?);
    }
    Ok(all)
}

fn judged(
    source: &str,
    (analysis, reference): (Analysis, String),
    index: &Index,
    feeds: &Arc<Vec<FeedGroup>>,
    now: Timestamp,
) -> anyhow::Result<Facts> {
    let subject = || Subject::from(&analysis);
    let matches = killick_vulns::match_packages(index, subject(), &MatchOptions::default()).map_err(hinted)?;
    let unsupported = killick_vulns::lifecycle::unsupported(index, subject(), now.into()).map_err(hinted)?;
    let judging = knowledge::judging_sources(index, &analysis);
    Ok(Facts {
        source: source.to_owned(),
        reference,
        matches,
        unsupported,
        feeds: Arc::clone(feeds),
        judging,
        analysis,
    })
}

/// Whether a source is a file that says to be what `killick scan -o json` writes.
fn is_report(source: &str) -> bool {
    #[derive(Deserialize)]
    struct Schema {
        name: String,
    }
    #[derive(Deserialize)]
    struct Head {
        schema: Schema,
    }
    let path = Path::new(source);
    let is_json = documents::Language::of(path) == Some(documents::Language::Json) && path.is_file();
    let head = || serde_json::from_str::<Head>(&documents::text(path).ok()?).ok();
    is_json && head().is_some_and(|head| head.schema.name == REPORT)
}

/// What `killick scan -o json` wrote.
pub(super) fn report(path: &str) -> anyhow::Result<Facts> {
    let document = documents::read(Path::new(path))?;
    let part = |name: &str| document.get(name).filter(|part| !part.is_null());
    let wrong = |name: &str| format!("`{path}` is no report of `killick scan -o json`: `{name}` cannot be read");
    let analysis = part("analysis").with_context(|| wrong("analysis"))?;
    let analysis = Analysis::deserialize(analysis).with_context(|| wrong("analysis"))?;
    let matches = part("matches").with_context(|| wrong("matches"))?;
    let matches = Matches::deserialize(matches).with_context(|| wrong("matches"))?;
    let unsupported = part("unsupported").map(Vec::<Unsupported>::deserialize).transpose();
    let packages = analysis.packages.len();
    let is_sound = matches.matches.iter().all(|found| (found.package.0 as usize) < packages);
    anyhow::ensure!(is_sound, "{}", wrong("matches"));
    let source = part("source").and_then(Value::as_str).unwrap_or(path).to_owned();
    // The report of a verdict tells under which name it was.
    let evaluated = document.pointer("/evaluation/reference").and_then(Value::as_str);
    Ok(Facts {
        reference: evaluated.map_or_else(|| reference(&source), str::to_owned),
        source,
        unsupported: unsupported.with_context(|| wrong("unsupported"))?.unwrap_or_default(),
        analysis,
        matches,
        feeds: Arc::default(),
        judging: Vec::new(),
    })
}
