//! API keys: what programs show instead of a password.

use std::fmt;

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{after, bad, limit, page};
use super::roles::RoleGiven;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{CreateApiKey, DeleteApiKey, Guarded, ListApiKeys, Permission, Scope};
use crate::api::recording;
use crate::app::{Identity, Via};
use crate::auth::{GivenRole, Grants};
use crate::clock;
use crate::records::{StoredKey, User};

/// Keys on a page, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// Keys of one user.
const MAX_KEYS: usize = 100;

/// Letters of a key's name.
const MAX_NAME: usize = 128;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// The caller's keys, or with `username` those of a user of theirs, oldest first, page by page. The keys themselves are
/// not told.
#[utoipa::path(get, path = "/v2/api-keys", tag = "API keys",
    params(("username" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = ApiKeyList), (status = 403), (status = 404)))]
async fn list(require: Permission<ListApiKeys>, query: Query) -> Result<Json<ApiKeyList>, ApiError> {
    let limit = limit(&query, PAGE, MAX_PAGE)?;
    let seen = match after(query.text("cursor"))?.as_str() {
        "" => None,
        text => Some(Place::parse(text).ok_or_else(|| bad("`cursor` is not one of this list: begin without one"))?),
    };
    let owner = owner(&require, query.text("username").unwrap_or(&require.caller.user)).await?;
    // All of a user's are few.
    let mut keys = require.app.records().keys(&owner).await?;
    keys.retain(|key| seen.as_ref().is_none_or(|seen| Place::of(key) > *seen));
    let (keys, next_cursor) = page(keys, limit, |key| Place::of(key).to_string());
    Ok(Json(ApiKeyList { items: keys.iter().map(|key| wire(key, None)).collect(), next_cursor }))
}

/// Makes a key. Only this answer has it.
#[utoipa::path(post, path = "/v2/api-keys", tag = "API keys", request_body = ApiKeyRequest,
    responses((status = 201, body = ApiKey), (status = 404), (status = 409)))]
async fn create(require: Permission<CreateApiKey>, body: JsonObject) -> Result<(StatusCode, Json<ApiKey>), ApiError> {
    let (app, caller) = (&require.app, &require.caller);
    if caller.via != Via::Password {
        return Err(ApiError::problem(StatusCode::FORBIDDEN, "keys are made with a password, not with a key or token"));
    }
    let fields = Fields::of(&body);
    let name = fields.required("name")?;
    if !(1..=MAX_NAME).contains(&name.chars().count()) {
        return Err(bad(format!("`name` must have 1 to {MAX_NAME} letters")));
    }
    let role = fields.value("role").map(|value| role(value, caller)).transpose()?;
    let expires_at = fields.text("expires_at")?.map(expiry).transpose()?;
    let owner = owner(&require, &caller.user).await?;
    if app.records().keys(&owner).await?.len() >= MAX_KEYS {
        let detail = format!("a user may have {MAX_KEYS} keys: revoke those that are not used");
        return Err(ApiError::problem(StatusCode::CONFLICT, detail));
    }
    let (key, stored) = app.records().make_key(&owner, name, role.as_ref(), expires_at).await?;
    recording::after(&wire(&stored, None));
    Ok((StatusCode::CREATED, Json(wire(&stored, Some(key.expose_secret().to_owned())))))
}

/// Revokes a key. From then on it opens nothing.
#[utoipa::path(delete, path = "/v2/api-keys/{key_id}", tag = "API keys", params(("key_id" = String, Path)),
    responses((status = 204), (status = 404)))]
async fn revoke(require: Permission<DeleteApiKey>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::problem(StatusCode::NOT_FOUND, format!("there is no API key `{id}`"));
    let caller = &require.caller;
    let key = match require.app.records().key(&caller.account, &id).await? {
        Some(key) => key,
        None if caller.is_admin => require.app.records().key(&require.account, &id).await?.ok_or_else(missing)?,
        None => return Err(missing()),
    };
    // Who may not see it learns nothing of it.
    owner(&require, &key.username).await.map_err(|_| missing())?;
    recording::before(&wire(&key, None));
    require.app.records().delete_key(&key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a key stands in the list, which is in the order of these.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    created_at: i64,
    id: String,
}

impl Place {
    fn of(key: &StoredKey) -> Self {
        Self { created_at: key.created_at.as_microsecond(), id: key.id.clone() }
    }

    fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_once(' ')?;
        Some(Self { created_at: created_at.parse().ok()?, id: id.to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.created_at, self.id)
    }
}

/// The user of that name: the caller, or one whom the caller manages.
async fn owner<P>(require: &Permission<P>, name: &str) -> Result<User, ApiError> {
    let caller = &require.caller;
    if name != caller.user && !caller.grants.may("updateUser", Scope::PathAccount) {
        return Err(ApiError::forbidden(&caller.account, "updateUser", name));
    }
    let user = require.app.records().user(name).await?;
    let user = user.filter(|user| caller.is_admin || user.account == caller.account);
    let user = user
        .ok_or_else(|| ApiError::problem(StatusCode::NOT_FOUND, format!("there is no user `{name}` in the account")))?;
    if name != caller.user && !caller.grants.covers(&require.app.grants_of(&user).await?) {
        return Err(ApiError::forbidden("system", "updateUser", name));
    }
    Ok(user)
}

fn role(value: &Value, caller: &Identity) -> Result<GivenRole, ApiError> {
    let role = GivenRole::read(value).map_err(|why| bad(format!("`role`: {why}")))?;
    if !caller.grants.covers(&Grants::of(std::slice::from_ref(&role))) {
        let detail = format!("a key cannot have the role `{role}`: it allows more than its user may");
        return Err(ApiError::problem(StatusCode::FORBIDDEN, detail));
    }
    Ok(role)
}

fn expiry(text: &str) -> Result<Timestamp, ApiError> {
    let stamp: Timestamp = text.parse().map_err(|_| {
        // It is an instant of the calendar, but on its last day, which is not one in every time zone.
        let is_last = Pieces::parse(text).is_ok_and(|pieces| pieces.offset().is_some() && pieces.date().year() == 9999);
        bad(if is_last {
            "`expires_at` may be 9999-12-30T22:00:00Z at the latest: leave it out for a key without an end"
        } else {
            "`expires_at` must be a time as in 2030-01-31T00:00:00Z"
        })
    })?;
    if stamp <= clock::now() {
        return Err(bad("`expires_at` is past"));
    }
    Ok(stamp)
}

fn wire(key: &StoredKey, text: Option<String>) -> ApiKey {
    ApiKey {
        id: key.id.clone(),
        username: key.username.clone(),
        name: key.name.clone(),
        role: key.role.as_deref().map(RoleGiven::of_text),
        created_at: key.created_at.to_string(),
        expires_at: key.expires_at.map(|stamp| stamp.to_string()),
        last_used_at: key.used_at.map(|stamp| stamp.to_string()),
        key: text,
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct ApiKeyList {
    items: Vec<ApiKey>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ApiKey {
    id: String,
    username: String,
    name: String,
    /// What the key is narrowed to; without it, it may what its user may.
    role: Option<RoleGiven>,
    created_at: String,
    expires_at: Option<String>,
    /// To the minute.
    last_used_at: Option<String>,
    /// The key, when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// A key to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct ApiKeyRequest {
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// What it is narrowed to: a role, perhaps on some resources only, `{"role": "developer", "on": ["repository:ghcr.io/acme/app"]}`.
    role: Option<RoleGiven>,
    /// An instant.
    expires_at: Option<String>,
}
