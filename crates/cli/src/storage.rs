//! `killick storage`: moving the service's documents.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use killick_server::Config;
use killick_server::storage::migrate;

use crate::exit::Exit;
use crate::report_error;

/// What can be done with the service's documents.
#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Copy documents to another place: `folder`, `database` or `s3://BUCKET/PREFIX`
    Migrate(Migrate),
}

/// Arguments of `storage migrate`.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Where to
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Where from (default: where the settings say)
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Settings file (TOML) of the service
    #[arg(long = "config", id = "settings", value_name = "FILE", env = "KILLICK_CONFIG")]
    settings: Option<PathBuf>,
    /// The service's data folder (default: killick-data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) async fn run(command: StorageCommand) -> anyhow::Result<Exit> {
    let StorageCommand::Migrate(args) = command;
    let mut config = Config::load(args.settings.as_deref(), std::env::vars())?;
    if let Some(data) = args.data {
        config.storage.data_dir = data;
    }
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("the template is right"));
    let done = migrate(&config, args.from.as_deref(), &args.to, |done| {
        bar.set_message(format!("{} copied, {} there before", done.copied, done.there));
        bar.tick();
    })
    .await;
    bar.finish_and_clear();
    let done = done?;
    let (copied, there) = (done.copied, done.there);
    writeln!(anstream::stdout(), "{copied} documents copied ({} bytes), {there} were there before", done.copied_bytes)?;
    for key in &done.damaged {
        tracing::warn!("document `{key}` is damaged and was not copied");
    }
    for key in &done.missing {
        tracing::warn!("document `{key}` is named, but is in neither place");
    }
    if done.missing.is_empty() {
        return Ok(Exit::Success);
    }
    Err(report_error::with_hint(
        format!("{} documents that are named are not in `{}`", done.missing.len(), args.to),
        "analyse the images again that they belong to (`image add --force`); or, if the service wrote them just now, run this again",
    ))
}
