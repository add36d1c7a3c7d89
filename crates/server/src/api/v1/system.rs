//! The services of the deployment, and the catalogues clients read: gates and error codes.
//!
//! Version 1 knows five services; here they are roles of one program, so each process that has the role stands for
//! the service (`presence`). Clients wait for exactly these five names.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::StatusResponse;
use crate::api::error::{ApiError, CODES};
use crate::api::input::Path;
use crate::api::permission::{Authenticated, DeleteService, Guarded, ListServices, Permission};
use crate::app::App;
use crate::presence;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(system))
        .routes(routes!(services))
        .routes(routes!(services_by_name))
        .routes(routes!(service, delete_service))
        .routes(routes!(policy_spec))
        .routes(routes!(error_codes))
}

#[utoipa::path(get, path = "/system", tag = "System", responses((status = 200, body = SystemStatus)))]
async fn system(require: Permission<Authenticated>) -> Result<Json<SystemStatus>, ApiError> {
    Ok(Json(SystemStatus { service_states: records(&require.app).await? }))
}

#[utoipa::path(get, path = "/system/services", tag = "System", responses((status = 200, body = [Service])))]
async fn services(require: Permission<ListServices>) -> Result<Json<Vec<Service>>, ApiError> {
    Ok(Json(records(&require.app).await?))
}

#[utoipa::path(get, path = "/system/services/{servicename}", tag = "System",
    params(("servicename" = String, Path)), responses((status = 200, body = [Service])))]
async fn services_by_name(
    require: Permission<ListServices>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Service>>, ApiError> {
    Ok(Json(named(&require.app, &name).await?))
}

#[utoipa::path(get, path = "/system/services/{servicename}/{hostid}", tag = "System",
    params(("servicename" = String, Path), ("hostid" = String, Path)), responses((status = 200, body = [Service])))]
async fn service(
    require: Permission<ListServices>,
    Path((name, host)): Path<(String, String)>,
) -> Result<Json<Vec<Service>>, ApiError> {
    Ok(Json(vec![found(&require.app, &name, &host).await?]))
}

#[utoipa::path(delete, path = "/system/services/{servicename}/{hostid}", tag = "System",
    params(("servicename" = String, Path), ("hostid" = String, Path)),
    responses((status = 200, body = bool, content_type = "application/json"), (status = 409)))]
async fn delete_service(
    require: Permission<DeleteService>,
    Path((name, host)): Path<(String, String)>,
) -> Result<Json<bool>, ApiError> {
    let service = found(&require.app, &name, &host).await?;
    if !service.status && presence::forget(&require.app, &host).await? {
        return Ok(Json(true));
    }
    Err(ApiError::conflict(format!("the service `{name}` on `{host}` is active: stop it first")))
}

#[utoipa::path(get, path = "/system/policy_spec", tag = "System", responses((status = 200, body = [Object])))]
async fn policy_spec(_: Permission<Authenticated>) -> Json<Value> {
    Json(crate::judge::gates())
}

#[utoipa::path(get, path = "/system/error_codes", tag = "System", responses((status = 200, body = [ErrorCode])))]
async fn error_codes(_: Permission<Authenticated>) -> Json<Vec<ErrorCode>> {
    Json(CODES.iter().map(|code| ErrorCode { name: code.name, description: code.description }).collect())
}

async fn records(app: &App) -> Result<Vec<Service>, ApiError> {
    let wire = |service: presence::Service| Service {
        servicename: service.name,
        hostid: service.host,
        base_url: service.base_url,
        version: "v1",
        status: service.is_up,
        status_message: if service.is_up { "available" } else { "unavailable" },
        service_detail: if service.is_up { StatusResponse::up() } else { StatusResponse::down() },
    };
    Ok(presence::services(app).await?.into_iter().map(wire).collect())
}

async fn named(app: &App, name: &str) -> Result<Vec<Service>, ApiError> {
    let mut services = records(app).await?;
    services.retain(|service| service.servicename == name);
    Ok(services)
}

async fn found(app: &App, name: &str, host: &str) -> Result<Service, ApiError> {
    named(app, name)
        .await?
        .into_iter()
        .find(|service| service.hostid == host)
        .ok_or_else(|| ApiError::not_found(format!("there is no service `{name}` on `{host}`")))
}

#[derive(Debug, Serialize, ToSchema)]
struct SystemStatus {
    service_states: Vec<Service>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Service {
    servicename: &'static str,
    hostid: String,
    base_url: String,
    /// Version of the API, not of the product.
    version: &'static str,
    status: bool,
    status_message: &'static str,
    service_detail: StatusResponse,
}

#[derive(Debug, Serialize, ToSchema)]
struct ErrorCode {
    name: &'static str,
    description: &'static str,
}
