//! Gives up tasks whose last allowed worker vanished, so that nothing waits for ever.

use std::time::Duration;

use killick_store::StoreError;

use super::Job;
use crate::app::App;
use crate::config::Role;
use crate::records::now;

/// The job.
pub(super) const JOB: Job = Job {
    name: "leases",
    roles: &[Role::Scheduler],
    copies: |_| 1,
    every: |config| Duration::from_secs(config.analysis.lease_seconds.max(1)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            if let Err(error) = sweep(&app).await {
                tracing::error!(error = %error, "vanished tasks cannot be given up: {error}");
            }
        })
    },
};

async fn sweep(app: &App) -> Result<(), StoreError> {
    let store = app.records().store();
    for task in store.give_up_vanished(now()).await? {
        tracing::warn!(task.id = task.id, "gave up task {}: its workers vanished", task.id);
    }
    Ok(())
}
