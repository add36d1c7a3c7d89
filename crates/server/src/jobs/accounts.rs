//! Removes what deleted accounts own, a little at a time, and then the accounts.

use std::sync::Arc;
use std::time::Duration;

use killick_store::StoreError;

use super::{Job, endured};
use crate::app::App;
use crate::config::Role;
use crate::records::AccountState;

/// Things of each kind that are removed in one transaction.
const AT_ONCE: i64 = 100;

/// The job.
pub(super) const JOB: Job = Job {
    name: "accounts",
    roles: &[Role::Scheduler],
    copies: |_| 1,
    every: |config| Duration::from_secs(config.retention.every_seconds),
    nudge: Some(|app| Arc::clone(&app.nudges().accounts)),
    run: |app| {
        Box::pin(async move {
            if let Err(error) = drain(&app).await {
                tracing::error!(error = %error, "what a deleted account owned cannot be removed: {error}");
            }
        })
    },
};

/// Drains every account that is going away. What is cut short goes on with the next run, and what cannot be removed keeps no
/// other account.
pub(crate) async fn drain(app: &App) -> Result<(), StoreError> {
    let store = app.records().store();
    for account in store.accounts().await?.into_iter().filter(|account| account.state == AccountState::Deleting) {
        let drained = drain_one(app, &account.name).await;
        endured(drained, || format!("removing what the deleted account `{}` owned", account.name))?;
    }
    Ok(())
}

async fn drain_one(app: &App, account: &str) -> Result<(), StoreError> {
    while !app.records().store().drain_account(account, AT_ONCE).await? {
        tokio::task::yield_now().await;
    }
    tracing::info!(account, "the account `{account}` is gone");
    Ok(())
}
