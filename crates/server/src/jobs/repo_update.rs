//! Looks whether watched repositories have other tags, and adds their images.
//!
//! What cannot be added is tried again, the more often it fails the later: repositories hold things under tags that are
//! no images. Tags that vanish stay known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use killick_store::watches::Watch;
use serde::{Deserialize, Serialize};

use super::Job;
use crate::app::App;
use crate::config::Role;
use crate::events::LIST_TAGS_FAILED;
use crate::herald::Service;
use crate::images::{self, AddImage, Wanted};
use crate::records::now;
use crate::registry;
use crate::repositories::{self, KIND, Watched};
use crate::watching::{End, LOOK_SECONDS, Seen, look_at_all};

/// Tags that are added in one look, so that a large repository does not outlast its claim.
const TAGS_AT_ONCE: usize = 100;

/// Images that are asked for at the same time.
const LOOKUPS: usize = 4;

/// Tags that cannot be added that are remembered.
const REMEMBERED: usize = 10_000;

/// Microseconds before the second try of a tag, and at most.
const PAUSES: (i64, i64) = (60_000_000, 86_400_000_000);

/// The job.
pub(super) const JOB: Job = Job {
    name: KIND,
    roles: &[Role::Scheduler],
    copies: |config| usize::from(config.cycle_timers.repo_watcher > 0),
    every: |config| Duration::from_secs(config.cycle_timers.repo_watcher.clamp(1, LOOK_SECONDS)),
    nudge: Some(|app| app.nudges().repositories.clone()),
    run: |app| {
        Box::pin(async move {
            look_at_all(&app, KIND, app.config().cycle_timers.repo_watcher, |app, watch| async move {
                look(&app, &watch).await
            })
            .await;
        })
    },
};

/// What the watcher remembers: the tags that could not be added.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    failed: BTreeMap<String, Failed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Failed {
    tries: u32,
    again_at: i64,
}

impl Failed {
    fn again(before: Option<&Self>, now: i64) -> Self {
        let tries = before.map_or(0, |before| before.tries).saturating_add(1);
        let (first, longest) = PAUSES;
        let pause = (1..tries.min(20)).fold(first, |pause, _| pause.saturating_mul(2)).min(longest);
        Self { tries, again_at: now.saturating_add(pause) }
    }
}

async fn look(app: &App, watch: &Watch) -> Seen {
    let Some((registry, repository)) = watch.key.split_once('/') else { return Seen::well("") };
    let tags = match registry::tags(app, &watch.account, registry, repository).await {
        Ok(tags) => tags,
        Err(error) => {
            tracing::info!(error = %error, "the tags of `{}` cannot be listed: {error}", watch.key);
            // Once for each time that it begins to fail.
            if watch.failures == 0 {
                let cause = registry::told(&error);
                app.tell(&LIST_TAGS_FAILED, Service::Catalog, &watch.account, Some(&watch.key), cause.into()).await;
            }
            return Seen::badly(watch);
        }
    };
    let watched = Watched::parse(watch.value.as_deref());
    let known: BTreeSet<&str> = watched.tags.iter().map(String::as_str).collect();
    let mut remembered: Remembered = serde_json::from_str(&watch.state).unwrap_or_default();
    let is_due = |tag: &str| remembered.failed.get(tag).is_none_or(|failed| failed.again_at <= now());
    let new: Vec<String> =
        tags.iter().filter(|tag| !known.contains(tag.as_str()) && !is_attached(tag) && is_due(tag)).cloned().collect();
    let is_all = new.len() <= TAGS_AT_ONCE;
    let adding = new.into_iter().take(TAGS_AT_ONCE).map(|tag| async {
        let added = Box::pin(add(app, watch, registry, repository, &tag, watched.autosubscribe)).await;
        (tag, added)
    });
    let added: Vec<(String, bool)> = stream::iter(adding).buffered(LOOKUPS).collect().await;
    let mut found = Vec::new();
    for (tag, is_added) in added {
        let before = remembered.failed.remove(&tag);
        if is_added {
            found.push(tag);
        } else {
            remembered.failed.insert(tag, Failed::again(before.as_ref(), now()));
        }
    }
    remembered.failed.retain(|tag, _| tags.contains(tag));
    while remembered.failed.len() > REMEMBERED {
        remembered.failed.pop_last();
    }
    let noted = repositories::update(app, &watch.account, &watch.id, |watched| {
        let new = found.iter().filter(|tag| !watched.tags.contains(tag)).cloned().collect::<Vec<_>>();
        watched.tags.extend(new);
        (watched.count, watched.is_known) = (tags.len(), true);
    });
    if let Err(error) = noted.await {
        tracing::error!(error = %error, "the tags of `{}` cannot be noted: {error}", watch.key);
        return Seen::badly(watch);
    }
    let state = serde_json::to_string(&remembered).unwrap_or_default();
    Seen { state, end: if is_all { End::Well } else { End::More } }
}

/// Adds the image of a tag; whether it could be.
async fn add(app: &App, watch: &Watch, registry: &str, repository: &str, tag: &str, autosubscribe: bool) -> bool {
    let Some(wanted) = Wanted::of_key(&format!("{registry}/{repository}:{tag}")) else { return false };
    let wanted = AddImage { autosubscribe, resubscribe: false, ..AddImage::new(wanted.clone(), wanted, false) };
    match images::add_unannounced(app, &watch.account, wanted).await {
        Ok(_) => true,
        Err(error) => {
            tracing::info!("`{registry}/{repository}:{tag}` cannot be added: {}", error.message());
            false
        }
    }
}

/// Whether a tag is the name of what is attached to an image: signatures, SBOMs, lists of such.
fn is_attached(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-") else { return false };
    let (digits, ending) = rest.split_once('.').unwrap_or((rest, ""));
    digits.len() == 64
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_attached_is_no_image() {
        let digits = "ab".repeat(32);
        for (tag, want) in [
            (format!("sha256-{digits}.sig"), true),
            (format!("sha256-{digits}"), true),
            (format!("sha256-{digits}.sig-1"), false),
            ("sha256-1.sig".to_owned(), false),
            ("latest".to_owned(), false),
        ] {
            assert_eq!(is_attached(&tag), want, "{tag}");
        }
    }

    #[test]
    fn what_fails_is_tried_less_often() {
        let first = Failed::again(None, 0);
        assert_eq!((first.tries, first.again_at), (1, PAUSES.0));
        let second = Failed::again(Some(&first), 0);
        assert_eq!((second.tries, second.again_at), (2, 2 * PAUSES.0));
        let late = Failed::again(Some(&Failed { tries: u32::MAX, again_at: 0 }), 0);
        assert_eq!((late.tries, late.again_at), (u32::MAX, PAUSES.1));
    }
}
