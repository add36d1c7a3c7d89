//! What subscriptions may be, and who looks at them.

use killick_store::subscriptions::Subscription;

use crate::api::error::ApiError;
use crate::app::App;

/// Every type of subscription.
const TYPES: &[&str] = &["policy_eval", "tag_update", "vuln_update", "repo_update", "analysis_update", "alerts"];

/// Bytes of a key, at most.
pub(crate) const KEY_BYTES: usize = 1024;
/// Bytes of a value, at most.
pub(crate) const VALUE_BYTES: usize = 1 << 20;

/// Refuses a type that there is not.
pub(crate) fn check_type(kind: &str) -> Result<(), ApiError> {
    if TYPES.contains(&kind) {
        return Ok(());
    }
    let shown: String = kind.chars().take(80).collect();
    Err(ApiError::bad_request(format!("`{shown}` is no type of subscription: there are {}", TYPES.join(", "))))
}

/// Whoever watches such looks at once.
pub(crate) fn nudge(app: &App, subscription: &Subscription) {
    let nudges = app.nudges();
    match subscription.r#type.as_str() {
        _ if !subscription.active => {}
        "repo_update" => nudges.repositories.notify_one(),
        "policy_eval" => nudges.verdicts.notify_one(),
        "alerts" => nudges.alerts.notify_one(),
        "vuln_update" => nudges.vulnerabilities.notify_one(),
        _ => {}
    }
}
