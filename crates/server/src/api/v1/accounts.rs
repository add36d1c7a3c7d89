//! Accounts: who owns images and policies.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    CreateAccount, DeleteAccount, GetAccount, Guarded, ListAccounts, Permission, ReadAccount, UpdateAccount,
};
use crate::api::recording;
use crate::app::App;
use crate::records;

/// Names nobody can take.
const RESERVED: &[&str] = &["admin", "anchore-system", "system"];

/// The pattern of account and user names, as the contract writes it.
pub(in crate::api) const NAME_PATTERN: &str = "^[a-zA-Z0-9][a-zA-Z0-9@.!#$+-=^_`~;]{1,126}[a-zA-Z0-9]$";

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, delete))
        .routes(routes!(set_state))
        .routes(routes!(own))
}

#[utoipa::path(get, path = "/accounts", tag = "Accounts", params(("state" = Option<String>, Query, pattern = "^(enabled|disabled|deleting)$")),
    responses((status = 200, body = [Account])))]
async fn list(require: Permission<ListAccounts>, query: Query) -> Result<Json<Vec<Account>>, ApiError> {
    let state = query.word("state", &["enabled", "disabled", "deleting"])?;
    let accounts = require.app.records().accounts().await?;
    let shown = accounts.iter().filter(|account| !account.is_service());
    Ok(Json(shown.filter(|account| state.is_none_or(|state| account.state.as_str() == state)).map(wire).collect()))
}

#[utoipa::path(post, path = "/accounts", tag = "Accounts", request_body = AccountRequest,
    responses((status = 200, body = Account)))]
async fn create(require: Permission<CreateAccount>, body: JsonObject) -> Result<Json<Account>, ApiError> {
    let fields = Fields::of(&body);
    let (name, email) = asked(&fields)?;
    if fields.text("type")?.is_some_and(|kind| kind != "user") {
        return Err(ApiError::bad_request("Invalid account request: only accounts of type `user` can be added"));
    }
    let created = require.app.create_account(name, email).await?;
    Ok(Json(wire(&created)))
}

/// Name and e-mail address of an account to be.
pub(in crate::api) fn asked<'a>(fields: &Fields<'a>) -> Result<(&'a str, Option<&'a str>), ApiError> {
    fields.required("name")?;
    let name = fields.matching("name", NAME_PATTERN, is_name)?.unwrap_or_default();
    let email = fields.text("email")?;
    if RESERVED.contains(&name) {
        return Err(ApiError::bad_request(format!("Invalid account request: Cannot use name {name}")));
    }
    if email.is_some_and(|email| !is_email(email)) {
        return Err(ApiError::bad_request("Invalid account request: `email` is no e-mail address"));
    }
    Ok((name, email))
}

#[utoipa::path(get, path = "/accounts/{accountname}", tag = "Accounts", params(("accountname" = String, Path)),
    responses((status = 200, body = Account)))]
async fn get(require: Permission<ReadAccount>, Path(name): Path<String>) -> Result<Json<Account>, ApiError> {
    Ok(Json(wire(&existing(&require.app, &name).await?)))
}

#[utoipa::path(delete, path = "/accounts/{accountname}", tag = "Accounts", params(("accountname" = String, Path)),
    responses((status = 200, body = AccountStatus)))]
async fn delete(require: Permission<DeleteAccount>, Path(name): Path<String>) -> Result<Json<AccountStatus>, ApiError> {
    let account = existing(&require.app, &name).await?;
    recording::before(&wire(&account));
    remove(&require.app, &account).await?;
    Ok(Json(AccountStatus { state: "deleting" }))
}

/// Marks an account, which must be disabled, as going away.
pub(in crate::api) async fn remove(app: &App, account: &records::Account) -> Result<(), ApiError> {
    if account.is_admin() {
        return Err(ApiError::bad_request("Cannot delete the admin account"));
    }
    if account.state != records::AccountState::Disabled {
        let state = account.state.as_str();
        return Err(ApiError::bad_request(format!(
            "Invalid account state change requested. Cannot go from state {state} to state deleting"
        )));
    }
    app.records().delete_account(&account.name).await?;
    app.nudges().accounts.notify_one();
    Ok(())
}

#[utoipa::path(put, path = "/accounts/{accountname}/state", tag = "Accounts", params(("accountname" = String, Path)),
    request_body = AccountStateRequest, responses((status = 200, body = AccountStatus)))]
async fn set_state(
    require: Permission<UpdateAccount>,
    Path(name): Path<String>,
    body: JsonObject,
) -> Result<Json<AccountStatus>, ApiError> {
    let state = Fields::of(&body).word("state", &["enabled", "disabled"])?;
    let account = existing(&require.app, &name).await?;
    recording::before(&wire(&account));
    switch(&require.app, &account, state).await?;
    Ok(Json(AccountStatus { state }))
}

/// Gives an account the state `enabled` or `disabled`.
pub(in crate::api) async fn switch(app: &App, account: &records::Account, state: &str) -> Result<(), ApiError> {
    if account.is_admin() && state == "disabled" {
        return Err(ApiError::bad_request("Cannot disable the admin account"));
    }
    if account.state == records::AccountState::Deleting {
        return Err(ApiError::bad_request(format!(
            "Invalid account state change requested. Cannot go from state deleting to state {state}"
        )));
    }
    Ok(app.records().set_account_enabled(&account.name, state == "enabled").await?)
}

#[utoipa::path(get, path = "/account", tag = "Accounts",
    responses((status = 200, body = Account), (status = 404)))]
async fn own(require: Permission<GetAccount>) -> Result<Json<Account>, ApiError> {
    let account = require.app.records().account(&require.account).await?;
    account.map(|account| Json(wire(&account))).ok_or_else(not_found)
}

/// The account of this name, unless it is internal.
pub(in crate::api) async fn existing(app: &App, name: &str) -> Result<records::Account, ApiError> {
    let account = app.records().account(name).await?;
    account.filter(|account| !account.is_service()).ok_or_else(not_found)
}

fn not_found() -> ApiError {
    ApiError::not_found("Account not found")
}

/// Whether [`NAME_PATTERN`] accepts the text; `+-=` in it is a range.
pub(super) fn is_name(text: &str) -> bool {
    let inner =
        |byte: u8| byte.is_ascii_alphanumeric() || b"@.!#$^_`~;".contains(&byte) || (b'+'..=b'=').contains(&byte);
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    (3..=128).contains(&bytes.len())
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| inner(*byte))
}

fn is_email(text: &str) -> bool {
    text.len() <= 254
        && text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@') && !text.contains(char::is_whitespace)
        })
}

fn wire(account: &records::Account) -> Account {
    Account {
        name: account.name.clone(),
        email: account.email.clone(),
        state: account.state.as_str(),
        r#type: account.kind.as_str(),
        created_at: seconds(account.created_at),
        last_updated: seconds(account.updated_at),
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Account {
    name: String,
    email: Option<String>,
    state: &'static str,
    r#type: &'static str,
    created_at: String,
    last_updated: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct AccountStatus {
    state: &'static str,
}

/// An account to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct AccountRequest {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9@.!#$+-=^_`~;]{1,126}[a-zA-Z0-9]$")]
    name: String,
    email: Option<String>,
    /// `user`, which needs not be said.
    r#type: Option<String>,
}

/// The state an account shall have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct AccountStateRequest {
    #[schema(pattern = "^(enabled|disabled)$")]
    state: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern() {
        for name in ["abc", "a.b", "team-1", "a:b", "a<b"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "ab", "-abc", "abc-", "a b c", "a/b/", "ä-ä"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
