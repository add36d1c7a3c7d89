//! Registries and the credentials for them. What is secret goes in and never comes out.

use axum::Json;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    CreateRegistry, DeleteRegistry, GetRegistry, Guarded, ListRegistries, Permission, PermissionOn, UpdateRegistry,
};
use crate::api::recording;
use crate::app::App;
use crate::auth::Resource;
use crate::config::Config;
use crate::records;
use crate::registry::{MAX_LOGIN_KIND, MAX_PASSWORD, MAX_TITLE, MAX_USER, forbidden_login, is_name};

/// What is longer is a mistake.
const MAX_BYTES: [(&str, usize); 4] = [
    ("registry_name", MAX_TITLE),
    ("registry_type", MAX_LOGIN_KIND),
    ("registry_user", MAX_USER),
    ("registry_pass", MAX_PASSWORD),
];

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete))
}

#[utoipa::path(get, path = "/registries", tag = "Registries", responses((status = 200, body = [Registry])))]
async fn list(require: Permission<ListRegistries>) -> Result<Json<Vec<Registry>>, ApiError> {
    Ok(Json(require.app.records().registries(&require.account).await?.iter().map(wire).collect()))
}

#[utoipa::path(post, path = "/registries", tag = "Registries",
    extensions(("x-narrowed-by" = json!("registry"))), params(("validate" = Option<bool>, Query)),
    request_body = RegistryRequest, responses((status = 200, body = [Registry]), (status = 406), (status = 409)))]
async fn create(
    require: PermissionOn<CreateRegistry>,
    query: Query,
    body: JsonObject,
) -> Result<Json<Vec<Registry>>, ApiError> {
    let validate = query.flag("validate")?.unwrap_or(true);
    let require = require.on(Fields::of(&body).text("registry")?.map(Resource::registry))?;
    let wanted = read(require.app.config(), &require.account, &body)?;
    if require.app.records().registry(&require.account, &wanted.name).await?.is_some() {
        return Err(ApiError::conflict(format!("the registry `{}` is stored already", wanted.name)));
    }
    save(&require.app, wanted, validate).await
}

#[utoipa::path(get, path = "/registries/{*registry}", tag = "Registries", params(("registry" = String, Path)),
    responses((status = 200, body = [Registry])))]
async fn get(require: Permission<GetRegistry>, Path(name): Path<String>) -> Result<Json<Vec<Registry>>, ApiError> {
    Ok(Json(vec![wire(&found(&require.app, &require.account, &name).await?)]))
}

#[utoipa::path(put, path = "/registries/{*registry}", tag = "Registries",
    extensions(("x-narrowed-by" = json!("registry"))),
    params(("registry" = String, Path), ("validate" = Option<bool>, Query)),
    request_body = RegistryRequest, responses((status = 200, body = [Registry]), (status = 406), (status = 409)))]
async fn update(
    require: PermissionOn<UpdateRegistry>,
    Path(name): Path<String>,
    query: Query,
    body: JsonObject,
) -> Result<Json<Vec<Registry>>, ApiError> {
    let validate = query.flag("validate")?.unwrap_or(true);
    let require = require.on([Resource::registry(&name)])?;
    let wanted = read(require.app.config(), &require.account, &body)?;
    if wanted.name != name {
        return Err(ApiError::conflict(format!("the body is about another registry than `{name}`")));
    }
    recording::before(&wire(&found(&require.app, &require.account, &name).await?));
    save(&require.app, wanted, validate).await
}

#[utoipa::path(delete, path = "/registries/{*registry}", tag = "Registries",
    extensions(("x-narrowed-by" = json!("registry"))), params(("registry" = String, Path)),
    responses((status = 200, body = bool, content_type = "application/json")))]
async fn delete(require: PermissionOn<DeleteRegistry>, Path(name): Path<String>) -> Result<Json<bool>, ApiError> {
    let require = require.on([Resource::registry(&name)])?;
    if let Some(stored) = require.app.records().registry(&require.account, &name).await? {
        recording::before(&wire(&stored));
    }
    require.app.records().delete_registry(&require.account, &name).await?;
    Ok(Json(true))
}

async fn save(app: &App, wanted: records::NewRegistry, validate: bool) -> Result<Json<Vec<Registry>>, ApiError> {
    if validate {
        app.try_registry(&wanted).await.map_err(|why| ApiError::new(StatusCode::NOT_ACCEPTABLE, why))?;
    }
    Ok(Json(vec![wire(&app.records().save_registry(&wanted).await?)]))
}

async fn found(app: &App, account: &str, name: &str) -> Result<records::Registry, ApiError> {
    let registry = app.records().registry(account, name).await?;
    registry.ok_or_else(|| ApiError::not_found(format!("there is no registry `{name}`")))
}

fn read(config: &Config, account: &str, body: &JsonObject) -> Result<records::NewRegistry, ApiError> {
    let fields = Fields::of(body);
    let name = fields.text("registry")?.filter(|name| !name.is_empty());
    let Some(name) = name else { return Err(ApiError::bad_request("body does not contain registry key")) };
    if !is_name(name) {
        let shown: String = name.chars().take(80).collect();
        return Err(ApiError::conflict(format!(
            "`{shown}` is no registry name: give `host[:port][/repository]` without scheme and final slash"
        )));
    }
    for (member, most) in MAX_BYTES {
        if fields.text(member)?.is_some_and(|text| text.len() > most) {
            return Err(ApiError::bad_request(format!("`{member}` is longer than {most} bytes")));
        }
    }
    let user = fields.text("registry_user")?.unwrap_or_default();
    let password = fields.text("registry_pass")?.unwrap_or_default();
    if let Some(why) = forbidden_login(config, user, password) {
        return Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, why));
    }
    Ok(records::NewRegistry {
        account: account.to_owned(),
        name: name.to_owned(),
        title: fields.text("registry_name")?.unwrap_or(name).to_owned(),
        kind: fields.text("registry_type")?.map(str::to_owned),
        user: user.to_owned(),
        password: SecretString::from(password),
        verify_tls: fields.flag("registry_verify")?.unwrap_or(false),
    })
}

fn wire(registry: &records::Registry) -> Registry {
    Registry {
        registry: registry.name.clone(),
        registry_name: registry.title.clone(),
        registry_type: registry.kind.clone(),
        registry_user: registry.user.clone(),
        registry_verify: registry.verify_tls,
        user_id: registry.account.clone(),
        created_at: seconds(registry.created_at),
        last_updated: seconds(registry.updated_at),
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Registry {
    registry: String,
    registry_name: String,
    registry_type: Option<String>,
    registry_user: String,
    registry_verify: bool,
    #[serde(rename = "userId")]
    user_id: String,
    created_at: String,
    last_updated: String,
}

/// A registry to be stored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct RegistryRequest {
    /// `host[:port][/repository]`, perhaps with `*` for the rest.
    #[schema(min_length = 1, max_length = 512)]
    registry: String,
    registry_name: Option<String>,
    /// `docker_v2` or `awsecr`.
    registry_type: Option<String>,
    registry_user: Option<String>,
    registry_pass: Option<String>,
    registry_verify: Option<bool>,
}
