//! Version 1 of the API: the wire of Anchore Engine 1.1.0, its names and the oddities clients depend on.
//!
//! One module per resource: its routes, its handlers, its wire types. Wire types live here and nowhere else.

#![expect(clippy::struct_field_names, reason = "wire types have the names of the wire")]

pub(super) mod accounts;
pub(super) mod archives;
mod artifacts;
mod checks;
mod content;
mod encoding;
mod event_types;
mod events;
mod feeds;
mod images;
mod imports;
mod metadata;
mod oauth;
mod page;
pub(super) mod policies;
pub(crate) mod pull_string;
mod query;
mod registries;
mod repositories;
mod sboms;
pub(super) mod service;
mod standalone;
mod subscriptions;
mod system;
pub(super) mod users;
mod vulnerabilities;
mod webhooks;

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::api::error::ApiError;
use crate::api::permission::Guarded;

/// Version of the API document. Clients read it to learn what the server can do.
const API_VERSION: &str = "0.1.20";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Killick", description = "Container image analysis, vulnerabilities and policy.",
         license(name = "Apache-2.0")),
    servers((url = "/v1")),
    security(("basic" = []))
)]
struct Document;

/// Every route of version 1.
pub(crate) fn routes() -> OpenApiRouter<Guarded> {
    described()
        .route("/swagger.json", get(served_document))
        .route("/openapi.json", get(served_document))
        .route("/swagger.yaml", get(served_yaml))
        .route("/openapi.yaml", get(served_yaml))
}

/// The document of every route that is served.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    super::document::complete(described().into_openapi(), API_VERSION)
}

fn described() -> OpenApiRouter<Guarded> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(service::router())
        .merge(system::router())
        .merge(feeds::router())
        .merge(accounts::router())
        .merge(users::router())
        .merge(images::router())
        .merge(content::router())
        .merge(metadata::router())
        .merge(artifacts::router())
        .merge(vulnerabilities::router())
        .merge(checks::router())
        .merge(policies::router())
        .merge(registries::router())
        .merge(repositories::router())
        .merge(subscriptions::router())
        .merge(event_types::router())
        .merge(events::router())
        .merge(webhooks::router())
        .merge(query::router())
        .merge(imports::router())
        .merge(archives::router())
        .merge(sboms::router())
        .merge(oauth::router())
        .merge(super::v2::router())
}

async fn served_document() -> Json<Value> {
    Json(serde_json::to_value(document()).unwrap_or_else(|_| json!({})))
}

/// The same in YAML, by its registered media type (RFC 9512).
async fn served_yaml() -> Result<Response, ApiError> {
    let Json(document) = served_document().await;
    let plain = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let yaml = serde_saphyr::to_string_with_options(&document, plain).map_err(|error| ApiError::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/yaml")], yaml).into_response())
}
