//! Policy bundles.

mod bundle;

use axum::Json;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    CreatePolicy, DeletePolicy, GetPolicy, Guarded, ListPolicies, Permission, PermissionOn, UpdatePolicy,
};
use crate::api::recording;
use crate::app::App;
use crate::auth::Resource;
use crate::records;

pub(in crate::api) use self::bundle::PolicyBundle;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

#[utoipa::path(get, path = "/policies", tag = "Policies", params(("detail" = Option<bool>, Query)),
    responses((status = 200, body = [PolicyRecord])))]
async fn list(require: Permission<ListPolicies>, query: Query) -> Result<Json<Vec<PolicyRecord>>, ApiError> {
    let detail = Detail::of(query.flag("detail")?.unwrap_or(false));
    let policies = require.app.records().policies(&require.account).await?;
    Ok(Json(policies.into_iter().map(|policy| wire(policy, detail)).collect()))
}

#[utoipa::path(post, path = "/policies", tag = "Policies",
    extensions(("x-narrowed-by" = json!("policy"))), params(("detail" = Option<bool>, Query)),
    request_body = PolicyBundle, responses((status = 200, body = PolicyRecord), (status = 404)))]
async fn create(
    require: PermissionOn<CreatePolicy>,
    query: Query,
    body: JsonObject,
) -> Result<Json<PolicyRecord>, ApiError> {
    let detail = Detail::of(query.flag("detail")?.unwrap_or(true));
    let bundle = Value::Object(body.0);
    let require = require.on(bundle.get("id").and_then(Value::as_str).map(Resource::policy))?;
    if let Some(id) = bundle.get("id").and_then(Value::as_str)
        && let Some(stored) = require.app.records().policy(&require.account, id).await?
    {
        recording::before(&wire(stored, Detail::Whole));
    }
    let policy = require.app.save_policy(&require.account, bundle).await?;
    let mut record = wire(policy, detail);
    if let Detail::Whole = detail {
        record.policybundlemeta = None;
    }
    Ok(Json(record))
}

#[utoipa::path(get, path = "/policies/{policyId}", tag = "Policies",
    params(("policyId" = String, Path), ("detail" = Option<bool>, Query)),
    responses((status = 200, body = [PolicyRecord])))]
async fn get(
    require: Permission<GetPolicy>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Vec<PolicyRecord>>, ApiError> {
    let detail = Detail::of(query.flag("detail")?.unwrap_or(true));
    let policy = found(&require.app, &require.account, &id).await?;
    Ok(Json(vec![wire(policy, detail)]))
}

#[utoipa::path(put, path = "/policies/{policyId}", tag = "Policies",
    extensions(("x-narrowed-by" = json!("policy"))),
    params(("policyId" = String, Path), ("active" = Option<bool>, Query)),
    request_body = PolicyChange, responses((status = 200, body = [PolicyRecord]), (status = 409)))]
async fn update(
    require: PermissionOn<UpdatePolicy>,
    Path(id): Path<String>,
    query: Query,
    body: JsonObject,
) -> Result<Json<Vec<PolicyRecord>>, ApiError> {
    let fields = Fields::of(&body);
    let active = query.flag("active")?.unwrap_or(false) || fields.flag("active")?.unwrap_or(false);
    let named = fields.required("policyId")?;
    let bundle = body.0.get("policybundle").cloned().unwrap_or_default();
    let (require, stored) = require.on_policy(&id, active).await?;
    let stored = stored.ok_or_else(|| missing(&id))?;
    let activates = active && !stored.active;
    if stored.active && !active {
        return Err(ApiError::conflict("cannot deactivate an active policy - can only activate an inactive policy"));
    }
    if named != id || bundle.get("id").and_then(Value::as_str).is_some_and(|inner| inner != id) {
        return Err(ApiError::bad_request(format!("the body is about another policy than `{id}`")));
    }
    if !bundle.is_object() {
        return Err(ApiError::bad_request("the body has no `policybundle`"));
    }
    recording::before(&wire(stored, Detail::Whole));
    let mut policy = require.app.save_policy(&require.account, bundle).await?;
    if activates {
        policy = require.app.activate_policy(&require.account, &id).await?;
    }
    Ok(Json(vec![wire(policy, Detail::Whole)]))
}

#[utoipa::path(delete, path = "/policies/{policyId}", tag = "Policies",
    extensions(("x-narrowed-by" = json!("policy"))), params(("policyId" = String, Path)),
    responses((status = 200, body = String, content_type = "application/json"), (status = 409)))]
async fn delete(require: PermissionOn<DeletePolicy>, Path(id): Path<String>) -> Result<Json<&'static str>, ApiError> {
    let require = require.on([Resource::policy(&id)])?;
    let stored = found(&require.app, &require.account, &id).await?;
    if stored.active {
        return Err(ApiError::conflict("cannot delete an active policy: activate another one first"));
    }
    recording::before(&wire(stored, Detail::Whole));
    require.app.records().delete_policy(&require.account, &id).await?;
    Ok(Json("deleted"))
}

async fn found(app: &App, account: &str, id: &str) -> Result<records::Policy, ApiError> {
    let policy = app.records().policy(account, id).await?;
    policy.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> ApiError {
    ApiError::not_found(format!("there is no policy `{id}`"))
}

/// How much of a policy is told.
#[derive(Debug, Clone, Copy)]
enum Detail {
    Whole,
    Summary,
}

impl Detail {
    fn of(whole: bool) -> Self {
        if whole { Self::Whole } else { Self::Summary }
    }
}

fn wire(policy: records::Policy, detail: Detail) -> PolicyRecord {
    let bundle = policy.bundle();
    let text = |name: &str| bundle.get(name).and_then(Value::as_str).map(str::to_owned);
    let (name, description) = (text("name"), text("description"));
    let meta = meta(&policy);
    let (bundle, meta) = match detail {
        Detail::Summary => (json!({}), json!({})),
        Detail::Whole => (bundle, meta),
    };
    PolicyRecord {
        policy_id: policy.id,
        user_id: policy.account,
        active: policy.active,
        policy_source: policy.source,
        created_at: seconds(policy.created_at),
        last_updated: seconds(policy.updated_at),
        name,
        description,
        policybundle: bundle,
        policybundlemeta: Some(meta),
    }
}

/// How the document is stored, in the words of version 1. Clients send it back and look at nothing in it.
fn meta(policy: &records::Policy) -> Value {
    let (created_at, last_updated) = (policy.created_at.as_second(), policy.updated_at.as_second());
    json!({
        "archiveId": policy.id,
        "bucket": "policy_bundles",
        "content_url": format!("db://{}/policy_bundles/{}", policy.account, policy.id),
        "created_at": created_at,
        "digest": policy.digest.hex(),
        "documentName": format!("{}.json", policy.id),
        "document_metadata": null,
        "is_compressed": false,
        "last_updated": last_updated,
        "record_state_key": "active",
        "record_state_val": null,
        "size": policy.document.get().len(),
        "userId": policy.account,
    })
}

#[derive(Debug, Serialize, ToSchema)]
struct PolicyRecord {
    #[serde(rename = "policyId")]
    policy_id: String,
    #[serde(rename = "userId")]
    user_id: String,
    active: bool,
    policy_source: String,
    created_at: String,
    last_updated: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[schema(value_type = Object)]
    policybundle: Value,
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    policybundlemeta: Option<Value>,
}

/// A record, as it was read, with what shall be different.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct PolicyChange {
    #[schema(rename = "policyId")]
    policy_id: String,
    active: Option<bool>,
    policybundle: PolicyBundle,
}
