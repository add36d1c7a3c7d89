//! Vulnerabilities of an image.

use std::sync::Arc;

use axum::Json;
use killick_report::vulnerabilities::{Kind, WontFix};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::images::{analyzed, found, found_by_id};
use crate::api::error::ApiError;
use crate::api::input::{Path, Query};
use crate::api::permission::{GetImage, Guarded, Permission};
use crate::app::App;
use crate::judge::Freshness;
use crate::records;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(kinds))
        .routes(routes!(kinds_by_id))
        .routes(routes!(vulnerabilities))
        .routes(routes!(vulnerabilities_by_id))
}

#[utoipa::path(get, path = "/images/{imageDigest}/vuln", tag = "Vulnerabilities",
    params(("imageDigest" = String, Path)), responses((status = 200, body = [String])))]
async fn kinds(_: Permission<GetImage>) -> Json<Vec<&'static str>> {
    Json(names())
}

#[utoipa::path(get, path = "/images/by_id/{imageId}/vuln", tag = "Vulnerabilities",
    params(("imageId" = String, Path)), responses((status = 200, body = [String])))]
async fn kinds_by_id(_: Permission<GetImage>) -> Json<Vec<&'static str>> {
    Json(names())
}

#[utoipa::path(get, path = "/images/{imageDigest}/vuln/{vtype}", tag = "Vulnerabilities",
    params(("imageDigest" = String, Path), ("vtype" = String, Path),
           ("force_refresh" = Option<bool>, Query), ("vendor_only" = Option<bool>, Query)),
    responses((status = 200, body = VulnerabilityResponse)))]
async fn vulnerabilities(
    require: Permission<GetImage>,
    Path((digest, kind)): Path<(String, String)>,
    query: Query,
) -> Result<Json<VulnerabilityResponse>, ApiError> {
    let kind = read_kind(&kind)?;
    let wont_fix = if query.flag("vendor_only")?.unwrap_or(true) { WontFix::LeftOut } else { WontFix::Included };
    let freshness = if query.flag("force_refresh")?.unwrap_or(false) { Freshness::Anew } else { Freshness::Kept };
    let image = found(&require.app, &require.account, &digest).await?;
    answer(&require.app, image, kind, wont_fix, freshness).await
}

#[utoipa::path(get, path = "/images/by_id/{imageId}/vuln/{vtype}", tag = "Vulnerabilities",
    params(("imageId" = String, Path), ("vtype" = String, Path)),
    responses((status = 200, body = VulnerabilityResponse)))]
async fn vulnerabilities_by_id(
    require: Permission<GetImage>,
    Path((id, kind)): Path<(String, String)>,
) -> Result<Json<VulnerabilityResponse>, ApiError> {
    let kind = read_kind(&kind)?;
    let image = found_by_id(&require.app, &require.account, &id).await?;
    answer(&require.app, image, kind, WontFix::LeftOut, Freshness::Kept).await
}

async fn answer(
    app: &App,
    image: records::Image,
    kind: Kind,
    wont_fix: WontFix,
    freshness: Freshness,
) -> Result<Json<VulnerabilityResponse>, ApiError> {
    analyzed(&image)?;
    let vulnerabilities = crate::judge::vulnerability_document(app, &image, kind, wont_fix, freshness).await?;
    Ok(Json(VulnerabilityResponse { image_digest: image.digest, vulnerability_type: kind.name(), vulnerabilities }))
}

fn read_kind(word: &str) -> Result<Kind, ApiError> {
    word.parse().map_err(|_| ApiError::not_found(format!("content type ({word}) not available")))
}

fn names() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}

fn as_written<S: Serializer>(document: &Arc<RawValue>, out: S) -> Result<S::Ok, S::Error> {
    document.serialize(out)
}

#[derive(Debug, Serialize, ToSchema)]
struct VulnerabilityResponse {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    vulnerability_type: &'static str,
    #[schema(value_type = Vec<Object>)]
    #[serde(serialize_with = "as_written")]
    vulnerabilities: Arc<RawValue>,
}
