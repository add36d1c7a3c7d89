//! `killick event`: what happened in the account.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, Failure, Reply, percent_encode};
use super::columns::{Columns, Shown};
use super::redrawn::Watch;
use super::{Done, Outcome, confirmation, python, yaml};

/// What can be done with events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// Acknowledge an event: somebody has seen it
    Acknowledge {
        /// The id of the event
        event_id: String,
        /// Nobody has seen it
        #[arg(long)]
        undo: bool,
    },
    /// Delete one or more events
    Delete(Delete),
    /// Get an event
    Get {
        /// The id of the event
        event_id: String,
    },
    /// List events
    List(Box<List>),
}

/// Which events to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those after a time, in ISO 8601 and UTC
    #[arg(long)]
    since: Option<String>,
    /// Only those before a time, in ISO 8601 and UTC
    #[arg(long)]
    before: Option<String>,
    /// Only those of a level: info or error
    #[arg(long)]
    level: Option<String>,
    /// Only those from a service
    #[arg(long)]
    service: Option<String>,
    /// Only those from a host
    #[arg(long)]
    host: Option<String>,
    /// Only those of a type, such as "system.*"
    #[arg(long = "event_type")]
    event_type: Option<String>,
    /// Only those about a type of thing
    #[arg(long = "resource_type")]
    resource_type: Option<String>,
    /// Show all, not only the first 100
    #[arg(long)]
    all: bool,
    /// Show all columns
    #[arg(long)]
    full: bool,
    /// Only those about a tag, digest or repository
    resource: Option<String>,
    #[command(flatten)]
    watch: Watch,
}

/// Which events to delete.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Those after a time, in ISO 8601 and UTC
    #[arg(long)]
    since: Option<String>,
    /// Those before a time, in ISO 8601 and UTC
    #[arg(long)]
    before: Option<String>,
    /// Do not ask before all are deleted
    #[arg(long)]
    dontask: bool,
    /// All of them
    #[arg(long)]
    all: bool,
    /// The id of one event
    event_id: Option<String>,
}

/// Pages that are asked for, at most.
const PAGES: u64 = 100_000;

pub(super) async fn run(api: &Api, command: EventCommand) -> Outcome {
    match command {
        EventCommand::List(list) => {
            let render = if list.full { render_full } else { render };
            let look = async || {
                let reply = fetch(api, &list).await?;
                Ok(Done::render(api, &reply, render).hinting_if_empty("no events like this have been told of"))
            };
            list.watch.show(api, look).await
        }
        EventCommand::Get { event_id } => {
            let reply = api.get(&format!("/events/{}", percent_encode(&event_id)), &[]).await?;
            Ok(Done::render(api, &reply, |found| Some(yaml::dump(found.get("event")?))))
        }
        EventCommand::Acknowledge { event_id, undo } => {
            let path = format!("/v2/events/{}", percent_encode(&event_id));
            let reply = api.send("PATCH", &path, &[], Some(&json!({"acknowledged": !undo}))).await?;
            Ok(Done::render(api, &reply, |event| Some(yaml::dump(event))))
        }
        EventCommand::Delete(delete) => remove(api, &delete).await,
    }
}

async fn fetch(api: &Api, list: &List) -> Result<Reply, Failure> {
    let level = list.level.as_ref().map(|level| level.to_lowercase());
    if let (Some(lower), Some(given)) = (&level, &list.level)
        && !["info", "error"].contains(&lower.as_str())
    {
        return Err(Failure::local(format!(
            "{given} is an invalid value for --level. Supported values are 'info' or 'error'"
        )));
    }
    let filters = [
        ("since", &list.since),
        ("before", &list.before),
        ("level", &level),
        ("source_servicename", &list.service),
        ("source_hostid", &list.host),
        ("resource_id", &list.resource),
        ("event_type", &list.event_type),
        ("resource_type", &list.resource_type),
    ];
    let filters: Vec<(&str, &str)> =
        filters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    let mut reply = api.get("/events", &filters).await?;
    for page in 2..PAGES {
        if !list.all || reply.body["next_page"] != true {
            break;
        }
        let page = page.to_string();
        let query: Vec<(&str, &str)> = filters.iter().copied().chain([("page", page.as_str())]).collect();
        let mut next = api.get("/events", &query).await?;
        let results = |reply: &mut Reply| reply.body.get_mut("results").map(Value::take);
        let (Some(Value::Array(mut seen)), Some(Value::Array(more))) = (results(&mut reply), results(&mut next)) else {
            return Err(Failure::local("the server answers something else than a page of events"));
        };
        seen.extend(more);
        if let Some(results) = next.body.get_mut("results") {
            *results = Value::Array(seen);
        }
        reply = next;
    }
    Ok(reply)
}

async fn remove(api: &Api, delete: &Delete) -> Outcome {
    if let Some(id) = &delete.event_id {
        // The original says nothing, however it went; here a failure is one.
        api.send("DELETE", &format!("/events/{}", percent_encode(id)), &[], None).await?;
        return Ok(Done::silent());
    }
    let bounds = [("since", &delete.since), ("before", &delete.before)];
    let query: Vec<(&str, &str)> = bounds.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
    if !delete.all && query.is_empty() {
        return Err(Failure::local("Must include either an event_id, --all, --since, or --before"));
    }
    if delete.all && !delete.dontask && !confirmation::is_meant("Really delete (clear) all events? (y/N)")? {
        return Ok(Done::silent());
    }
    let reply = api.send("DELETE", "/events", &query, None).await?;
    Ok(Done::render(api, &reply, |ids| {
        Some(match ids.as_array().map(Vec::len) {
            Some(0) => "No matching events found".to_owned(),
            Some(count) => format!("Deleted {count} events"),
            None => "Success".to_owned(),
        })
    }))
}

fn render(found: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Timestamp", "Level", "Event", "Resource", "ID"]);
    for result in found["results"].as_array()? {
        let event = &result["event"];
        table.row(vec![
            python::field(event, "timestamp"),
            python::field(event, "level"),
            python::field(event, "type"),
            python::field(&event["resource"], "id"),
            python::field(result, "generated_uuid"),
        ]);
    }
    Some(table.shown())
}

fn render_full(found: &Value) -> Option<Shown> {
    let header = ["Timestamp", "Level", "Event", "ResourceType", "Resource", "Service", "Host", "ID"];
    let mut table = Columns::new(&header);
    for result in found["results"].as_array()? {
        let event = &result["event"];
        table.row(vec![
            python::field(event, "timestamp"),
            python::field(event, "level"),
            python::field(event, "type"),
            python::field(&event["resource"], "type"),
            python::field(&event["resource"], "id"),
            python::field(&event["source"], "servicename"),
            python::field(&event["source"], "hostid"),
            python::field(result, "generated_uuid"),
        ]);
    }
    Some(table.shown())
}
