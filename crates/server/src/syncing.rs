//! Updates of the advisories, told as events of the account `admin`: version 1 knows one feed, with a group for every
//! namespace.

use killick_model::problem::Problem;
use serde_json::{Value, json};

use crate::app::App;
use crate::clock;
use crate::events::{
    EventType, FEED_COMPLETED, FEED_FAILED, FEED_STARTED, GROUP_COMPLETED, SYNC_COMPLETED, SYNC_FAILED, SYNC_STARTED,
};
use crate::herald::Service;
use crate::knowledge::SyncError;

/// The one feed.
pub(crate) const FEED: &str = "vulnerabilities";

/// Whose events they are.
const ACCOUNT: &str = "admin";

/// Groups that are told of one update.
const GROUPS: usize = 500;

/// Which updates are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Each.
    All,
    /// Those that brought something, or failed: it is looked often.
    Changes,
}

/// Updates the advisories. What watches by them is woken.
pub(crate) async fn sync(app: &App, announced: Announced) -> Result<Vec<Problem>, SyncError> {
    let knowledge = app.knowledge();
    let digest = || knowledge.current().map(|current| current.digest.clone());
    let (before, counts, begun) = (digest(), knowledge.counts(), clock::now());
    if announced == Announced::All && knowledge.can_sync() {
        tell(app, &SYNC_STARTED, None, feeds()).await;
        tell(app, &FEED_STARTED, Some(FEED), Value::Null).await;
    }
    let synced = knowledge.sync().await;
    let has_changed = digest() != before;
    if has_changed {
        app.nudges().facts();
    }
    match &synced {
        Err(SyncError::Running | SyncError::NotConfigured) => {}
        Err(error) => failed(app, &told(error)).await,
        Ok(unreadable) if unreadable.is_empty() && announced == Announced::Changes && !has_changed => {}
        Ok(unreadable) => {
            let seconds = clock::now().duration_since(begun).as_secs_f64();
            let others = knowledge.counts().into_iter().filter(|(group, count)| counts.get(group) != Some(count));
            for (group, count) in others.take(GROUPS) {
                let result = json!({
                    "group": group, "status": "success", "total_time_seconds": seconds, "updated_image_count": 0,
                    "updated_record_count": count,
                });
                tell(app, &GROUP_COMPLETED, Some(&format!("{FEED}/{group}")), json!({"result": result})).await;
            }
            if let Some(first) = unreadable.first() {
                let more = match unreadable.len() - 1 {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                failed(app, &format!("what was known of unreadable files stays: {}{more}", first.message)).await;
            } else {
                tell(app, &FEED_COMPLETED, Some(FEED), Value::Null).await;
                tell(app, &SYNC_COMPLETED, None, feeds()).await;
            }
        }
    }
    synced
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

/// An error with all its causes.
fn told(error: &SyncError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
