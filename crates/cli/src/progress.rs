//! Progress of a pull and analysis, or of fetching feeds: a bar on a terminal, a line per step elsewhere.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use killick_fetch::progress::{Event, Progress};

/// Shows what goes on, on stderr.
pub(crate) struct Display {
    bar: Option<ProgressBar>,
    layers: Mutex<(usize, usize)>,
    /// Providers whose feeds are being fetched.
    feeds: Mutex<BTreeSet<String>>,
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
        Self { bar, layers: Mutex::new((0, 0)), feeds: Mutex::default() }
    }

    /// Shows nothing but warnings.
    pub(crate) fn quiet() -> Self {
        Self { bar: Some(ProgressBar::hidden()), layers: Mutex::new((0, 0)), feeds: Mutex::default() }
    }

    /// The same for feeds, of which nobody says beforehand how large they are.
    pub(crate) fn of_feeds() -> Self {
        let display = Self::new();
        if let Some(bar) = &display.bar {
            let style = ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec} {wide_msg}");
            bar.set_style(style.expect("the template is right"));
        }
        display
    }

    /// Shows whose feeds are being fetched.
    fn show_feeds(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        let Ok(mut feeds) = self.feeds.lock() else { return };
        change(&mut feeds);
        if let Some(bar) = &self.bar {
            bar.set_message(feeds.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
    }

    /// A line of its own, above the bar where there is one.
    fn line(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.println(text);
        } else {
            tracing::info!("{text}");
        }
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
            Event::FeedStarted { provider } => self.show_feeds(|feeds| {
                feeds.insert(provider.to_owned());
            }),
            Event::FeedDone { provider, changed, bytes, error } => {
                self.show_feeds(|feeds| {
                    feeds.remove(provider);
                });
                match (error, changed) {
                    (Some(error), _) => self.line(&format!("{provider}: {error}")),
                    (None, true) => self.line(&format!("{provider}: {bytes} bytes fetched")),
                    (None, false) => tracing::debug!("{provider}: nothing changed"),
                }
            }
            Event::LayerBytes { bytes, .. } | Event::FeedBytes { bytes, .. } => {
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
