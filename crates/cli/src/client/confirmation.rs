//! Asking before something is gone for good.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::api::Failure;

/// Whether somebody says yes to `question`.
///
/// # Errors
///
/// Fails if nobody is there to answer.
pub(super) fn is_meant(question: &str) -> Result<bool, Failure> {
    let mut out = anstream::stdout();
    let asked = out.write_all(question.as_bytes()).and_then(|()| out.flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| std::io::stdin().lock().read_line(&mut answer));
    if !matches!(read, Ok(1..)) {
        // The question ends in no line of its own.
        let _ = writeln!(out);
        return Err(
            Failure::local("nobody answered, so nothing was deleted").hinting("`--dontask` deletes without asking")
        );
    }
    let is_meant = answer.trim().eq_ignore_ascii_case("y");
    if !is_meant {
        let _ = writeln!(anstream::stderr(), "nothing was deleted");
    }
    Ok(is_meant)
}

/// The same where anchore-cli does not ask: only somebody at a terminal is asked, never a script.
pub(super) fn is_meant_at_terminal(question: &str) -> Result<bool, Failure> {
    let is_somebody_there = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if is_somebody_there { is_meant(question) } else { Ok(true) }
}
