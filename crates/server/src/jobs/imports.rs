//! Ends imports that nobody finished, and forgets what was uploaded to those that have ended.

use std::time::Duration;

use super::Job;
use crate::config::Role;
use crate::records::now;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The job.
pub(super) const JOB: Job = Job {
    name: "imports",
    roles: &[Role::Scheduler],
    copies: |_| 1,
    every: |_| Duration::from_mins(1),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            let days = i64::from(app.config().retention.tasks_days).saturating_mul(DAY);
            let store = app.records().store();
            let done = async {
                let ended = store.expire_imports(now()).await?;
                let removed = store.delete_old_imports(now().saturating_sub(days)).await?;
                Ok::<_, killick_store::StoreError>((ended, removed))
            };
            match done.await {
                Ok((ended, removed)) => tracing::debug!(ended, removed, "looked after imports"),
                Err(error) => tracing::error!(error = %error, "imports cannot be ended: {error}"),
            }
        })
    },
};
