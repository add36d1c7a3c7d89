//! The analysis archive.

pub(in crate::api) mod rules;
mod upload;

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use killick_store::archives::{ArchivedImage, ArchivedTag};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use crate::api::error::ApiError;
use crate::api::input::{JsonTexts, Path, Query};
use crate::api::permission::{
    ArchiveImages, DeleteArchivedImage, GetArchive, GetArchivedImage, Guarded, ListArchivedImages, Permission,
    PermissionOn,
};
use crate::api::recording;
use crate::archive::{self, Outcome};
use crate::records::instant;

/// Digests of one request, by the contract.
const MOST: usize = 100;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(summary))
        .routes(routes!(list, add))
        .routes(routes!(get, delete))
        .routes(routes!(document))
        .merge(rules::router())
        .merge(upload::router())
}

/// How much there is: of the account, for an administrator in their own account of all accounts.
#[utoipa::path(get, path = "/archives", tag = "Archive", responses((status = 200, body = ArchiveSummary)))]
async fn summary(require: Permission<GetArchive>) -> Result<Json<ArchiveSummary>, ApiError> {
    let store = require.app.records().store();
    let sees_all = require.caller.is_admin && require.caller.account == require.account;
    let images = store.archive_summary((!sees_all).then_some(&require.account)).await?;
    let own = store.archive_rules(&require.account, false).await?;
    let updated = own.iter().map(|rule| rule.updated_at).max();
    Ok(Json(ArchiveSummary {
        images: ImagesSummary {
            total_image_count: images.images,
            total_tag_count: images.tags,
            total_data_bytes: images.size_bytes,
            last_updated: images.updated_at.map(|at| seconds(instant(at))).unwrap_or_default(),
        },
        rules: RulesSummary { count: own.len(), last_updated: updated.map(|at| seconds(instant(at))) },
    }))
}

#[utoipa::path(get, path = "/archives/images", tag = "Archive", responses((status = 200, body = [ArchivedAnalysis])))]
async fn list(require: Permission<ListArchivedImages>) -> Result<Json<Vec<ArchivedAnalysis>>, ApiError> {
    let store = require.app.records().store();
    let tags = store.archived_tags(&require.account, None).await?;
    let images = store.archived_images(&require.account).await?;
    Ok(Json(images.iter().map(|image| ArchivedAnalysis::of(image, &tags)).collect()))
}

/// Archives images; what became of each is told.
#[utoipa::path(post, path = "/archives/images", tag = "Archive",
    extensions(("x-narrowed-by" = json!("repository"))), request_body = Vec<String>,
    responses((status = 200, body = [ArchiveResult])))]
async fn add(
    require: PermissionOn<ArchiveImages>,
    JsonTexts(digests): JsonTexts<MOST>,
) -> Result<Json<Vec<ArchiveResult>>, ApiError> {
    let named: Vec<&str> = digests.iter().map(String::as_str).collect();
    let require = require.on_images_and_archived(&named).await?;
    let mut results = Vec::new();
    for digest in digests {
        let (status, detail) = match archive::archive(&require.app, &require.account, &digest).await {
            Ok(Outcome::Done) => ("archived", "Completed successfully".to_owned()),
            Ok(Outcome::Before) => ("archived", "this analysis is archived already".to_owned()),
            Err(error) => ("error", error.message().to_owned()),
        };
        results.push(ArchiveResult { digest, status, detail });
    }
    Ok(Json(results))
}

#[utoipa::path(get, path = "/archives/images/{imageDigest}", tag = "Archive", params(("imageDigest" = String, Path)),
    responses((status = 200, body = ArchivedAnalysis)))]
async fn get(
    require: Permission<GetArchivedImage>,
    Path(digest): Path<String>,
) -> Result<Json<ArchivedAnalysis>, ApiError> {
    let image = require.app.records().archived(&require.account, &digest).await?;
    let image = image.ok_or_else(|| not_archived(&digest))?;
    let tags = require.app.records().store().archived_tags(&require.account, Some(&digest)).await?;
    Ok(Json(ArchivedAnalysis::of(&image, &tags)))
}

/// Removes an image from the archive: soon, or with `force` at once.
#[utoipa::path(delete, path = "/archives/images/{imageDigest}", tag = "Archive",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("imageDigest" = String, Path), ("force" = Option<bool>, Query)),
    responses((status = 200, body = Object)))]
async fn delete(
    require: PermissionOn<DeleteArchivedImage>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let force = query.flag("force")?.unwrap_or(false);
    let require = require.on_archived(&digest).await?;
    let image = require.app.records().archived(&require.account, &digest).await?;
    let image = image.ok_or_else(|| not_archived(&digest))?;
    let store = require.app.records().store();
    let tags = store.archived_tags(&require.account, Some(&digest)).await?;
    recording::before(&ArchivedAnalysis::of(&image, &tags));
    archive::rules::delete(&require.app, &require.account, &digest, None).await?;
    if force {
        store.purge_archived().await?;
    }
    Ok(Json(json!({})))
}

/// The archived analysis as a file that `POST /import/images` takes, here or elsewhere.
#[utoipa::path(get, path = "/archives/images/{imageDigest}/document", tag = "Archive",
    params(("imageDigest" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/gzip")))]
async fn document(require: Permission<GetArchivedImage>, Path(digest): Path<String>) -> Result<Response, ApiError> {
    let bytes = archive::packed(&require.app, &require.account, &digest).await?;
    Ok(attachment(bytes, &format!("{digest}.tar.gz")))
}

fn not_archived(digest: &str) -> ApiError {
    ApiError::not_found(format!("there is no archived image `{digest}`"))
}

/// A gzipped file to save.
pub(super) fn attachment(bytes: Vec<u8>, name: &str) -> Response {
    let disposition = HeaderValue::from_str(&format!("attachment; filename={name}"));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    let kind = HeaderValue::from_static("application/gzip");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response()
}

#[derive(Debug, Serialize, ToSchema)]
struct ArchiveSummary {
    images: ImagesSummary,
    rules: RulesSummary,
}

#[derive(Debug, Serialize, ToSchema)]
struct ImagesSummary {
    total_image_count: i64,
    total_tag_count: i64,
    total_data_bytes: i64,
    last_updated: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct RulesSummary {
    count: usize,
    last_updated: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ArchiveResult {
    digest: String,
    status: &'static str,
    detail: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ArchivedAnalysis {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    #[serde(rename = "parentDigest")]
    parent_digest: String,
    #[schema(value_type = Object)]
    annotations: Map<String, Value>,
    status: &'static str,
    analyzed_at: String,
    archive_size_bytes: i64,
    image_detail: Vec<ArchivedDetail>,
    created_at: String,
    last_updated: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ArchivedDetail {
    pullstring: String,
    registry: String,
    repository: String,
    tag: String,
    detected_at: String,
    created_at: String,
    last_updated: String,
}

impl ArchivedAnalysis {
    /// The record of an archived analysis, with those of the tags that are its.
    fn of(image: &ArchivedImage, tags: &[ArchivedTag]) -> Self {
        let (created_at, last_updated) = (seconds(instant(image.created_at)), seconds(instant(image.updated_at)));
        let detail = |tag: &ArchivedTag| ArchivedDetail {
            pullstring: format!("{}/{}:{}", tag.registry, tag.repository, tag.tag),
            registry: tag.registry.clone(),
            repository: tag.repository.clone(),
            tag: tag.tag.clone(),
            detected_at: seconds(instant(tag.detected_at)),
            created_at: created_at.clone(),
            last_updated: created_at.clone(),
        };
        Self {
            image_digest: image.digest.to_string(),
            parent_digest: image.index_digest.as_ref().unwrap_or(&image.digest).to_string(),
            annotations: serde_json::from_str(&image.annotations).unwrap_or_default(),
            status: image.status.as_str(),
            analyzed_at: seconds(instant(image.analyzed_at)),
            archive_size_bytes: image.size_bytes,
            image_detail: tags.iter().filter(|tag| tag.digest == image.digest).map(detail).collect(),
            created_at,
            last_updated,
        }
    }
}
