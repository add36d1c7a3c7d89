//! Events: what happened in an account.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use killick_store::StoreError;
use killick_store::events::{EventFilter, EventRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::ApiError;
use crate::api::input::{Path, Query};
use crate::api::permission::{DeleteEvent, DeleteEvents, GetEvent, Guarded, ListEvents, Permission};
use crate::api::recording;
use crate::app::App;
use crate::herald::microseconds;

/// Events on a page, if not asked otherwise, and at most.
const LIMITS: (i64, i64) = (100, 1000);

/// Of events that are deleted together, the newest that the audit log keeps.
const KEPT: i64 = 50;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, delete_many)).routes(routes!(get, delete))
}

#[utoipa::path(get, path = "/events", tag = "Events",
    params(("source_servicename" = Option<String>, Query), ("source_hostid" = Option<String>, Query),
           ("event_type" = Option<String>, Query), ("resource_type" = Option<String>, Query),
           ("resource_id" = Option<String>, Query), ("level" = Option<String>, Query),
           ("since" = Option<String>, Query), ("before" = Option<String>, Query),
           ("page" = Option<i64>, Query, minimum = 1), ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000)),
    responses((status = 200, body = EventsList)))]
async fn list(require: Permission<ListEvents>, query: Query) -> Result<Json<EventsList>, ApiError> {
    let page = query.number("page", 1, i64::MAX)?.unwrap_or(1);
    let limit = query.number("limit", 1, LIMITS.1)?.unwrap_or(LIMITS.0);
    let given = |name: &str| query.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let filter = EventFilter {
        kind: given("event_type").as_deref().map(event_type).transpose()?,
        service: given("source_servicename"),
        host: given("source_hostid"),
        resource_type: given("resource_type"),
        resource: given("resource_id"),
        ..common(&query)?
    };
    Ok(Json(listed(&require.app, &require.account, &filter, page, limit).await?))
}

async fn listed(
    app: &App,
    account: &str,
    filter: &EventFilter,
    page: i64,
    limit: i64,
) -> Result<EventsList, StoreError> {
    let offset = (page - 1).saturating_mul(limit);
    let mut rows = app.records().store().events(account, filter, limit + 1, offset).await?;
    let next_page = i64::try_from(rows.len()).is_ok_and(|count| count > limit);
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let results: Vec<EventResponse> = rows.into_iter().map(EventResponse::of).collect();
    Ok(EventsList { item_count: results.len(), next_page, page, results })
}

#[utoipa::path(delete, path = "/events", tag = "Events",
    params(("since" = Option<String>, Query), ("before" = Option<String>, Query), ("level" = Option<String>, Query)),
    responses((status = 200, body = [String])))]
async fn delete_many(require: Permission<DeleteEvents>, query: Query) -> Result<Json<Vec<String>>, ApiError> {
    let filter = common(&query)?;
    recording::before(&listed(&require.app, &require.account, &filter, 1, KEPT).await?);
    Ok(Json(require.app.records().store().delete_events(&require.account, &filter).await?))
}

#[utoipa::path(get, path = "/events/{eventId}", tag = "Events", params(("eventId" = String, Path)),
    responses((status = 200, body = EventResponse)))]
async fn get(require: Permission<GetEvent>, Path(id): Path<String>) -> Result<Json<EventResponse>, ApiError> {
    let found = require.app.records().store().event(&require.account, &id).await;
    Ok(Json(EventResponse::of(found.map_err(missing)?)))
}

/// Answers nothing.
#[utoipa::path(delete, path = "/events/{eventId}", tag = "Events", params(("eventId" = String, Path)),
    responses((status = 200)))]
async fn delete(require: Permission<DeleteEvent>, Path(id): Path<String>) -> Result<Response, ApiError> {
    let store = require.app.records().store();
    recording::before(&EventResponse::of(store.event(&require.account, &id).await.map_err(missing)?));
    store.delete_event(&require.account, &id).await.map_err(missing)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], "").into_response())
}

fn missing(error: StoreError) -> ApiError {
    match error {
        StoreError::NotFound { .. } => ApiError::not_found("Event not found"),
        error => error.into(),
    }
}

/// The filters that listing and deleting have in common.
fn common(query: &Query) -> Result<EventFilter, ApiError> {
    let instant = |name: &str| match query.text(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match instant(text) {
            Some(instant) => Ok(Some(instant.as_microsecond())),
            None => Err(ApiError::bad_request(format!(
                "`{name}` is no date or time, such as `2024-01-02` or `2024-01-02T03:04:05Z`"
            ))),
        },
    };
    let (since, before) = (instant("since")?, instant("before")?);
    if let (Some(since), Some(before)) = (since, before)
        && since >= before
    {
        return Err(ApiError::bad_request("`since` is not before `before`: no event can be in between"));
    }
    let level = query.text("level").filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(EventFilter { level, since, before, ..EventFilter::default() })
}

/// A type, perhaps with `*`, in the letters of types.
fn event_type(text: &str) -> Result<String, ApiError> {
    let lower = text.to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.*".contains(&byte);
    if lower.bytes().all(allowed) {
        return Ok(lower);
    }
    Err(ApiError::bad_request("`event_type` has other characters than letters, digits, `-`, `_`, `.` and `*`"))
}

/// An instant in one of the forms that people and programs write. Without a zone it is UTC.
fn instant(text: &str) -> Option<Timestamp> {
    const FORMS: &[&str] = &[
        "%Y/%m/%d %H:%M:%S",
        "%Y/%m/%d %H:%M",
        "%Y/%m/%d",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%d %b %Y",
        "%d %B %Y",
        "%b %d %Y",
        "%B %d %Y",
        "%b %d, %Y",
        "%B %d, %Y",
    ];
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    let in_utc = |local: DateTime| TimeZone::UTC.to_timestamp(local).ok();
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Some(stamp);
    }
    if let Ok(local) = text.parse::<DateTime>() {
        return in_utc(local);
    }
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(zoned.timestamp());
    }
    FORMS.iter().find_map(|form| {
        let local = DateTime::strptime(form, text).ok();
        let local = local.or_else(|| Date::strptime(form, text).ok().map(|date| date.at(0, 0, 0, 0)));
        in_utc(local?)
    })
}

#[derive(Debug, Serialize, ToSchema)]
struct EventsList {
    item_count: usize,
    next_page: bool,
    page: i64,
    results: Vec<EventResponse>,
}

#[derive(Debug, Serialize, ToSchema)]
struct EventResponse {
    created_at: String,
    #[schema(value_type = Object)]
    event: Value,
    generated_uuid: String,
}

impl EventResponse {
    fn of(row: EventRow) -> Self {
        Self {
            created_at: microseconds(row.created_at),
            event: serde_json::from_str(&row.document).unwrap_or_default(),
            generated_uuid: row.uuid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_in_many_forms() {
        for (text, want) in [
            ("2026-11-23T19:45:00", "2026-11-23T19:45:00Z"),
            ("2026-11-23T20:00:00Z", "2026-11-23T20:00:00Z"),
            ("2026-11-23T20:00:00.25+02:00", "2026-11-23T18:00:00.25Z"),
            ("2026-11-23 19:45:00", "2026-11-23T19:45:00Z"),
            ("2026-11-23 19:45", "2026-11-23T19:45:00Z"),
            ("2026-11-23", "2026-11-23T00:00:00Z"),
            ("20261123", "2026-11-23T00:00:00Z"),
            ("2026/11/23", "2026-11-23T00:00:00Z"),
            ("2026/11/23 19:45", "2026-11-23T19:45:00Z"),
            ("Nov 23, 2026", "2026-11-23T00:00:00Z"),
            ("23 November 2026", "2026-11-23T00:00:00Z"),
            ("Mon, 23 Nov 2026 19:45:00 +0000", "2026-11-23T19:45:00Z"),
        ] {
            assert_eq!(instant(text).map(|stamp| stamp.to_string()).as_deref(), Some(want), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "99999-01-01", "1", "-", &"9".repeat(100)] {
            assert_eq!(instant(text), None, "{text}");
        }
    }

    #[test]
    fn types_have_their_letters() {
        assert_eq!(event_type("User.*").unwrap(), "user.*");
        for text in ["a b", "a%", "ä", "a;b"] {
            assert!(event_type(text).is_err(), "{text}");
        }
    }
}
