//! Accounts: who owns images and policies.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{asked, created, page_of, segment};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    CreateAccount, DeleteAccount, Guarded, ListAccounts, Permission, ReadAccount, UpdateAccount,
};
use crate::api::recording;
use crate::api::v1::accounts::{self, existing};
use crate::records::Account;

/// States that an account is given.
const GIVEN: &[&str] = &["enabled", "disabled"];

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, change, delete))
}

/// The accounts by name, page by page.
#[utoipa::path(get, path = "/v2/accounts", tag = "Accounts",
    params(("state" = Option<String>, Query, pattern = "^(enabled|disabled|deleting)$"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = AccountPage)))]
async fn list(require: Permission<ListAccounts>, query: Query) -> Result<Json<AccountPage>, ApiError> {
    let (limit, after) = asked(&query)?;
    let state = query.word("state", &["enabled", "disabled", "deleting"])?;
    let mut all = require.app.records().accounts().await?;
    all.retain(|account| !account.is_service() && state.is_none_or(|state| account.state.as_str() == state));
    let (shown, next_cursor) = page_of(all, (limit, &after), |account| account.name.clone());
    Ok(Json(AccountPage { items: shown.iter().map(AccountRecord::of).collect(), next_cursor }))
}

/// Adds an account, which has the default policy.
#[utoipa::path(post, path = "/v2/accounts", tag = "Accounts", request_body = NewAccount,
    responses((status = 201, body = AccountRecord)))]
async fn create(require: Permission<CreateAccount>, body: JsonObject) -> Result<Response, ApiError> {
    let fields = Fields::of(&body);
    let (name, email) = accounts::asked(&fields)?;
    let account = require.app.create_account(name, email).await?;
    Ok(created(&format!("/v2/accounts/{}", segment(name)), AccountRecord::of(&account)))
}

/// One account.
#[utoipa::path(get, path = "/v2/accounts/{accountname}", tag = "Accounts", params(("accountname" = String, Path)),
    responses((status = 200, body = AccountRecord)))]
async fn get(require: Permission<ReadAccount>, Path(name): Path<String>) -> Result<Json<AccountRecord>, ApiError> {
    Ok(Json(AccountRecord::of(&existing(&require.app, &name).await?)))
}

/// Enables or disables an account: users of one that is disabled are turned away, and it is not worked for.
#[utoipa::path(patch, path = "/v2/accounts/{accountname}", tag = "Accounts", params(("accountname" = String, Path)),
    request_body = AccountPatch, responses((status = 200, body = AccountRecord)))]
async fn change(
    require: Permission<UpdateAccount>,
    Path(name): Path<String>,
    body: JsonObject,
) -> Result<Json<AccountRecord>, ApiError> {
    let state = Fields::of(&body).word("state", GIVEN)?;
    let account = existing(&require.app, &name).await?;
    recording::before(&AccountRecord::of(&account));
    accounts::switch(&require.app, &account, state).await?;
    Ok(Json(AccountRecord::of(&existing(&require.app, &name).await?)))
}

/// Removes an account, which must be disabled, and all that it has, in the background.
#[utoipa::path(delete, path = "/v2/accounts/{accountname}", tag = "Accounts", params(("accountname" = String, Path)),
    responses((status = 202), (status = 400)))]
async fn delete(require: Permission<DeleteAccount>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let account = existing(&require.app, &name).await?;
    recording::before(&AccountRecord::of(&account));
    accounts::remove(&require.app, &account).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Some accounts.
#[derive(Debug, Serialize, ToSchema)]
struct AccountPage {
    items: Vec<AccountRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
struct AccountRecord {
    name: String,
    email: Option<String>,
    /// `enabled`, `disabled` or `deleting`.
    state: &'static str,
    /// `user`, or `admin`: that of who may do everything.
    r#type: &'static str,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl AccountRecord {
    fn of(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            email: account.email.clone(),
            state: account.state.as_str(),
            r#type: account.kind.as_str(),
            created_at: account.created_at,
            updated_at: account.updated_at,
        }
    }
}

/// An account to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct NewAccount {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9@.!#$+-=^_`~;]{1,126}[a-zA-Z0-9]$")]
    name: String,
    email: Option<String>,
}

/// What shall be different.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct AccountPatch {
    #[schema(pattern = "^(enabled|disabled)$")]
    state: String,
}
