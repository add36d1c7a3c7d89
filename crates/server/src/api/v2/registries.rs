//! Registries and the logins for them. A password goes in and never comes out.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{asked, bad, created, page_of, segment};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    DeleteRegistry, GetRegistry, Guarded, ListRegistries, Permission, PermissionOn, UpdateRegistry,
};
use crate::api::recording;
use crate::app::App;
use crate::auth::Resource;
use crate::config::Config;
use crate::records::{NewRegistry, Registry};
use crate::registry::{MAX_PASSWORD, MAX_TITLE, MAX_USER, forbidden_login, is_name};

/// What a registry may be.
const TYPES: &[&str] = &["docker_v2", "awsecr"];

/// What is longer is a mistake.
const MAX_BYTES: [(&str, usize); 3] = [("name", MAX_TITLE), ("username", MAX_USER), ("password", MAX_PASSWORD)];

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete))
}

/// The registries of the account by name, page by page.
#[utoipa::path(get, path = "/v2/registries", tag = "Registries",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = RegistryPage)))]
async fn list(require: Permission<ListRegistries>, query: Query) -> Result<Json<RegistryPage>, ApiError> {
    let (limit, after) = asked(&query)?;
    let all = require.app.records().registries(&require.account).await?;
    let (registries, next_cursor) = page_of(all, (limit, &after), |registry| registry.name.clone());
    Ok(Json(RegistryPage { items: registries.into_iter().map(RegistryRecord::of).collect(), next_cursor }))
}

/// One registry.
#[utoipa::path(get, path = "/v2/registries/{*registry}", tag = "Registries", params(("registry" = String, Path)),
    responses((status = 200, body = RegistryRecord)))]
async fn get(require: Permission<GetRegistry>, Path(name): Path<String>) -> Result<Json<RegistryRecord>, ApiError> {
    found(&require.app, &require.account, &name).await.map(Json)
}

/// Stores the login for a registry, `host[:port][/repository]`, perhaps with `*` for the rest: new, or in place of the one that
/// is there, whose password is not kept. The registry is asked whether it takes it, unless `validate` is `false`.
#[utoipa::path(put, path = "/v2/registries/{*registry}", tag = "Registries",
    extensions(("x-narrowed-by" = json!("registry"))),
    params(("registry" = String, Path), ("validate" = Option<bool>, Query)), request_body = RegistryPut,
    responses((status = 200, body = RegistryRecord), (status = 201, body = RegistryRecord)))]
async fn put(
    require: PermissionOn<UpdateRegistry>,
    Path(name): Path<String>,
    query: Query,
    body: JsonObject,
) -> Result<Response, ApiError> {
    let require = require.on([Resource::registry(&name)])?;
    let (app, account) = (&require.app, &require.account);
    let validate = query.flag("validate")?.unwrap_or(true);
    let wanted = read(app.config(), account, &name, &Fields::of(&body))?;
    let before = app.records().registry(account, &name).await?;
    let is_new = before.is_none();
    if let Some(before) = before {
        recording::before(&RegistryRecord::of(before));
    }
    if validate {
        app.try_registry(&wanted).await.map_err(bad)?;
    }
    let stored = RegistryRecord::of(app.records().save_registry(&wanted).await?);
    if is_new {
        return Ok(created(&format!("/v2/registries/{}", segment(&name)), stored));
    }
    Ok(Json(stored).into_response())
}

/// Removes a registry.
#[utoipa::path(delete, path = "/v2/registries/{*registry}", tag = "Registries",
    extensions(("x-narrowed-by" = json!("registry"))), params(("registry" = String, Path)),
    responses((status = 204)))]
async fn delete(require: PermissionOn<DeleteRegistry>, Path(name): Path<String>) -> Result<StatusCode, ApiError> {
    let require = require.on([Resource::registry(&name)])?;
    recording::before(&found(&require.app, &require.account, &name).await?);
    require.app.records().delete_registry(&require.account, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn found(app: &App, account: &str, name: &str) -> Result<RegistryRecord, ApiError> {
    let registry = app.records().registry(account, name).await?;
    registry.map(RegistryRecord::of).ok_or_else(|| ApiError::not_found(format!("there is no registry `{name}`")))
}

fn read(config: &Config, account: &str, name: &str, fields: &Fields<'_>) -> Result<NewRegistry, ApiError> {
    if !is_name(name) {
        let shown: String = name.chars().take(80).collect();
        return Err(bad(format!(
            "`{shown}` is no registry name: give `host[:port][/repository]` without scheme and final slash"
        )));
    }
    for (member, most) in MAX_BYTES {
        if fields.text(member)?.is_some_and(|text| text.len() > most) {
            return Err(bad(format!("`{member}` is longer than {most} bytes")));
        }
    }
    let kind = match fields.value("type") {
        None => None,
        Some(_) => Some(fields.word("type", TYPES)?.to_owned()),
    };
    let user = fields.required("username")?;
    let password = fields.text("password")?.unwrap_or_default();
    if let Some(why) = forbidden_login(config, user, password) {
        return Err(bad(why));
    }
    Ok(NewRegistry {
        account: account.to_owned(),
        name: name.to_owned(),
        title: fields.text("name")?.unwrap_or(name).to_owned(),
        kind,
        user: user.to_owned(),
        password: SecretString::from(password),
        verify_tls: fields.flag("verify_tls")?.unwrap_or(true),
    })
}

/// Some registries.
#[derive(Debug, Serialize, ToSchema)]
struct RegistryPage {
    items: Vec<RegistryRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// A registry, without the password.
#[derive(Debug, Serialize, ToSchema)]
struct RegistryRecord {
    /// `host[:port][/repository]`, perhaps with `*` for the rest.
    registry: String,
    /// What people call it.
    name: String,
    /// `docker_v2` or `awsecr`.
    r#type: Option<String>,
    username: String,
    verify_tls: bool,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl RegistryRecord {
    fn of(registry: Registry) -> Self {
        Self {
            registry: registry.name,
            name: registry.title,
            r#type: registry.kind,
            username: registry.user,
            verify_tls: registry.verify_tls,
            created_at: registry.created_at,
            updated_at: registry.updated_at,
        }
    }
}

/// A login to be stored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct RegistryPut {
    /// What people call it: without it, as it is.
    #[schema(max_length = 512)]
    name: Option<String>,
    /// `docker_v2`, which needs not be said, or `awsecr`.
    #[schema(pattern = "^(docker_v2|awsecr)$")]
    r#type: Option<String>,
    /// Empty, where nobody has to log in.
    username: String,
    password: Option<String>,
    /// Unless it says otherwise, certificates are verified.
    verify_tls: Option<bool>,
}
