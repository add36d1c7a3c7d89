//! Asking whoever sits at the terminal.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Stdin, Write as _};

use anyhow::Context as _;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::report_error::with_hint;

/// Bytes of an answer.
const MAX_ANSWER: u64 = 4096;

/// What is typed after `User: `, which is shown.
pub(super) async fn ask(what: &'static str) -> anyhow::Result<String> {
    answer(what, false).await
}

/// What is typed after `Password: `, which is not.
pub(super) async fn ask_secret(what: &'static str) -> anyhow::Result<String> {
    answer(what, true).await
}

async fn answer(what: &'static str, is_secret: bool) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(with_hint(
            format!("there is nobody to ask for `{what}`"),
            "give `--user NAME`, and `--password-stdin` or KILLICK_PASS",
        ));
    }
    let mut line = Line::begin(stdin, is_secret)?;
    let mut out = anstream::stderr();
    write!(out, "{what}: ")?;
    out.flush()?;
    // Whoever waits can be interrupted; the thread that reads cannot, and ends with the process.
    let text = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        std::io::stdin().lock().take(MAX_ANSWER).read_line(&mut text).map(|_| text)
    });
    let text = text.await.context("reading was interrupted")?.context("the terminal cannot be read")?;
    line.is_ended = text.ends_with('\n') && !is_secret;
    let text = text.trim_end_matches(['\r', '\n']);
    let text = if is_secret { text } else { text.trim() };
    if text.is_empty() {
        return Err(with_hint(
            format!("nothing was typed as `{what}`"),
            "type it, or give `--user NAME`, and `--password-stdin` or KILLICK_PASS",
        ));
    }
    Ok(text.to_owned())
}

/// A line of the terminal that is being typed. However it ends, the terminal is then as it was, and what follows stands on a
/// line of its own.
struct Line {
    terminal: Stdin,
    before: Option<Termios>,
    is_ended: bool,
}

impl Line {
    fn begin(terminal: Stdin, is_secret: bool) -> anyhow::Result<Self> {
        let mut line = Self { terminal, before: None, is_ended: false };
        if is_secret {
            let before = tcgetattr(&line.terminal).context("the terminal cannot be asked how it is set")?;
            let mut hidden = before.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            hidden.local_modes.insert(LocalModes::ICANON | LocalModes::ISIG);
            line.before = Some(before);
            // What was typed too early is thrown away: it was shown.
            tcsetattr(&line.terminal, OptionalActions::Flush, &hidden)
                .context("the terminal cannot be told not to show the password")?;
        }
        Ok(line)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // There is nobody to tell.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, before);
        }
        if !self.is_ended {
            let _ = anstream::stderr().write_all(b"\n");
        }
    }
}
