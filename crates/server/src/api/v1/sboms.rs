//! What an image consists of, as a document for other tools.

use std::io::{self, Write as _};

use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::archives::attachment;
use super::images::{analyzed, found};
use crate::api::error::ApiError;
use crate::api::input::Path;
use crate::api::permission::{GetImage, Guarded, Permission};
use crate::cpu;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(native))
}

/// Syft's JSON, gzipped.
#[utoipa::path(get, path = "/images/{imageDigest}/sboms/native", tag = "Content",
    params(("imageDigest" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/gzip")))]
async fn native(require: Permission<GetImage>, Path(digest): Path<String>) -> Result<Response, ApiError> {
    let image = found(&require.app, &require.account, &digest).await?;
    analyzed(&image)?;
    let analysis = crate::judge::analysis(&require.app, &image).await?;
    let names: Vec<String> = image.tags.iter().map(crate::records::Tag::full).collect();
    let manifest = require.app.records().manifest(&image).await?;
    let packed = cpu::run(move || {
        let mut out = io::BufWriter::new(GzEncoder::new(Vec::new(), Compression::default()));
        let image =
            killick_report::syft::Image { analysis: &analysis, tags: &names, manifest: &manifest, is_whole: false };
        killick_report::syft::write(&image, env!("CARGO_PKG_VERSION"), &mut out)?;
        out.flush()?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
    });
    let packed = packed.await.map_err(|error| ApiError::internal(&error))?;
    Ok(attachment(packed, &format!("{}_native.json.gzip", image.digest)))
}
