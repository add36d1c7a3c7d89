//! Trying the webhooks of the settings.

use axum::Json;
use axum::http::StatusCode;
use killick_model::digest::Digest;
use killick_model::hint::Hint as _;
use killick_store::alerts::Alert;
use killick_store::notifications::Notice;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::alerts::AlertRecord;
use crate::api::error::ApiError;
use crate::api::input::{Path, Query};
use crate::api::permission::{Guarded, Permission, TestWebhook};
use crate::clock;
use crate::notifications::formats::{self, SendError};
use crate::records::now;
use crate::webhooks::Post;

/// Types of notification that can be tried.
const TYPES: &[&str] = &["tag_update", "analysis_update", "vuln_update", "policy_eval", "alerts"];

/// Stands for `<notification_type>` in the address.
const TEST: &str = "test";

/// Seconds for which version 1 would try again.
const TRIES_SECONDS: i64 = 3600;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(test))
}

/// Sends a made-up notification at once, and answers what the webhook answers, if that is JSON.
#[utoipa::path(post, path = "/system/webhooks/{webhook_type}/test", tag = "System",
    params(("webhook_type" = String, Path), ("notification_type" = Option<String>, Query,
        pattern = "^(tag_update|analysis_update|vuln_update|policy_eval|alerts)$")),
    responses((status = 200, body = Value), (status = 502)))]
async fn test(
    require: Permission<TestWebhook>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let kind = query.word("notification_type", TYPES)?.unwrap_or("tag_update");
    let webhooks = &require.app.config().webhooks;
    if webhooks.is_empty() {
        return Err(ApiError::bad_request("no webhooks are configured: set an address in `[webhooks]`"));
    }
    let webhook = webhooks.named(&name).filter(|webhook| webhook.url.get().is_some());
    let Some(webhook) = webhook else {
        let shown: String = name.chars().take(80).collect();
        return Err(ApiError::bad_request(format!("no webhook `{shown}` is configured")));
    };
    let account = require.account.as_str();
    let email = require.app.records().account(account).await?.and_then(|account| account.email);
    let id = Uuid::new_v4().to_string();
    let body = notification(account, email.as_deref(), kind, &id, clock::now().as_second());
    let sent = if formats::is_original(webhook) {
        let post = Post { id: &id, account, kind: TEST, body: &body };
        require.app.webhooks().send(&require.app, webhook, post).await.map_err(SendError::from)
    } else {
        let payload = body["data"]["notification_payload"].to_string();
        let notice = Notice {
            id: 0,
            uuid: id,
            account: account.to_owned(),
            email,
            r#type: kind.to_owned(),
            payload,
            attempts: 1,
            due_at: 0,
            last_error: None,
            created_at: now(),
        };
        formats::send(&require.app, webhook, &notice).await
    };
    match sent {
        Ok(answer) => Ok(Json(serde_json::from_slice(&answer).unwrap_or_else(|_| json!({})))),
        Err(error) => {
            let hint = error.hint().map(|hint| format!(": {hint}")).unwrap_or_default();
            Err(ApiError::new(StatusCode::BAD_GATEWAY, format!("{error}{hint}")))
        }
    }
}

fn notification(account: &str, email: Option<&str>, kind: &str, id: &str, now: i64) -> Value {
    let mut payload = json!({
        "userId": account,
        "subscription_key": Uuid::new_v4().to_string(),
        "subscription_type": kind,
        "notificationId": Uuid::new_v4().to_string(),
    });
    if let (Value::Object(payload), Value::Object(more)) = (&mut payload, made_up(account, kind)) {
        payload.extend(more);
    }
    json!({
        "queueId": kind,
        "userId": account,
        "dataId": id,
        "created_at": now,
        "last_updated": now,
        "record_state_key": "active",
        "tries": 0,
        "max_tries": now.saturating_add(TRIES_SECONDS),
        "data": {
            "notification_user": account,
            "notification_user_email": email,
            "notification_type": kind,
            "notification_payload": payload,
        },
    })
}

/// A made-up alert that was opened now.
fn alert(account: &str, now: i64) -> Alert {
    Alert {
        id: 0,
        account: account.to_owned(),
        tag: "test_registry/test_repository:test_tag".to_owned(),
        subject: String::new(),
        digest: Digest::of(b"test"),
        policy_id: "test_policy".to_owned(),
        policy_digest: Digest::of(b"test"),
        opened_at: now,
        updated_at: now,
        closed_at: None,
        closed_for: None,
        closed_by: None,
    }
}

/// What only this type has.
fn made_up(account: &str, kind: &str) -> Value {
    const DIGEST: &str = "test_image_digest";
    let annotations = ["test"];
    match kind {
        "policy_eval" => json!({
            "curr_eval": {"image_digest": DIGEST, "status": "pass"},
            "last_eval": {"image_digest": DIGEST, "status": "fail"},
            "annotations": annotations,
        }),
        "vuln_update" => json!({
            "diff_vulnerability_result": {"added": [], "updated": [], "removed": []},
            "imageDigest": DIGEST,
            "annotations": annotations,
        }),
        "alerts" => json!({"alert": AlertRecord::of(&alert(account, now()))}),
        "analysis_update" => json!({
            "curr_eval": {"analysis_status": "analyzed", "annotations": annotations, "image_digest": DIGEST},
            "last_eval": {"analysis_status": "analyzing", "annotations": annotations, "image_digest": DIGEST},
            "annotations": annotations,
        }),
        _ => json!({"curr_eval": [DIGEST], "last_eval": [DIGEST], "annotations": annotations}),
    }
}
