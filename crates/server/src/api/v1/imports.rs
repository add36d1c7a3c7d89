//! Imports: documents of an image that somebody else analysed are uploaded here, until `POST /images` names them.

use axum::Json;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use killick_analysis::imported::ShapeError;
use killick_store::imports::{ImportContent, ImportOperation, ImportStatus, NewContent};
use serde::Serialize;
use serde::de::IgnoredAny;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use crate::api::error::ApiError;
use crate::api::input::{Path, RawBody, not_json};
use crate::api::permission::{Guarded, ImportImages, ListImports, Permission, PermissionOn};
use crate::app::App;
use crate::cpu;
use crate::imports::{KINDS, MAX_PACKAGES_BYTES};
use crate::records::{instant, now};

/// Microseconds that an import may take, by the contract: a day.
const LIFE: i64 = 86_400_000_000;

/// Imports that an account may have begun and not ended.
const MAX_OPEN: i64 = 1000;

/// Documents of one import; one of each kind is what it takes.
const MAX_CONTENTS: i64 = 20;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, invalidate))
        .routes(routes!(contents, upload))
        .layer(DefaultBodyLimit::max(MAX_PACKAGES_BYTES))
}

#[utoipa::path(get, path = "/imports/images", tag = "Imports", responses((status = 200, body = [Operation])))]
async fn list(require: Permission<ListImports>) -> Result<Json<Vec<Operation>>, ApiError> {
    let all = require.app.records().store().imports(&require.account).await?;
    Ok(Json(all.into_iter().map(Operation::of).collect()))
}

#[utoipa::path(post, path = "/imports/images", tag = "Imports",
    extensions(("x-narrowed-by" = json!("repository"))),
    responses((status = 200, body = Operation), (status = 404), (status = 409)))]
async fn create(require: PermissionOn<ImportImages>) -> Result<Json<Operation>, ApiError> {
    let require = require.on_new_import();
    let id = uuid::Uuid::new_v4().simple().to_string();
    let (store, begun) = (require.app.records().store(), now());
    let (account, user, until) = (&require.account, &require.caller.user, begun.saturating_add(LIFE));
    let operation = store.create_import(account, &id, user, until, MAX_OPEN, begun).await?;
    Ok(Json(Operation::of(operation)))
}

#[utoipa::path(get, path = "/imports/images/{operation_id}", tag = "Imports", params(("operation_id" = String, Path)),
    responses((status = 200, body = Operation)))]
async fn get(require: Permission<ListImports>, Path(id): Path<String>) -> Result<Json<Operation>, ApiError> {
    Ok(Json(Operation::of(require.app.records().store().import(&require.account, &id).await?)))
}

#[utoipa::path(delete, path = "/imports/images/{operation_id}", tag = "Imports",
    extensions(("x-narrowed-by" = json!("repository"))), params(("operation_id" = String, Path)),
    responses((status = 200, body = Operation)))]
async fn invalidate(require: PermissionOn<ImportImages>, Path(id): Path<String>) -> Result<Json<Operation>, ApiError> {
    let require = require.on_import(&id).await?;
    let operation = require.app.records().store().invalidate_import(&require.account, &id, now()).await?;
    Ok(Json(Operation::of(operation)))
}

/// What was uploaded of `packages`, `dockerfile`, `manifest`, `parent_manifest` or `image_config`.
#[utoipa::path(get, path = "/imports/images/{operation_id}/{kind}", tag = "Imports",
    params(("operation_id" = String, Path), ("kind" = String, Path)),
    responses((status = 200, body = [Content])))]
async fn contents(
    require: Permission<ListImports>,
    Path((id, kind)): Path<(String, String)>,
) -> Result<Json<Vec<Content>>, ApiError> {
    let kind = known(&kind)?;
    let all = require.app.records().store().import_contents(&require.account, &id, Some(kind)).await?;
    Ok(Json(all.iter().map(Content::of).collect()))
}

/// Uploads one of them; the answer has the SHA-256 of what was sent.
#[utoipa::path(post, path = "/imports/images/{operation_id}/{kind}", tag = "Imports",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("operation_id" = String, Path), ("kind" = String, Path)),
    request_body(content((Object = "application/json"), (String = "text/plain"))),
    responses((status = 200, body = Content), (status = 409)))]
async fn upload(
    require: PermissionOn<ImportImages>,
    Path((id, kind)): Path<(String, String)>,
    body: RawBody,
) -> Result<Json<Content>, ApiError> {
    let kind = known(&kind)?;
    let require = require.on_import(&id).await?;
    let store = require.app.records().store();
    // Before anything is written: the operation may be somebody else's.
    store.import(&require.account, &id).await?;
    let body = checked(&require.app, kind, body).await?;
    let size_bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
    let new = NewContent { kind, digest: store.blobs().put(body).await?, size_bytes, max_contents: MAX_CONTENTS };
    Ok(Json(Content::of(&store.add_import_content(&require.account, &id, &new, now()).await?)))
}

/// The bytes of a document that is what it should be.
async fn checked(app: &App, kind: &'static str, body: RawBody) -> Result<Vec<u8>, ApiError> {
    let bytes = body.bytes;
    let limit = app.config().fetch_limits.document_bytes;
    if kind != "packages" && bytes.len() as u64 > limit {
        let detail = format!("a {kind} has {limit} bytes at most");
        return Err(ApiError::problem(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    if kind == "dockerfile" {
        let has_nul = bytes.contains(&0);
        let refused = || ApiError::problem(StatusCode::BAD_REQUEST, "a Dockerfile has no NUL in it");
        return if has_nul { Err(refused()) } else { Ok(bytes.into()) };
    }
    if !body.may_be_json && !bytes.is_empty() {
        return Err(not_json());
    }
    cpu::run(move || {
        let wrong = |error: ShapeError| ApiError::problem(StatusCode::BAD_REQUEST, error.to_string());
        if kind == "packages" {
            killick_analysis::imported::check(&bytes).map_err(wrong)?;
        } else if !bytes.trim_ascii_start().starts_with(b"{") || serde_json::from_slice::<IgnoredAny>(&bytes).is_err() {
            return Err(wrong(ShapeError::Syntax));
        }
        Ok(bytes.into())
    })
    .await
}

fn known(kind: &str) -> Result<&'static str, ApiError> {
    let found = KINDS.into_iter().find(|known| *known == kind);
    found.ok_or_else(|| ApiError::not_found(format!("an import has no `{kind}`")))
}

#[derive(Debug, Serialize, ToSchema)]
struct Operation {
    uuid: String,
    account: String,
    status: &'static str,
    created_at: String,
    expires_at: String,
    last_update: String,
    last_updated: String,
}

impl Operation {
    fn of(row: ImportOperation) -> Self {
        let is_late = row.status == ImportStatus::Pending && row.expires_at <= now();
        let status = if is_late { ImportStatus::Expired } else { row.status };
        let updated = instant(row.updated_at);
        Self {
            uuid: row.id,
            account: row.account,
            status: status.as_str(),
            created_at: seconds(instant(row.created_at)),
            expires_at: seconds(instant(row.expires_at)),
            last_update: seconds(updated),
            last_updated: updated.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct Content {
    digest: String,
    created_at: String,
}

impl Content {
    fn of(row: &ImportContent) -> Self {
        Self { digest: row.digest.hex(), created_at: seconds(instant(row.created_at)) }
    }
}
