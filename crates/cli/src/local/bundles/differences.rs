//! `killick policy diff`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use killick_model::printable::printable;
use killick_policy::diff::{self, Change, ChangeKind, FindingChange, VerdictChange};
use killick_policy::{Compatibility, Options};
use serde_json::json;

use super::document::read_bundle;
use crate::exit::Exit;
use crate::local::exceptions::{self, ExceptionArgs};
use crate::local::image::ReadingArgs;
use crate::local::inspections::{self, InspectionArgs};
use crate::local::knowledge::KnowledgeArgs;
use crate::local::output::{TextOrJson, print};
use crate::local::several;

/// Findings of one image that are printed for people.
const MAX_SHOWN: usize = 20;

/// Arguments of `policy diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The bundle as it was
    #[arg(value_name = "BEFORE")]
    before: PathBuf,
    /// The bundle as it is to be
    #[arg(value_name = "AFTER")]
    after: PathBuf,
    /// Images, or reports that were written with `-o json`: which of their findings and verdicts change
    #[arg(long, value_name = "SOURCE", num_args = 1..)]
    images: Vec<String>,
    /// Exit with 1 if anything is different, with images if a verdict is
    #[arg(long)]
    exit_code: bool,
    /// Where Anchore Engine 1.1 has a defect that changes a verdict: `repaired` or `engine-1.1`
    #[arg(long, value_name = "PROFILE", default_value_t)]
    compatibility: Compatibility,
    #[command(flatten)]
    exceptions: ExceptionArgs,
    /// Form of the result
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: TextOrJson,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

pub(super) async fn run(args: &Diff) -> anyhow::Result<Exit> {
    let (before, after) = (read_bundle(&args.before)?, read_bundle(&args.after)?);
    let changes = diff::bundles(&before.document, &after.document);
    let now = crate::clock::now();
    let exceptions = exceptions::read(&args.exceptions, false)?;
    let needs = before.needs().and(after.needs());
    let inspections = inspections::compile(&args.inspections, Some(&needs))?;
    let images = several::read(&args.images, &args.reading, inspections, &args.knowledge, now).await?;
    let options = Options { compatibility: args.compatibility };
    let verdicts: Vec<VerdictChange> = images
        .iter()
        .filter_map(|image| {
            let judge = |bundle| {
                let mut evaluation = image.evaluate(bundle, options, now);
                exceptions.apply(&mut evaluation);
                evaluation
            };
            diff::verdicts(&judge(&before), &judge(&after))
        })
        .collect();
    print(&match args.output {
        TextOrJson::Json => {
            let document = json!({"bundle": changes, "images": verdicts, "examined": images.len()});
            serde_json::to_string_pretty(&document)? + "\n"
        }
        TextOrJson::Text => {
            let mut text = bundle_text(&changes);
            if !images.is_empty() {
                text.push('\n');
                for verdict in &verdicts {
                    text.push_str(&verdict_text(verdict));
                }
                let other = verdicts.iter().filter(|verdict| verdict.is_other_verdict()).count();
                let _ = writeln!(
                    text,
                    "images: {}; with another verdict: {other}; with other findings only: {}",
                    images.len(),
                    verdicts.len() - other
                );
            }
            printable(&text).into_owned()
        }
    })?;
    let differs =
        if args.images.is_empty() { !changes.is_empty() } else { verdicts.iter().any(VerdictChange::is_other_verdict) };
    Ok(if args.exit_code && differs { Exit::Refused } else { Exit::Success })
}

fn bundle_text(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "the bundles say the same\n".to_owned();
    }
    let mut text = String::new();
    for change in changes {
        let sign = match change.kind {
            ChangeKind::Added => '+',
            ChangeKind::Removed => '-',
            ChangeKind::Changed => '~',
            ChangeKind::Moved => '>',
        };
        let _ = writeln!(text, "{sign} {} ({})", change.what, change.path);
        for detail in &change.details {
            let _ = writeln!(text, "    {detail}");
        }
    }
    text
}

/// One image, for people.
pub(crate) fn verdict_text(verdict: &VerdictChange) -> String {
    let (before, after) = (verdict.before, verdict.after);
    let word = if before == after { format!("{after}, as before") } else { format!("{before} -> {after}") };
    let mut text = format!("{}: {word}\n", verdict.reference);
    for reason in &verdict.because {
        let _ = writeln!(text, "    because {reason}");
    }
    let signed = [('+', &verdict.appeared), ('-', &verdict.disappeared), ('~', &verdict.changed)];
    let mut shown = 0;
    for (sign, finding) in signed.into_iter().flat_map(|(sign, list)| list.iter().map(move |one| (sign, one))) {
        shown += 1;
        if shown <= MAX_SHOWN {
            let _ = writeln!(text, "  {sign} {}", finding_text(finding));
        }
    }
    if shown > MAX_SHOWN {
        let _ = writeln!(text, "  and {} more", shown - MAX_SHOWN);
    }
    text
}

fn finding_text(finding: &FindingChange) -> String {
    let action = match (finding.before, finding.after) {
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (Some(action), None) | (None, Some(action)) => action.to_string(),
        (None, None) => String::new(),
    };
    let cleared = finding.cleared_by.as_ref().map(|what| format!(" (cleared by {what})")).unwrap_or_default();
    format!("{action} {}.{} {}: {}{cleared}", finding.gate, finding.trigger, finding.rule, finding.message)
}
