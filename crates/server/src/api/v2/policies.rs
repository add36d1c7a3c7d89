//! Policies: the bundles of an account, each under its id, and the one that judges.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{asked, bad, created, page, segment};
use crate::api::error::ApiError;
use crate::api::input::{JsonObject, Path, Query};
use crate::api::permission::{DeletePolicy, GetPolicy, Guarded, ListPolicies, Permission, PermissionOn, UpdatePolicy};
use crate::api::recording;
use crate::api::v1::policies::PolicyBundle;
use crate::app::App;
use crate::auth::Resource;
use crate::records::Policy;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete)).routes(routes!(activate))
}

/// The policies of the account by id, page by page, without their bundles.
#[utoipa::path(get, path = "/v2/policies", tag = "Policies",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PolicyPage)))]
async fn list(require: Permission<ListPolicies>, query: Query) -> Result<Json<PolicyPage>, ApiError> {
    let (limit, after) = asked(&query)?;
    let found = require.app.records().policies_after(&require.account, &after, limit + 1).await?;
    let (policies, next_cursor) = page(found, limit, |policy| policy.id.clone());
    Ok(Json(PolicyPage { items: policies.iter().map(PolicySummary::of).collect(), next_cursor }))
}

/// One policy with its bundle.
#[utoipa::path(get, path = "/v2/policies/{policy_id}", tag = "Policies", params(("policy_id" = String, Path)),
    responses((status = 200, body = StoredPolicy)))]
async fn get(require: Permission<GetPolicy>, Path(id): Path<String>) -> Result<Json<StoredPolicy>, ApiError> {
    Ok(Json(StoredPolicy::of(&found(&require.app, &require.account, &id).await?)))
}

/// Stores the bundle of the body under that id, new or in place of another; whether it judges does not change.
#[utoipa::path(put, path = "/v2/policies/{policy_id}", tag = "Policies",
    extensions(("x-narrowed-by" = json!("policy"))), params(("policy_id" = String, Path)),
    request_body = PolicyBundle,
    responses((status = 200, body = StoredPolicy), (status = 201, body = StoredPolicy)))]
async fn put(
    require: PermissionOn<UpdatePolicy>,
    Path(id): Path<String>,
    body: JsonObject,
) -> Result<Response, ApiError> {
    let require = require.on([Resource::policy(&id)])?;
    let mut bundle = body.0;
    if bundle.get("id").is_some_and(|inner| *inner != id) {
        return Err(bad(format!("the body is about another policy than `{id}`")));
    }
    bundle.insert("id".to_owned(), Value::from(id.as_str()));
    let before = require.app.records().policy(&require.account, &id).await?;
    let is_new = before.is_none();
    if let Some(before) = before {
        recording::before(&StoredPolicy::of(&before));
    }
    let stored = StoredPolicy::of(&require.app.save_policy(&require.account, Value::Object(bundle)).await?);
    if is_new {
        return Ok(created(&format!("/v2/policies/{}", segment(&id)), stored));
    }
    Ok(Json(stored).into_response())
}

/// Removes a policy, unless it is the active one.
#[utoipa::path(delete, path = "/v2/policies/{policy_id}", tag = "Policies",
    extensions(("x-narrowed-by" = json!("policy"))), params(("policy_id" = String, Path)),
    responses((status = 204), (status = 409)))]
async fn delete(require: PermissionOn<DeletePolicy>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let require = require.on([Resource::policy(&id)])?;
    let before = found(&require.app, &require.account, &id).await?;
    if before.active {
        return Err(ApiError::conflict(format!("`{id}` is the active policy: activate another one first")));
    }
    recording::before(&StoredPolicy::of(&before));
    require.app.records().delete_policy(&require.account, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes it the policy that judges; the one that did so before is kept.
#[utoipa::path(post, path = "/v2/policies/{policy_id}/activate", tag = "Policies", params(("policy_id" = String, Path)),
    responses((status = 200, body = PolicySummary)))]
async fn activate(require: Permission<UpdatePolicy>, Path(id): Path<String>) -> Result<Json<PolicySummary>, ApiError> {
    recording::before(&PolicySummary::of(&found(&require.app, &require.account, &id).await?));
    let policy = require.app.activate_policy(&require.account, &id).await?;
    Ok(Json(PolicySummary::of(&policy)))
}

async fn found(app: &App, account: &str, id: &str) -> Result<Policy, ApiError> {
    let policy = app.records().policy(account, id).await?;
    policy.ok_or_else(|| ApiError::not_found(format!("there is no policy `{id}`")))
}

/// Some policies.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyPage {
    items: Vec<PolicySummary>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// What is known of a policy beside its bundle.
#[derive(Debug, Serialize, ToSchema)]
struct PolicySummary {
    policy_id: String,
    name: Option<String>,
    description: Option<String>,
    /// Whether it judges where no other is named.
    active: bool,
    /// Digest of the bundle as it is stored.
    digest: String,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl PolicySummary {
    fn of(policy: &Policy) -> Self {
        let bundle = policy.bundle();
        let text = |name: &str| bundle.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            policy_id: policy.id.clone(),
            name: text("name"),
            description: text("description"),
            active: policy.active,
            digest: policy.digest.to_string(),
            created_at: policy.created_at,
            updated_at: policy.updated_at,
        }
    }
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
struct StoredPolicy {
    #[serde(flatten)]
    summary: PolicySummary,
    #[schema(value_type = Object)]
    bundle: Value,
}

impl StoredPolicy {
    fn of(policy: &Policy) -> Self {
        Self { summary: PolicySummary::of(policy), bundle: policy.bundle() }
    }
}
