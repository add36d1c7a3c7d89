//! `killick reset-password`: a new password for somebody who cannot log in, on the machine of the service.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use killick_server::{Config, passwords};
use secrecy::{ExposeSecret as _, SecretString};

use crate::exit::Exit;
use crate::report_error;

/// Bytes of a password.
const MAX_BYTES: u64 = 4096;

/// Arguments of `reset-password`.
#[derive(Debug, Args)]
pub(crate) struct ResetPassword {
    /// The user
    #[arg(value_name = "USER", default_value = "admin")]
    name: String,
    /// Read the password from standard input (default: one is made up and printed)
    #[arg(long)]
    password_stdin: bool,
    /// Settings file (TOML) of the service
    #[arg(long = "config", id = "settings", value_name = "FILE", env = "KILLICK_CONFIG")]
    settings: Option<PathBuf>,
    /// The service's data folder (default: killick-data)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) async fn run(args: ResetPassword) -> anyhow::Result<Exit> {
    let mut config = Config::load(args.settings.as_deref(), std::env::vars())?;
    if let Some(data) = args.data {
        config.storage.data_dir = data;
    }
    let given = if args.password_stdin {
        // On a thread of its own, so that whoever waits can be interrupted.
        Some(tokio::task::spawn_blocking(read).await.context("reading was interrupted")??)
    } else {
        None
    };
    let is_given = given.is_some();
    let password = passwords::reset(&config, &args.name, given).await?;
    let mut out = anstream::stdout();
    if is_given {
        writeln!(out, "user `{}` has the password that was given", args.name)?;
    } else {
        writeln!(out, "user `{}` has the password `{}`: it is not shown again", args.name, password.expose_secret())?;
    }
    Ok(Exit::Success)
}

fn read() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text).context("cannot read the password")?;
    anyhow::ensure!(text.len() as u64 <= MAX_BYTES, "the password is longer than {MAX_BYTES} bytes");
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(report_error::with_hint(
            "there is no password on standard input",
            "write it there, or leave `--password-stdin` out to have one made up",
        ));
    }
    Ok(SecretString::from(text))
}
