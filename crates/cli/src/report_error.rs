//! Errors as people read them: what failed, why, and what to do.

use std::fmt;
use std::io::Write as _;

use anyhow::Error;
use killick_model::hint::Hint;
use killick_model::printable::printable;

use crate::exit::Exit;

/// Carries the hint of a library error through `anyhow`, which keeps only causes.
#[derive(Debug)]
pub(crate) struct Hinted {
    error: Box<dyn std::error::Error + Send + Sync>,
    hint: Option<String>,
}

impl fmt::Display for Hinted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(out)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Keeps the hint of an error that has one.
pub(crate) fn hinted<E: Hint + std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    let hint = error.hint();
    Error::new(Hinted { error: Box::new(error), hint })
}

/// An error of our own with a hint.
pub(crate) fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::new(Hinted { error: message.into().into(), hint: Some(hint.into()) })
}

/// The error of this type, if it is what a library said.
pub(crate) fn cause<E: std::error::Error + 'static>(error: &Error) -> Option<&E> {
    error.chain().find_map(|cause| match cause.downcast_ref::<Hinted>() {
        Some(hinted) => hinted.error.downcast_ref::<E>(),
        None => cause.downcast_ref::<E>(),
    })
}

/// What helps against an error.
pub(crate) fn hint_of(error: &Error) -> Option<&str> {
    let hinted = error.chain().find_map(|cause| cause.downcast_ref::<Hinted>());
    let known = hinted.and_then(|hinted| hinted.hint.as_deref());
    known.or_else(|| error.chain().find_map(of_the_system))
}

/// The error, its causes and what helps, in one line.
pub(crate) fn in_one_line(error: &Error) -> String {
    let mut parts = vec![error.to_string()];
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if parts.last() != Some(&cause) {
            parts.push(cause);
        }
    }
    let hint = hint_of(error).map(|hint| format!("; {hint}")).unwrap_or_default();
    (parts.join(": ") + &hint).replace('\n', " ")
}

/// What helps against what the system said, where nobody knows better.
fn of_the_system(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    use std::io::ErrorKind;
    Some(match cause.downcast_ref::<std::io::Error>()?.kind() {
        ErrorKind::NotFound => {
            "is the path right, and its folder there? paths count from the folder that the command is run in"
        }
        ErrorKind::PermissionDenied => "give your user the right to it, or name another place",
        ErrorKind::ReadOnlyFilesystem => "it is on a file system that cannot be written: name another place",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            "make room there, or name another place"
        }
        ErrorKind::IsADirectory => "it is a folder: name a file",
        ErrorKind::NotADirectory => "a part of the path is a file: name another place",
        ErrorKind::AddrInUse => "end what listens there, or choose another address with `--listen`",
        _ => return None,
    })
}

/// Prints `error:`, `caused by:` and `hint:` lines.
pub(crate) fn report(error: &Error) -> Exit {
    let mut text = format!("error: {error}\n");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if cause != last {
            text.push_str(&format!("caused by: {cause}\n"));
        }
        last = cause;
    }
    if let Some(hint) = hint_of(error) {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // Names of files and answers of registries stand in it. There is nowhere left to report a stderr that cannot be
    // written.
    let _ = anstream::stderr().write_all(printable(&text).as_bytes());
    Exit::Failure
}
