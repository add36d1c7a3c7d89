//! Says that this process is there, and tells of those that are not.

use std::time::Duration;

use super::Job;
use crate::config::Role;
use crate::presence;

/// The job.
pub(super) const JOB: Job = Job {
    name: "presence",
    roles: &[Role::Api, Role::Worker, Role::Scheduler],
    copies: |_| 1,
    every: |_| Duration::from_secs(presence::BEAT_SECONDS),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            if let Err(error) = presence::beat(&app).await {
                tracing::error!(error = %error, "others do not learn that this process is there, or are not told of those that vanished: {error}");
            }
        })
    },
};
