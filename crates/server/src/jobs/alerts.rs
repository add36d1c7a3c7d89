//! Opens an alert where the policy stops an image that a watched tag points to, and closes it when that is over.

use std::time::Duration;

use killick_store::alerts::{Alarm, AlertFilter, ClosedFor, Closing};
use killick_store::subscriptions::ALERTS;
use killick_store::watches::Watch;

use super::{Job, policy_eval};
use crate::alerts;
use crate::api::error::ApiError;
use crate::app::App;
use crate::config::Role;
use crate::following::look_by_advisories;
use crate::judge::{self, Keep};
use crate::records::Image;
use crate::watched_images;
use crate::watching::{End, LOOK_SECONDS, Seen};

/// The type of subscription.
pub(crate) const KIND: &str = ALERTS;

/// The job. Alerts are of verdicts, and as often looked at.
pub(super) const JOB: Job = Job {
    name: KIND,
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.cycle_timers.policy_eval > 0),
    every: |config| Duration::from_secs(config.cycle_timers.policy_eval.clamp(1, LOOK_SECONDS)),
    nudge: Some(|app| app.nudges().alerts.clone()),
    run: |app| {
        Box::pin(async move {
            look_by_advisories(&app, KIND, app.config().cycle_timers.policy_eval, |app, watch| async move {
                look(&app, &watch).await.unwrap_or_else(|error| {
                    tracing::warn!("the watched tag `{}` cannot be judged: {}", watch.key, error.message());
                    Seen::badly(&watch)
                })
            })
            .await;
        })
    },
};

/// Looks until nothing is other: what is decided anew in the meantime another watcher may have seen already, before an alert
/// was opened or closed here.
async fn look(app: &App, watch: &Watch) -> Result<Seen, ApiError> {
    let mut state = watch.state.clone();
    loop {
        let seen = look_once(app, watch, &state).await?;
        if seen.end != End::Well || seen.state == state {
            return Ok(seen);
        }
        state = seen.state;
    }
}

/// What a watcher notes is what the last verdicts were made of.
async fn look_once(app: &App, watch: &Watch, state: &str) -> Result<Seen, ApiError> {
    let (account, tag) = (watch.account.as_str(), watch.key.as_str());
    let store = app.records().store();
    let images = watched_images::present(app, watch).await?;
    close_gone(app, watch, &images).await?;
    let (mut bases, mut judging) = (Vec::new(), Vec::new());
    for (subject, image) in images {
        if !watched_images::is_ready(&image) {
            // It will be judged, or something comes in its place.
            bases.push(String::new());
            continue;
        }
        let last = store.last_alert(account, tag, &subject).await?;
        let Some((decisions, made_of)) = policy_eval::basis(app, KIND, &image).await? else {
            return Ok(Seen::outdated(watch));
        };
        bases.push(made_of);
        judging.push((subject, image, last, decisions));
    }
    let basis = bases.join(" ");
    if basis == state {
        return Ok(Seen::well(basis));
    }
    for (subject, image, last, decisions) in judging {
        let judged = judge::evaluate(app, &image, tag, &decisions, Keep::Verdict).await?;
        let policy = decisions.policy;
        let digest = image.digest.parse().map_err(|error| ApiError::internal(&error))?;
        let alarm = Alarm { subject, digest, policy_id: policy.id, policy_digest: policy.digest };
        let action = judged.verdict.evaluation.final_action;
        if !alerts::judged(app, account, tag, last.as_ref(), &alarm, action).await? {
            return Ok(Seen { state: state.to_owned(), end: End::More });
        }
    }
    Ok(Seen::well(basis))
}

/// Closes the alerts that are open of images to which the tag points no more.
async fn close_gone(app: &App, watch: &Watch, images: &[(String, Image)]) -> Result<(), ApiError> {
    let filter = AlertFilter { open: Some(true), tag: Some(watch.key.clone()), below: None };
    for alert in app.records().store().alerts(&watch.account, &filter, i64::MAX).await? {
        if images.iter().all(|(subject, _)| *subject != alert.subject) {
            let closing = Closing { id: alert.id, closed_for: ClosedFor::Gone, closed_by: None };
            alerts::close(app, &watch.account, closing).await?;
        }
    }
    Ok(())
}
