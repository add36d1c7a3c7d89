//! Roles, and who has them.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::Part;
use super::paging::bad;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{AssignRoles, Authenticated, GetUserRoles, Guarded, Permission};
use crate::api::recording;
use crate::app::{App, Identity};
use crate::auth::{Grants, UserRole};
use crate::records::User;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, replace))
}

/// The roles there are, the least first, and what each allows.
#[utoipa::path(get, path = "/v2/roles", tag = "Roles",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = RolePage)))]
async fn list(_require: Permission<Authenticated>, query: Query) -> Result<Json<RolePage>, ApiError> {
    let part = Part::read(&query)?;
    let items = part.of(&UserRole::ALL).map(|role| Role {
        slug: role.slug(),
        description: role.description(),
        permissions: role.actions(),
        system: role.grants().is_system(),
    });
    Ok(Json(RolePage { items: items.collect(), next_cursor: part.next(UserRole::ALL.len()) }))
}

/// The roles of a user. Without any, the user may do everything in the account.
#[utoipa::path(get, path = "/v2/users/{username}/roles", tag = "Roles", params(("username" = String, Path)),
    responses((status = 200, body = UserRoles), (status = 404)))]
async fn get(require: Permission<GetUserRoles>, Path(name): Path<String>) -> Result<Json<UserRoles>, ApiError> {
    let user = found(&require.app, &require.caller, &require.account, &name).await?;
    let roles = require.app.records().roles(&user.name).await?;
    Ok(Json(UserRoles { username: user.name, account: user.account, roles }))
}

/// Gives a user these roles instead of those they have. Nobody gives more than they may themselves, and nobody changes
/// their own roles.
#[utoipa::path(put, path = "/v2/users/{username}/roles", tag = "Roles", params(("username" = String, Path)),
    request_body = RolesRequest, responses((status = 200, body = UserRoles), (status = 400), (status = 403), (status = 404)))]
async fn replace(
    require: Permission<AssignRoles>,
    Path(name): Path<String>,
    body: JsonObject,
) -> Result<Json<UserRoles>, ApiError> {
    let roles = read(&Fields::of(&body))?;
    let (app, caller) = (&require.app, &require.caller);
    let user = found(app, caller, &require.account, &name).await?;
    if user.name == caller.user || user.name == "admin" {
        return Err(bad(format!("the roles of `{}` cannot be changed by this caller", user.name)));
    }
    if user.is_external() {
        return Err(bad(format!("`{}` has the roles that their provider says: change them there", user.name)));
    }
    let account = app.records().account(&user.account).await?;
    let wanted = Grants::of(&roles, account.is_some_and(|account| account.is_admin()));
    let present = app.grants_of(&user).await?;
    if !caller.grants.covers(wanted | present) {
        return Err(ApiError::forbidden("system", "assignRoles", &user.name));
    }
    recording::before(&app.records().roles(&user.name).await?);
    let slugs: Vec<&str> = roles.iter().map(|role| role.slug()).collect();
    let roles = app.records().set_roles(&user, &slugs, &caller.user).await?;
    Ok(Json(UserRoles { username: user.name, account: user.account, roles }))
}

/// The user of that name in the account acted in; for administrators, in any.
async fn found(app: &App, caller: &Identity, account: &str, name: &str) -> Result<User, ApiError> {
    let user = app.records().user(name).await?;
    user.filter(|user| caller.is_admin || user.account == account).ok_or_else(|| {
        ApiError::problem(axum::http::StatusCode::NOT_FOUND, format!("there is no user `{name}` in the account"))
    })
}

fn read(fields: &Fields<'_>) -> Result<Vec<UserRole>, ApiError> {
    let slugs: Vec<&str> = UserRole::ALL.iter().map(|role| role.slug()).collect();
    let no_role = || bad(format!("`roles` must be a list of {}", slugs.join(", ")));
    let Some(Value::Array(items)) = fields.members().get("roles") else { return Err(no_role()) };
    let mut roles = Vec::new();
    for item in items {
        let role = item.as_str().and_then(UserRole::named).ok_or_else(no_role)?;
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    Ok(roles)
}

#[derive(Debug, Serialize, ToSchema)]
struct RolePage {
    items: Vec<Role>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Role {
    #[serde(rename = "role")]
    slug: &'static str,
    description: &'static str,
    /// What it allows inside the account.
    permissions: Vec<&'static str>,
    /// Whether it allows everything else, too.
    system: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct UserRoles {
    username: String,
    account: String,
    roles: Vec<String>,
}

/// The roles a user shall have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct RolesRequest {
    roles: Vec<String>,
}
