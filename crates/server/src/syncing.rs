//! Updates of the advisories, told as events of the account `admin`: version 1 knows one feed, with a group for every
//! namespace.

use killick_store::StoreError;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock;
use crate::events::{
    EventType, FEED_COMPLETED, FEED_FAILED, FEED_STARTED, GROUP_COMPLETED, SYNC_COMPLETED, SYNC_FAILED, SYNC_STARTED,
};
use crate::herald::Service;
use crate::knowledge::{Failure, Fetch, SyncError};
use crate::records::now;

/// The one feed.
pub(crate) const FEED: &str = "vulnerabilities";

/// Whose events they are.
const ACCOUNT: &str = "admin";

/// Groups that are told of one update.
const GROUPS: usize = 500;

/// Failures that are told of one update.
const FAILURES: usize = 20;

/// Where it is kept whether the feed is enabled.
const ENABLED: &str = "feeds.vulnerabilities.enabled";

/// Which updates are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Each.
    All,
    /// Those that brought something, or failed: it is looked often.
    Changes,
}

/// Whether the advisories are to be updated.
pub(crate) async fn is_enabled(app: &App) -> Result<bool, StoreError> {
    Ok(app.records().store().setting(ENABLED).await?.as_deref() != Some("false"))
}

/// Has the advisories updated, or not, by this process and all others on the database.
pub(crate) async fn enable(app: &App, enabled: bool) -> Result<(), StoreError> {
    app.records().store().set_setting(ENABLED, if enabled { "true" } else { "false" }).await
}

/// Updates the advisories. What watches by them is woken. What could not be updated is told.
pub(crate) async fn sync(app: &App, announced: Announced, fetch: Fetch) -> Result<Vec<Failure>, SyncError> {
    if !is_enabled(app).await.map_err(SyncError::Store)? {
        return Err(SyncError::Disabled);
    }
    let knowledge = app.knowledge();
    let digest = || knowledge.current().map(|current| current.digest.clone());
    let (before, counts, begun) = (digest(), knowledge.counts(), clock::now());
    if announced == Announced::All && knowledge.can_sync() {
        tell(app, &SYNC_STARTED, None, feeds()).await;
        tell(app, &FEED_STARTED, Some(FEED), Value::Null).await;
    }
    let mut synced = knowledge.sync(fetch).await;
    if synced.is_ok()
        && fetch == Fetch::Everything
        && let Err(error) = forget_matches(app).await
    {
        synced = Err(SyncError::Store(error));
    }
    let has_changed = digest() != before;
    if has_changed {
        app.nudges().facts();
    }
    match &synced {
        Err(SyncError::Running | SyncError::NotConfigured) => {}
        Err(error) => failed(app, &error.told()).await,
        Ok(failures) if failures.is_empty() && announced == Announced::Changes && !has_changed => {}
        Ok(failures) => {
            for Failure { provider, cause } in failures {
                tracing::warn!(feed.name = provider, "{cause}");
            }
            let known = knowledge.counts();
            let lost: Vec<&str> =
                counts.keys().filter(|group| !known.contains_key(*group)).map(String::as_str).collect();
            if !lost.is_empty() {
                tracing::warn!("the new index has no advisories of {} that the old one had", lost.join(", "));
            }
            let failed_groups = knowledge.failed_groups(failures);
            let seconds = clock::now().duration_since(begun).as_secs_f64();
            let others = known.into_iter().filter(|(group, count)| counts.get(group) != Some(count));
            for (group, count) in others.take(GROUPS) {
                let result = json!({
                    "group": group, "status": status(!failed_groups.contains(&group)), "total_time_seconds": seconds, "updated_image_count": 0,
                    "updated_record_count": count,
                });
                tell(app, &GROUP_COMPLETED, Some(&format!("{FEED}/{group}")), json!({"result": result})).await;
            }
            if failures.is_empty() {
                tell(app, &FEED_COMPLETED, Some(FEED), Value::Null).await;
                tell(app, &SYNC_COMPLETED, None, feeds()).await;
            } else {
                failed(app, &causes(failures)).await;
            }
        }
    }
    synced
}

/// How version 1 calls what came of an update.
pub(crate) fn status(is_complete: bool) -> &'static str {
    if is_complete { "success" } else { "failure" }
}

/// Has the matches of all images computed anew.
async fn forget_matches(app: &App) -> Result<(), StoreError> {
    app.records().store().forget_all_matches(now()).await?;
    app.cache().forget_matches();
    Ok(())
}

/// The causes of failures, in one line.
fn causes(failures: &[Failure]) -> String {
    let told: Vec<&str> = failures.iter().take(FAILURES).map(|failure| failure.cause.as_str()).collect();
    let more = match failures.len().saturating_sub(FAILURES) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("{}{more}", told.join("; "))
}

async fn failed(app: &App, cause: &str) {
    tell(app, &FEED_FAILED, Some(FEED), json!({"cause": cause})).await;
    tell(app, &SYNC_FAILED, None, json!({"cause": cause, "sync_feed_types": [FEED]})).await;
}

fn feeds() -> Value {
    json!({"sync_feed_types": [FEED]})
}

async fn tell(app: &App, kind: &EventType, resource: Option<&str>, details: Value) {
    app.tell(kind, Service::PolicyEngine, ACCOUNT, resource, details).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_up_to_a_number() {
        let failure = |number: usize| Failure { provider: "p".to_owned(), cause: format!("cause {number}") };
        let failures: Vec<Failure> = (1..=FAILURES + 2).map(failure).collect();
        assert_eq!(causes(&failures[..2]), "cause 1; cause 2");
        assert!(causes(&failures).ends_with("cause 20; and 2 more"));
    }
}
