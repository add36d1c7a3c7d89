//! Opens an alert where the policy stops the image that a watched tag points to, and closes it when that is over.

use std::time::Duration;

use killick_store::alerts::{Alarm, ClosedFor, Closing};
use killick_store::subscriptions::ALERTS;
use killick_store::watches::Watch;

use super::{Job, policy_eval};
use crate::alerts;
use crate::api::error::ApiError;
use crate::app::App;
use crate::config::Role;
use crate::following::look_by_advisories;
use crate::judge::{self, Keep};
use crate::watched_images::{self, Newest};
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

/// What a watcher notes is what the last verdict was made of.
async fn look_once(app: &App, watch: &Watch, state: &str) -> Result<Seen, ApiError> {
    let (account, tag) = (watch.account.as_str(), watch.key.as_str());
    let image = match watched_images::newest(app, watch).await? {
        Newest::Ready(image) => image,
        // It will be judged, or something comes in its place.
        Newest::Unready => return Ok(Seen::well(state)),
        Newest::None => {
            let closing = Closing { id: None, closed_for: ClosedFor::Gone, closed_by: None };
            alerts::close(app, account, tag, closing).await?;
            return Ok(Seen::well(""));
        }
    };
    let last = app.records().store().last_alert(account, tag).await?;
    let Some((decisions, basis)) = policy_eval::basis(app, KIND, &image).await? else {
        return Ok(Seen::outdated(watch));
    };
    if basis == state {
        return Ok(Seen::well(basis));
    }
    let judged = judge::evaluate(app, &image, tag, &decisions, Keep::Verdict).await?;
    let policy = decisions.policy;
    let digest = image.digest.parse().map_err(|error| ApiError::internal(&error))?;
    let alarm = Alarm { digest, policy_id: policy.id, policy_digest: policy.digest };
    let action = judged.verdict.evaluation.final_action;
    if alerts::judged(app, account, tag, last.as_ref(), &alarm, action).await? {
        return Ok(Seen::well(basis));
    }
    Ok(Seen { state: state.to_owned(), end: End::More })
}
