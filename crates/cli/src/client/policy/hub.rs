//! `killick policy hub`: bundles that others publish, in a web folder with an `index.json`.

use std::collections::BTreeMap;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::api::{Api, Failure};
use crate::client::columns::{Columns, Shown, fields, fill};
use crate::client::{Done, Outcome, Reply, python};

/// What can be done with published bundles.
#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// What a published bundle holds
    Get {
        /// Its name in the index
        bundlename: String,
    },
    /// Put a published bundle on the server
    Install {
        /// Its name in the index
        bundlename: String,
        /// Override bundle target ID with supplied ID string
        #[arg(long)]
        target_id: Option<String>,
        /// Install specified bundleid in place of existing policy bundle with same ID, if present
        #[arg(long)]
        force: bool,
    },
    /// Which bundles are published
    List,
}

pub(super) async fn run(api: &Api, command: HubCommand) -> Outcome {
    match command {
        HubCommand::List => {
            let index = api.get_elsewhere(&address(api, "index.json")?).await?;
            Ok(Done::render(api, &index, list))
        }
        HubCommand::Get { bundlename } => {
            let bundle = bundle(api, &bundlename).await?;
            Ok(Done::render(api, &bundle, describe))
        }
        HubCommand::Install { bundlename, target_id, force } => {
            let mut bundle = bundle(api, &bundlename).await?;
            let id = target_id.unwrap_or_else(|| python::field(&bundle.body, "name"));
            let Some(document) = bundle.body.as_object_mut() else {
                return Err(Failure::local(format!("what the hub has as `{bundlename}` is not a policy bundle")));
            };
            document.insert("id".to_owned(), json!(id));
            if !force {
                let installed = api.get("/policies", &[("detail", "False")]).await?;
                if installed.body.as_array().into_iter().flatten().any(|record| record["policyId"] == json!(id)) {
                    return Err(Failure::local(format!(
                        "Policy with ID ({id}) already installed - use force to override or specify target unique ID"
                    )));
                }
            }
            let reply = api.send("POST", "/policies", &[("detail", "True")], Some(&bundle.body)).await?;
            Ok(Done::render(api, &reply, super::render))
        }
    }
}

fn address(api: &Api, file: &str) -> Result<String, Failure> {
    let Some(hub) = &api.settings.hub_url else {
        return Err(Failure::local(
            "no hub is known: name one with `--hub-url URL` or ANCHORE_CLI_HUB_URL. The one that anchore-cli asks is not \
             kept up any more; `examples/bundles` of Killick has bundles to begin with, for `policy add`",
        ));
    };
    Ok(format!("{}/{file}", hub.trim_end_matches('/')))
}

/// The published bundle of this name. Only files beside the index are asked for.
async fn bundle(api: &Api, name: &str) -> Result<Reply, Failure> {
    let index = api.get_elsewhere(&address(api, "index.json")?).await?;
    let mut records = index.body["content"].as_array().into_iter().flatten();
    let record = records.find(|record| record["type"] == "bundle" && record["name"] == name);
    let location = record.and_then(|record| record["location"].as_str());
    let location = location.ok_or_else(|| Failure::local(format!("Bundle name {name} not found in index")))?;
    api.get_elsewhere(&address(api, location)?).await
}

fn list(index: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Name", "Description"]);
    for record in index["content"].as_array()? {
        if record["type"] == "bundle" {
            table.row(vec![fill(record["name"].as_str()?, 40), fill(record["description"].as_str()?, 60)]);
        }
    }
    Some(table.sort_by(0).reverse().shown())
}

fn description(record: &Value) -> String {
    record.get("description").or_else(|| record.get("comment")).map_or_else(|| "N/A".to_owned(), python::str)
}

fn describe(bundle: &Value) -> Option<String> {
    let mut text = fields(&[
        ("Policy Bundle ID", python::str(bundle.get("id")?)),
        ("Name", python::str(bundle.get("name")?)),
        ("Description", description(bundle)),
    ]);
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (list, name, about) in
        [("policies", "Policy Name", "Policy Description"), ("whitelists", "Whitelist Name", "Whitelist Description")]
    {
        for record in bundle[list].as_array()? {
            names.insert(record["id"].as_str()?, record["name"].as_str()?);
            text.push_str(&fields(&[(name, python::field(record, "name")), (about, description(record))]));
        }
    }
    for mapping in bundle["mappings"].as_array()? {
        let named = |one: &str, several: &str| -> Option<String> {
            let ids = mapping.get(one).into_iter().chain(mapping[several].as_array().into_iter().flatten());
            let names: Option<Vec<&str>> = ids.map(|id| names.get(id.as_str()?).copied()).collect();
            Some(names?.join(","))
        };
        let rule = format!(
            "{}/{}:{}",
            python::field(mapping, "registry"),
            python::field(mapping, "repository"),
            python::field(&mapping["image"], "value")
        );
        text.push_str(&fields(&[
            ("Mapping Name", python::field(mapping, "name")),
            ("Mapping Rule", rule),
            ("Mapping Policies", named("policy_id", "policy_ids")?),
            ("Mapping Whitelists", named("whitelist_id", "whitelist_ids")?),
        ]));
    }
    Some(text)
}
