//! Takes over what was published where `knowledge.from` points, when there is something newer.

use std::time::Duration;

use super::Job;
use crate::config::Role;
use crate::knowledge::{Fetch, SyncError};
use crate::syncing::{self, Announced};

/// The job. Processes that answer judge, and those that run watchers; workers do not.
pub(super) const JOB: Job = Job {
    name: "publication",
    roles: &[Role::Api, Role::Scheduler],
    copies: |config| usize::from(!config.knowledge.from.is_empty()),
    every: |config| Duration::from_secs(config.knowledge.refresh_seconds),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            match syncing::sync(&app, Announced::Changes, Fetch::Changes).await {
                // Somebody asked for it at the same time; or for none.
                Ok(_) | Err(SyncError::Running | SyncError::Disabled) => {}
                Err(error) => {
                    let told = error.advised();
                    tracing::error!(error = %error, "the published advisories are not taken, the old ones stay: {told}");
                }
            }
        })
    },
};
