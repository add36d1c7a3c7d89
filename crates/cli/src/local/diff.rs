//! `killick diff`: what changed from one image to another.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use killick_model::printable::printable;
use killick_model::severity::Severity;
use killick_policy::diff::{self, VerdictChange};
use killick_policy::{Bundle, Compatibility, Options};
use killick_report::comparison::{self, Comparison};
use serde_json::json;

use super::bundles::{read_bundle, verdict_text};
use super::exceptions::{self, ExceptionArgs};
use super::image::ReadingArgs;
use super::inspections::{self, InspectionArgs};
use super::knowledge::KnowledgeArgs;
use super::output::print;
use super::several;
use crate::exit::Exit;

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The image as it was, or what it is based on: any source, or a report of `scan -o json`
    #[arg(value_name = "BEFORE")]
    before: String,
    /// The image as it is
    #[arg(value_name = "AFTER")]
    after: String,
    /// List the files that are different, not only their number
    #[arg(long)]
    files: bool,
    /// Exit with 1 if there is a vulnerability in AFTER, at least this severe, that BEFORE has not
    #[arg(long, value_name = "SEVERITY")]
    fail_on_new: Option<Severity>,
    /// Policy bundle to judge both by; exit with 1 if it does not let AFTER through
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where Anchore Engine 1.1 has a defect that changes a verdict: `repaired` or `engine-1.1`
    #[arg(long, value_name = "PROFILE", default_value_t)]
    compatibility: Compatibility,
    #[command(flatten)]
    exceptions: ExceptionArgs,
    /// Form of the result
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Form,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

/// Form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Text,
    /// For a comment under a pull request.
    Markdown,
    /// For programs.
    Json,
}

pub(super) async fn run(args: Diff) -> anyhow::Result<Exit> {
    let bundle = args.policy.as_deref().map(read_bundle).transpose()?;
    let exceptions = exceptions::read(&args.exceptions, false)?;
    let needs = bundle.as_ref().map(Bundle::needs);
    let inspections = inspections::compile(&args.inspections, needs.as_ref())?;
    let now = crate::clock::now();
    let sources = [args.before.clone(), args.after.clone()];
    let images = several::read(&sources, &args.reading, inspections, &args.knowledge, now).await?;
    let [before, after] = images.as_slice() else { anyhow::bail!("two images are compared, not {}", images.len()) };
    let comparison = comparison::compare(&before.side(), &after.side());
    let verdicts = bundle.as_ref().map(|bundle| {
        let judge = |image: &several::Facts| {
            let options = Options { compatibility: args.compatibility };
            let mut evaluation = image.evaluate(bundle, options, now);
            exceptions.apply(&mut evaluation);
            evaluation
        };
        (judge(before), judge(after))
    });
    let change = verdicts.as_ref().and_then(|(before, after)| diff::verdicts(before, after));
    let is_stopped = verdicts.as_ref().is_some_and(|(_, after)| !after.passes());
    let verdict = verdicts.as_ref().map(|(_, after)| Verdict { action: after.final_action.to_string(), change });
    print(&rendered(&args, &comparison, verdict.as_ref())?)?;
    let is_worse = args
        .fail_on_new
        .is_some_and(|limit| comparison.vulnerabilities.appeared.iter().any(|found| found.severity >= limit));
    Ok(if is_worse || is_stopped { Exit::Refused } else { Exit::Success })
}

/// What the policy says of the two.
struct Verdict {
    /// What it wants done with the other.
    action: String,
    /// What is different of findings and verdict, if anything is.
    change: Option<VerdictChange>,
}

fn rendered(args: &Diff, comparison: &Comparison, verdict: Option<&Verdict>) -> anyhow::Result<String> {
    let told = verdict.map(|verdict| {
        let unchanged = || format!("{}, and the findings are as before\n", verdict.action);
        printable(&verdict.change.as_ref().map_or_else(unchanged, verdict_text)).into_owned()
    });
    Ok(match args.output {
        Form::Text => {
            let told = told.map(|told| format!("\nverdict: {told}")).unwrap_or_default();
            comparison::text(comparison, args.files) + &told
        }
        Form::Markdown => {
            let told = told.map(|told| format!("\nVerdict:\n\n{}", indented(&told))).unwrap_or_default();
            comparison::markdown(comparison) + &told
        }
        Form::Json => {
            let verdict = verdict.map(|verdict| json!({"action": verdict.action, "change": verdict.change}));
            let mut document = serde_json::to_value(comparison)?;
            if let (Some(document), Some(verdict)) = (document.as_object_mut(), verdict) {
                document.insert("verdict".to_owned(), verdict);
            }
            serde_json::to_string_pretty(&document)? + "\n"
        }
    })
}

/// The text as a block of code of Markdown.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
