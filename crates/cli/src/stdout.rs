//! Data for people and programs goes out here.

use std::io::{self, BufWriter, ErrorKind, Write};

use anyhow::Context as _;

/// Prints `text`. A reader that closed its end of the pipe has had enough, and that is no error: the command still
/// ends with the code of its result.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    tolerate(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Bytes that are gathered before they are handed to the system.
const BUFFER: usize = 64 * 1024;

/// Prints what `produce` writes, while it writes. Only colour is translated for the terminal; bytes without it go out
/// as they are, since nothing of a document for programs may be lost.
pub(crate) fn stream(colour: bool, produce: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
    let stdout: Box<dyn Write> =
        if colour { Box::new(anstream::stdout().lock()) } else { Box::new(io::stdout().lock()) };
    let mut out = BufWriter::with_capacity(BUFFER, stdout);
    tolerate(produce(&mut out).and_then(|()| out.flush()))
}

/// Forgives a closed pipe.
pub(crate) fn tolerate(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to stdout"),
    }
}
