//! The archive: analyses that are kept after their images went.

mod rules;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_store::archives::{ArchivedImage, ArchivedTag};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::ImageRecord;
use super::paging::{asked, bad, created, page, segment};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    ArchiveImages, CreateImage, DeleteArchivedImage, GetArchivedImage, Guarded, ListArchivedImages, Permission,
    PermissionOn,
};
use crate::api::recording;
use crate::app::App;
use crate::archive::{self, Outcome};
use crate::records::instant;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(get, delete))
        .routes(routes!(restore))
        .merge(rules::router())
}

/// The archived images of the account by digest, page by page.
#[utoipa::path(get, path = "/v2/archive/images", tag = "Archive",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = ArchivedImagePage)))]
async fn list(require: Permission<ListArchivedImages>, query: Query) -> Result<Json<ArchivedImagePage>, ApiError> {
    let (limit, after) = asked(&query)?;
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let found = require.app.records().store().archived_after(&require.account, &after, one_more).await?;
    let (images, next_cursor) = page(found, limit, |image| image.digest.to_string());
    let mut items = Vec::with_capacity(images.len());
    for image in &images {
        items.push(told(&require.app, &require.account, image).await?);
    }
    Ok(Json(ArchivedImagePage { items, next_cursor }))
}

/// Archives the analysis of an image, which stays as it is.
#[utoipa::path(post, path = "/v2/archive/images", tag = "Archive",
    extensions(("x-narrowed-by" = json!("repository"))), request_body = ArchivedImageRequest,
    responses((status = 200, body = ArchivedImageRecord), (status = 201, body = ArchivedImageRecord), (status = 409)))]
async fn add(require: PermissionOn<ArchiveImages>, body: JsonObject) -> Result<Response, ApiError> {
    let digest = Fields::of(&body).required("image_digest")?;
    let require = require.on_images_and_archived(&[digest]).await?;
    let (app, account) = (&require.app, &require.account);
    let outcome = archive::archive(app, account, digest).await?;
    let record = told(app, account, &archive::kept(app, account, digest).await?).await?;
    Ok(match outcome {
        Outcome::Done => created(&format!("/v2/archive/images/{}", segment(digest)), record),
        Outcome::Before => Json(record).into_response(),
    })
}

/// One archived image.
#[utoipa::path(get, path = "/v2/archive/images/{image_digest}", tag = "Archive", params(("image_digest" = String, Path)),
    responses((status = 200, body = ArchivedImageRecord)))]
async fn get(
    require: Permission<GetArchivedImage>,
    Path(digest): Path<String>,
) -> Result<Json<ArchivedImageRecord>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    told(app, account, &found(app, account, &digest).await?).await.map(Json)
}

/// Removes an image from the archive, in the background.
#[utoipa::path(delete, path = "/v2/archive/images/{image_digest}", tag = "Archive",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("image_digest" = String, Path)), responses((status = 202)))]
async fn delete(
    require: PermissionOn<DeleteArchivedImage>,
    Path(digest): Path<String>,
) -> Result<StatusCode, ApiError> {
    let require = require.on_archived(&digest).await?;
    let (app, account) = (&require.app, &require.account);
    recording::before(&told(app, account, &found(app, account, &digest).await?).await?);
    archive::rules::delete(app, account, &digest, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Brings an image back with all that was known of it. The archived analysis stays.
#[utoipa::path(post, path = "/v2/archive/images/{image_digest}/restore", tag = "Archive",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("image_digest" = String, Path)), responses((status = 200, body = ImageRecord), (status = 400), (status = 409)))]
async fn restore(
    require: PermissionOn<CreateImage>,
    Path(digest): Path<String>,
) -> Result<Json<ImageRecord>, ApiError> {
    let digest: Digest = digest.parse().map_err(|_| bad("the path names no digest (`sha256:…`)"))?;
    let require = require.on_archived(&digest.to_string()).await?;
    let image = archive::restore(&require.app, &require.account, &digest).await?;
    Ok(Json(ImageRecord::of(&image)))
}

async fn found(app: &App, account: &str, digest: &str) -> Result<ArchivedImage, ApiError> {
    let archived = app.records().archived(account, digest).await?;
    archived.ok_or_else(|| ApiError::not_found(format!("there is no archived image `{digest}`")))
}

async fn told(app: &App, account: &str, image: &ArchivedImage) -> Result<ArchivedImageRecord, ApiError> {
    let tags = app.records().store().archived_tags(account, Some(&image.digest.to_string())).await?;
    Ok(ArchivedImageRecord::of(image, &tags))
}

/// Some archived images.
#[derive(Debug, Serialize, ToSchema)]
struct ArchivedImagePage {
    items: Vec<ArchivedImageRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// An archived image.
#[derive(Debug, Serialize, ToSchema)]
struct ArchivedImageRecord {
    image_digest: String,
    /// Of the index it was found through.
    index_digest: Option<String>,
    /// `archived` or `deleting`.
    status: &'static str,
    tags: Vec<String>,
    #[schema(value_type = Object)]
    annotations: Map<String, Value>,
    archive_size_bytes: i64,
    #[schema(value_type = String, format = "date-time")]
    analyzed_at: Timestamp,
    /// Since when it is archived.
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

impl ArchivedImageRecord {
    fn of(image: &ArchivedImage, tags: &[ArchivedTag]) -> Self {
        Self {
            image_digest: image.digest.to_string(),
            index_digest: image.index_digest.as_ref().map(Digest::to_string),
            status: image.status.as_str(),
            tags: tags.iter().map(|tag| format!("{}/{}:{}", tag.registry, tag.repository, tag.tag)).collect(),
            annotations: serde_json::from_str(&image.annotations).unwrap_or_default(),
            archive_size_bytes: image.size_bytes,
            analyzed_at: instant(image.analyzed_at),
            created_at: instant(image.created_at),
            updated_at: instant(image.updated_at),
        }
    }
}

/// An image to archive.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`")]
struct ArchivedImageRequest {
    image_digest: String,
}
