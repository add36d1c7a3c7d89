//! Removes what was deleted and what is older than it is kept.

use std::time::Duration;

use killick_store::StoreError;
use killick_store::images::{ImageFilter, ImageStatus};

use super::Job;
use crate::app::App;
use crate::config::Role;
use crate::records::{AccountState, now};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The job.
pub(super) const JOB: Job = Job {
    name: "retention",
    role: Role::Scheduler,
    copies: |_| 1,
    every: |config| Duration::from_secs(config.retention.every_seconds.max(1)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            if let Err(error) = clean(&app).await {
                tracing::error!(error = %error, "old things cannot be removed: {error}");
            }
        })
    },
};

pub(crate) async fn clean(app: &App) -> Result<(), StoreError> {
    let (store, retention) = (app.records().store(), &app.config().retention);
    let deleting = ImageFilter { image_status: Some(ImageStatus::Deleting), analysis_status: None };
    for account in store.accounts().await? {
        for image in store.images(&account.name, deleting).await? {
            store.purge_image(&account.name, &image.digest.to_string()).await?;
        }
        if account.state == AccountState::Deleting {
            store.purge_account(&account.name).await?;
        }
    }
    let before = |days: u32| now().saturating_sub(i64::from(days).saturating_mul(DAY));
    let tasks = store.delete_old_tasks(before(retention.tasks_days)).await?;
    let evaluations = store.delete_old_evaluations(before(retention.evaluations_days)).await?;
    tracing::debug!(tasks, evaluations, "removed what is older than it is kept");
    Ok(())
}
