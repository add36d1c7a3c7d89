//! Judges watched tags again when what verdicts are made of has changed: advisories, the policy,
//! exceptions, the image, the day.
//!
//! That a verdict is another than before is told by the store, together with the verdict.

use std::time::Duration;

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_policy::DEFAULT_NOTICE_DAYS;
use killick_store::news::News;
use killick_store::subscriptions::POLICY_EVAL;
use killick_store::watches::{NewWatchResult, Watch};

use super::Job;
use crate::api::error::ApiError;
use crate::app::App;
use crate::config::Role;
use crate::following::{followed, look_by_advisories};
use crate::judge::{self, Decisions, Keep};
use crate::records::{Image, now};
use crate::watching::{LOOK_SECONDS, Seen};
use crate::{clock, watched_images};

/// The type of subscription.
pub(crate) const KIND: &str = POLICY_EVAL;

/// The job.
pub(super) const JOB: Job = Job {
    name: KIND,
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.cycle_timers.policy_eval > 0),
    every: |config| Duration::from_secs(config.cycle_timers.policy_eval.clamp(1, LOOK_SECONDS)),
    nudge: Some(|app| app.nudges().verdicts.clone()),
    run: |app| {
        Box::pin(async move {
            look_by_advisories(&app, KIND, app.config().cycle_timers.policy_eval, |app, watch| async move {
                look(&app, &watch).await
            })
            .await;
        })
    },
};

async fn look(app: &App, watch: &Watch) -> Seen {
    let images = match watched_images::of(app, watch).await {
        Ok(images) => images,
        Err(error) => {
            tracing::error!(error = %error, "the images of a watched tag cannot be read: {error}");
            return Seen::badly(watch);
        }
    };
    for (_, image) in images {
        match judge(app, watch, &image).await {
            Ok(true) => {}
            Ok(false) => return Seen::outdated(watch),
            Err(error) => {
                tracing::warn!("the watched tag `{}` cannot be judged: {}", watch.key, error.message());
                return Seen::badly(watch);
            }
        }
    }
    Seen::well("")
}

/// Whether this process could: it knows what others judge by.
async fn judge(app: &App, watch: &Watch, image: &Image) -> Result<bool, ApiError> {
    let store = app.records().store();
    let before = store.watch_result(&watch.account, &watch.id, &image.digest).await?;
    let Some((decisions, basis)) = basis(app, KIND, image).await? else { return Ok(false) };
    if before.as_ref().is_some_and(|before| before.basis == basis) {
        return Ok(true);
    }
    judge::evaluate(app, image, &watch.key, &decisions, Keep::Verdict).await?;
    let seen = NewWatchResult {
        account: watch.account.clone(),
        subscription: watch.id.clone(),
        subject: image.digest.clone(),
        before: before.map(|before| before.basis),
        basis,
        result: None,
    };
    store.put_watch_result(&seen, &News::default(), now()).await?;
    Ok(true)
}

/// What is decided, and what a verdict on an image would be made of now; nothing, if this process does not
/// know what other processes judge by.
pub(super) async fn basis(app: &App, kind: &str, image: &Image) -> Result<Option<(Decisions, String)>, ApiError> {
    let Some(knowledge) = followed(app, kind).await? else { return Ok(None) };
    let knowledge = &knowledge.digest;
    let decisions = judge::decisions(app, &image.account, None).await?;
    let (policy, state) = (&decisions.policy, &decisions.exceptions);
    // Of the second, as a verdict is: one that comes later sees no less ended.
    let now = clock::now();
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let exceptions = format!("{} {}", state.number, state.changed_at);
    // What ends does so at an instant; rules ask for ages, in days.
    let ended = judge::exceptions_as_of(app, &image.account, state).await?.ended(now, DEFAULT_NOTICE_DAYS);
    let ended = (ended, judge::bundle(app, policy).await?.ended(now));
    let day = now.as_second() / 86_400;
    let analyzed = image.analyzed_at.map_or(0, Timestamp::as_microsecond);
    let made_of = format!("{knowledge} {} {exceptions} {ended:?} {analyzed} {day}", policy.digest);
    Ok(Some((decisions, Digest::of(made_of.as_bytes()).to_string())))
}
