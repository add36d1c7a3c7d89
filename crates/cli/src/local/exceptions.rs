//! `--exceptions`: findings that somebody answers for.

mod granting;

use std::path::PathBuf;

use clap::Args;
use killick_model::evaluation::Evaluation;
use killick_policy::{DEFAULT_NOTICE_DAYS, Exceptions};

use super::documents;
use crate::report_error::with_hint;

/// Which exceptions.
#[derive(Debug, Args)]
pub(crate) struct ExceptionArgs {
    /// Exceptions (YAML or JSON): findings that they select are cleared
    #[arg(long, value_name = "FILE")]
    pub(super) exceptions: Option<PathBuf>,
    /// Days before its end from which an exception is reported
    #[arg(long, value_name = "DAYS", default_value_t = DEFAULT_NOTICE_DAYS)]
    pub(super) exceptions_notice: u32,
}

/// Exceptions, ready to be applied.
#[derive(Debug, Default)]
pub(super) struct Granting {
    exceptions: Exceptions,
    notice_days: u32,
    remember_in: Option<PathBuf>,
}

/// Reads the file; with `grant`, what the exceptions are granted for is to be written into it.
pub(super) fn read(args: &ExceptionArgs, grant: bool) -> anyhow::Result<Granting> {
    let exceptions = args.exceptions.as_ref().map(|path| read_file(path)).transpose()?.unwrap_or_default();
    let remember_in = args.exceptions.clone().filter(|_| grant);
    Ok(Granting { exceptions, notice_days: args.exceptions_notice, remember_in })
}

/// The exceptions of a file.
pub(super) fn read_file(path: &std::path::Path) -> anyhow::Result<Exceptions> {
    let document = documents::read(path)?;
    Exceptions::parse(&document).map_err(|problems| {
        let Some(first) = problems.first() else { return anyhow::anyhow!("`{}` has no exceptions", path.display()) };
        let more = match problems.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let text = format!("the exceptions `{}` are not valid: {first}{more}", path.display());
        with_hint(text, first.remedy.clone())
    })
}

impl Granting {
    pub(super) fn apply(&self, evaluation: &mut Evaluation) {
        self.exceptions.apply(evaluation, self.notice_days);
    }

    /// Writes what the exceptions are granted for, if that was asked for.
    pub(super) fn remember<'e>(&self, evaluations: impl Iterator<Item = &'e Evaluation>) -> anyhow::Result<()> {
        let Some(path) = &self.remember_in else { return Ok(()) };
        let granted = self.exceptions.granted_for(evaluations);
        for exception in granted.iter().filter(|exception| exception.granted_for.is_empty()) {
            tracing::warn!(
                "the exception `{}` selects nothing of this image: it is granted for nothing yet",
                exception.id
            );
        }
        granting::write(path, &granted)
    }
}
