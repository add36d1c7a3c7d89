//! The HTTP surface: routes, what surrounds them, and what answers when there is none.
//!
//! Every route answers with and without `/v1`, with and without a trailing slash: [`normalise`] brings the path into
//! one form before it is routed.

mod client;
mod docs;
mod document;
pub(crate) mod error;
pub(crate) mod input;
mod naming;
pub(crate) mod permission;
pub(crate) mod recording;
pub(crate) mod v1;
mod v2;

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::classify::ServerErrorsFailureClass;
use tower_http::timeout::TimeoutBody;
use tower_http::trace::{DefaultOnFailure, OnFailure as _, TraceLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::api::error::ApiError;
use crate::api::naming::RequestId;
use crate::api::permission::{Authenticated, Guarded, Permission};
use crate::app::App;
use crate::metrics;

/// What takes as long as it takes: whoever asks waits for the end.
const LONG: &[(Method, &str)] = &[(Method::POST, "/system/feeds")];

/// What is sent here may be large, and the way slow.
const UPLOADS: &[(Method, &str)] =
    &[(Method::POST, "/import/images"), (Method::POST, "/imports/images/{operation_id}/{kind}")];

/// How many times the limit of a request an upload may take, however steadily it comes.
const UPLOAD_FACTOR: u32 = 20;

/// The whole API over a service's state.
pub(crate) fn router(app: App) -> Router {
    let timeout = Duration::from_secs(app.config().server.request_timeout_seconds);
    let body_limit = app.config().server.body_limit_bytes;
    let (routes, _) = measured(&app, v1::routes().route("/docs", get(docs::page))).split_for_parts();
    let routes: Router = routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Guarded::new(app.clone()))
        .layer(from_fn_with_state(app.clone(), metrics::measure))
        .layer(from_fn_with_state(app, recording::record))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(from_fn(input::refuse_nul))
        .layer(from_fn(move |request, next| give_up_after(timeout, request, next)))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(error::as_problems))
        .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(failed));
    // Outermost, because methods are listed only after every inner layer; and every answer has the name of its request.
    Router::new()
        .fallback_service(tower::ServiceBuilder::new().map_request(normalise).service(routes))
        .layer(from_fn(answer_options))
        .layer(from_fn(naming::name))
}

/// What a process that answers no calls is asked: whether it is there, and for monitoring.
pub(crate) fn probes(app: &App) -> Router {
    let (routes, _) = measured(app, v1::service::life()).split_for_parts();
    routes
        .fallback(unknown_path)
        .with_state(Guarded::new(app.clone()))
        .layer(from_fn(error::as_problems))
        .layer(from_fn(naming::name))
}

/// With the page for monitoring, if there is to be one.
fn measured(app: &App, routes: OpenApiRouter<Guarded>) -> OpenApiRouter<Guarded> {
    let metrics = &app.config().metrics;
    if !metrics.enabled {
        return routes;
    }
    if metrics.auth_disabled {
        let app = app.clone();
        return routes.route("/metrics", get(async move || metrics::page(&app).await));
    }
    routes.route("/metrics", get(async |require: Permission<Authenticated>| metrics::page(&require.app).await))
}

/// The description of the API, as served.
pub(crate) fn document() -> OpenApi {
    v1::document()
}

/// One form for the many spellings of a path: no `/v1` in front, no slash at the end.
fn normalise(mut request: Request) -> Request {
    let path = request.uri().path();
    let rest = match path.strip_prefix("/v1") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    };
    let trimmed = rest.strip_suffix('/').unwrap_or(rest);
    let trimmed = if trimmed.is_empty() { "/" } else { trimmed };
    if trimmed == path {
        return request;
    }
    let wanted = match request.uri().query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    if let Ok(path_and_query) = wanted.parse::<PathAndQuery>() {
        let mut parts = request.uri().clone().into_parts();
        parts.path_and_query = Some(path_and_query);
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    }
    request
}

/// Gives a request up that takes longer; an upload, if nothing comes for so long, or if it takes many times that.
async fn give_up_after(limit: Duration, request: Request, next: Next) -> Response {
    if is_one_of(&request, LONG) {
        return next.run(request).await;
    }
    let (limit, request) = if is_one_of(&request, UPLOADS) {
        let request = request.map(|body| Body::new(TimeoutBody::new(limit, body)));
        (limit.saturating_mul(UPLOAD_FACTOR), request)
    } else {
        (limit, request)
    };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::new(StatusCode::GATEWAY_TIMEOUT, "the request took too long and was given up").into_response()
        }
    }
}

fn is_one_of(request: &Request, routes: &[(Method, &str)]) -> bool {
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    routes.iter().any(|(method, route)| request.method() == method && path == Some(*route))
}

/// A known path says which methods it has.
async fn answer_options(request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS;
    let response = next.run(request).await;
    let Some(allow) = response.headers().get(header::ALLOW).filter(|_| asks).and_then(|value| value.to_str().ok())
    else {
        return response;
    };
    let allow = format!("{}, OPTIONS", allow.split(',').map(str::trim).collect::<Vec<_>>().join(", "));
    let allow = HeaderValue::from_str(&allow).unwrap_or(HeaderValue::from_static("OPTIONS"));
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    ([(header::ALLOW, allow), (header::CONTENT_TYPE, kind)], "").into_response()
}

async fn unknown_path() -> ApiError {
    ApiError::problem(StatusCode::NOT_FOUND, "The requested URL is not served here. Check its spelling")
}

async fn wrong_method() -> ApiError {
    ApiError::problem(StatusCode::METHOD_NOT_ALLOWED, "The method is not allowed for the requested URL.")
}

/// A panic becomes an answer like any other; what it said goes to the log.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(panic = said, "a request panicked: {said}");
    ApiError::problem(StatusCode::INTERNAL_SERVER_ERROR, "The service met an internal error and could not answer")
        .into_response()
}

fn span(request: &Request) -> tracing::Span {
    let (path, id) = (request.uri().path(), request.extensions().get().map(|RequestId(id)| id.as_str()));
    tracing::info_span!("request", http.method = %request.method(), http.path = path, http.request_id = id)
}

fn failed(class: ServerErrorsFailureClass, latency: Duration, span: &tracing::Span) {
    if is_failure(&class) {
        DefaultOnFailure::new().on_failure(class, latency, span);
    }
}

/// What is known not to be served yet is no failure, though its status is one of a server's errors.
fn is_failure(class: &ServerErrorsFailureClass) -> bool {
    !matches!(class, ServerErrorsFailureClass::StatusCode(status) if *status == StatusCode::NOT_IMPLEMENTED)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Bytes;
    use axum::routing::post;
    use futures_util::{StreamExt as _, stream};
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn what_may_take_long_is_served() {
        let document = document();
        for (_, path) in LONG.iter().chain(UPLOADS) {
            assert!(document.paths.paths[*path].post.is_some(), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_may_take_long_is_waited_for() {
        const LIMIT: Duration = Duration::from_mins(3);
        let slow = || async {
            tokio::time::sleep(LIMIT * 10).await;
            "done"
        };
        let read = |body: Bytes| async move { body.len().to_string() };
        let api: Router = Router::new()
            .route("/system/feeds", get(slow).post(slow))
            .route("/import/images", post(read))
            .route("/policies", post(read))
            .layer(from_fn(|request, next| give_up_after(LIMIT, request, next)));
        let (steady, silent) = ([LIMIT / 2; 5], [LIMIT * 2; 1]);
        for (method, path, pauses, status) in [
            ("POST", "/system/feeds", &[][..], 200),
            ("GET", "/system/feeds", &[], 504),
            ("POST", "/import/images", &steady, 200),
            ("POST", "/import/images", &silent, 400),
            ("POST", "/policies", &steady, 504),
        ] {
            let sent = stream::iter(pauses.to_vec()).then(|pause| async move {
                tokio::time::sleep(pause).await;
                Ok::<_, Infallible>("x")
            });
            let request = Request::builder().method(method).uri(path).body(Body::from_stream(sent)).unwrap();
            let response = api.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_served_yet_is_no_failure() {
        let is = |status| is_failure(&ServerErrorsFailureClass::StatusCode(status));
        assert!(!is(StatusCode::NOT_IMPLEMENTED));
        assert!(is(StatusCode::INTERNAL_SERVER_ERROR) && is(StatusCode::GATEWAY_TIMEOUT));
        assert!(is_failure(&ServerErrorsFailureClass::Error("reset".to_owned())));
    }

    #[test]
    fn paths_have_one_form() {
        for (path, want) in [
            ("/", "/"),
            ("/v1", "/"),
            ("/v1/", "/"),
            ("/v1?a=b", "/?a=b"),
            ("/images/", "/images"),
            ("/v1/images?x=%2F", "/images?x=%2F"),
            ("/v1/images/sha256%3Aab/", "/images/sha256%3Aab"),
            ("/v2/version", "/v2/version"),
            ("/v1/v2/version", "/v2/version"),
            ("/v1x", "/v1x"),
        ] {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            assert_eq!(normalise(request).uri().to_string(), want);
        }
    }
}
