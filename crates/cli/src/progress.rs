//! Progress of a pull and analysis: a bar on a terminal, a line per step elsewhere.

use std::io::IsTerminal as _;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use killick_fetch::progress::{Event, Progress};

/// Shows what goes on, on stderr.
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    layers: Mutex<(usize, usize)>,
}

impl Display {
    /// A display fit for stderr as it is.
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
                    .expect("the template is right");
            ProgressBar::new(0).with_style(style)
        });
        Self { bar, layers: Mutex::new((0, 0)) }
    }

    /// Clears the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn message(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        } else {
            tracing::debug!("{text}");
        }
    }
}

/// Requests left of which a registry's limit is told before it is reached.
const FEW: u64 = 10;

impl Progress for Display {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Resolving { name } => self.message(format!("resolving {name}")),
            Event::Resolved { digest, layers, bytes } => {
                if let Ok(mut counts) = self.layers.lock() {
                    *counts = (0, layers);
                }
                if let Some(bar) = &self.bar {
                    bar.set_length(bytes);
                }
                self.message(format!("reading {layers} layers of {digest}"));
            }
            Event::LayerBytes { bytes, .. } => {
                if let Some(bar) = &self.bar {
                    bar.inc(bytes);
                }
            }
            Event::LayerVerified { diff_id } => {
                let Ok(mut counts) = self.layers.lock() else { return };
                counts.0 += 1;
                self.message(format!("layer {}/{} read: {diff_id}", counts.0, counts.1));
            }
            Event::LayerListed { diff_id } => self.message(format!("reading by its table of contents: {diff_id}")),
            Event::Retrying { what, after } => {
                self.message(format!("{what} did not succeed, trying again in {} s", after.as_secs()));
            }
            Event::RateLimit { registry, rate } if rate.remaining.is_some_and(|left| left <= FEW) => {
                tracing::warn!("registry `{registry}` limits the rate of requests: {rate}");
            }
            Event::Problem(problem) => tracing::warn!("{}: {}", problem.subject, problem.message),
            _ => {}
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.finish();
    }
}
