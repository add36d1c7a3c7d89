//! What inspectors saw in the contents of an image's files.

use axum::Json;
use killick_report::content::ARTIFACT_TYPES;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::{analyzed, found};
use crate::api::error::ApiError;
use crate::api::input::Path;
use crate::api::permission::{GetImage, Guarded, Permission};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(artifact))
}

/// Records of `retrieved_files`, `file_content_search`, `secret_search` or `problems`.
#[utoipa::path(get, path = "/images/{imageDigest}/artifacts/{artifactType}", tag = "Content",
    params(("imageDigest" = String, Path), ("artifactType" = String, Path)),
    responses((status = 200, body = [Object])))]
async fn artifact(
    require: Permission<GetImage>,
    Path((digest, name)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let kind = ARTIFACT_TYPES.iter().find(|kind| kind.name == name);
    let kind = kind.ok_or_else(|| ApiError::not_found(format!("artifact type ({name}) not available")))?;
    let image = found(&require.app, &require.account, &digest).await?;
    analyzed(&image)?;
    crate::judge::content(&require.app, &image, kind).await.map(Json)
}
