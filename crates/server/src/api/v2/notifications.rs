//! Notifications of the account that nobody has received yet.

use axum::Json;
use killick_store::notifications::Waiting;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{limit, number, page};
use crate::api::error::ApiError;
use crate::api::input::Query;
use crate::api::permission::{Guarded, ListEvents, Permission};
use crate::config::WebhooksConfig;
use crate::records::instant;
use crate::webhooks::last_try;

/// Notifications on a page, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The notifications of the account that wait to be received, the newest first, page by page.
#[utoipa::path(get, path = "/v2/notifications", tag = "Notifications",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = NotificationPage), (status = 400)))]
async fn list(require: Permission<ListEvents>, query: Query) -> Result<Json<NotificationPage>, ApiError> {
    let limit = limit(&query, PAGE, MAX_PAGE)?;
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let found = require.app.records().store().notices(&require.account, number(&query)?, one_more).await?;
    let (waiting, next_cursor) = page(found, limit, |notice| notice.id.to_string());
    let webhooks = &require.app.config().webhooks;
    Ok(Json(NotificationPage {
        items: waiting.into_iter().map(|notice| wire(webhooks, notice)).collect(),
        next_cursor,
    }))
}

fn wire(webhooks: &WebhooksConfig, notice: Waiting) -> Notification {
    let time = |at: i64| instant(at).to_string();
    Notification {
        id: notice.uuid,
        r#type: notice.r#type,
        subscription_key: notice.key,
        attempts: notice.attempts,
        created_at: time(notice.created_at),
        next_attempt_at: time(notice.folds_at.unwrap_or(notice.due_at)),
        gives_up_at: time(last_try(webhooks, notice.created_at)),
        last_error: notice.last_error,
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct NotificationPage {
    items: Vec<Notification>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// A notification that waits.
#[derive(Debug, Serialize, ToSchema)]
struct Notification {
    /// As its receiver sees it in `webhook-id`.
    id: String,
    /// That of a subscription, or `event_log`.
    r#type: String,
    /// None of events, and of many that are sent as one.
    subscription_key: Option<String>,
    /// How often it was begun to be sent.
    attempts: i64,
    created_at: String,
    /// When it is sent the next time; of one that is being sent, when it counts as not received.
    next_attempt_at: String,
    /// Until when it is tried.
    gives_up_at: String,
    /// Why it was not received the last time.
    last_error: Option<String>,
}
