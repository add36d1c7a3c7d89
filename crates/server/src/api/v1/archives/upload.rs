//! Archived analyses that were made elsewhere.

use axum::Json;
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Multipart};
use axum::http::StatusCode;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::images::Image;
use crate::api::error::ApiError;
use crate::api::input::Query;
use crate::api::permission::{Guarded, ImportImages, PermissionOn};
use crate::archive::IfThere;

/// Bytes of an upload.
const MAX_BYTES: usize = 256 << 20;

/// Uploads that are held at the same time.
static UPLOADS: Semaphore = Semaphore::const_new(2);

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(add)).layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Restores an image from the field `archive_file`, into the account of the caller. One that is there already is refused,
/// or, with `add_again`, gets the tags and annotations of the document.
#[utoipa::path(post, path = "/import/images", tag = "Archive",
    extensions(("x-narrowed-by" = json!("repository"))), params(("add_again" = Option<bool>, Query)),
    request_body(content = ArchiveUpload, content_type = "multipart/form-data"),
    responses((status = 200, body = [Image]), (status = 404), (status = 409)))]
async fn add(
    require: PermissionOn<ImportImages>,
    query: Query,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Vec<Image>>, ApiError> {
    let if_there = if query.flag("add_again")?.unwrap_or(false) { IfThere::Added } else { IfThere::Refused };
    let form = form.map_err(|wrong| ApiError::problem(wrong.status(), wrong.body_text()))?;
    let _turn = UPLOADS.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let bytes = archive_file(form).await?;
    let (require, contents) = require.on_document(bytes).await?;
    let image = crate::archive::take_in(&require.app, &require.account, contents, if_there).await?;
    Ok(Json(vec![Image::of(&require.app, &image).await?]))
}

async fn archive_file(mut form: Multipart) -> Result<Vec<u8>, ApiError> {
    let wrong = |error: MultipartError| ApiError::problem(error.status(), error.body_text());
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        if field.name() == Some("archive_file") {
            return Ok(field.bytes().await.map_err(wrong)?.into());
        }
    }
    Err(ApiError::problem(StatusCode::BAD_REQUEST, "Missing formdata parameter 'archive_file'"))
}

/// A form with an archived analysis.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read part by part")]
struct ArchiveUpload {
    #[schema(value_type = String, format = Binary)]
    archive_file: Vec<u8>,
}
