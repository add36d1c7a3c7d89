//! `killick db key`: what publications are signed with.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use killick_vulns::publication::{KeyError, PrivateKey, PublicKey};

use crate::exit::Exit;
use crate::local::output;
use crate::report_error::{hinted, with_hint};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key to sign publications with, and print what others verify them with
    Generate(Generate),
    /// Print what others verify with who is signed for by a private key
    Show(Show),
}

/// Arguments of `db key generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// File for the private key; must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `db key show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// File with the private key
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(command: &KeyCommand) -> anyhow::Result<Exit> {
    let public = match command {
        KeyCommand::Generate(args) => generate(&args.out)?,
        KeyCommand::Show(args) => read(&args.file)?.public(),
    };
    output::print(&format!("{public}\n"))?;
    Ok(Exit::Success)
}

fn generate(path: &Path) -> anyhow::Result<PublicKey> {
    if path.exists() {
        let hint = "name another file; whoever trusts that key would trust nothing any more";
        return Err(with_hint(format!("`{}` exists already", path.display()), hint));
    }
    crate::local::knowledge::make_parent(path)?;
    let (key, text) = PrivateKey::generate().map_err(hinted)?;
    let create = || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    create().with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(key.public())
}

/// Reads a private key.
pub(super) fn read(path: &Path) -> anyhow::Result<PrivateKey> {
    let text = fs_err::read_to_string(path)?;
    let key =
        text.parse().map_err(|error: KeyError| hinted(error).context(format!("cannot use `{}`", path.display())))?;
    Ok(key)
}

/// A public key, or the file it is in.
#[derive(Debug, Clone)]
pub(super) struct KeyArgument(pub(super) PublicKey);

impl FromStr for KeyArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let written: Result<PublicKey, KeyError> = text.parse();
        let key = match written {
            Ok(key) => key,
            Err(_) if text.starts_with("ed25519:") => return Err(KeyError::Public.to_string()),
            Err(_) => {
                let file = fs_err::read_to_string(text)
                    .map_err(|error| format!("neither `ed25519:` and base64 nor a file that can be read: {error}"))?;
                file.parse().map_err(|error: KeyError| format!("`{text}` is {error}"))?
            }
        };
        Ok(Self(key))
    }
}
