//! Watching an analysis: the stream of the server's progress, where it has one.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::client::api::Api;

/// Streams that are opened anew when one breaks.
const STREAMS: usize = 5;

/// Follows an analysis to its end. `false` where the server does not tell: whoever waits must ask.
pub(super) async fn follow(api: &Api, digest: &str) -> bool {
    let display = Display::new();
    for _ in 0..STREAMS {
        let Some(mut events) = api.events(&format!("/v2/images/{digest}/progress")).await else { return false };
        while let Some(progress) = events.next().await {
            display.show(&progress);
            if matches!(progress["analysis_status"].as_str(), Some("analyzed" | "analysis_failed")) {
                return true;
            }
        }
    }
    false
}

/// A bar on a terminal; elsewhere a line for each step, on stderr.
struct Display {
    bar: Option<ProgressBar>,
    last: std::cell::RefCell<String>,
}

impl Display {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
            ProgressBar::new(0).with_style(style.expect("the template is right"))
        });
        Self { bar, last: std::cell::RefCell::default() }
    }

    fn show(&self, progress: &Value) {
        let text = describe(progress);
        let number = |name: &str| progress["work"][name].as_u64().unwrap_or(0);
        if let Some(bar) = &self.bar {
            bar.set_length(number("bytes"));
            bar.set_position(number("bytes_done"));
            bar.set_message(text);
        } else if self.last.replace(text.clone()) != text {
            tracing::info!("{text}");
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One step in words.
fn describe(progress: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let work = &progress["work"];
    match (progress["analysis_status"].as_str(), progress["cause"].as_str()) {
        (Some("not_analyzed"), Some(cause)) => {
            let (attempt, attempts) = (&progress["attempt"], &progress["attempts"]);
            let at = progress["next_attempt_at"].as_str().unwrap_or("once a worker is free");
            format!("attempt {attempt} of {attempts} failed: {cause}; next: {at}")
        }
        (Some("not_analyzed"), None) => "waiting for a worker".to_owned(),
        (Some("analyzing"), _) => match work["phase"].as_str() {
            Some("reading") => format!("reading layers, {} of {} done", work["layers_done"], work["layers"]),
            Some("joining") => "putting packages together".to_owned(),
            _ => "analyzing".to_owned(),
        },
        (Some("analysis_failed"), cause) => format!("failed: {}", cause.unwrap_or("the log of the server tells why")),
        _ => text(&progress["analysis_status"]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_told_in_words() {
        for (progress, words) in [
            (json!({"analysis_status": "not_analyzed", "attempt": 0, "attempts": 12}), "waiting for a worker"),
            (
                json!({"analysis_status": "not_analyzed", "attempt": 2, "attempts": 12, "cause": "registry `r` answered 503",
                    "next_attempt_at": "2026-11-28T10:00:05Z"}),
                "attempt 2 of 12 failed: registry `r` answered 503; next: 2026-11-28T10:00:05Z",
            ),
            (json!({"analysis_status": "analyzing", "attempt": 1}), "analyzing"),
            (
                json!({"analysis_status": "analyzing", "work": {"phase": "reading", "layers": 5, "layers_done": 2}}),
                "reading layers, 2 of 5 done",
            ),
            (json!({"analysis_status": "analyzing", "work": {"phase": "joining"}}), "putting packages together"),
            (json!({"analysis_status": "analysis_failed", "cause": "no such image"}), "failed: no such image"),
            (json!({"analysis_status": "analyzed"}), "analyzed"),
            (json!(["rubbish"]), ""),
        ] {
            assert_eq!(describe(&progress), words, "{progress}");
        }
    }
}
