//! `killick manual`: the pages of `man`, one for each command, made of what `--help` says.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

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
    let mut command = C::command();
    command.build();
    write(&command, "killick", &args.folder)?;
    Ok(Exit::Success)
}

/// The page of a command and those of the commands below it: `killick-image-add.1`.
fn write(command: &Command, name: &str, folder: &Path) -> anyhow::Result<()> {
    // clap keeps names for the life of the program; there are as many as commands.
    let named = command.clone().name(String::leak(name.to_owned()) as &'static str);
    let mut page = Vec::new();
    Man::new(named).date("").render(&mut page)?;
    fs_err::write(folder.join(format!("{name}.1")), page)?;
    for below in command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help") {
        write(below, &format!("{name}-{}", below.get_name()), folder)?;
    }
    Ok(())
}
