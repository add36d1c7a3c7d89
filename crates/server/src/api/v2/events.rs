//! Events, with who has seen them.

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use killick_store::StoreError;
use killick_store::events::{EventFilter, EventRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{after, bad, limit, page};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{GetEvent, Guarded, ListEvents, Permission, UpdateEvent};
use crate::api::recording;
use crate::app::App;
use crate::records::{instant, now};

/// Events on a page, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, acknowledge))
}

/// The events of the account, the newest first, page by page. In `type`, `*` stands for any characters.
#[utoipa::path(get, path = "/v2/events", tag = "Events",
    params(("type" = Option<String>, Query), ("level" = Option<String>, Query, pattern = "^(info|error)$"),
        ("resource_type" = Option<String>, Query), ("resource_id" = Option<String>, Query),
        ("since" = Option<String>, Query), ("before" = Option<String>, Query),
        ("acknowledged" = Option<bool>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = EventPage), (status = 400)))]
async fn list(require: Permission<ListEvents>, query: Query) -> Result<Json<EventPage>, ApiError> {
    let limit = limit(&query, PAGE, MAX_PAGE)?;
    let text = |name: &str| query.text(name).map(str::to_owned);
    let level = text("level");
    if level.as_deref().is_some_and(|level| !["info", "error"].contains(&level)) {
        return Err(bad("`level` must be `info` or `error`; without it, there are both"));
    }
    let filter = EventFilter {
        kind: text("type"),
        level,
        resource_type: text("resource_type"),
        resource: text("resource_id"),
        since: time(&query, "since")?,
        before: time(&query, "before")?,
        ..EventFilter::default()
    };
    let acknowledged = query.flag("acknowledged")?;
    let below = place(&query)?;
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let store = require.app.records().store();
    let found = store.events_below(&require.account, &filter, acknowledged, below, one_more).await?;
    let (events, next_cursor) = page(found, limit, |event| format!("{}:{}", event.created_at, event.id));
    Ok(Json(EventPage { items: events.into_iter().map(wire).collect(), next_cursor }))
}

/// One event.
#[utoipa::path(get, path = "/v2/events/{event_id}", tag = "Events",
    params(("event_id" = String, Path)), responses((status = 200, body = EventRecord), (status = 404)))]
async fn get(require: Permission<GetEvent>, Path(id): Path<String>) -> Result<Json<EventRecord>, ApiError> {
    Ok(Json(wire(event(&require.app, &require.account, &id).await?)))
}

/// Acknowledges an event, with `{"acknowledged": true}`, or takes that back, with `false`. Who did so first stays.
#[utoipa::path(patch, path = "/v2/events/{event_id}", tag = "Events", request_body = EventChange,
    params(("event_id" = String, Path)), responses((status = 200, body = EventRecord), (status = 400), (status = 404)))]
async fn acknowledge(
    require: Permission<UpdateEvent>,
    Path(id): Path<String>,
    body: JsonObject,
) -> Result<Json<EventRecord>, ApiError> {
    let Some(acknowledged) = Fields::of(&body).flag("acknowledged")? else {
        return Err(bad("an event can be acknowledged, with `{\"acknowledged\": true}`, or not, with `false`"));
    };
    let before = event(&require.app, &require.account, &id).await?;
    recording::before(&wire(before.clone()));
    if before.acknowledged_at.is_some() == acknowledged {
        return Ok(Json(wire(before)));
    }
    let by = acknowledged.then_some(require.caller.user.as_str());
    let changed = require.app.records().store().acknowledge_event(&require.account, &id, by, now()).await?;
    let event = match changed {
        Some(event) => event,
        // Somebody did the same meanwhile, or it is gone.
        None => event(&require.app, &require.account, &id).await?,
    };
    Ok(Json(wire(event)))
}

async fn event(app: &App, account: &str, id: &str) -> Result<EventRow, ApiError> {
    match app.records().store().event(account, id).await {
        Err(StoreError::NotFound { .. }) => {
            Err(ApiError::problem(StatusCode::NOT_FOUND, format!("there is no event `{id}`")))
        }
        found => Ok(found?),
    }
}

fn time(query: &Query, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let stamp: Result<Timestamp, _> = text.parse();
    let stamp = stamp.map_err(|_| bad(format!("`{name}` must be a time as in 2030-01-31T00:00:00Z")))?;
    Ok(Some(stamp.as_microsecond()))
}

/// The instant and the number of the event that was seen last.
fn place(query: &Query) -> Result<(i64, i64), ApiError> {
    let place = after(query.text("cursor"))?;
    if place.is_empty() {
        return Ok((i64::MAX, i64::MAX));
    }
    let read = place.split_once(':').and_then(|(at, number)| Some((at.parse().ok()?, number.parse().ok()?)));
    read.ok_or_else(|| bad("`cursor` is not one of this list: begin without one"))
}

fn wire(row: EventRow) -> EventRecord {
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let part = |name: &str| document.get(name).cloned().unwrap_or_default();
    EventRecord {
        id: row.uuid,
        r#type: row.r#type,
        level: row.level,
        message: document.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        resource: part("resource"),
        source: part("source"),
        details: part("details"),
        created_at: instant(row.created_at).to_string(),
        acknowledged_at: row.acknowledged_at.map(|at| instant(at).to_string()),
        acknowledged_by: row.acknowledged_by,
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct EventPage {
    items: Vec<EventRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct EventRecord {
    id: String,
    /// One of `GET /event_types`.
    r#type: String,
    /// `info` or `error`.
    level: String,
    message: String,
    /// What it is about: `type`, `id` and `user_id`, the account.
    #[schema(value_type = Object)]
    resource: Value,
    /// Where it is from: `servicename`, `hostid`, `base_url`, and the `request_id` of the request that caused it, if one did.
    #[schema(value_type = Object)]
    source: Value,
    /// What more there is to say, which depends on the type.
    #[schema(value_type = Object)]
    details: Value,
    created_at: String,
    /// When somebody said that they have seen it.
    acknowledged_at: Option<String>,
    /// Who did.
    acknowledged_by: Option<String>,
}

/// What becomes of an event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct EventChange {
    acknowledged: bool,
}
