//! Subscriptions: what an account wants to be told about, and what is watched for it.

use axum::Json;
use killick_store::StoreError;
use killick_store::subscriptions as stored;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    CreateSubscription, DeleteSubscription, GetSubscription, Guarded, ListSubscriptions, Permission, PermissionOn,
    UpdateSubscription,
};
use crate::api::recording;
use crate::records::now;
use crate::subscriptions::{KEY_BYTES, VALUE_BYTES, check_type, nudge};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

#[utoipa::path(get, path = "/subscriptions", tag = "Subscriptions",
    params(("subscription_key" = Option<String>, Query), ("subscription_type" = Option<String>, Query)),
    responses((status = 200, body = [Subscription])))]
async fn list(require: Permission<ListSubscriptions>, query: Query) -> Result<Json<Vec<Subscription>>, ApiError> {
    // What is empty chooses nothing.
    let given = |name: &str| query.text(name).filter(|text| !text.is_empty());
    let (key, kind) = (given("subscription_key"), given("subscription_type"));
    if let Some(kind) = kind {
        check_type(kind)?;
    }
    let found = require.app.records().store().subscriptions(&require.account, key, kind).await?;
    Ok(Json(found.into_iter().map(Subscription::of).collect()))
}

#[utoipa::path(post, path = "/subscriptions", tag = "Subscriptions",
    extensions(("x-narrowed-by" = json!("repository"))), request_body = SubscriptionRequest,
    responses((status = 200, body = [Subscription]), (status = 404), (status = 409)))]
async fn create(
    require: PermissionOn<CreateSubscription>,
    body: JsonObject,
) -> Result<Json<Vec<Subscription>>, ApiError> {
    let fields = Fields::of(&body);
    let given = |name: &'static str| fields.text(name).map(|text| text.filter(|text| !text.is_empty()));
    let (Some(key), Some(kind)) = (given("subscription_key")?, given("subscription_type")?) else {
        return Err(ApiError::bad_request("body does not contain both subscription_key and subscription_type"));
    };
    check_type(kind)?;
    if key.len() > KEY_BYTES {
        return Err(ApiError::bad_request(format!("`subscription_key` is longer than {KEY_BYTES} bytes")));
    }
    let value = value(&fields)?.flatten();
    let active = fields.flag("active")?.unwrap_or(false);
    let require = require.on_key(kind, key)?;
    let store = require.app.records().store();
    let added = store.add_subscription(&require.account, key, kind, value.as_deref(), active, now()).await;
    match added {
        Err(StoreError::AlreadyExists { .. }) => Err(ApiError::conflict("subscription already exists in DB")),
        added => {
            let added = added?;
            nudge(&require.app, &added);
            Ok(Json(vec![Subscription::of(added)]))
        }
    }
}

#[utoipa::path(get, path = "/subscriptions/{subscriptionId}", tag = "Subscriptions",
    params(("subscriptionId" = String, Path)), responses((status = 200, body = [Subscription])))]
async fn get(
    require: Permission<GetSubscription>,
    Path(id): Path<String>,
) -> Result<Json<Vec<Subscription>>, ApiError> {
    match require.app.records().store().subscription(&require.account, &id).await {
        Err(StoreError::NotFound { .. }) => Ok(Json(Vec::new())),
        found => Ok(Json(vec![Subscription::of(found?)])),
    }
}

#[utoipa::path(put, path = "/subscriptions/{subscriptionId}", tag = "Subscriptions",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("subscriptionId" = String, Path)), request_body = SubscriptionChange,
    responses((status = 200, body = [Subscription])))]
async fn update(
    require: PermissionOn<UpdateSubscription>,
    Path(id): Path<String>,
    body: JsonObject,
) -> Result<Json<Vec<Subscription>>, ApiError> {
    let fields = Fields::of(&body);
    let active = fields.flag("active")?;
    let value = value(&fields)?;
    let value = value.as_ref().map(Option::as_deref);
    let (require, before) = require.on_subscription(&id).await?;
    note(before);
    let store = require.app.records().store();
    match store.change_subscription(&require.account, &id, active, value, now()).await {
        Err(StoreError::NotFound { .. }) => Err(ApiError::not_found("subscription not found in DB")),
        changed => {
            let changed = changed?;
            nudge(&require.app, &changed);
            Ok(Json(vec![Subscription::of(changed)]))
        }
    }
}

#[utoipa::path(delete, path = "/subscriptions/{subscriptionId}", tag = "Subscriptions",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("subscriptionId" = String, Path)),
    responses((status = 200, body = bool, content_type = "application/json")))]
async fn delete(require: PermissionOn<DeleteSubscription>, Path(id): Path<String>) -> Result<Json<bool>, ApiError> {
    let (require, before) = require.on_subscription(&id).await?;
    note(before);
    match require.app.records().store().delete_subscription(&require.account, &id, now()).await {
        Ok(()) | Err(StoreError::NotFound { .. }) => Ok(Json(true)),
        Err(error) => Err(error.into()),
    }
}

/// Notes the subscription as it is before a change.
fn note(before: Option<stored::Subscription>) {
    if let Some(before) = before {
        recording::before(&Subscription::of(before));
    }
}

/// What the body says of the value: nothing, none, or a text. What is no text is kept as the JSON it is.
#[expect(clippy::option_option, reason = "leaving out and setting to null are two wishes")]
fn value(fields: &Fields<'_>) -> Result<Option<Option<String>>, ApiError> {
    let value = match fields.members().get("subscription_value") {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(None)),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    if value.len() > VALUE_BYTES {
        return Err(ApiError::bad_request(format!("`subscription_value` is longer than {VALUE_BYTES} bytes")));
    }
    Ok(Some(Some(value)))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Subscription {
    active: bool,
    created_at: i64,
    last_updated: i64,
    subscription_id: String,
    subscription_key: String,
    subscription_type: String,
    subscription_value: Option<String>,
    #[serde(rename = "userId")]
    user_id: String,
}

impl Subscription {
    pub(super) fn of(row: stored::Subscription) -> Self {
        const SECOND: i64 = 1_000_000;
        Self {
            active: row.active,
            created_at: row.created_at / SECOND,
            last_updated: row.updated_at / SECOND,
            subscription_id: row.id,
            subscription_key: row.key,
            subscription_type: row.r#type,
            subscription_value: row.value,
            user_id: row.account,
        }
    }
}

/// A subscription to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct SubscriptionRequest {
    #[schema(min_length = 1, max_length = 1024)]
    subscription_key: String,
    #[schema(pattern = "^(policy_eval|tag_update|vuln_update|repo_update|analysis_update|alerts)$")]
    subscription_type: String,
    subscription_value: Option<Value>,
    active: Option<bool>,
}

/// What shall be different.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct SubscriptionChange {
    active: Option<bool>,
    subscription_value: Option<Value>,
}
