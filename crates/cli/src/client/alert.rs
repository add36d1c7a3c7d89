//! `killick alert`: watched tags whose image the policy stops.

use clap::Subcommand;
use serde_json::{Value, json};

use super::api::{Api, Failure, Reply, percent_encode};
use super::columns::{Columns, Shown};
use super::{Done, Outcome, python};

/// Pages that are asked for, at most.
const PAGES: usize = 10_000;

/// What can be done with alerts.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// List alerts that are open
    List {
        /// Those that are closed, too
        #[arg(long)]
        all: bool,
        /// Only those of a tag, such as docker.io/library/alpine:latest
        #[arg(long)]
        tag: Option<String>,
    },
    /// Get an alert
    Get {
        /// The number of the alert, as `list` shows it
        alert_id: String,
    },
    /// Close an alert: there is no other of the same image by the same policy
    Close {
        /// The number of the alert, as `list` shows it
        alert_id: String,
    },
}

pub(super) async fn run(api: &Api, command: AlertCommand) -> Outcome {
    match command {
        AlertCommand::List { all, tag } => {
            let reply = list(api, all, tag.as_deref()).await?;
            Ok(Done::render(api, &reply, table).hinting_if_empty(
                "there are no such alerts: `killick subscription activate alerts TAG` has a tag watched",
            ))
        }
        AlertCommand::Get { alert_id } => {
            let reply = api.get(&path(&alert_id), &[]).await?;
            Ok(Done::render(api, &reply, |alert| table(&json!([alert]))))
        }
        AlertCommand::Close { alert_id } => {
            let body = json!({"state": "closed"});
            let reply = api.send("PATCH", &path(&alert_id), &[], Some(&body)).await?;
            Ok(Done::render(api, &reply, |alert| table(&json!([alert]))))
        }
    }
}

fn path(id: &str) -> String {
    format!("/v2/alerts/{}", percent_encode(id))
}

/// All pages as one list.
async fn list(api: &Api, all: bool, tag: Option<&str>) -> Result<Reply, Failure> {
    let mut filters = vec![("limit", "1000")];
    filters.extend(tag.map(|tag| ("tag", tag)));
    if !all {
        filters.push(("state", "open"));
    }
    let (mut items, mut cursor) = (Vec::new(), None::<String>);
    for _ in 0..PAGES {
        let next = cursor.as_deref().map(|cursor| ("cursor", cursor));
        let query: Vec<(&str, &str)> = filters.iter().copied().chain(next).collect();
        let mut reply = api.get("/v2/alerts", &query).await?;
        let Some(Value::Array(mut page)) = reply.body.get_mut("items").map(Value::take) else {
            return Err(Failure::local("the server answers something else than a page of alerts"));
        };
        items.append(&mut page);
        cursor = reply.body["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            reply.body = Value::Array(items);
            return Ok(reply);
        }
    }
    Err(Failure::local("there are more alerts than can be listed: name a tag with --tag"))
}

fn table(alerts: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["ID", "State", "Tag", "Image", "Policy", "Since", "Closed"]);
    for alert in alerts.as_array()? {
        let closed = match (alert["closed_for"].as_str(), alert["closed_by"].as_str()) {
            (Some("user"), Some(name)) => format!("by {name}"),
            (Some(why), _) => why.to_owned(),
            (None, _) => "-".to_owned(),
        };
        let mut row: Vec<String> = ["id", "state", "tag", "digest", "policy_id", "opened_at"]
            .iter()
            .map(|name| python::field(alert, name))
            .collect();
        row.push(closed);
        table.row(row);
    }
    Some(table.shown())
}
