//! `killick subscription`: what the account wants to be told about.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, Failure, Reply, percent_encode};
use super::columns::{Columns, Shown};
use super::part::Part;
use super::{Done, Outcome, python};

/// What can be subscribed to.
const TYPES: &[&str] = &["tag_update", "policy_eval", "vuln_update", "analysis_update", "repo_update", "alerts"];

/// The type that nothing is subscribed to by itself.
const ALERTS: &str = "alerts";

/// What can be done with subscriptions.
#[derive(Debug, Subcommand)]
pub(crate) enum SubscriptionCommand {
    /// Activate a subscription
    Activate(Key),
    /// Deactivate a subscription
    Deactivate(Key),
    /// Delete a subscription by its id
    Del(Id),
    /// Get details about a subscription by its id
    Get(Id),
    /// List all current subscriptions
    List {
        /// Show the ids too
        #[arg(long)]
        full: bool,
        /// Only those of a type
        #[arg(long = "type", value_name = "TYPE", value_parser = TYPES.to_vec())]
        kind: Option<String>,
        /// Only those that are switched on
        #[arg(long)]
        active: bool,
        #[command(flatten)]
        part: Part,
    },
}

/// A subscription by what it is about.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// `tag_update`, `policy_eval`, `vuln_update`, `analysis_update`, `repo_update` or `alerts`
    subscription_type: String,
    /// The whole tag, such as docker.io/library/alpine:latest
    subscription_key: String,
}

/// A subscription by its id.
#[derive(Debug, Args)]
pub(crate) struct Id {
    /// The id, as `list --full` shows it
    subscription_id: String,
}

/// What is to become of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Activation,
    Deactivation,
    Deletion,
}

impl Change {
    const fn noun(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Deactivation => "deactivation",
            Self::Deletion => "deletion",
        }
    }
}

pub(super) async fn run(api: &Api, command: SubscriptionCommand) -> Outcome {
    match command {
        SubscriptionCommand::Activate(key) => {
            let reply = match key.subscription_type.as_str() {
                ALERTS => subscribe(api, &key.subscription_key).await?,
                kind => change(api, Change::Activation, kind, &key.subscription_key).await?,
            };
            Ok(Done::success(api, &reply))
        }
        SubscriptionCommand::Deactivate(key) => {
            let reply = change(api, Change::Deactivation, &key.subscription_type, &key.subscription_key).await?;
            Ok(Done::success(api, &reply))
        }
        SubscriptionCommand::Del(id) => {
            api.send("DELETE", &path(&id.subscription_id), &[], None).await?;
            Ok(Done::new("Success"))
        }
        SubscriptionCommand::Get(id) => {
            let reply = api.get(&path(&id.subscription_id), &[]).await?;
            Ok(Done::render(api, &reply, |records| table(records, &["Subscription ID", "User ID"])))
        }
        SubscriptionCommand::List { full, kind, active, part } => {
            let mut reply = api.get("/subscriptions", &[]).await?;
            if let Some(records) = reply.body.as_array_mut() {
                records.retain(|record| {
                    part.has(&python::field(record, "subscription_key"))
                        && kind.as_ref().is_none_or(|kind| record["subscription_type"] == kind.as_str())
                        && (!active || record["active"] == true)
                });
                reply.body = Value::Array(part.page_of(std::mem::take(records)));
            }
            let more: &[&str] = if full { &["Subscription ID"] } else { &[] };
            Ok(Done::render(api, &reply, |records| table(records, more))
                .hinting_if_empty("there are no such subscriptions: adding an image or a repository brings some"))
        }
    }
}

fn path(id: &str) -> String {
    format!("/subscriptions/{}", percent_encode(id))
}

fn missing(change: Change, kind: &str, key: &str) -> Failure {
    Failure::local(format!(
        "cannot locate subscription record using specified input (subscription_type={kind}, \
         subscription_key={key} needs to exist before {})",
        change.noun()
    ))
}

/// Changes the subscription of a type and key, which must exist.
pub(super) async fn change(api: &Api, change: Change, kind: &str, key: &str) -> Result<Reply, Failure> {
    let missing = || missing(change, kind, key);
    // A type that is none is as good as a subscription that is none.
    let found = api.get("/subscriptions", &[("subscription_key", key), ("subscription_type", kind)]).await;
    let found = found.map_err(|_| missing())?;
    let id = found.body[0]["subscription_id"].as_str().ok_or_else(missing)?;
    if change == Change::Deletion {
        return api.send("DELETE", &path(id), &[], None).await;
    }
    let active = change == Change::Activation;
    let body = json!({"active": active, "subscription_key": key, "subscription_type": kind});
    api.send("PUT", &path(id), &[], Some(&body)).await
}

/// Subscribes to alerts of a tag: an image that is added brings the other types, and not this.
async fn subscribe(api: &Api, tag: &str) -> Result<Reply, Failure> {
    let others = api.get("/subscriptions", &[("subscription_key", tag)]).await?;
    if others.body.as_array().is_none_or(Vec::is_empty) {
        return Err(missing(Change::Activation, ALERTS, tag));
    }
    let body = json!({"subscription_key": tag, "subscription_type": ALERTS, "active": true});
    match api.send("POST", "/subscriptions", &[], Some(&body)).await {
        Err(failure) if failure.status() == Some(409) => change(api, Change::Activation, ALERTS, tag).await,
        added => added,
    }
}

fn table(records: &Value, more: &[&'static str]) -> Option<Shown> {
    let header: Vec<&'static str> =
        ["Tag", "Subscription Type", "Active"].into_iter().chain(more.iter().copied()).collect();
    let mut table = Columns::new(&header);
    for record in records.as_array()? {
        let mut row = vec![
            python::field(record, "subscription_key"),
            python::field(record, "subscription_type"),
            python::field(record, "active"),
        ];
        for column in more {
            let member = if *column == "User ID" { "userId" } else { "subscription_id" };
            row.push(python::field(record, member));
        }
        table.row(row);
    }
    Some(table.sort_by(0).shown())
}
