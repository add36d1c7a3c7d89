//! What a scan of many images comes to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use killick_model::analysis::Analysis;
use killick_model::evaluation::{Action, Evaluation};
use killick_model::matching::Matches;
use killick_model::printable::printable;
use killick_model::severity::Severity;
use killick_report::formats::aligned;
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;
use crate::local::output::{SummaryForm, terminal_style};
use crate::local::scan::Scan;
use crate::local::several;
use crate::report_error::hint_of;

/// One image of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// As it stands in the list.
    #[serde(rename = "image")]
    pub(super) source: String,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    /// Whether an earlier run found it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) resumed: bool,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub(super) enum Outcome {
    /// It was read and judged.
    Scanned(Counts),
    /// It was not.
    Failed {
        /// Why.
        error: String,
        /// What to do about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
}

impl Outcome {
    pub(super) fn failed(error: &anyhow::Error) -> Self {
        Self::Failed { error: format!("{error:#}"), hint: hint_of(error).map(str::to_owned) }
    }
}

/// Numbers of one image, or of all images of an index.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub(super) struct Counts {
    packages: usize,
    /// Pairs of a vulnerability and a package.
    vulnerabilities: BTreeMap<Severity, usize>,
    /// What the policy wants; of several images the strictest.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Action>,
    /// Whether the policy or `--fail-on` refuses it.
    refused: bool,
}

impl Counts {
    pub(super) fn add(
        &mut self,
        analysis: &Analysis,
        matches: &Matches,
        evaluation: Option<&Evaluation>,
        refused: bool,
    ) {
        self.packages += analysis.packages.len();
        for found in &matches.matches {
            *self.vulnerabilities.entry(found.severity).or_default() += 1;
        }
        self.verdict = self.verdict.into_iter().chain(evaluation.map(|evaluation| evaluation.final_action)).min();
        self.refused |= refused;
    }

    fn severe(&self) -> String {
        let counts = self.vulnerabilities.iter().rev().map(|(severity, count)| format!("{count} {severity}"));
        let counts: Vec<String> = counts.collect();
        if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
    }
}

impl Row {
    /// What an earlier run found that was asked the same, if its report is there.
    pub(super) fn stored(source: &str, file: &Path, args: &Scan) -> Option<Self> {
        if !file.is_file() {
            return None;
        }
        let facts = several::report(&file.display().to_string()).ok()?;
        let document: Value = crate::local::documents::read(file).ok()?;
        let action = document.get("evaluation").and_then(|evaluation| evaluation.get("final_action"));
        let action: Option<Action> = action.and_then(|action| serde_json::from_value(action.clone()).ok());
        if facts.source() != source || args.policy.is_some() != action.is_some() {
            return None;
        }
        let side = facts.side();
        let mut counts = Counts::default();
        let is_too_severe =
            args.fail_on.is_some_and(|limit| side.matches.matches.iter().any(|one| one.severity >= limit));
        counts.add(side.analysis, side.matches, None, is_too_severe || action == Some(Action::Stop));
        counts.verdict = action;
        Some(Self { source: source.to_owned(), outcome: Outcome::Scanned(counts), resumed: true })
    }

    /// One line.
    pub(super) fn told(&self) -> String {
        let text = match &self.outcome {
            Outcome::Scanned(counts) => {
                let verdict = counts.verdict.map(|action| format!(", {action}")).unwrap_or_default();
                let resumed = if self.resumed { ", by an earlier run" } else { "" };
                format!("{}: vulnerabilities: {}{verdict}{resumed}", self.source, counts.severe())
            }
            Outcome::Failed { error, .. } => format!("{}: not scanned: {error}", self.source),
        };
        printable(&text).replace('\n', " ")
    }
}

/// All images of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    images: Vec<Row>,
    scanned: usize,
    refused: usize,
    failed: usize,
}

impl Summary {
    pub(super) fn of(images: Vec<Row>) -> Self {
        let is_refused = |row: &&Row| matches!(&row.outcome, Outcome::Scanned(counts) if counts.refused);
        let scanned = images.iter().filter(|row| matches!(row.outcome, Outcome::Scanned(_))).count();
        let (refused, failed) = (images.iter().filter(is_refused).count(), images.len() - scanned);
        Self { images, scanned, refused, failed }
    }

    /// Whether something was not scanned.
    pub(super) fn is_partial(&self) -> bool {
        self.failed > 0
    }

    /// As badly as the worst image.
    pub(super) fn exit(&self) -> Exit {
        match (self.failed, self.refused) {
            (0, 0) => Exit::Success,
            (0, _) => Exit::Refused,
            _ => Exit::Failure,
        }
    }

    pub(super) fn render(&self, form: SummaryForm) -> anyhow::Result<String> {
        if form == SummaryForm::Json {
            return Ok(serde_json::to_string_pretty(self)? + "\n");
        }
        let judged =
            self.images.iter().any(|row| matches!(&row.outcome, Outcome::Scanned(counts) if counts.verdict.is_some()));
        let refusing = self.refused > 0;
        let rows = self.images.iter().map(|row| {
            let mut cells = vec![row.source.clone()];
            match &row.outcome {
                Outcome::Scanned(counts) => {
                    cells.extend([counts.packages.to_string(), counts.severe()]);
                    cells.extend(judged.then(|| counts.verdict.map(|action| action.to_string()).unwrap_or_default()));
                    cells.extend(refusing.then(|| if counts.refused { "refused" } else { "" }.to_owned()));
                }
                Outcome::Failed { .. } => {
                    cells.extend([String::new(), "not scanned".to_owned()]);
                    cells.extend(judged.then(String::new));
                    cells.extend(refusing.then(String::new));
                }
            }
            cells
        });
        let mut header = vec!["IMAGE", "PACKAGES", "VULNERABILITIES"];
        header.extend(judged.then_some("VERDICT"));
        header.extend(refusing.then_some("REFUSED"));
        let mut text = aligned(&header, rows.collect(), terminal_style());
        let _ = writeln!(text, "\n{} scanned, {} refused, {} not scanned", self.scanned, self.refused, self.failed);
        for row in &self.images {
            if let Outcome::Failed { error, hint } = &row.outcome {
                let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                let line = format!("{}: {error}{hint}", row.source).replace('\n', " ");
                let _ = writeln!(text, "{}", printable(&line));
            }
        }
        Ok(text)
    }
}
