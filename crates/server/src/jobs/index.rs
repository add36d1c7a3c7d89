//! Looks whether the advisory index was replaced, and opens the new one.

use std::time::Duration;

use super::Job;
use crate::config::Role;

/// The job. Processes that answer judge, and those that run watchers; workers do not.
pub(super) const JOB: Job = Job {
    name: "index",
    roles: &[Role::Api, Role::Scheduler],
    copies: |_| 1,
    every: |config| Duration::from_secs(config.knowledge.reload_seconds.max(1)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            match app.knowledge().reload() {
                Ok(true) => {
                    app.nudges().facts();
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(error = %error, "the new advisory index cannot be opened, the old one stays: {error}");
                }
            }
        })
    },
};
