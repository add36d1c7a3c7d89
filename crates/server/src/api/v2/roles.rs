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
use crate::auth::{GivenRole, Grants, MAX_RESOURCES, UserRole};
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
        on: role
            .resource_kinds()
            .map(|kind| RoleOn { kind: kind.slug(), permissions: role.actions_on(kind) })
            .collect(),
        system: role.is_system(),
    });
    Ok(Json(RolePage { items: items.collect(), next_cursor: part.next(UserRole::ALL.len()) }))
}

/// The roles of a user. Without any, the user may do everything in the account.
#[utoipa::path(get, path = "/v2/users/{username}/roles", tag = "Roles", params(("username" = String, Path)),
    responses((status = 200, body = UserRoles), (status = 404)))]
async fn get(require: Permission<GetUserRoles>, Path(name): Path<String>) -> Result<Json<UserRoles>, ApiError> {
    let user = found(&require.app, &require.caller, &require.account, &name).await?;
    let roles = shown(&require.app.records().roles(&user.name).await?);
    Ok(Json(UserRoles { username: user.name, account: user.account, roles }))
}

/// Gives a user these roles instead of those they have: `"developer"` on the whole account, `{"role": "developer", "on":
/// ["repository:ghcr.io/acme/*"]}` on some resources only. With that, they read all of the account, and change what it names.
/// Nobody gives more than they may themselves, and nobody changes their own roles.
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
    let wanted = if roles.is_empty() {
        let account = app.records().account(&user.account).await?;
        Grants::of_account(account.is_some_and(|account| account.is_admin()))
    } else {
        Grants::of(&roles)
    };
    if !caller.grants.covers(&wanted) || !caller.grants.covers(&app.grants_of(&user).await?) {
        return Err(ApiError::forbidden("system", "assignRoles", &user.name));
    }
    recording::before(&shown(&app.records().roles(&user.name).await?));
    let roles = shown(&app.records().set_roles(&user, &roles, &caller.user).await?);
    Ok(Json(UserRoles { username: user.name, account: user.account, roles }))
}

/// The user of that name in the account acted in; for administrators, in any.
async fn found(app: &App, caller: &Identity, account: &str, name: &str) -> Result<User, ApiError> {
    let user = app.records().user(name).await?;
    user.filter(|user| caller.is_admin || user.account == account).ok_or_else(|| {
        ApiError::problem(axum::http::StatusCode::NOT_FOUND, format!("there is no user `{name}` in the account"))
    })
}

fn read(fields: &Fields<'_>) -> Result<Vec<GivenRole>, ApiError> {
    let Some(Value::Array(items)) = fields.members().get("roles") else {
        return Err(bad(format!("`roles` must be a list of {}", UserRole::ALL.map(UserRole::slug).join(", "))));
    };
    let mut roles = Vec::new();
    for item in items {
        GivenRole::read(item).map_err(|why| bad(format!("`roles`: {why}")))?.join(&mut roles);
    }
    if roles.iter().any(|given| given.on.as_ref().is_some_and(|on| on.len() > MAX_RESOURCES)) {
        return Err(bad(format!("`roles`: each may be given on {MAX_RESOURCES} resources")));
    }
    Ok(roles)
}

/// Stored roles as they are shown. One that this release does not know is shown as it is.
fn shown(texts: &[String]) -> Vec<RoleGiven> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for text in texts {
        match GivenRole::parse(text) {
            Ok(given) => given.join(&mut known),
            Err(_) => unknown.push(RoleGiven::Everywhere(text.clone())),
        }
    }
    known.iter().map(RoleGiven::of).chain(unknown).collect()
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
    /// What it can be given on, instead of the whole account.
    on: Vec<RoleOn>,
    /// Whether it allows everything else, too.
    system: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct UserRoles {
    username: String,
    account: String,
    roles: Vec<RoleGiven>,
}

/// A role on resources of one kind.
#[derive(Debug, Serialize, ToSchema)]
struct RoleOn {
    /// `repository`, `policy` or `registry`.
    kind: &'static str,
    /// What it allows on those that are named, beside reading all of the account.
    permissions: Vec<&'static str>,
}

/// A role as somebody has it: its name, or with the resources it is given on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum RoleGiven {
    /// On the whole account.
    Everywhere(String),
    /// On these resources alone.
    On {
        role: String,
        /// `KIND:NAME`, as in `repository:ghcr.io/acme/app`; `*` stands for any characters.
        on: Vec<String>,
    },
}

impl RoleGiven {
    /// That of a key, as it is stored.
    pub(super) fn of_text(text: &str) -> Self {
        GivenRole::parse(text).map_or_else(|_| Self::Everywhere(text.to_owned()), |given| Self::of(&given))
    }

    fn of(given: &GivenRole) -> Self {
        let role = given.role.slug().to_owned();
        match &given.on {
            None => Self::Everywhere(role),
            Some(on) => Self::On { role, on: on.iter().map(ToString::to_string).collect() },
        }
    }
}

/// The roles a user shall have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct RolesRequest {
    roles: Vec<RoleGiven>,
}
