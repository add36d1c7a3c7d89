//! Users of an account, and the caller itself.

use axum::Json;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::{NAME_PATTERN, existing, is_name};
use super::encoding::seconds;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    Authenticated, CreateUser, DeleteUser, GetUser, Guarded, ListUsers, Permission, UpdateOwnCredentials, UpdateUser,
};
use crate::api::recording;
use crate::app::{App, Identity, Via};
use crate::auth::{Grants, is_password};
use crate::records;

/// Pattern of passwords, as the contract writes it.
const PASSWORD_PATTERN: &str = ".{6,128}$";

/// Users that cannot be deleted.
const PROTECTED: &[&str] = &["admin", "anchore-system"];

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, delete))
        .routes(routes!(credentials, set_credential, delete_credential))
        .routes(routes!(own))
        .routes(routes!(own_credentials, set_own_credential))
}

#[utoipa::path(get, path = "/accounts/{accountname}/users", tag = "Users", params(("accountname" = String, Path)),
    responses((status = 200, body = [User])))]
async fn list(require: Permission<ListUsers>, Path(account): Path<String>) -> Result<Json<Vec<User>>, ApiError> {
    existing(&require.app, &account).await?;
    Ok(Json(require.app.records().users(&account).await?.iter().map(wire).collect()))
}

#[utoipa::path(post, path = "/accounts/{accountname}/users", tag = "Users", params(("accountname" = String, Path)),
    request_body = UserRequest, responses((status = 200, body = User)))]
async fn create(
    require: Permission<CreateUser>,
    Path(account): Path<String>,
    body: JsonObject,
) -> Result<Json<User>, ApiError> {
    Ok(Json(wire(&add(&require.app, &require.caller, &account, &Fields::of(&body)).await?)))
}

/// Adds the user that a body describes, unless they would manage more than who adds them.
pub(in crate::api) async fn add(
    app: &App,
    caller: &Identity,
    account: &str,
    fields: &Fields<'_>,
) -> Result<records::User, ApiError> {
    fields.required("username")?;
    fields.required("password")?;
    let name = fields.matching("username", NAME_PATTERN, is_name)?.unwrap_or_default();
    let password = fields.matching("password", PASSWORD_PATTERN, is_password)?.unwrap_or_default();
    let owner = existing(app, account).await?;
    if owner.state == records::AccountState::Deleting {
        return Err(ApiError::bad_request(format!("the account `{account}` is being deleted")));
    }
    if !caller.grants.covers(&Grants::of_account(owner.is_admin())) {
        return Err(ApiError::forbidden("system", "createUser", name));
    }
    app.create_user(account, name, SecretString::from(password)).await
}

#[utoipa::path(get, path = "/accounts/{accountname}/users/{username}", tag = "Users",
    params(("accountname" = String, Path), ("username" = String, Path)), responses((status = 200, body = User)))]
async fn get(
    require: Permission<GetUser>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<User>, ApiError> {
    Ok(Json(wire(&found(&require.app, &account, &name).await?)))
}

#[utoipa::path(delete, path = "/accounts/{accountname}/users/{username}", tag = "Users",
    params(("accountname" = String, Path), ("username" = String, Path)), responses((status = 204)))]
async fn delete(
    require: Permission<DeleteUser>,
    Path((account, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let user = found(&require.app, &account, &name).await?;
    recording::before(&wire(&user));
    remove(&require.app, &require.caller, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a user, unless it is the caller, or somebody who may more.
pub(in crate::api) async fn remove(app: &App, caller: &Identity, user: &records::User) -> Result<(), ApiError> {
    let name = &user.name;
    if *name == caller.user || PROTECTED.contains(&name.as_str()) {
        return Err(ApiError::bad_request(format!("the user `{name}` cannot be deleted by this caller")));
    }
    manageable(app, caller, user, "deleteUser").await?;
    Ok(app.records().delete_user(&user.account, name).await?)
}

#[utoipa::path(get, path = "/accounts/{accountname}/users/{username}/credentials", tag = "Users",
    params(("accountname" = String, Path), ("username" = String, Path)), responses((status = 200, body = [Credential])))]
async fn credentials(
    require: Permission<GetUser>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<Vec<Credential>>, ApiError> {
    Ok(Json(credential(&found(&require.app, &account, &name).await?).into_iter().collect()))
}

#[utoipa::path(post, path = "/accounts/{accountname}/users/{username}/credentials", tag = "Users",
    params(("accountname" = String, Path), ("username" = String, Path)), request_body = CredentialRequest,
    responses((status = 200, body = Credential)))]
async fn set_credential(
    require: Permission<UpdateUser>,
    Path((account, name)): Path<(String, String)>,
    body: JsonObject,
) -> Result<Json<Credential>, ApiError> {
    let password = password_of(&body)?;
    let user = found(&require.app, &account, &name).await?;
    manageable(&require.app, &require.caller, &user, "updateUser").await?;
    with_password(&require.caller, &user)?;
    change(&require.app, &account, &name, password).await
}

#[utoipa::path(delete, path = "/accounts/{accountname}/users/{username}/credentials", tag = "Users",
    params(("accountname" = String, Path), ("username" = String, Path), ("credential_type" = String, Query, pattern = "^password$")),
    responses((status = 204)))]
async fn delete_credential(
    require: Permission<UpdateUser>,
    Path((account, name)): Path<(String, String)>,
    query: Query,
) -> Result<StatusCode, ApiError> {
    query.required("credential_type")?;
    query.word("credential_type", &["password"])?;
    let user = found(&require.app, &account, &name).await?;
    manageable(&require.app, &require.caller, &user, "updateUser").await?;
    if name == require.caller.user {
        return Err(ApiError::bad_request("nobody can delete the credential they are calling with"));
    }
    require.app.records().set_password(&account, &name, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(get, path = "/user", tag = "Users", responses((status = 200, body = User), (status = 404)))]
async fn own(require: Permission<Authenticated>) -> Result<Json<User>, ApiError> {
    Ok(Json(wire(&found(&require.app, &require.caller.account, &require.caller.user).await?)))
}

#[utoipa::path(get, path = "/user/credentials", tag = "Users", responses((status = 200, body = [Credential])))]
async fn own_credentials(require: Permission<Authenticated>) -> Result<Json<Vec<Credential>>, ApiError> {
    let user = found(&require.app, &require.caller.account, &require.caller.user).await?;
    Ok(Json(credential(&user).into_iter().collect()))
}

#[utoipa::path(post, path = "/user/credentials", tag = "Users", request_body = CredentialRequest,
    responses((status = 200, body = Credential)))]
async fn set_own_credential(
    require: Permission<UpdateOwnCredentials>,
    body: JsonObject,
) -> Result<Json<Credential>, ApiError> {
    let password = password_of(&body)?;
    let user = found(&require.app, &require.caller.account, &require.caller.user).await?;
    with_password(&require.caller, &user)?;
    change(&require.app, &require.caller.account, &require.caller.user, password).await
}

/// Nobody manages users who may more than they.
async fn manageable(app: &App, caller: &Identity, user: &records::User, action: &str) -> Result<(), ApiError> {
    if caller.grants.covers(&app.grants_of(user).await?) {
        return Ok(());
    }
    Err(ApiError::forbidden("system", action, &user.name))
}

/// Whether the caller may set the password of a user who has one: a key that is lost must not cost its owner the user.
/// A token may, as with the original.
fn with_password(caller: &Identity, user: &records::User) -> Result<(), ApiError> {
    if user.is_external() {
        return Err(ApiError::bad_request(format!("`{}` logs in elsewhere and has no password", user.name)));
    }
    if caller.user == user.name && !matches!(caller.via, Via::Password | Via::Token) {
        return Err(ApiError::forbidden(&caller.account, "updateUser", &user.name));
    }
    Ok(())
}

async fn change(app: &App, account: &str, name: &str, password: SecretString) -> Result<Json<Credential>, ApiError> {
    let user = app.set_password(account, name, password).await?;
    credential(&user).map(Json).ok_or_else(|| ApiError::not_found("User not found"))
}

pub(in crate::api) async fn found(app: &App, account: &str, name: &str) -> Result<records::User, ApiError> {
    existing(app, account).await?;
    let user = app.records().user(name).await?;
    user.filter(|user| user.account == account).ok_or_else(|| ApiError::not_found("User not found"))
}

fn password_of(body: &JsonObject) -> Result<SecretString, ApiError> {
    let fields = Fields::of(body);
    fields.word("type", &["password"])?;
    match fields.required("value")? {
        value if is_password(value) => Ok(SecretString::from(value)),
        // Not in the words of a validator: the original took any here, so nobody looks for them.
        _ => Err(ApiError::bad_request("a password has 6 to 128 letters and no line breaks")),
    }
}

fn wire(user: &records::User) -> User {
    User {
        username: user.name.clone(),
        r#type: user.kind.as_str(),
        source: user.source.clone(),
        created_at: seconds(user.created_at),
        last_updated: seconds(user.updated_at),
    }
}

/// The credential with its value masked to a fixed width, so that nothing is told about the password.
fn credential(user: &records::User) -> Option<Credential> {
    let created_at = user.password_set_at?;
    Some(Credential { r#type: "password", value: "******", created_at: seconds(created_at) })
}

#[derive(Debug, Serialize, ToSchema)]
struct User {
    username: String,
    r#type: &'static str,
    source: Option<String>,
    created_at: String,
    last_updated: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Credential {
    r#type: &'static str,
    value: &'static str,
    created_at: String,
}

/// A user to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct UserRequest {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9@.!#$+-=^_`~;]{1,126}[a-zA-Z0-9]$")]
    username: String,
    #[schema(pattern = "^.{6,128}$")]
    password: String,
}

/// A password to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct CredentialRequest {
    #[schema(pattern = "^password$")]
    r#type: String,
    #[schema(pattern = "^.{6,128}$")]
    value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_follow_the_pattern_as_a_whole() {
        for password in ["foobar", "ä ö ü!", &"x".repeat(128)] {
            assert!(is_password(password), "{password}");
        }
        for none in ["", "short", "a\nbcdefg", "abcdefg\n", &"x".repeat(129)] {
            assert!(!is_password(none), "{none:?}");
        }
    }
}
