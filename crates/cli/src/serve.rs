//! `killick serve`: the service in this process.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use killick_server::{Config, Role};

use crate::exit::Exit;

/// Arguments of `serve`. They override the settings file and the `KILLICK__SECTION__KEY` variables.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Settings file (TOML)
    #[arg(long = "config", id = "settings", value_name = "FILE", env = "KILLICK_CONFIG")]
    settings: Option<PathBuf>,
    /// What this process does: api, worker, scheduler; may be repeated (default: all)
    #[arg(long, value_name = "ROLE", value_parser = parse_role)]
    role: Vec<Role>,
    /// Address and port to listen on (default: 127.0.0.1:8228)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Folder for everything that is kept (default: killick-data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

fn parse_role(word: &str) -> Result<Role, String> {
    match word {
        "api" => Ok(Role::Api),
        "worker" => Ok(Role::Worker),
        "scheduler" => Ok(Role::Scheduler),
        other => Err(format!("`{other}` is not a role: expected api, worker or scheduler")),
    }
}

pub(crate) async fn run(args: Serve) -> anyhow::Result<Exit> {
    let mut config = Config::load(args.settings.as_deref(), std::env::vars())?;
    if !args.role.is_empty() {
        config.server.roles = args.role;
    }
    if let Some(listen) = args.listen {
        config.server.listen = listen;
    }
    if let Some(data) = args.data {
        config.storage.data_dir = data;
    }
    Box::pin(killick_server::serve(config, stopped())).await?;
    Ok(Exit::Success)
}

/// Until the process is asked to stop, by Ctrl-C or SIGTERM.
pub(crate) async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            // Without the handler only Ctrl-C is left.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
