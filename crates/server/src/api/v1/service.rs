//! What anybody may ask: whether the service is there, and which it is.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::permission::{Authenticated, Guarded, Open, Permission};
use crate::app::{DB_VERSION, PRODUCT_VERSION};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    life().routes(routes!(root)).routes(routes!(version)).routes(routes!(status))
}

/// Whether the process is there, which those are asked too that answer nothing else.
pub(in crate::api) fn life() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(health))
}

#[utoipa::path(get, path = "/", tag = "Service", security(()),
    responses((status = 200, body = String, content_type = "application/json")))]
async fn root(_: Open) -> Json<&'static str> {
    Json("v1")
}

#[utoipa::path(get, path = "/health", tag = "Service", security(()),
    responses((status = 200, body = String, content_type = "application/json")))]
async fn health(_: Open) -> Json<&'static str> {
    Json("ok")
}

#[utoipa::path(get, path = "/version", tag = "Service", security(()), responses((status = 200, body = ServiceVersion)))]
async fn version(_: Open) -> Json<ServiceVersion> {
    Json(ServiceVersion {
        service: Version { version: PRODUCT_VERSION },
        api: NoApi {},
        db: SchemaVersion { schema_version: DB_VERSION },
    })
}

#[utoipa::path(get, path = "/status", tag = "Service", responses((status = 200, body = StatusResponse)))]
async fn status(_: Permission<Authenticated>) -> Json<StatusResponse> {
    Json(StatusResponse::up())
}

/// Versions of the service. `api` stays empty: the admission controller refuses anything that fills it.
#[derive(Debug, Serialize, ToSchema)]
struct ServiceVersion {
    service: Version,
    api: NoApi,
    db: SchemaVersion,
}

#[derive(Debug, Serialize, ToSchema)]
struct Version {
    version: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct NoApi {}

#[derive(Debug, Serialize, ToSchema)]
struct SchemaVersion {
    schema_version: &'static str,
}

/// How a service is doing.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct StatusResponse {
    up: bool,
    available: bool,
    busy: bool,
    message: &'static str,
    detail: NoDetail,
    version: &'static str,
    db_version: &'static str,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct NoDetail {}

impl StatusResponse {
    /// All is well: who answers is up.
    pub(super) fn up() -> Self {
        Self {
            up: true,
            available: true,
            busy: false,
            message: "all good",
            detail: NoDetail {},
            version: PRODUCT_VERSION,
            db_version: DB_VERSION,
        }
    }

    /// Nothing was heard of it for too long.
    pub(super) fn down() -> Self {
        Self { up: false, available: false, message: "no sign of life", ..Self::up() }
    }
}
