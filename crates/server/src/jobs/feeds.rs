//! Fetches what changed at the upstreams of advisories, and builds the index of it.

use std::time::Duration;

use jiff::SignedDuration;

use super::Job;
use crate::app::App;
use crate::config::{Keeping, Role};
use crate::knowledge::{Fetch, SyncError};
use crate::syncing::Announced;
use crate::{clock, syncing};

/// Seconds between looks at whether it is time, at most.
const LOOK_SECONDS: u64 = 600;

/// The job.
pub(super) const JOB: Job = Job {
    name: "feeds",
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.knowledge.update == Keeping::Auto && config.knowledge.from.is_empty()),
    every: |config| Duration::from_secs(config.knowledge.update_seconds.min(LOOK_SECONDS)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            if !is_due(&app) {
                return;
            }
            match syncing::sync(&app, Announced::All, Fetch::Changes).await {
                Ok(_) | Err(SyncError::Disabled) => {}
                Err(SyncError::Running) => tracing::info!("somebody else updates the advisories"),
                Err(error) => tracing::error!("the advisory index stays as it is: {}", error.advised()),
            }
        })
    },
};

/// Whether the last try is long enough ago: a service that is started again and again does not ask again and again.
fn is_due(app: &App) -> bool {
    let every = SignedDuration::from_secs(i64::try_from(app.config().knowledge.update_seconds).unwrap_or(i64::MAX));
    let last = app.knowledge().health().into_iter().filter_map(|health| health.last_attempt).max();
    last.is_none_or(|last| clock::now().duration_since(last) >= every)
}
