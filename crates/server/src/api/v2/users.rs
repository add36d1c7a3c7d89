//! Users of an account.

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
use crate::api::permission::{CreateUser, DeleteUser, GetUser, Guarded, ListUsers, Permission};
use crate::api::recording;
use crate::api::v1::accounts::existing;
use crate::api::v1::users;
use crate::records::User;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, delete))
}

/// The users of an account by name, page by page.
#[utoipa::path(get, path = "/v2/accounts/{accountname}/users", tag = "Users",
    params(("accountname" = String, Path),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = UserPage)))]
async fn list(
    require: Permission<ListUsers>,
    Path(account): Path<String>,
    query: Query,
) -> Result<Json<UserPage>, ApiError> {
    let (limit, after) = asked(&query)?;
    existing(&require.app, &account).await?;
    let all = require.app.records().users(&account).await?;
    let (shown, next_cursor) = page_of(all, (limit, &after), |user| user.name.clone());
    Ok(Json(UserPage { items: shown.iter().map(UserRecord::of).collect(), next_cursor }))
}

/// Adds a user, who may do everything in the account until they are given roles.
#[utoipa::path(post, path = "/v2/accounts/{accountname}/users", tag = "Users", params(("accountname" = String, Path)),
    request_body = NewUser, responses((status = 201, body = UserRecord)))]
async fn create(
    require: Permission<CreateUser>,
    Path(account): Path<String>,
    body: JsonObject,
) -> Result<Response, ApiError> {
    let user = users::add(&require.app, &require.caller, &account, &Fields::of(&body)).await?;
    let place = format!("/v2/accounts/{}/users/{}", segment(&account), segment(&user.name));
    Ok(created(&place, UserRecord::of(&user)))
}

/// One user.
#[utoipa::path(get, path = "/v2/accounts/{accountname}/users/{username}", tag = "Users",
    params(("accountname" = String, Path), ("username" = String, Path)), responses((status = 200, body = UserRecord)))]
async fn get(
    require: Permission<GetUser>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<UserRecord>, ApiError> {
    Ok(Json(UserRecord::of(&users::found(&require.app, &account, &name).await?)))
}

/// Removes a user. Nobody removes themselves, or somebody who may more.
#[utoipa::path(delete, path = "/v2/accounts/{accountname}/users/{username}", tag = "Users",
    params(("accountname" = String, Path), ("username" = String, Path)), responses((status = 204), (status = 400)))]
async fn delete(
    require: Permission<DeleteUser>,
    Path((account, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let user = users::found(&require.app, &account, &name).await?;
    recording::before(&UserRecord::of(&user));
    users::remove(&require.app, &require.caller, &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Some users.
#[derive(Debug, Serialize, ToSchema)]
struct UserPage {
    items: Vec<UserRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
struct UserRecord {
    username: String,
    account: String,
    /// `native`, or `external`: somebody else vouches for them.
    r#type: &'static str,
    /// Who vouches.
    source: Option<String>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl UserRecord {
    fn of(user: &User) -> Self {
        Self {
            username: user.name.clone(),
            account: user.account.clone(),
            r#type: user.kind.as_str(),
            source: user.source.clone(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A user to be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct NewUser {
    #[schema(pattern = "^[a-zA-Z0-9][a-zA-Z0-9@.!#$+-=^_`~;]{1,126}[a-zA-Z0-9]$")]
    username: String,
    #[schema(pattern = "^.{6,128}$")]
    password: String,
}
