//! `killick registry`: where images are pulled from, and with which credentials.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, Failure, Reply, percent_encode, python_bool};
use super::columns::{Columns, Shown, fields};
use super::{Done, Outcome, python};

/// What can be done with registries.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Add a registry
    Add(Record),
    /// Delete a registry
    Del(Named),
    /// Get a registry
    Get(Named),
    /// List all current registries
    List,
    /// Update an existing registry
    Update(Record),
}

/// A registry by name.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Host and port of the registry, such as myrepo.example.com:5000
    registry: String,
}

/// A registry record.
#[derive(Debug, Args)]
pub(crate) struct Record {
    /// Host and port of the registry, such as myrepo.example.com:5000
    registry: String,
    /// User name
    registry_user: String,
    /// Password
    registry_pass: String,
    /// Allow plain HTTP and certificates that cannot be verified
    #[arg(long)]
    insecure: bool,
    /// `docker_v2` or `awsecr` (default: by the look of the name)
    #[arg(long)]
    registry_type: Option<String>,
    /// Do not try the credentials out
    #[arg(long)]
    skip_validate: bool,
    /// A name for people (default: the registry itself)
    #[arg(long)]
    registry_name: Option<String>,
}

const TYPES: [&str; 2] = ["docker_v2", "awsecr"];

pub(super) async fn run(api: &Api, command: RegistryCommand) -> Outcome {
    match command {
        RegistryCommand::Add(record) => {
            let reply = save(api, "POST", "/registries", &record).await?;
            Ok(Done::render(api, &reply, render))
        }
        RegistryCommand::Update(record) => {
            let reply = save(api, "PUT", &path(&record.registry), &record).await?;
            Ok(Done::render(api, &reply, render))
        }
        RegistryCommand::Del(named) => {
            let reply = api.send("DELETE", &path(&named.registry), &[], None).await?;
            Ok(Done::success(api, &reply))
        }
        RegistryCommand::Get(named) => {
            let reply = api.get(&path(&named.registry), &[]).await?;
            Ok(Done::render(api, &reply, render))
        }
        RegistryCommand::List => {
            let reply = api.get("/registries", &[]).await?;
            Ok(Done::render(api, &reply, render_list)
                .hinting_if_empty("`killick registry add HOST USER PASSWORD` adds one; public registries need none"))
        }
    }
}

fn path(registry: &str) -> String {
    format!("/registries/{}", percent_encode(registry))
}

async fn save(api: &Api, method: &str, path: &str, record: &Record) -> Result<Reply, Failure> {
    let kind = match record.registry_type.as_deref() {
        Some(kind) if !TYPES.contains(&kind) => {
            return Err(Failure::local(format!(
                "input registry type not supported (supported registry_types: {}",
                python::str(&json!(TYPES))
            )));
        }
        Some(kind) => kind,
        None if is_ecr(&record.registry) => "awsecr",
        None => "docker_v2",
    };
    let body = json!({
        "registry": record.registry,
        "registry_user": record.registry_user,
        "registry_pass": record.registry_pass,
        "registry_type": kind,
        "registry_verify": !record.insecure,
        "registry_name": record.registry_name.as_ref().unwrap_or(&record.registry),
    });
    api.send(method, path, &[("validate", python_bool(!record.skip_validate))], Some(&body)).await
}

/// `<account>.dkr.ecr.<region>.amazonaws.com`.
fn is_ecr(registry: &str) -> bool {
    registry.split_once(".dkr.ecr.").is_some_and(|(account, rest)| {
        !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit()) && rest.contains(".amazonaws.com")
    })
}

fn render(records: &Value) -> Option<String> {
    let mut text = String::new();
    for record in records.as_array()? {
        let name = record.get("registry_name").map_or_else(|| "N/A".to_owned(), python::str);
        text.push_str(&fields(&[
            ("Registry", python::field(record, "registry")),
            ("Name", name),
            ("User", python::field(record, "registry_user")),
            ("Type", python::field(record, "registry_type")),
            ("Verify TLS", python::field(record, "registry_verify")),
            ("Created", python::field(record, "created_at")),
            ("Updated", python::field(record, "last_updated")),
        ]));
    }
    Some(text)
}

fn render_list(records: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Registry", "Name", "Type", "User"]);
    for record in records.as_array()? {
        table.row(vec![
            python::field(record, "registry"),
            record.get("registry_name").map_or_else(|| "N/A".to_owned(), python::str),
            python::field(record, "registry_type"),
            python::field(record, "registry_user"),
        ]);
    }
    Some(table.sort_by(0).shown())
}
