//! `killick policy`: bundles on the server, and the gates they may use.

mod dry_run;
mod hub;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, Failure, percent_encode, python_bool};
use super::columns::{Columns, Shown, fields};
use super::{Done, Outcome, python};
use crate::local::bundles::BundleCommand;

/// What can be done with policy bundles.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Activate a policyid
    Activate(Named),
    /// Add a policy bundle
    Add(Add),
    /// Delete a policy bundle
    Del(Named),
    /// Describes the policy gates and triggers available
    Describe(Describe),
    /// Get a policy bundle
    Get(Get),
    /// Bundles that others publish on the web
    #[command(subcommand)]
    Hub(hub::HubCommand),
    /// List all policies
    List,
    /// Which stored images would change their verdict under a bundle, and why
    DryRun(dry_run::DryRun),
    #[command(flatten)]
    Local(Box<BundleCommand>),
}

impl PolicyCommand {
    /// Whether it asks the server for nothing.
    pub(super) fn is_about_the_hub_alone(&self) -> bool {
        matches!(self, Self::Hub(hub::HubCommand::List | hub::HubCommand::Get { .. }))
    }
}

/// A bundle by id.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Policy ID
    policyid: String,
}

/// Arguments of `policy add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Policy bundle file (JSON)
    input_policy: PathBuf,
}

/// Arguments of `policy get`.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// Policy ID
    policyid: String,
    /// Print the bundle as JSON
    #[arg(long)]
    detail: bool,
}

/// Arguments of `policy describe`.
#[derive(Debug, Args)]
pub(crate) struct Describe {
    /// Show end-of-life and deprecated entries too
    #[arg(long)]
    all: bool,
    /// Describe the triggers of one gate
    #[arg(long)]
    gate: Option<String>,
    /// Describe the parameters of one trigger
    #[arg(long, requires = "gate")]
    trigger: Option<String>,
}

pub(super) async fn run(api: &Api, command: PolicyCommand) -> Outcome {
    let outcome = answer(api, command).await;
    outcome.map_err(|failure| match failure.status() {
        Some(404) if !failure.is_not_understood() => {
            failure.hinting("`killick policy list` shows the bundles that the server has")
        }
        Some(400) => {
            failure.hinting("`killick policy validate FILE` tells each mistake in a bundle, and what to write")
        }
        _ => failure,
    })
}

async fn answer(api: &Api, command: PolicyCommand) -> Outcome {
    match command {
        PolicyCommand::Activate(named) => activate(api, &named.policyid).await,
        PolicyCommand::Add(args) => add(api, &args).await,
        PolicyCommand::Del(named) => {
            let reply = api.send("DELETE", &path(&named.policyid), &[], None).await?;
            Ok(Done::success(api, &reply))
        }
        PolicyCommand::Describe(args) => {
            let reply = api.get("/system/policy_spec", &[]).await?;
            Ok(Done::render(api, &reply, |gates| describe(gates, &args)))
        }
        PolicyCommand::Get(args) => {
            let reply = api.get(&path(&args.policyid), &[("detail", python_bool(args.detail))]).await?;
            Ok(Done::render(api, &reply, |records| {
                if args.detail {
                    return Some(python::dumps(records[0].get("policybundle").unwrap_or(records)));
                }
                records.as_array()?.iter().map(render).collect()
            }))
        }
        PolicyCommand::Hub(command) => hub::run(api, command).await,
        PolicyCommand::List => {
            let reply = api.get("/policies", &[("detail", "False")]).await?;
            Ok(Done::render(api, &reply, render_list))
        }
        PolicyCommand::DryRun(args) => dry_run::run(api, &args).await,
        PolicyCommand::Local(_) => Err(Failure::local("this command needs no server")),
    }
}

fn path(id: &str) -> String {
    format!("/policies/{}", percent_encode(id))
}

async fn add(api: &Api, args: &Add) -> Outcome {
    let text = fs_err::read_to_string(&args.input_policy).map_err(|error| Failure::local(error.to_string()))?;
    let bundle: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::local(format!("`{}` is not JSON: {error}", args.input_policy.display())))?;
    let reply = api.send("POST", "/policies", &[("detail", "True")], Some(&bundle)).await?;
    let id = python::field(&reply.body, "policyId");
    Ok(Done::render(api, &reply, render)
        .hinting(format!("`killick policy activate {id}` makes it the one by which images are judged")))
}

async fn activate(api: &Api, id: &str) -> Outcome {
    let mut reply = api.get(&path(id), &[("detail", "True")]).await?;
    let Some(record) = reply.body.get_mut(0).filter(|record| record.is_object()) else {
        return Err(Failure::local("no policy could be fetched to activate"));
    };
    record["active"] = json!(true);
    let record = record.take();
    let reply = api.send("PUT", &path(id), &[], Some(&record)).await?;
    Ok(Done::render(api, &reply, |_| Some(format!("Success: {id} activated"))))
}

fn render(record: &Value) -> Option<String> {
    record.get("policyId")?;
    Some(fields(&[
        ("Policy ID", python::field(record, "policyId")),
        ("Active", python::field(record, "active")),
        ("Source", python::field(record, "policy_source")),
        ("Created", python::field(record, "created_at")),
        ("Updated", python::field(record, "last_updated")),
    ]))
}

fn render_list(records: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Policy ID", "Active", "Created", "Updated"]);
    for record in records.as_array()? {
        table.row(
            ["policyId", "active", "created_at", "last_updated"].iter().map(|key| python::field(record, key)).collect(),
        );
    }
    Some(table.sort_by(1).reverse().shown())
}

fn describe(gates: &Value, args: &Describe) -> Option<Shown> {
    let gates = gates.as_array()?;
    let named = |entry: &&Value, name: &str| {
        entry["name"].as_str().is_some_and(|candidate| candidate.eq_ignore_ascii_case(name))
    };
    let list = |entry: &Value, key: &str| entry[key].as_array().cloned().unwrap_or_default();
    let (titles, entries): (&[&'static str], Vec<Value>) = match (&args.gate, &args.trigger) {
        (None, _) => (&["Gate", "Description"], gates.clone()),
        (Some(gate), None) => (
            &["Trigger", "Description", "Parameters"],
            gates.iter().filter(|entry| named(entry, gate)).flat_map(|entry| list(entry, "triggers")).collect(),
        ),
        (Some(gate), Some(trigger)) => (
            &["Parameter", "Description", "Required", "Example"],
            gates
                .iter()
                .filter(|entry| named(entry, gate))
                .flat_map(|entry| list(entry, "triggers"))
                .filter(|entry| named(&entry, trigger))
                .flat_map(|entry| list(&entry, "parameters"))
                .collect(),
        ),
    };
    let mut header = titles.to_vec();
    if args.all {
        header.extend(["State", "Superceded By"]);
    }
    let mut table = Columns::new(&header);
    for entry in &entries {
        if !args.all && entry["state"].as_str().is_some_and(|state| state != "active") {
            continue;
        }
        let description =
            wrap(entry["description"].as_str().unwrap_or_default(), if args.gate.is_some() { 40 } else { 60 });
        let mut row = vec![python::field(entry, "name").to_lowercase(), description];
        match titles[0] {
            "Trigger" => {
                let names: Vec<String> =
                    list(entry, "parameters").iter().map(|parameter| python::field(parameter, "name")).collect();
                row.push(wrap(&names.join(", ").to_lowercase(), 20));
            }
            "Parameter" => row.extend([python::field(entry, "required"), python::field(entry, "example")]),
            _ => {}
        }
        if args.all {
            row.extend([python::field(entry, "state"), python::field(entry, "superceded_by")]);
        }
        table.row(row);
    }
    Some(table.sort_by(0).boxed())
}

/// Breaks `text` at blanks as anchore-cli does for these tables: its first line holds one character less, because it
/// is begun with a blank that is cut off in the end.
fn wrap(text: &str, limit: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.chars().count() + word.chars().count() < limit {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn the_first_line_holds_one_less() {
        assert_eq!(wrap("aaa bbb ccc ddd", 8), "aaa bbb\nccc ddd");
        assert_eq!(wrap("aaaa bbb ccc", 8), "aaaa\nbbb ccc");
        assert_eq!(wrap("", 8), "");
    }
}
