//! `killick db update`: fetches what changed at the upstreams of advisories, and builds the index of it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use killick_model::feed::Health;
use killick_server::update::{self, Update, Updated};
use serde_json::json;

use super::super::knowledge::{self, KnowledgeArgs};
use super::super::output::{self, TextOrJson};
use super::feeds::{FeedArgs, FetchArgs};
use crate::exit::Exit;
use crate::progress::Display;
use crate::report_error::{hinted, with_hint};

/// Arguments of `db update`.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    feeds: FeedArgs,
    #[command(flatten)]
    fetch: FetchArgs,
    /// Fetch nothing: build the index of the files that are here
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    /// How to print what came of it
    #[arg(short, long = "output", value_enum, default_value = "text", value_name = "FORMAT")]
    output: TextOrJson,
}

pub(super) async fn run(args: UpdateArgs) -> anyhow::Result<Exit> {
    let index = match &args.knowledge.db {
        Some(path) => path.clone(),
        None => knowledge::installed_path()?,
    };
    let display = Arc::new(Display::of_feeds());
    let folder = args.feeds.folder()?;
    let mut feeds = args.fetch.options(folder.clone())?;
    feeds.progress = Some(Arc::<Display>::clone(&display));
    let update = Update { feeds, selection: args.feeds.selection(), index: index.clone(), is_offline: args.offline };
    let updated = update::update(&update, crate::clock::now()).await;
    display.finish();
    let updated = updated.map_err(hinted)?;
    let text = match args.output {
        TextOrJson::Json => format!("{}\n", serde_json::to_string_pretty(&document(&updated, &index))?),
        TextOrJson::Text => render(&updated, &index),
    };
    output::print(&text)?;
    // Offline the index is built in any case, if there is anything to build it of.
    if updated.built.is_none() && (args.offline || !index.exists()) {
        return Err(with_hint(
            format!("there is nothing to build an index of: no feed is in `{}`", folder.display()),
            "fetch feeds with `killick db update`, or copy them there as docs/database.md tells",
        ));
    }
    Ok(if updated.failed().next().is_some() { Exit::Failure } else { Exit::Success })
}

fn document(updated: &Updated, index: &Path) -> serde_json::Value {
    let providers: Vec<_> = updated
        .outcomes
        .iter()
        .map(|outcome| json!({ "changed": outcome.changed, "fetched_bytes": outcome.fetched_bytes, "health": outcome.health }))
        .collect();
    let built = updated.built.as_ref().map(|report| {
        json!({ "built": report.built.timestamp(), "size_bytes": report.size_bytes, "sources": report.segments.len() })
    });
    json!({ "providers": providers, "index": index, "build": built })
}

fn render(updated: &Updated, index: &Path) -> String {
    let mut text = String::new();
    if !updated.outcomes.is_empty() {
        let _ = writeln!(text, "{:<12} {:<10} {:>9}  {:<20} ERROR", "PROVIDER", "STATE", "FETCHED", "AS OF");
    }
    for outcome in &updated.outcomes {
        let health = &outcome.health;
        let state = match (&health.last_error, outcome.changed) {
            (Some(_), false) => "failed",
            (Some(_), true) => "in part",
            (None, true) => "changed",
            (None, false) => "unchanged",
        };
        let line = format!(
            "{:<12} {state:<10} {:>9}  {:<20} {}",
            outcome.provider,
            bytes(outcome.fetched_bytes),
            second(health.last_success),
            health.last_error.as_deref().unwrap_or_default()
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    match &updated.built {
        Some(report) => {
            let skipped: u64 = report.inputs.iter().map(|input| input.skipped).sum();
            for problem in report.unreadable() {
                let _ = writeln!(text, "left out: {}: {}", problem.subject, problem.message);
            }
            let _ = writeln!(
                text,
                "{} was built anew: {}, {} sources from {} files, {skipped} records skipped",
                index.display(),
                bytes(report.size_bytes),
                report.segments.len(),
                report.inputs.len()
            );
        }
        None if index.exists() => {
            let _ = writeln!(text, "{} stays: nothing changed", index.display());
        }
        None => {}
    }
    text
}

/// The state of feeds, as `db status` tells it.
pub(super) fn render_health(health: &[Health]) -> String {
    let mut text = String::new();
    if health.iter().all(|health| health.last_attempt.is_none()) {
        text.push_str("\nno feed was fetched; `killick db update` fetches them\n");
        return text;
    }
    let _ = writeln!(
        text,
        "\n{:<12} {:<8} {:<20} {:<20} {:>8} {:>9}  ERROR",
        "FEED", "ENABLED", "LAST SUCCESS", "LAST ATTEMPT", "AGE", "BYTES"
    );
    for feed in health.iter().filter(|feed| feed.enabled || feed.last_attempt.is_some()) {
        let line = format!(
            "{:<12} {:<8} {:<20} {:<20} {:>8} {:>9}  {}",
            feed.provider,
            if feed.enabled { "yes" } else { "no" },
            second(feed.last_success),
            second(feed.last_attempt),
            feed.age_seconds.map(age).unwrap_or_default(),
            bytes(feed.bytes),
            feed.last_error.as_deref().unwrap_or_default()
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// An instant without fractions of its second.
pub(super) fn second(at: Option<Timestamp>) -> String {
    let second = at.and_then(|at| Timestamp::from_second(at.as_second()).ok());
    second.map_or_else(|| "never".to_owned(), |at| at.to_string())
}

fn age(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `1.4 MB` of bytes.
fn bytes(count: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "kB", "MB"] {
        if count < unit.saturating_mul(1000) {
            return decimal(count, unit, name);
        }
        unit = unit.saturating_mul(1000);
    }
    decimal(count, unit, "GB")
}

fn decimal(count: u64, unit: u64, name: &str) -> String {
    let whole = count / unit;
    let tenths = count % unit * 10 / unit;
    if unit == 1 || whole >= 100 { format!("{whole} {name}") } else { format!("{whole}.{tenths} {name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (count, want) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_450, "1.4 kB"),
            (123_456, "123 kB"),
            (70_000_000, "70.0 MB"),
            (3_300_000_000, "3.3 GB"),
        ] {
            assert_eq!(bytes(count), want);
        }
        assert_eq!((age(30), age(7_200), age(864_000)), ("0 min".to_owned(), "2 h".to_owned(), "10 days".to_owned()));
    }
}
