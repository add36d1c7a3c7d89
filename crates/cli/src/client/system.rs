//! `killick system`: the server itself, and its feeds.

mod feeds;

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::api::{Api, Failure, percent_encode};
use super::columns::{Columns, Shown, fill};
use super::redrawn::Watch;
use super::{Done, Outcome, python};

/// What can be done with the server.
#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    /// Delete a non-active service from the server
    Del(Service),
    /// Describe available anchore system error code names and descriptions
    Errorcodes,
    /// Feed data operations
    #[command(subcommand)]
    Feeds(feeds::FeedsCommand),
    /// Check current system status
    Status(Watch),
    /// Wait until the server is available and ready
    Wait(Wait),
    /// For testing webhooks
    #[command(subcommand)]
    Webhook(WebhookCommand),
}

/// A service of the server, as `system status` tells it.
#[derive(Debug, Args)]
pub(crate) struct Service {
    /// Id of the host
    host_id: String,
    /// Name of the service
    servicename: String,
}

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    /// Test that a given webhook works
    Test {
        /// Which webhook, as configured on the server
        #[arg(default_value = "general")]
        webhook_type: String,
        /// The type of notification to send via the given `webhook_type`
        #[arg(long, default_value = "tag_update")]
        ntype: String,
    },
}

/// Arguments of `system wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// Seconds to wait; for ever if negative
    #[arg(long, default_value_t = -1.0, allow_negative_numbers = true)]
    timeout: f64,
    /// Seconds between two checks
    #[arg(long, default_value_t = 5.0)]
    interval: f64,
    /// Feeds that must have been synced once, separated by commas
    #[arg(long, default_value = "vulnerabilities")]
    feedsready: String,
    /// Services that must be up, separated by commas
    #[arg(long, default_value = "catalog,apiext,policy_engine,simplequeue,analyzer")]
    servicesready: String,
}

pub(super) async fn run(api: &Api, command: SystemCommand) -> Outcome {
    match command {
        SystemCommand::Errorcodes => {
            let reply = api.get("/system/error_codes", &[]).await?;
            Ok(Done::render(api, &reply, render_codes))
        }
        SystemCommand::Del(service) => {
            let (name, host) = (percent_encode(&service.servicename), percent_encode(&service.host_id));
            let reply = api.send("DELETE", &format!("/system/services/{name}/{host}"), &[], None).await?;
            Ok(Done::success(api, &reply))
        }
        SystemCommand::Feeds(command) => feeds::run(api, command).await,
        SystemCommand::Status(watch) => {
            let look = async || {
                let reply = api.get("/system", &[]).await?;
                Ok(Done::render(api, &reply, render_status))
            };
            watch.show(api, look).await
        }
        SystemCommand::Wait(args) => wait(api, &args).await,
        SystemCommand::Webhook(WebhookCommand::Test { webhook_type, ntype }) => {
            let path = format!("/system/webhooks/{}/test", percent_encode(&webhook_type));
            let reply = api.send("POST", &path, &[("notification_type", &ntype)], None).await?;
            Ok(Done::success(api, &reply))
        }
    }
}

/// What `system wait` waits for, in order.
async fn wait(api: &Api, args: &Wait) -> Outcome {
    let began = Instant::now();
    let note = |text: &str| {
        let _ = writeln!(anstream::stderr(), "{text}");
    };
    let in_time = || args.timeout < 0.0 || began.elapsed().as_secs_f64() < args.timeout;
    let pause = || tokio::time::sleep(Duration::try_from_secs_f64(args.interval).unwrap_or(Duration::from_secs(5)));
    let late = || Failure::local(format!("timed out after {:?} seconds.", args.timeout));
    note(&format!(
        "Starting checks to wait for anchore-engine to be available timeout={:?} interval={:?}",
        args.timeout, args.interval
    ));
    loop {
        if !in_time() {
            return Err(late());
        }
        note(&format!("API availability: Checking anchore-engine URL ({})...", api.settings.url));
        if api.check_access().await.is_ok() {
            break;
        }
        pause().await;
    }
    note("API availability: Success.");
    loop {
        if !in_time() {
            return Err(late());
        }
        note(&format!("Service availability: Checking for service set ({})...", args.servicesready));
        let reply = api.get("/system", &[]).await;
        if reply.is_ok_and(|reply| services_up(&reply.body, &args.servicesready)) {
            break;
        }
        pause().await;
    }
    note("Service availability: Success.");
    if !args.feedsready.is_empty() {
        loop {
            if !in_time() {
                return Err(late());
            }
            note(&format!("Feed sync: Checking sync completion for feed set ({})...", args.feedsready));
            if let Ok(reply) = api.get("/system/feeds", &[]).await
                && feeds_synced(&reply.body, &args.feedsready)?
            {
                break;
            }
            pause().await;
        }
        note("Feed sync: Success.");
    }
    Ok(Done::silent())
}

/// Every wanted service, and every other listed one, has an instance that is up.
fn services_up(status: &Value, wanted: &str) -> bool {
    let states = status["service_states"].as_array().map_or(&[][..], Vec::as_slice);
    let up = |name: &str| {
        states.iter().any(|state| state["servicename"] == name && state["service_detail"]["up"] == json!(true))
    };
    wanted.split(',').filter(|name| !name.is_empty()).all(up)
        && states.iter().filter_map(|state| state["servicename"].as_str()).all(up)
}

fn feeds_synced(feeds: &Value, wanted: &str) -> Result<bool, Failure> {
    for name in wanted.split(',') {
        let Some(feed) = feeds.as_array().into_iter().flatten().find(|feed| feed["name"] == name) else {
            return Ok(false);
        };
        if feed["enabled"] != json!(true) {
            return Err(Failure::local(format!("Requesting wait for disabled feed: {name}")));
        }
        let groups = feed["groups"].as_array().map_or(&[][..], Vec::as_slice);
        let ready = |group: &Value| !group["last_sync"].is_null() || group["enabled"] == json!(false);
        if feed["last_full_sync"].is_null() || groups.is_empty() || !groups.iter().all(ready) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn render_status(status: &Value) -> Option<String> {
    let text_of =
        |record: &Value, key: &str, missing: &str| record.get(key).map_or_else(|| missing.to_owned(), python::str);
    let mut lines = Vec::new();
    let (mut database, mut code) = (None, None);
    for service in status["service_states"].as_array()? {
        let up = service["status"] == json!(true);
        let state = if up {
            "up".to_owned()
        } else {
            format!("down ({})", text_of(service, "status_message", "Status Unknown"))
        };
        lines.push(format!(
            "Service {} ({}, {}): {state}",
            text_of(service, "servicename", "ServiceName Unknown"),
            text_of(service, "hostid", "HostID Unknown"),
            text_of(service, "base_url", "Base URL Unknown"),
        ));
        let detail = &service["service_detail"];
        let is_api = up && service["servicename"] == "apiext";
        if is_api || database.is_none() {
            database = detail["db_version"].as_str();
        }
        if is_api || code.is_none() {
            code = detail["version"].as_str();
        }
    }
    Some(format!(
        "{}\n\nEngine DB Version: {}\nEngine Code Version: {}",
        lines.join("\n"),
        database.unwrap_or("Not Found"),
        code.unwrap_or("Not Found")
    ))
}

fn render_codes(codes: &Value) -> Option<Shown> {
    let mut table = Columns::new(&["Error Code", "Description"]);
    for code in codes.as_array()? {
        let description = code["description"].as_str().unwrap_or("N/A");
        table.row(vec![python::field(code, "name"), fill(description, 60)]);
    }
    Some(table.sort_by(0).shown().ending("\n"))
}
