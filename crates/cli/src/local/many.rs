//! `killick scan --list`: many images in one run, with one summary.

mod question;
mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use killick_model::digest::Digest;
use tokio::task::JoinSet;

use super::check::{Judge, Judged};
use super::output;
use super::scan::Scan;
use super::subject::Subject;
use crate::exit::Exit;
use crate::report_error::with_hint;
use question::Answered;
use summary::{Outcome, Row, Summary};

/// Bytes of a list.
const MAX_LIST_BYTES: u64 = 16 << 20;

/// Characters of an image's name in the name of its report.
const MAX_NAME: usize = 80;

/// Images that are read at the same time, if nobody says how many.
const JOBS: usize = 2;

/// Several images.
#[derive(Debug, Args)]
pub(super) struct ManyArgs {
    /// Scan every image of this list (`-` for stdin): one to a line, `#` for remarks; one summary is printed
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "source")]
    list: Option<PathBuf>,
    /// Images of the list that are read at the same time (default: 2)
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    jobs: Option<NonZeroUsize>,
    /// Write the report of each image of the list into this folder, as JSON
    #[arg(long, value_name = "DIR")]
    reports: Option<PathBuf>,
    /// Leave out images whose report is in the folder of --reports, if it answers the same question: an earlier run with
    /// this policy, this index and these options got that far
    #[arg(long, requires = "reports")]
    resume: bool,
}

impl ManyArgs {
    /// Refuses what only a list can have.
    pub(super) fn refuse_alone(&self) -> anyhow::Result<()> {
        for (name, is_given) in [("--jobs", self.jobs.is_some()), ("--reports", self.reports.is_some())] {
            if is_given {
                return Err(with_hint(
                    format!("`{name}` is for a list of images"),
                    "name a list with `-f FILE`; the report of one image is written by `-o json=FILE`",
                ));
            }
        }
        Ok(())
    }
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "give a number, at least 1".to_owned())
}

pub(super) async fn run(mut args: Scan) -> anyhow::Result<Exit> {
    let list = args.many.list.clone().context("no list of images was given")?;
    if args.judging.grant {
        return Err(with_hint("`--grant` is for one image", "grant exceptions with `killick check IMAGE … --grant`"));
    }
    let notation = args.output.summary()?;
    let sources = read(&list)?;
    let judge = Arc::new(args.judge()?);
    let answered = args.many.reports.as_ref().map(|folder| Answered::open(folder, &args, &judge)).transpose()?;
    let answered = Arc::new(answered);
    let jobs = args.many.jobs.map_or(JOBS, NonZeroUsize::get);
    args.reading.quiet = true;
    let (args, total) = (Arc::new(args), sources.len());
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    let mut waiting = sources.into_iter().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < jobs
            && let Some((at, source)) = waiting.next()
        {
            let (args, judge, answered) = (Arc::clone(&args), Arc::clone(&judge), Arc::clone(&answered));
            running.spawn(async move { (at, scan(&args, &judge, answered.as_ref().as_ref(), source).await) });
        }
        let Some(done) = running.join_next().await else { break };
        let (at, row) = done.context("the scan of an image was interrupted")?;
        progress(&format!("{}/{total} {}", rows.len() + 1, row.told()));
        rows.insert(at, row);
    }
    let summary = Summary::of(rows.into_values().collect());
    output::print(&summary.render(notation)?)?;
    if summary.is_partial() && args.many.reports.is_some() && std::io::stderr().is_terminal() {
        let _ = writeln!(anstream::stderr(), "hint: with `--resume` the next run scans only what was not");
    }
    Ok(summary.exit())
}

/// How far it is: to somebody who looks on, or to a log.
fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(anstream::stderr(), "{line}");
    } else {
        tracing::info!("{line}");
    }
}

/// Scans one image of the list. What goes wrong with it spares the others.
async fn scan(args: &Scan, judge: &Judge, answered: Option<&Answered>, source: String) -> Row {
    let name = report_name(&source);
    if args.many.resume
        && let Some(file) = answered.and_then(|answered| answered.report(&name))
        && let Some(row) = Row::stored(&source, &file, args)
    {
        return row;
    }
    let outcome = match judge.judge(&source, None, &args.reading, &args.decisions).await {
        Err(error) => Err(error),
        Ok(judgement) => {
            let document = judgement.document(&source);
            let stored = answered.map_or(Ok(()), |answered| answered.keep(&name, &document));
            stored.map(|()| outcome(args, &judgement.subject))
        }
    };
    Row { source, outcome: outcome.unwrap_or_else(|error| Outcome::failed(&error)), resumed: false }
}

fn outcome(args: &Scan, subject: &Subject<Judged>) -> Outcome {
    let mut failures = Vec::new();
    let mut all = summary::Counts::default();
    let mut count =
        |image: &Judged| all.add(&image.analysis, &image.matches, image.evaluation.as_ref(), args.is_refused(image));
    match subject {
        Subject::Image(image) => count(image),
        Subject::Index { images, .. } => {
            for image in images {
                match &image.outcome {
                    Ok(judged) => count(judged),
                    Err(error) => failures.push(format!("{}: {error:#}", image.platform)),
                }
            }
        }
    }
    if failures.is_empty() { Outcome::Scanned(all) } else { Outcome::Failed { error: failures.join("; "), hint: None } }
}

/// The name of the image as far as a file may be called so, and what tells apart those that would be called alike.
fn report_name(source: &str) -> String {
    let plain: String = source
        .chars()
        .map(|symbol| if symbol.is_ascii_alphanumeric() || ".-_".contains(symbol) { symbol } else { '_' })
        .take(MAX_NAME)
        .collect();
    let hex = Digest::of(source.as_bytes()).hex();
    format!("{}-{}.json", plain.trim_start_matches('.'), hex.get(..8).unwrap_or(&hex))
}

/// The images of the list, each once, in its order.
fn read(list: &Path) -> anyhow::Result<Vec<String>> {
    let mut bytes = Vec::new();
    if list == Path::new("-") {
        std::io::stdin().lock().take(MAX_LIST_BYTES + 1).read_to_end(&mut bytes)?;
    } else {
        fs_err::File::open(list)?.take(MAX_LIST_BYTES + 1).read_to_end(&mut bytes)?;
    }
    anyhow::ensure!(
        bytes.len() as u64 <= MAX_LIST_BYTES,
        "the list `{}` is larger than {MAX_LIST_BYTES} bytes",
        list.display()
    );
    let (mut seen, mut sources) = (BTreeSet::new(), Vec::new());
    for (at, line) in bytes.lines().enumerate() {
        let line = line.with_context(|| format!("line {} of the list `{}` is not text", at + 1, list.display()))?;
        let source = line.trim();
        if !source.is_empty() && !source.starts_with('#') && seen.insert(source.to_owned()) {
            sources.push(source.to_owned());
        }
    }
    if sources.is_empty() {
        return Err(with_hint(
            format!("the list `{}` names no image", list.display()),
            "write one image to a line, as you would after `killick scan`",
        ));
    }
    Ok(sources)
}
