//! `killick system feeds`: the vulnerability data of the server.

use std::io::{BufRead as _, Write as _};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::client::api::{Api, Failure, Reply, percent_encode, python_bool};
use crate::client::columns::{Columns, Shown};
use crate::client::{Done, Outcome, python};

/// What can be done with feeds.
#[derive(Debug, Subcommand)]
pub(crate) enum FeedsCommand {
    /// Enable a specific feed and or group so that it will sync data on the next sync
    Config(Config),
    /// Delete the feed data for a feed or group
    Delete(Named),
    /// Get a list of loaded data feeds
    List,
    /// Fetch latest updates
    Sync(Sync),
}

/// A feed, or one group of it.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the feed
    feed: String,
    /// This group only
    #[arg(long)]
    group: Option<String>,
}

impl Named {
    fn path(&self) -> String {
        let group = self.group.as_ref().map(|group| format!("/{}", percent_encode(group))).unwrap_or_default();
        format!("/system/feeds/{}{group}", percent_encode(&self.feed))
    }

    /// One record, shown as the list it would be in.
    fn done(&self, api: &Api, reply: Reply) -> Done {
        let reply = Reply { body: Value::Array(vec![reply.body]) };
        Done::render(api, &reply, if self.group.is_some() { render_groups } else { render })
    }
}

/// Arguments of `system feeds config`.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(flatten)]
    named: Named,
    /// Enable the feed/group
    #[arg(long)]
    enable: bool,
    /// Disable the feed/group
    #[arg(long)]
    disable: bool,
}

/// Arguments of `system feeds sync`.
#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// Flush all previous data and resync from scratch
    #[arg(long)]
    flush: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(api: &Api, command: FeedsCommand) -> Outcome {
    match command {
        FeedsCommand::Config(args) => {
            if args.enable == args.disable {
                let word = if args.enable { "Can set only one of" } else { "Must set one of" };
                return Err(Failure::local(format!("{word} --enable or --disable")));
            }
            let query = [("enabled", python_bool(args.enable))];
            let reply = api.send("PUT", &args.named.path(), &query, None).await?;
            Ok(args.named.done(api, reply))
        }
        FeedsCommand::Delete(named) => {
            let reply = api.send("DELETE", &named.path(), &[], None).await?;
            Ok(named.done(api, reply))
        }
        FeedsCommand::List => {
            let reply = api.get("/system/feeds", &[]).await?;
            Ok(Done::render(api, &reply, render))
        }
        FeedsCommand::Sync(args) => sync(api, &args).await,
    }
}

async fn sync(api: &Api, args: &Sync) -> Outcome {
    if !args.yes {
        let warning = "this replaces the server's vulnerability data now, instead of at the next scheduled update";
        let _ =
            write!(anstream::stdout(), "\nWARNING: {warning}\n\nReally perform a manual feed data sync/flush? (y/N)");
        let _ = anstream::stdout().flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.is_err() || !answer.trim().eq_ignore_ascii_case("y") {
            return Ok(Done::new(""));
        }
    }
    let reply = api.send("POST", "/system/feeds", &[("flush", python_bool(args.flush))], None).await?;
    Ok(Done::render(api, &reply, render_sync))
}

fn render(feeds: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Feed", "Group", "LastSync", "RecordCount"]);
    let enabled = |record: &Value| record.get("enabled") != Some(&json!(false));
    for feed in feeds.as_array()? {
        let mut name = python::field(feed, "name");
        if !enabled(feed) {
            name.push_str("(disabled)");
        }
        for group in feed["groups"].as_array()? {
            let mut group_name = python::field(group, "name");
            if !enabled(group) {
                group_name.push_str("(disabled)");
            }
            let synced = match &group["last_sync"] {
                Value::Null if enabled(feed) && enabled(group) => "pending".to_owned(),
                Value::Null => "-".to_owned(),
                value => python::str(value),
            };
            table.row(vec![name.clone(), group_name, synced, python::field(group, "record_count")]);
        }
    }
    Some(table.sort_by(0).shown().ending("\n"))
}

fn render_groups(groups: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Group", "LastSync", "RecordCount"]);
    for group in groups.as_array()? {
        let mut name = python::field(group, "name");
        if group["enabled"] == json!(false) {
            name.push_str("(disabled)");
        }
        let synced = match &group["last_sync"] {
            Value::Null => "pending".to_owned(),
            value => python::str(value),
        };
        table.row(vec![name, synced, python::field(group, "record_count")]);
    }
    Some(table.sort_by(0).shown().ending("\n"))
}

fn render_sync(feeds: &Value) -> Option<Shown> {
    let Some(feeds) = feeds.as_array() else { return Some("Success".to_owned().into()) };
    let mut table = Columns::new(&["Feed", "Group", "Status", "Records Updated", "Sync Duration"]);
    for feed in feeds {
        for group in feed["groups"].as_array()? {
            table.row(vec![
                python::field(feed, "feed"),
                python::field(group, "group"),
                python::field(group, "status"),
                python::field(group, "updated_record_count"),
                format!("{:.2}s", group["total_time_seconds"].as_f64()?),
            ]);
        }
    }
    Some(table.sort_by(0).shown())
}
