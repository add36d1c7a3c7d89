//! How far an analysis is: counted by whoever does it, noted with its task every second, read by whoever waits.
//!
//! The worker and the API may be different processes; between them is the database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use killick_analysis::analyze::{Progress as Steps, Step};
use killick_fetch::progress::{Event, Progress};
use killick_store::tasks::Lease;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;

/// Between two notes.
const EVERY: Duration = Duration::from_secs(1);

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Manifest and configuration are asked for.
    #[default]
    Resolving,
    /// Layers are fetched and read.
    Reading,
    /// Packages are put together.
    Joining,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct Work {
    /// What is being done.
    pub(crate) phase: Phase,
    /// Layers of the image.
    pub(crate) layers: u64,
    /// Those of them that were read, or known before.
    pub(crate) layers_done: u64,
    /// Compressed bytes of all layers.
    pub(crate) bytes: u64,
    /// Those of them that came. Known layers are not fetched.
    pub(crate) bytes_done: u64,
}

/// Counts, from whatever threads.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    layers: AtomicU64,
    layers_done: AtomicU64,
    bytes: AtomicU64,
    bytes_done: AtomicU64,
    joining: AtomicU64,
}

impl Meter {
    /// How far it is now.
    pub(crate) fn read(&self) -> Work {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let phase = match (of(&self.joining), of(&self.layers)) {
            (0, 0) => Phase::Resolving,
            (0, _) => Phase::Reading,
            _ => Phase::Joining,
        };
        Work {
            phase,
            layers: of(&self.layers),
            layers_done: of(&self.layers_done),
            bytes: of(&self.bytes),
            bytes_done: of(&self.bytes_done),
        }
    }
}

impl Progress for Meter {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Resolved { layers, bytes, .. } => {
                self.layers.store(layers as u64, Ordering::Relaxed);
                self.bytes.store(bytes, Ordering::Relaxed);
            }
            Event::LayerBytes { bytes, .. } => {
                self.bytes_done.fetch_add(bytes, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl Steps for Meter {
    fn step(&self, step: Step<'_>) {
        match step {
            Step::LayerKnown(_) | Step::LayerRead(_) => {
                self.layers_done.fetch_add(1, Ordering::Relaxed);
            }
            Step::Joining => self.joining.store(1, Ordering::Relaxed),
        }
    }
}

/// Notes what changed with the task, as long as it is polled.
pub(crate) async fn note(app: &App, lease: &Lease, meter: &Meter) -> std::convert::Infallible {
    let mut noted = None;
    loop {
        // First of all: what is done within a second costs no note.
        tokio::time::sleep(EVERY).await;
        let now = meter.read();
        if noted.as_ref() != Some(&now) {
            let text = serde_json::to_string(&now).unwrap_or_default();
            if let Err(error) = app.records().store().note_progress(lease, &text).await {
                tracing::debug!(error = %error, "progress cannot be noted: {error}");
            }
            noted = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use killick_model::digest::Digest;

    use super::*;

    #[test]
    fn a_meter_counts() {
        let (meter, digest) = (Meter::default(), Digest::of(b"layer"));
        assert_eq!(meter.read(), Work::default());
        meter.report(Event::Resolved { digest: &digest, layers: 2, bytes: 100 });
        meter.step(Step::LayerKnown(&digest));
        meter.report(Event::LayerBytes { diff_id: &digest, bytes: 40 });
        let half = Work { phase: Phase::Reading, layers: 2, layers_done: 1, bytes: 100, bytes_done: 40 };
        assert_eq!(meter.read(), half);
        meter.step(Step::LayerRead(&digest));
        meter.step(Step::Joining);
        assert_eq!(meter.read(), Work { phase: Phase::Joining, layers_done: 2, ..half });
    }
}
