//! Alerts of the tags that the account subscribes to.

use axum::Json;
use axum::http::StatusCode;
use killick_store::StoreError;
use killick_store::alerts::{Alert, AlertFilter, ClosedFor, Closing};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{bad, limit, number, page};
use crate::alerts::{self, AlertRecord};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    GetSubscription, Guarded, ListSubscriptions, Permission, PermissionOn, UpdateSubscription,
};
use crate::api::recording;
use crate::app::App;

/// Alerts on a page, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, close))
}

/// The alerts of the account, the newest first, page by page.
#[utoipa::path(get, path = "/v2/alerts", tag = "Alerts",
    params(("state" = Option<String>, Query, pattern = "^(open|closed)$"), ("tag" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = AlertPage), (status = 400)))]
async fn list(require: Permission<ListSubscriptions>, query: Query) -> Result<Json<AlertPage>, ApiError> {
    let limit = limit(&query, PAGE, MAX_PAGE)?;
    let open = match query.text("state") {
        None => None,
        Some("open") => Some(true),
        Some("closed") => Some(false),
        Some(_) => return Err(bad("`state` must be `open` or `closed`; without it, there are both")),
    };
    let filter = AlertFilter { open, tag: query.text("tag").map(str::to_owned), below: number(&query)? };
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let found = require.app.records().store().alerts(&require.account, &filter, one_more).await?;
    let (alerts, next_cursor) = page(found, limit, |alert| alert.id.to_string());
    Ok(Json(AlertPage { items: alerts.iter().map(AlertRecord::of).collect(), next_cursor }))
}

/// One alert.
#[utoipa::path(get, path = "/v2/alerts/{alert_id}", tag = "Alerts",
    params(("alert_id" = String, Path)), responses((status = 200, body = AlertRecord), (status = 404)))]
async fn get(require: Permission<GetSubscription>, Path(id): Path<String>) -> Result<Json<AlertRecord>, ApiError> {
    Ok(Json(AlertRecord::of(&alert(&require.app, &require.account, &id).await?)))
}

/// Closes an alert, with `{"state": "closed"}`: while the tag points to the same image and the policy is the same, no
/// other is opened.
#[utoipa::path(patch, path = "/v2/alerts/{alert_id}", tag = "Alerts",
    extensions(("x-narrowed-by" = json!("repository"))), request_body = AlertChange,
    params(("alert_id" = String, Path)), responses((status = 200, body = AlertRecord), (status = 400), (status = 404)))]
async fn close(
    require: PermissionOn<UpdateSubscription>,
    Path(id): Path<String>,
    body: JsonObject,
) -> Result<Json<AlertRecord>, ApiError> {
    if Fields::of(&body).text("state")? != Some("closed") {
        return Err(bad("an alert can be closed, with `{\"state\": \"closed\"}`, and nothing else"));
    }
    let (require, before) = require.on_alert(number_of(&id)?).await?;
    let before = before.ok_or_else(|| missing(&id))?;
    recording::before(&AlertRecord::of(&before));
    if before.closed_at.is_some() {
        return Ok(Json(AlertRecord::of(&before)));
    }
    let closing = Closing { id: before.id, closed_for: ClosedFor::User, closed_by: Some(require.caller.user.as_str()) };
    let closed = match alerts::close(&require.app, &require.account, closing).await? {
        Some(closed) => closed,
        // It has been closed meanwhile.
        None => alert(&require.app, &require.account, &id).await?,
    };
    Ok(Json(AlertRecord::of(&closed)))
}

async fn alert(app: &App, account: &str, id: &str) -> Result<Alert, ApiError> {
    match app.records().store().alert(account, number_of(id)?).await {
        Err(StoreError::NotFound { .. }) => Err(missing(id)),
        found => Ok(found?),
    }
}

fn number_of(id: &str) -> Result<i64, ApiError> {
    id.parse().map_err(|_| missing(id))
}

fn missing(id: &str) -> ApiError {
    ApiError::problem(StatusCode::NOT_FOUND, format!("there is no alert `{id}`"))
}

#[derive(Debug, Serialize, ToSchema)]
struct AlertPage {
    items: Vec<AlertRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// What an alert is to become.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct AlertChange {
    #[schema(pattern = "^closed$")]
    state: String,
}
