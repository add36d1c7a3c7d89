//! `killick policy lint`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use killick_model::printable::printable;
use killick_policy::lint::{Level, LintOptions, Remark, lint, lint_exceptions};
use killick_policy::{Bundle, DEFAULT_NOTICE_DAYS, Options};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::local::exceptions;
use crate::local::image::ReadingArgs;
use crate::local::inspections::{self, InspectionArgs};
use crate::local::knowledge::KnowledgeArgs;
use crate::local::output::{TextOrJson, print};
use crate::local::{documents, several};

/// Arguments of `policy lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// Bundles
    #[arg(value_name = "BUNDLE", required = true)]
    bundles: Vec<PathBuf>,
    /// Image, or report that was written with `-o json`: allowlist items that excuse nothing of any of them are told.
    /// May be repeated
    #[arg(long, value_name = "SOURCE")]
    against: Vec<String>,
    /// Exceptions, to tell those that ended or end soon
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// Days before its end from which an allowlist item or an exception is told
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_NOTICE_DAYS)]
    notice: u32,
    /// Exit with 1 if a remark is at least this bad
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "warning")]
    fail_on: FailOn,
    /// Form of the remarks
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: TextOrJson,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

/// The words of `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Note,
    Warning,
    Error,
}

impl FailOn {
    const fn level(self) -> Level {
        match self {
            Self::Note => Level::Note,
            Self::Warning => Level::Warning,
            Self::Error => Level::Error,
        }
    }
}

pub(super) async fn run(args: &Lint) -> anyhow::Result<Exit> {
    let now = crate::clock::now();
    let mut files: Vec<(String, Vec<Remark>)> = Vec::new();
    for path in &args.bundles {
        let bundle = parse(path)?;
        let inspections = inspections::compile(&args.inspections, Some(&bundle.needs()))?;
        let images = several::read(&args.against, &args.reading, inspections, &args.knowledge, now).await?;
        let against: Vec<_> = images.iter().map(|image| image.evaluate(&bundle, Options::default(), now)).collect();
        let options = LintOptions { now, notice_days: args.notice, against: &against };
        files.push((path.display().to_string(), lint(&bundle, &options)));
    }
    if let Some(path) = &args.exceptions {
        let exceptions = exceptions::read_file(path)?;
        files.push((path.display().to_string(), lint_exceptions(&exceptions, now, args.notice)));
    }
    print(&match args.output {
        TextOrJson::Json => {
            let record = |(file, remarks): &(String, Vec<Remark>)| json!({"file": file, "remarks": remarks});
            let files: Vec<Value> = files.iter().map(record).collect();
            serde_json::to_string_pretty(&json!({"files": files}))? + "\n"
        }
        TextOrJson::Text => printable(&text(&files)).into_owned(),
    })?;
    let is_bad = files.iter().flat_map(|(_, remarks)| remarks).any(|remark| remark.level >= args.fail_on.level());
    Ok(if is_bad { Exit::Refused } else { Exit::Success })
}

/// The bundle, valid or not.
pub(super) fn parse(path: &Path) -> anyhow::Result<Bundle> {
    let document = documents::read(path)?;
    Bundle::parse(&document).with_context(|| format!("`{}`", path.display()))
}

fn text(files: &[(String, Vec<Remark>)]) -> String {
    let mut text = String::new();
    let mut counts = [0_usize; 3];
    for (file, remarks) in files {
        for remark in remarks {
            let at = match remark.level {
                Level::Error => 0,
                Level::Warning => 1,
                Level::Note => 2,
            };
            if let Some(count) = counts.get_mut(at) {
                *count += 1;
            }
            let place = if remark.path.is_empty() { String::new() } else { format!(" {}", remark.path) };
            let (level, code) = (remark.level.name(), remark.code);
            let _ = writeln!(text, "{file}{place}: {level}: {} [{code}]\n  remedy: {}", remark.reason, remark.remedy);
        }
    }
    let [errors, warnings, notes] = counts;
    let _ = writeln!(text, "errors: {errors}; warnings: {warnings}; notes: {notes}");
    text
}
