//! Paths of version 1 that this release knows and does not serve: they say so, to callers with a name.

use axum::http::{Method, StatusCode};
use axum::routing::{any, post};
use utoipa_axum::router::OpenApiRouter;

use crate::api::error::ApiError;
use crate::api::permission::{Authenticated, Guarded, Open, Permission};

/// Path patterns that are answered with 501.
const PATHS: &[&str] = &[
    "/archives",
    "/archives/{*rest}",
    "/import/images",
    "/imports/images",
    "/imports/images/{*rest}",
    "/images/{imageDigest}/sboms/native",
];

pub(super) fn router() -> OpenApiRouter<Guarded> {
    let router = OpenApiRouter::new().route("/oauth/token", post(no_tokens));
    PATHS.iter().fold(router, |router, path| router.route(path, any(not_yet)))
}

async fn not_yet(_: Permission<Authenticated>, method: Method) -> ApiError {
    ApiError::new(StatusCode::NOT_IMPLEMENTED, format!("this release does not serve {method} on this path"))
}

async fn no_tokens(_: Open) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "OAuth is not configured: authenticate with user and password")
}
