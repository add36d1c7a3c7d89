//! Alerts: a watched tag whose image the policy stops, from when that is seen until it is over.

use killick_model::evaluation::Action;
use killick_store::StoreError;
use killick_store::alerts::{Alarm, Alert, ClosedFor, Closing};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::records::{instant, now};

/// An alert, as it is shown and told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertRecord {
    id: i64,
    /// `open` or `closed`.
    state: &'static str,
    tag: String,
    /// The image that the tag points to, as it was looked at last.
    digest: String,
    /// The policy that stops it.
    policy_id: String,
    opened_at: String,
    updated_at: String,
    closed_at: Option<String>,
    /// `passed`: the policy lets the image through; `gone`: the tag points to no image any more; `unsubscribed`: nobody
    /// subscribes to alerts of the tag any more; or `user`.
    closed_for: Option<&'static str>,
    /// Who closed it, if a user did.
    closed_by: Option<String>,
}

impl AlertRecord {
    pub(crate) fn of(alert: &Alert) -> Self {
        let time = |at: i64| instant(at).to_string();
        Self {
            id: alert.id,
            state: if alert.closed_at.is_none() { "open" } else { "closed" },
            tag: alert.tag.clone(),
            digest: alert.digest.to_string(),
            policy_id: alert.policy_id.clone(),
            opened_at: time(alert.opened_at),
            updated_at: time(alert.updated_at),
            closed_at: alert.closed_at.map(time),
            closed_for: alert.closed_for.map(ClosedFor::as_str),
            closed_by: alert.closed_by.clone(),
        }
    }
}

/// What is to be done about the alert of a tag.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Open,
    Move,
    Close,
    Nothing,
}

/// After the last alert of a tag, when the policy says this of the image.
fn step(last: Option<&Alert>, alarm: &Alarm, action: Action) -> Step {
    let is_same = |alert: &Alert| alert.digest == alarm.digest && alert.policy_digest == alarm.policy_digest;
    match last {
        Some(alert) if alert.closed_at.is_none() => match action {
            Action::Stop if is_same(alert) => Step::Nothing,
            Action::Stop => Step::Move,
            Action::Warn | Action::Go => Step::Close,
        },
        // Whoever closes an alert has seen it: of the same image by the same policy there is no other.
        Some(alert) if alert.closed_for == Some(ClosedFor::User) && is_same(alert) => Step::Nothing,
        _ if action == Action::Stop => Step::Open,
        _ => Step::Nothing,
    }
}

/// Takes note of a verdict on the image of a tag; whether it could, or has to look again, because somebody closed the
/// alert meanwhile.
pub(crate) async fn judged(
    app: &App,
    account: &str,
    tag: &str,
    last: Option<&Alert>,
    alarm: &Alarm,
    action: Action,
) -> Result<bool, StoreError> {
    let store = app.records().store();
    match step(last, alarm, action) {
        Step::Open => {
            store.open_alert(account, tag, alarm, |alert| app.herald().alert(alert, now()), now()).await?;
        }
        Step::Move => return store.move_alert(account, tag, alarm, now()).await,
        Step::Close => {
            let id = last.map(|alert| alert.id);
            close(app, account, tag, Closing { id, closed_for: ClosedFor::Passed, closed_by: None }).await?;
        }
        Step::Nothing => {}
    }
    Ok(true)
}

/// Closes the alert of a tag that is open, and tells of it.
pub(crate) async fn close(
    app: &App,
    account: &str,
    tag: &str,
    closing: Closing<'_>,
) -> Result<Option<Alert>, StoreError> {
    let store = app.records().store();
    store.close_alert(account, tag, closing, |alert| app.herald().alert(alert, now()), now()).await
}

#[cfg(test)]
mod tests {
    use killick_model::digest::Digest;

    use super::*;

    #[test]
    fn a_tag_is_warned_of_once() {
        use Action::{Go, Stop, Warn};
        let alarm = |image: &[u8], policy: &[u8]| Alarm {
            digest: Digest::of(image),
            policy_id: "p".to_owned(),
            policy_digest: Digest::of(policy),
        };
        let now = alarm(b"image", b"policy");
        let alert = |alarm: &Alarm, closed_for: Option<ClosedFor>| Alert {
            id: 1,
            account: "a".to_owned(),
            tag: "r.io/x:1".to_owned(),
            digest: alarm.digest.clone(),
            policy_id: alarm.policy_id.clone(),
            policy_digest: alarm.policy_digest.clone(),
            opened_at: 1,
            updated_at: 1,
            closed_at: closed_for.map(|_| 2),
            closed_for,
            closed_by: None,
        };
        let other_image = alarm(b"another", b"policy");
        let other_policy = alarm(b"image", b"another");
        for (last, [stop, warn, go]) in [
            (None, [Step::Open, Step::Nothing, Step::Nothing]),
            (Some(alert(&now, None)), [Step::Nothing, Step::Close, Step::Close]),
            (Some(alert(&other_image, None)), [Step::Move, Step::Close, Step::Close]),
            (Some(alert(&other_policy, None)), [Step::Move, Step::Close, Step::Close]),
            (Some(alert(&now, Some(ClosedFor::Passed))), [Step::Open, Step::Nothing, Step::Nothing]),
            (Some(alert(&now, Some(ClosedFor::Unsubscribed))), [Step::Open, Step::Nothing, Step::Nothing]),
            (Some(alert(&now, Some(ClosedFor::User))), [Step::Nothing, Step::Nothing, Step::Nothing]),
            (Some(alert(&other_image, Some(ClosedFor::User))), [Step::Open, Step::Nothing, Step::Nothing]),
            (Some(alert(&other_policy, Some(ClosedFor::User))), [Step::Open, Step::Nothing, Step::Nothing]),
        ] {
            for (action, want) in [(Stop, stop), (Warn, warn), (Go, go)] {
                assert_eq!(step(last.as_ref(), &now, action), want, "{action} after {last:?}");
            }
        }
    }
}
