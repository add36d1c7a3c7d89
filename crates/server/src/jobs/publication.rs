//! Takes over what was published where `knowledge.from` points, when there is something newer.

use std::time::Duration;

use killick_model::hint::Hint as _;

use super::Job;
use crate::config::Role;
use crate::knowledge::SyncError;
use crate::syncing::{self, Announced};

/// The job. Processes that answer need the index; the others do not judge.
pub(super) const JOB: Job = Job {
    name: "publication",
    roles: &[Role::Api],
    copies: |config| usize::from(!config.knowledge.from.is_empty()),
    every: |config| Duration::from_secs(config.knowledge.refresh_seconds.max(1)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            match syncing::sync(&app, Announced::Changes).await {
                // Somebody asked for it at the same time.
                Ok(_) | Err(SyncError::Running) => {}
                Err(SyncError::Take(error)) => {
                    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
                    tracing::error!(error = %error, "the published advisories are not taken, the old ones stay: {error}{cause}{hint}");
                }
                Err(error) => {
                    tracing::error!(error = %error, "the published advisories are not taken, the old ones stay: {error}");
                }
            }
        })
    },
};
