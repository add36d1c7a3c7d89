//! Subscriptions: what an account wants to be told about, and what is watched for it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use killick_store::StoreError;
use killick_store::subscriptions as stored;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{asked, bad, created, page};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    CreateSubscription, DeleteSubscription, GetSubscription, Guarded, ListSubscriptions, Permission, PermissionOn,
    UpdateSubscription,
};
use crate::api::recording;
use crate::app::App;
use crate::records::{instant, now};
use crate::subscriptions::{KEY_BYTES, VALUE_BYTES, check_type, nudge};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, change, delete))
}

/// The subscriptions of the account by id, page by page.
#[utoipa::path(get, path = "/v2/subscriptions", tag = "Subscriptions",
    params(("type" = Option<String>, Query, pattern = "^(policy_eval|tag_update|vuln_update|repo_update|analysis_update|alerts)$"),
        ("key" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = SubscriptionPage)))]
async fn list(require: Permission<ListSubscriptions>, query: Query) -> Result<Json<SubscriptionPage>, ApiError> {
    let (limit, after) = asked(&query)?;
    let (key, kind) = (query.text("key"), query.text("type"));
    if let Some(kind) = kind {
        check_type(kind)?;
    }
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let store = require.app.records().store();
    let found = store.subscriptions_after(&require.account, key, kind, &after, one_more).await?;
    let (subscriptions, next_cursor) = page(found, limit, |subscription| subscription.id.clone());
    Ok(Json(SubscriptionPage { items: subscriptions.into_iter().map(SubscriptionRecord::of).collect(), next_cursor }))
}

/// Subscribes to a tag, or to a repository (`repo_update`).
#[utoipa::path(post, path = "/v2/subscriptions", tag = "Subscriptions",
    extensions(("x-narrowed-by" = json!("repository"))), request_body = NewSubscription,
    responses((status = 201, body = SubscriptionRecord), (status = 409)))]
async fn create(require: PermissionOn<CreateSubscription>, body: JsonObject) -> Result<Response, ApiError> {
    let fields = Fields::of(&body);
    let (key, kind) = (fields.required("key")?, fields.required("type")?);
    check_type(kind)?;
    if !(1..=KEY_BYTES).contains(&key.len()) {
        return Err(bad(format!("`key` has 1 to {KEY_BYTES} bytes")));
    }
    let (value, active) = (value(&fields)?.flatten(), fields.flag("active")?.unwrap_or(true));
    let require = require.on_key(kind, key)?;
    let store = require.app.records().store();
    let added = store.add_subscription(&require.account, key, kind, value, active, now()).await;
    let added = added.map_err(|error| match error {
        StoreError::AlreadyExists { .. } => {
            ApiError::conflict(format!("there is a subscription `{kind}` to `{key}` already: change it with PATCH"))
        }
        error => error.into(),
    })?;
    nudge(&require.app, &added);
    let place = format!("/v2/subscriptions/{}", added.id);
    Ok(created(&place, SubscriptionRecord::of(added)))
}

/// One subscription.
#[utoipa::path(get, path = "/v2/subscriptions/{subscription_id}", tag = "Subscriptions",
    params(("subscription_id" = String, Path)), responses((status = 200, body = SubscriptionRecord)))]
async fn get(
    require: Permission<GetSubscription>,
    Path(id): Path<String>,
) -> Result<Json<SubscriptionRecord>, ApiError> {
    found(&require.app, &require.account, &id).await.map(Json)
}

/// Switches a subscription on or off (`active`), or gives it another `value`; what is not named stays.
#[utoipa::path(patch, path = "/v2/subscriptions/{subscription_id}", tag = "Subscriptions",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("subscription_id" = String, Path)), request_body = SubscriptionPatch,
    responses((status = 200, body = SubscriptionRecord)))]
async fn change(
    require: PermissionOn<UpdateSubscription>,
    Path(id): Path<String>,
    body: JsonObject,
) -> Result<Json<SubscriptionRecord>, ApiError> {
    let fields = Fields::of(&body);
    let (active, value) = (fields.flag("active")?, value(&fields)?);
    let (require, before) = require.on_subscription(&id).await?;
    recording::before(&before.map(SubscriptionRecord::of).ok_or_else(|| missing(&id))?);
    let store = require.app.records().store();
    let changed = store.change_subscription(&require.account, &id, active, value, now()).await;
    let changed = changed.map_err(|error| told(error, &id))?;
    nudge(&require.app, &changed);
    Ok(Json(SubscriptionRecord::of(changed)))
}

/// Ends a subscription.
#[utoipa::path(delete, path = "/v2/subscriptions/{subscription_id}", tag = "Subscriptions",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("subscription_id" = String, Path)), responses((status = 204)))]
async fn delete(require: PermissionOn<DeleteSubscription>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let (require, before) = require.on_subscription(&id).await?;
    recording::before(&before.map(SubscriptionRecord::of).ok_or_else(|| missing(&id))?);
    let deleted = require.app.records().store().delete_subscription(&require.account, &id, now()).await;
    deleted.map_err(|error| told(error, &id))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn found(app: &App, account: &str, id: &str) -> Result<SubscriptionRecord, ApiError> {
    let found = app.records().store().subscription(account, id).await;
    found.map(SubscriptionRecord::of).map_err(|error| told(error, id))
}

fn told(error: StoreError, id: &str) -> ApiError {
    match error {
        StoreError::NotFound { .. } => missing(id),
        error => error.into(),
    }
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no subscription `{id}`"))
}

/// What the body says of the value: nothing, none, or a text.
#[expect(clippy::option_option, reason = "leaving out and setting to null are two wishes")]
fn value<'a>(fields: &Fields<'a>) -> Result<Option<Option<&'a str>>, ApiError> {
    if !fields.members().contains_key("value") {
        return Ok(None);
    }
    let value = fields.text("value")?;
    if value.is_some_and(|value| value.len() > VALUE_BYTES) {
        return Err(bad(format!("`value` is longer than {VALUE_BYTES} bytes")));
    }
    Ok(Some(value))
}

/// Some subscriptions.
#[derive(Debug, Serialize, ToSchema)]
struct SubscriptionPage {
    items: Vec<SubscriptionRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// A subscription.
#[derive(Debug, Serialize, ToSchema)]
struct SubscriptionRecord {
    subscription_id: String,
    r#type: String,
    /// The tag, `registry.example.com/team/app:1.0`; of `repo_update`, the repository.
    key: String,
    /// The type's own text.
    value: Option<String>,
    active: bool,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl SubscriptionRecord {
    fn of(row: stored::Subscription) -> Self {
        Self {
            subscription_id: row.id,
            r#type: row.r#type,
            key: row.key,
            value: row.value,
            active: row.active,
            created_at: instant(row.created_at),
            updated_at: instant(row.updated_at),
        }
    }
}

/// A subscription to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct NewSubscription {
    #[schema(pattern = "^(policy_eval|tag_update|vuln_update|repo_update|analysis_update|alerts)$")]
    r#type: String,
    #[schema(min_length = 1, max_length = 1024)]
    key: String,
    value: Option<String>,
    /// Unless it says otherwise, it is on.
    active: Option<bool>,
}

/// What shall be different.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct SubscriptionPatch {
    active: Option<bool>,
    value: Option<String>,
}
