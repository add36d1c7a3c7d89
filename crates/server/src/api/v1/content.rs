//! What an image consists of, by type.

use axum::Json;
use killick_report::content::{CONTENT_TYPES, ContentType, find};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::{analyzed, found, found_by_id};
use crate::api::error::ApiError;
use crate::api::input::Path;
use crate::api::permission::{GetImage, Guarded, Permission};
use crate::app::App;
use crate::records;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(types))
        .routes(routes!(types_by_id))
        .routes(routes!(content))
        .routes(routes!(content_by_id))
}

#[utoipa::path(get, path = "/images/{imageDigest}/content", tag = "Content", params(("imageDigest" = String, Path)),
    responses((status = 200, body = [String])))]
async fn types(_: Permission<GetImage>) -> Json<Vec<&'static str>> {
    Json(names())
}

#[utoipa::path(get, path = "/images/by_id/{imageId}/content", tag = "Content", params(("imageId" = String, Path)),
    responses((status = 200, body = [String])))]
async fn types_by_id(_: Permission<GetImage>) -> Json<Vec<&'static str>> {
    Json(names())
}

#[utoipa::path(get, path = "/images/{imageDigest}/content/{ctype}", tag = "Content",
    params(("imageDigest" = String, Path), ("ctype" = String, Path)),
    responses((status = 200, body = ContentResponse)))]
async fn content(
    require: Permission<GetImage>,
    Path((digest, name)): Path<(String, String)>,
) -> Result<Json<ContentResponse>, ApiError> {
    let image = found(&require.app, &require.account, &digest).await?;
    answer(&require.app, image, &name).await
}

#[utoipa::path(get, path = "/images/by_id/{imageId}/content/{ctype}", tag = "Content",
    params(("imageId" = String, Path), ("ctype" = String, Path)),
    responses((status = 200, body = ContentResponse)))]
async fn content_by_id(
    require: Permission<GetImage>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<ContentResponse>, ApiError> {
    let image = found_by_id(&require.app, &require.account, &id).await?;
    answer(&require.app, image, &name).await
}

async fn answer(app: &App, image: records::Image, name: &str) -> Result<Json<ContentResponse>, ApiError> {
    let kind = find(name).ok_or_else(|| ApiError::not_found(format!("content type ({name}) not available")))?;
    analyzed(&image)?;
    let content = crate::judge::content(app, &image, kind).await?;
    Ok(Json(ContentResponse { image_digest: image.digest, content_type: kind.name, content }))
}

fn names() -> Vec<&'static str> {
    CONTENT_TYPES.iter().map(|kind: &ContentType| kind.name).collect()
}

#[derive(Debug, Serialize, ToSchema)]
struct ContentResponse {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    content_type: &'static str,
    content: Value,
}
