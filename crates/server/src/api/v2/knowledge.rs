//! The knowledge of this server, for its command lines: a publication as a web server would serve its folder
//! (`killick-vulns`, `publication`), but behind a login.

use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use killick_model::digest::Digest;
use killick_model::feed::Health;
use killick_vulns::Status;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::ApiError;
use crate::api::input::Path;
use crate::api::permission::{Authenticated, Guarded, Permission};
use crate::knowledge::Current;
use crate::publications::Origin;

/// Bytes that are read and sent at once.
const PIECE_BYTES: u64 = 256 << 10;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(report)).routes(routes!(manifest)).routes(routes!(blob))
}

/// What this server knows of vulnerabilities, where from, and how its feeds are.
#[derive(Serialize, ToSchema)]
struct KnowledgeReport {
    /// Age and sources of the index.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    status: Status,
    /// The publication it came from, or that it was built here.
    #[schema(value_type = Option<Object>)]
    origin: Option<Origin>,
    /// The state of every provider whose files are fetched here.
    #[schema(value_type = Vec<Object>)]
    feeds: Vec<Health>,
}

/// The state of the advisory index and of what it is made of.
#[utoipa::path(get, path = "/v2/knowledge", tag = "Knowledge",
    responses((status = 200, body = KnowledgeReport), (status = 404)))]
async fn report(require: Permission<Authenticated>) -> Result<Json<KnowledgeReport>, ApiError> {
    let knowledge = require.app.knowledge();
    let mut status = knowledge.status().ok_or_else(nothing)?;
    // Where files lie here is nobody's business.
    status.index = knowledge.current().ok_or_else(nothing)?.digest.to_string();
    Ok(Json(KnowledgeReport { status, origin: knowledge.origin(), feeds: knowledge.health() }))
}

/// The signed document that says which blobs the index consists of.
#[utoipa::path(get, path = "/v2/knowledge/manifest.json", tag = "Knowledge",
    responses((status = 200, body = Object), (status = 304), (status = 404)))]
async fn manifest(require: Permission<Authenticated>, headers: HeaderMap) -> Result<Response, ApiError> {
    let Some(current) = require.app.knowledge().current() else { return Err(nothing()) };
    let envelope = require.app.knowledge().envelope(&current).await?;
    let etag = tag(&Digest::of(&envelope).to_string());
    if is_known(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    let kind = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, kind), (header::ETAG, etag)], envelope).into_response())
}

/// A blob that the document names, or a part of it.
#[utoipa::path(get, path = "/v2/knowledge/blobs/sha256/{digest}", tag = "Knowledge",
    params(("digest" = String, Path, pattern = "^[0-9a-f]{64}$")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 206), (status = 304),
        (status = 404), (status = 416)))]
async fn blob(
    require: Permission<Authenticated>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Ok(digest) = format!("sha256:{digest}").parse::<Digest>() else {
        return Err(ApiError::bad_request("a blob is named by 64 hexadecimal digits"));
    };
    // Who reads by the document of the index before finds its blobs too.
    let knowledge = require.app.knowledge();
    for current in [knowledge.current(), knowledge.previous()].into_iter().flatten() {
        if let Some(range) = knowledge.contents(&current).await?.range(&digest) {
            return Ok(answer(current, range, &tag(&digest.to_string()), &headers));
        }
    }
    Err(ApiError::not_found("the advisory index has no such blob"))
}

/// There is no index to answer by.
pub(super) fn nothing() -> ApiError {
    ApiError::not_found("there is no advisory index")
}

fn tag(digest: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// RFC 9110, 13.1.2.
fn is_known(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = tags.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes())
}

fn answer(current: Arc<Current>, blob: Range<u64>, etag: &HeaderValue, headers: &HeaderMap) -> Response {
    let always: [(HeaderName, HeaderValue); 3] = [
        (header::ETAG, etag.clone()),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        // Its name is its content.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable")),
    ];
    if is_known(headers, etag) {
        return (StatusCode::NOT_MODIFIED, always).into_response();
    }
    let size = blob.end.saturating_sub(blob.start);
    let is_current = headers.get(header::IF_RANGE).is_none_or(|value| value == etag);
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).filter(|_| is_current);
    let (status, part) = match asked.map_or(Wanted::All, |text| wanted(text, size)) {
        Wanted::All => (StatusCode::OK, 0..size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, always, range).into_response();
        }
    };
    let mut response = (status, always).into_response();
    let all = response.headers_mut();
    all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    all.insert(header::CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(range) = HeaderValue::try_from(format!("bytes {}-{}/{size}", part.start, part.end.saturating_sub(1)))
    {
        all.insert(header::CONTENT_RANGE, range);
    }
    *response.body_mut() = body(current, blob.start + part.start..blob.start + part.end);
    response
}

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// RFC 9110, 14.1.2; whoever asks for several ranges, or in another unit, gets all.
fn wanted(text: &str, size: u64) -> Wanted {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Wanted::All;
    };
    let part = match (first.trim().parse::<u64>(), last.trim(), last.trim().parse::<u64>()) {
        (Ok(first), "", _) => first..size,
        (Ok(first), _, Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Err(_), _, Ok(suffix)) if first.trim().is_empty() => size.saturating_sub(suffix)..size,
        _ => return Wanted::All,
    };
    if part.start < part.end { Wanted::Part(part) } else { Wanted::Nothing }
}

/// The bytes of the file, piece by piece. A file that cannot be read breaks the answer off.
fn body(current: Arc<Current>, range: Range<u64>) -> Body {
    Body::from_stream(stream::unfold((current, range), async |(current, range)| {
        if range.is_empty() {
            return None;
        }
        let end = range.start.saturating_add(PIECE_BYTES).min(range.end);
        let (reading, piece) = (Arc::clone(&current), range.start..end);
        let read = tokio::task::spawn_blocking(move || reading.index.bytes(piece)).await;
        let (bytes, next) = match read {
            Ok(Ok(bytes)) => (Ok(Bytes::from(bytes)), end..range.end),
            Ok(Err(error)) => (Err(std::io::Error::other(error)), 0..0),
            Err(error) => (Err(std::io::Error::other(error)), 0..0),
        };
        Some((bytes, (current, next)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood() {
        for (text, want) in [
            ("bytes=0-9", Wanted::Part(0..10)),
            ("bytes=90-", Wanted::Part(90..100)),
            ("bytes=90-1000", Wanted::Part(90..100)),
            ("bytes=99-99", Wanted::Part(99..100)),
            ("bytes=-5", Wanted::Part(95..100)),
            ("bytes=-500", Wanted::Part(0..100)),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=9-1", Wanted::All),
            ("bytes=0-1,5-6", Wanted::All),
            ("bytes=", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("bytes=18446744073709551615-18446744073709551615", Wanted::Nothing),
        ] {
            assert_eq!(wanted(text, 100), want, "{text}");
        }
    }
}
