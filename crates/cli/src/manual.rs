//! `killick manual`: the pages of `man`, one for each command, made of what `--help` says.

use std::path::PathBuf;

use clap::{Args, CommandFactory};

use crate::exit::Exit;

/// Arguments of `manual`.
#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// Folder to write the pages to, such as /usr/local/share/man/man1
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run<C: CommandFactory>(args: &Manual) -> anyhow::Result<Exit> {
    fs_err::create_dir_all(&args.folder)?;
    clap_mangen::generate_to(C::command(), &args.folder)?;
    Ok(Exit::Success)
}
