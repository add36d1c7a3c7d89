//! `killick db`: the advisory index.

mod export;
mod feeds;
mod import;
mod key;
mod update;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use killick_model::feed::Health;
use killick_server::publications::{Origin, Published};
use killick_vulns::{Audience, BuildOptions, BuildReport, Index, Status};
use serde::Serialize;

use self::feeds::FeedArgs;
use self::update::UpdateArgs;
use super::knowledge::{self, KnowledgeArgs};
use super::output::{self, TextOrJson};
use crate::client::ClientArgs;
use crate::exit::Exit;
use crate::report_error::{hinted, with_hint};

/// What can be done with the advisory index.
#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// What the index is made of, how old it is, and how its feeds are
    Status(Box<StatusArgs>),
    /// Fetch what changed at the upstreams of advisories, and build the index of it
    Update(Box<UpdateArgs>),
    /// Build an index from folders of upstream files
    Build(Build),
    /// Use an index from now on: a file, or what was published in a folder, a bundle, on a web server, in a bucket, in a
    /// registry, or by a server of ours
    Import(Box<import::Import>),
    /// Publish the index, or pack it into one file
    Export(Box<export::Export>),
    /// Keys that publications are signed with
    #[command(subcommand)]
    Key(key::KeyCommand),
}

impl DbCommand {
    /// Whether it speaks to a server of ours.
    pub(super) fn needs_server(&self) -> bool {
        matches!(self, Self::Import(args) if args.is_from_server())
    }
}

/// Arguments of `db status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    feeds: FeedArgs,
    /// How to print it
    #[arg(short, long = "output", value_enum, default_value = "text", value_name = "FORMAT")]
    output: TextOrJson,
}

/// Arguments of `db build`.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Folder that lies like the upstreams: osv/ECOSYSTEM/all.zip, debian/tracker.json, alpine-secdb/… ; may be
    /// repeated
    #[arg(long = "from", value_name = "DIR", required = true)]
    from: Vec<PathBuf>,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Leave out inputs whose path begins with this; may be repeated
    #[arg(long, value_name = "PATH")]
    exclude: Vec<String>,
    /// Only sources whose licence lets the index be passed on
    #[arg(long)]
    public: bool,
    /// Stamp the index with the newest date of its data instead of now: the same inputs give the same bytes
    #[arg(long)]
    reproducible: bool,
    /// The index it replaces: what that one knew stays known since then
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
}

pub(super) async fn run(command: DbCommand, client: &ClientArgs) -> anyhow::Result<Exit> {
    match command {
        DbCommand::Status(args) => status(&args),
        DbCommand::Update(args) => update::run(*args).await,
        DbCommand::Build(args) => build(&args),
        DbCommand::Import(args) => import::run(*args, client).await,
        DbCommand::Export(args) => export::run(*args).await,
        DbCommand::Key(command) => key::run(&command),
    }
}

/// The state of the index and of what it is made of.
#[derive(Serialize)]
struct StatusDocument {
    #[serde(flatten)]
    status: Status,
    origin: Origin,
    feeds: Vec<Health>,
}

fn status(args: &StatusArgs) -> anyhow::Result<Exit> {
    let index = knowledge::open(&args.knowledge)?;
    let now = crate::clock::now();
    let status = killick_vulns::status(&index, now);
    let selection = args.feeds.selection();
    selection.sources().map_err(hinted)?;
    let feeds = killick_server::update::health(&args.feeds.folder()?, Some(&selection), now);
    let origin = Origin::of(&index, knowledge::path(&args.knowledge)?.as_deref());
    let text = if args.output == TextOrJson::Json {
        format!("{}\n", serde_json::to_string_pretty(&StatusDocument { status, origin, feeds })?)
    } else {
        format!("{}{}", render(&status, &origin, now), update::render_health(&feeds))
    };
    output::print(&text)?;
    Ok(Exit::Success)
}

fn build(args: &Build) -> anyhow::Result<Exit> {
    let previous = args.previous.as_deref().map(Index::open).transpose().map_err(hinted)?;
    let options = BuildOptions {
        instant: (!args.reproducible).then(crate::clock::now),
        audience: if args.public { Audience::Public } else { Audience::Own },
        exclude: &args.exclude,
        previous: previous.as_ref(),
        ..BuildOptions::default()
    };
    knowledge::make_parent(&args.out)?;
    let report = killick_vulns::build(&args.from, &args.out, &options).map_err(hinted)?;
    output::print(&render_build(&report, &args.out))?;
    match report.unreadable().count() {
        0 => Ok(Exit::Success),
        unreadable => Err(with_hint(
            format!("{unreadable} of the feeds could not be read"),
            "the index is there without them, or with what `--previous` knew of them: fetch them again",
        )),
    }
}

fn render(status: &Status, origin: &Origin, now: Timestamp) -> String {
    let mut text = format!("index      {}\norigin     {origin}\n", status.index);
    if let Origin::Publication(published) = origin {
        render_publication(&mut text, published, origin.is_expired(now));
    }
    let date = |at: Option<Timestamp>| at.map_or_else(|| "unknown".to_owned(), |at| at.to_string());
    let _ = writeln!(text, "built      {}", date(status.built));
    let days = status.age_seconds.map(|seconds| format!(" ({} days ago)", seconds / 86_400)).unwrap_or_default();
    let _ = writeln!(text, "newest     {}{days}", date(status.newest_data));
    let _ = writeln!(text, "advisories {}\nstatements {}\n", status.advisories, status.statements);
    let _ = writeln!(
        text,
        "{:<12} {:<28} {:>10} {:>10}  {:<20} TERMS",
        "PROVIDER", "NAMESPACE", "ADVISORIES", "STATEMENTS", "NEWEST"
    );
    for source in &status.sources {
        let _ = writeln!(
            text,
            "{:<12} {:<28} {:>10} {:>10}  {:<20} {:?}",
            source.provider,
            source.namespace,
            source.advisories,
            source.statements,
            date(source.data_instant),
            source.license,
        );
    }
    text
}

/// The lines about a publication that was taken over.
fn render_publication(text: &mut String, published: &Published, is_expired: bool) {
    let Published { signers, published, expires, fetched, checked, .. } = published;
    let ids: Vec<String> = signers.iter().map(ToString::to_string).collect();
    let signed = if ids.is_empty() { "nobody whose key was given".to_owned() } else { ids.join(", ") };
    let _ = writeln!(text, "signed by  {signed}");
    let expires = match expires {
        None => "never expires".to_owned(),
        Some(at) if is_expired => format!("expired at {at}"),
        Some(at) => format!("expires at {at}"),
    };
    let _ = writeln!(text, "published  {published}, {expires}");
    let second = |at: &Option<Timestamp>| update::second(*at);
    let _ = writeln!(text, "fetched    {}, last compared {}", second(fetched), second(checked));
}

fn render_build(report: &BuildReport, out: &std::path::Path) -> String {
    let mut text = String::new();
    let mut skipped = 0;
    for input in &report.inputs {
        skipped += input.skipped;
        for problem in &input.problems {
            let _ = writeln!(text, "skipped in {}: {}: {}", input.path, problem.subject, problem.message);
        }
    }
    let _ = writeln!(
        text,
        "{}: {} bytes, {} sources from {} files, {skipped} records skipped",
        out.display(),
        report.size_bytes,
        report.segments.len(),
        report.inputs.len()
    );
    text
}
