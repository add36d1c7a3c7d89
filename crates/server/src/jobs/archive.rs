//! Moves images to the archive, and out of it, as the rules of accounts say.

use std::time::Duration;

use super::Job;
use crate::config::Role;

/// The job.
pub(super) const JOB: Job = Job {
    name: "archive",
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.archive.rules_every_seconds > 0),
    every: |config| Duration::from_secs(config.archive.rules_every_seconds.max(1)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            if let Err(error) = crate::archive::rules::apply(&app).await {
                tracing::error!(error = %error, "rules of the archive cannot be followed: {error}");
            }
        })
    },
};
