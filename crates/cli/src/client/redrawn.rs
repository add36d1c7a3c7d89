//! `--watch`: what a command shows, again and again.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use killick_model::printable::printable;

use super::api::{Api, Failure};
use super::{Done, Outcome};

/// Whether a command shows what there is once, or until somebody has seen enough.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Show it again every so many seconds, until interrupted (2 if no number is given)
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    watch: Option<u64>,
}

impl Watch {
    /// Shows what `look` sees. When it fails the first time that is the end; later it is told, and tried again, as far as
    /// that may help.
    pub(super) async fn show(&self, api: &Api, look: impl AsyncFn() -> Outcome) -> Outcome {
        let Some(seconds) = self.watch else { return look().await };
        let mut seen = look().await?.text.unwrap_or_default();
        let stopped = crate::serve::stopped();
        tokio::pin!(stopped);
        loop {
            if draw(&seen, seconds).is_err() {
                // Nobody looks any more.
                return Ok(Done::silent());
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
                () = &mut stopped => return Ok(Done::silent()),
            }
            seen = match look().await {
                Ok(done) => done.text.unwrap_or_default(),
                Err(failure) if may_heal(&failure) => failure.render(api.settings.json).trim_end().to_owned(),
                Err(failure) => return Err(failure),
            };
        }
    }
}

/// Whether the server may answer the next time.
fn may_heal(failure: &Failure) -> bool {
    failure.status().is_none_or(|status| status >= 500 || status == 429)
}

/// On a terminal the screen begins anew; elsewhere what is seen follows what was seen.
fn draw(seen: &str, seconds: u64) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    if stdout.is_terminal() {
        let now = crate::clock::now().strftime("%Y-%m-%d %H:%M:%S UTC");
        write!(stdout, "\u{1b}[2J\u{1b}[H{now}, every {seconds} s; Ctrl-C ends it\n\n{}\n", printable(seen))?;
    } else {
        writeln!(stdout, "{seen}\n")?;
    }
    stdout.flush()
}
