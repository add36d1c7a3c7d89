//! Looks whether watched tags point to other images, and adds those.
//!
//! The registry is asked with `HEAD` and what it called the image last time, which counts as no pull. That a tag moved
//! is told by the store, together with the image.

use std::time::Duration;

use killick_fetch::registry::TagState;
use killick_store::watches::Watch;
use serde::{Deserialize, Serialize};

use super::Job;
use crate::app::App;
use crate::config::Role;
use crate::images::{self, AddImage, Wanted};
use crate::registry;
use crate::watching::{LOOK_SECONDS, Seen, look_at_all};

/// The type of subscription.
pub(crate) const KIND: &str = "tag_update";

/// The job.
pub(super) const JOB: Job = Job {
    name: KIND,
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.cycle_timers.image_watcher > 0),
    every: |config| Duration::from_secs(config.cycle_timers.image_watcher.clamp(1, LOOK_SECONDS)),
    nudge: None,
    run: |app| {
        Box::pin(async move {
            look_at_all(&app, KIND, app.config().cycle_timers.image_watcher, |app, watch| async move {
                Box::pin(look(&app, &watch)).await
            })
            .await;
        })
    },
};

/// What the registry said last.
#[derive(Serialize, Deserialize)]
struct Known {
    digest: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    etag: Option<String>,
}

impl Known {
    fn read(state: &str) -> Option<TagState> {
        let known: Self = serde_json::from_str(state).ok()?;
        Some(TagState { digest: known.digest.parse().ok()?, size: known.size, etag: known.etag })
    }

    fn written(state: &TagState) -> String {
        let known = Self { digest: state.digest.to_string(), size: state.size, etag: state.etag.clone() };
        serde_json::to_string(&known).unwrap_or_default()
    }
}

async fn look(app: &App, watch: &Watch) -> Seen {
    // A key that is no tag names nothing that could move.
    let Some(tag) = Wanted::of_key(&watch.key) else { return Seen::well("") };
    let Ok(reference) = &tag.reference else { return Seen::well("") };
    let polled = match registry::poll(app, &watch.account, reference, Known::read(&watch.state).as_ref()).await {
        Ok(polled) => polled,
        Err(error) => {
            let error = images::lookup_failed(&error);
            tracing::info!(subscription.key = watch.key, "the watched tag `{}` cannot be looked up", watch.key);
            // Once for each time that it begins to fail.
            if watch.failures == 0 {
                images::tell_lookup_failed(app, &watch.account, &watch.key, &error).await;
            }
            return Seen::badly(watch);
        }
    };
    let Some(state) = polled.changed else { return Seen::well(watch.state.clone()) };
    let records = app.records();
    let newest = match records.images_by_tag(&watch.account, &tag.tag_name(), 1).await {
        Ok(known) => known.into_iter().next(),
        Err(error) => {
            tracing::error!(error = %error, "the images of a watched tag cannot be read: {error}");
            return Seen::badly(watch);
        }
    };
    let digest = state.digest.to_string();
    if newest.as_ref().is_some_and(|image| image.digest == digest || image.parent_digest == digest) {
        return Seen::well(Known::written(&state));
    }
    let annotations = newest.map(|image| image.annotations.clone()).unwrap_or_default();
    let wanted = AddImage { annotations, resubscribe: false, ..AddImage::new(tag.clone(), tag, false) };
    match images::add_unannounced(app, &watch.account, wanted).await {
        Ok(image) => {
            tracing::info!(image.digest, "the watched tag `{}` points to {}", watch.key, image.digest);
            Seen::well(Known::written(&state))
        }
        Err(error) => {
            if watch.failures == 0 {
                images::tell_lookup_failed(app, &watch.account, &watch.key, &error).await;
            }
            Seen::badly(watch)
        }
    }
}
