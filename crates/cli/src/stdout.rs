//! Data for people and programs goes out here.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;

/// Prints `text`. A reader that closed its end of the pipe has had enough, and that is no error: the command still
/// ends with the code of its result.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    tolerate(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Forgives a closed pipe.
pub(crate) fn tolerate(result: std::io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}
