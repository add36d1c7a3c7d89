//! Sends notifications, until they are received.
//!
//! A notification is a row that is removed when its webhook took it, so that none is lost whenever this process ends.
//! What was sent and not yet removed is sent again, under the same identity.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use killick_store::StoreError;
use killick_store::notifications::Notice;
use killick_store::tasks::back_off;
use secrecy::ExposeSecret as _;

use super::Job;
use crate::app::App;
use crate::config::Role;
use crate::notifications::{formats, groups};
use crate::records::now;
use crate::registry::told;
use crate::webhooks::{address, last_try};

/// Claimed at once, and sent at the same time: what is claimed by a process that is killed waits no longer than one post.
const BATCH: i64 = 16;

/// Seconds between looks at what is due again, at most: the first pause.
const RETRY_SECONDS: u64 = 5;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// Microseconds until one is tried for the last time whose time is over before it was tried at all.
const LAST_CHANCE: i64 = 60 * SECOND;

/// The job.
pub(super) const JOB: Job = Job {
    name: "notifications",
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.cycle_timers.notifications > 0),
    every: |config| Duration::from_secs(config.cycle_timers.notifications.clamp(1, RETRY_SECONDS)),
    nudge: Some(|app| app.records().store().notice_nudge()),
    run: |app| {
        Box::pin(async move {
            if let Err(error) = deliver(&app, now()).await {
                tracing::error!(error = %error, "notifications cannot be sent: {error}");
            }
        })
    },
};

/// Sends what is due at an instant.
pub(crate) async fn deliver(app: &App, due_at: i64) -> Result<(), StoreError> {
    let store = app.records().store();
    let timeout = i64::try_from(app.config().webhooks.timeout_seconds.clamp(1, 3600)).unwrap_or(3600);
    let claim = (timeout + 5).saturating_mul(SECOND);
    groups::fold_due(app, due_at).await?;
    let silent = Mutex::new(BTreeSet::new());
    loop {
        let at = now().max(due_at);
        let claimed = store.claim_notices(BATCH, at.saturating_add(claim), due_at).await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let silent = &silent;
        let sending = claimed.into_iter().map(|notice| async move { send(app, &notice, silent, at).await });
        join_all(sending).await.into_iter().collect::<Result<(), StoreError>>()?;
    }
}

/// Sends one notification, and removes it or puts it off. `silent` are the addresses at which nobody answered just now:
/// they may be of one account alone.
async fn send(app: &App, notice: &Notice, silent: &Mutex<BTreeSet<String>>, at: i64) -> Result<(), StoreError> {
    let (store, webhooks) = (app.records().store(), &app.config().webhooks);
    let kind = notice.r#type.as_str();
    let is_over = at >= last_try(webhooks, notice.created_at);
    let failure = match webhooks.of_type(kind) {
        None => format!("no webhook is configured for `{kind}`"),
        Some(webhook) => {
            let address = address(webhook, &notice.account, kind);
            let address = address.expose_secret();
            if silent.lock().unwrap_or_else(PoisonError::into_inner).contains(address) {
                return match &notice.last_error {
                    Some(failure) if is_over => give_up(app, notice, failure, at).await,
                    // It was never tried.
                    None if is_over => store.put_off_notice(notice, None, at.saturating_add(LAST_CHANCE)).await,
                    _ => store.put_off_notice(notice, None, at.saturating_add(back_off(notice.attempts))).await,
                };
            }
            match formats::send(app, webhook, notice).await {
                Ok(_) => return store.finish_notice(notice).await,
                Err(error) => {
                    if error.is_outage() {
                        silent.lock().unwrap_or_else(PoisonError::into_inner).insert(address.to_owned());
                    }
                    told(&error)
                }
            }
        }
    };
    app.metrics().not_received(kind);
    if is_over {
        return give_up(app, notice, &failure, at).await;
    }
    tracing::warn!(notification.id = notice.uuid, "a notification of type `{kind}` was not received: {failure}");
    store.put_off_notice(notice, Some(&failure), at.saturating_add(back_off(notice.attempts))).await
}

/// Removes a notification that nobody received for as long as it is tried, and tells of it.
async fn give_up(app: &App, notice: &Notice, failure: &str, at: i64) -> Result<(), StoreError> {
    if app.records().store().give_up_notice(notice, &app.herald().given_up(notice, failure, at), at).await? {
        let kind = notice.r#type.as_str();
        app.metrics().given_up(kind);
        tracing::error!(
            notification.id = notice.uuid,
            account.name = notice.account,
            "gave up a notification of type `{kind}` after {} tries: {failure}",
            notice.attempts
        );
    }
    Ok(())
}
