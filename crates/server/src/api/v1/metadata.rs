//! Documents about an image: manifest, history, Dockerfile.

use axum::Json;
use killick_report::content::METADATA_TYPES;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::{analyzed, found};
use crate::api::error::ApiError;
use crate::api::input::Path;
use crate::api::permission::{GetImage, Guarded, Permission};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(types)).routes(routes!(metadata))
}

#[utoipa::path(get, path = "/images/{imageDigest}/metadata", tag = "Content", params(("imageDigest" = String, Path)),
    responses((status = 200, body = [String])))]
async fn types(_: Permission<GetImage>) -> Json<Vec<&'static str>> {
    Json(METADATA_TYPES.iter().map(|kind| kind.name).collect())
}

#[utoipa::path(get, path = "/images/{imageDigest}/metadata/{mtype}", tag = "Content",
    params(("imageDigest" = String, Path), ("mtype" = String, Path)),
    responses((status = 200, body = MetadataResponse)))]
async fn metadata(
    require: Permission<GetImage>,
    Path((digest, name)): Path<(String, String)>,
) -> Result<Json<MetadataResponse>, ApiError> {
    let kind = METADATA_TYPES.iter().find(|kind| kind.name == name);
    let kind = kind.ok_or_else(|| ApiError::not_found(format!("content type ({name}) not available")))?;
    let image = found(&require.app, &require.account, &digest).await?;
    analyzed(&image)?;
    let metadata = crate::judge::content(&require.app, &image, kind).await?;
    Ok(Json(MetadataResponse { image_digest: image.digest, metadata_type: kind.name, metadata }))
}

#[derive(Debug, Serialize, ToSchema)]
struct MetadataResponse {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    metadata_type: &'static str,
    metadata: Value,
}
