//! `killick repo`: repositories whose tags are added as images.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::api::{Api, python_bool};
use super::columns::{Columns, Shown};
use super::subscription::{Change, change};
use super::{Done, Outcome, python};

/// The type of subscriptions to repositories.
const KIND: &str = "repo_update";

/// What can be done with repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum RepoCommand {
    /// Add a repository
    Add(Add),
    /// Delete a repository from the watch list (does not delete images)
    Del(Named),
    /// Get a repository
    Get(Named),
    /// List added repositories
    List,
    /// Stop watching a repository for other tags
    Unwatch(Named),
    /// Start watching a repository for other tags
    Watch(Named),
}

/// A repository to add.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Do not watch the tags that are found for other images
    #[arg(long)]
    noautosubscribe: bool,
    /// Accepted, and not needed
    #[arg(long)]
    lookuptag: Option<String>,
    /// Say what would be watched, and add nothing
    #[arg(long)]
    dryrun: bool,
    /// Registry and repository, such as docker.io/library/alpine
    input_repo: String,
}

/// A repository.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Registry and repository, such as docker.io/library/alpine
    input_repo: String,
}

pub(super) async fn run(api: &Api, command: RepoCommand) -> Outcome {
    match command {
        RepoCommand::Add(add) => {
            let repository = full(&add.input_repo);
            let mut query = vec![
                ("repository", repository.as_str()),
                ("autosubscribe", python_bool(!add.noautosubscribe)),
                ("dryrun", python_bool(add.dryrun)),
            ];
            query.extend(add.lookuptag.as_deref().map(|tag| ("lookuptag", tag)));
            let reply = api.send("POST", "/repositories", &query, None).await?;
            let note = if add.dryrun { "DRY RUN: Repository not added\n\n" } else { "" };
            Ok(Done::render(api, &reply, |records| Some(table(records, Counts::Needed)?.after(note))))
        }
        RepoCommand::Del(named) => {
            let reply = change(api, Change::Deletion, KIND, &full(&named.input_repo)).await?;
            Ok(Done::success(api, &reply))
        }
        RepoCommand::Get(named) => {
            let mut reply = api.get("/subscriptions", &[("subscription_type", KIND)]).await?;
            let wanted = full(&named.input_repo);
            if let Some(records) = reply.body.as_array_mut() {
                records.retain(|record| record["subscription_key"] == wanted.as_str());
            }
            Ok(Done::render(api, &reply, |records| table(records, Counts::Needed)))
        }
        RepoCommand::List => {
            let reply = api.get("/subscriptions", &[("subscription_type", KIND)]).await?;
            Ok(Done::render(api, &reply, |records| table(records, Counts::Optional)).hinting_if_empty(
                "`killick repo add HOST/REPOSITORY` adds all tags of a repository, and those to come",
            ))
        }
        RepoCommand::Unwatch(named) => watched(api, Change::Deactivation, &named).await,
        RepoCommand::Watch(named) => watched(api, Change::Activation, &named).await,
    }
}

async fn watched(api: &Api, wanted: Change, named: &Named) -> Outcome {
    let reply = change(api, wanted, KIND, &full(&named.input_repo)).await?;
    Ok(Done::render(api, &reply, |records| table(records, Counts::Needed)))
}

/// `registry/repository`, as anchore-cli reads what was typed.
fn full(text: &str) -> String {
    let text = text.split_once('@').map_or(text, |(name, _)| name);
    let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost" || first == "localbuild";
    let (registry, rest) = match text.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        _ => ("docker.io", text),
    };
    let repository = match rest.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => rest,
    };
    format!("{registry}/{repository}")
}

/// Whether a value that cannot be read spoils the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Needed,
    Optional,
}

fn table(records: &Value, counts: Counts) -> Option<Shown> {
    let mut table = Columns::new(&["Repository", "Watched", "TagCount"]);
    for record in records.as_array()? {
        let value = record["subscription_value"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let count = match (value, counts) {
            (Some(value), _) => value.get("tagcount").map_or_else(|| "N/A".to_owned(), python::str),
            (None, Counts::Optional) => "N/A".to_owned(),
            (None, Counts::Needed) => return None,
        };
        table.row(vec![python::field(record, "subscription_key"), python::field(record, "active"), count]);
    }
    Some(table.sort_by(0).shown())
}

#[cfg(test)]
mod tests {
    use super::full;

    #[test]
    fn repositories_are_read_as_the_original_does() {
        for (text, want) in [
            ("alpine", "docker.io/alpine"),
            ("library/alpine:3", "docker.io/library/alpine"),
            ("quay.io/a/b", "quay.io/a/b"),
            ("127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b"),
            ("localhost/a@sha256:ab", "localhost/a"),
        ] {
            assert_eq!(full(text), want, "{text}");
        }
    }
}
