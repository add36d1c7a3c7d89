//! What the API says when it cannot answer: one type, the body shapes of the v1 contract.
//!
//! Handlers' errors are `{message, httpcode, detail}`; errors of the HTTP surface itself (unknown path, wrong method,
//! malformed input) are RFC 7807 problem documents; a missing login is plain text with a challenge. Version 2 has problem
//! documents for all of them: [`as_problems`]. Causes inside the service are logged here and never sent.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// The media type of problem documents.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// The error of a handler of version 1, as it is sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct HandlerError {
    message: String,
    /// The status of the answer.
    httpcode: u16,
    /// `error_codes`, and what else is known of the error.
    #[schema(value_type = Object)]
    detail: Map<String, Value>,
}

/// A problem document (RFC 9457), as it is sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    r#type: &'static str,
    title: &'static str,
    detail: String,
    /// The status of the answer.
    status: u16,
    /// What else is known of the error.
    #[serde(flatten)]
    #[schema(ignore)]
    more: Map<String, Value>,
}

/// One row of `/system/error_codes`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    /// The word in `detail.error_codes`.
    pub(crate) name: &'static str,
    /// What it means, for people.
    pub(crate) description: &'static str,
}

/// The registry refused the credentials.
pub(crate) const REGISTRY_PERMISSION_DENIED: &str = "REGISTRY_PERMISSION_DENIED";
/// The registry does not have the image.
pub(crate) const REGISTRY_IMAGE_NOT_FOUND: &str = "REGISTRY_IMAGE_NOT_FOUND";
/// Nobody answers under the registry's name.
pub(crate) const REGISTRY_NOT_ACCESSIBLE: &str = "REGISTRY_NOT_ACCESSIBLE";
/// What answers is no registry of version 2.
pub(crate) const REGISTRY_NOT_SUPPORTED: &str = "REGISTRY_NOT_SUPPORTED";
/// The registry could not be asked, for another reason.
pub(crate) const SKOPEO_UNKNOWN_ERROR: &str = "SKOPEO_UNKNOWN_ERROR";
/// A feed update is running already.
pub(crate) const FEED_SYNC_ALREADY_IN_PROGRESS: &str = "FEED_SYNC_ALREADY_IN_PROGRESS";
/// The index has no entry for the platform.
pub(crate) const OSARCH_MISMATCH: &str = "OSARCH_MISMATCH";

/// Every code a client may meet, in the order of the contract.
pub(crate) const CODES: &[Code] = &[
    Code {
        name: REGISTRY_PERMISSION_DENIED,
        description: "The registry refused the stored credentials, or wants some and has none.",
    },
    Code { name: REGISTRY_IMAGE_NOT_FOUND, description: "The registry has no image under this reference." },
    Code { name: REGISTRY_NOT_ACCESSIBLE, description: "No connection to the registry could be made." },
    Code {
        name: REGISTRY_NOT_SUPPORTED,
        description: "What answers under the registry's name does not speak the registry protocol, version 2.",
    },
    Code {
        name: SKOPEO_UNKNOWN_ERROR,
        description: "The registry could not be asked for the image, for a reason with no code of its own.",
    },
    Code { name: "UNKNOWN", description: "An error with no code of its own." },
    Code { name: FEED_SYNC_ALREADY_IN_PROGRESS, description: "The vulnerability data is being updated already." },
    Code { name: OSARCH_MISMATCH, description: "The image has no variant for this operating system and processor." },
];

/// An answer that is not the one the caller hoped for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    shape: Shape,
    /// When to come again.
    retry_after: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    /// `{message, httpcode, detail}`.
    Handler(Box<Detail>),
    /// A problem document.
    Problem,
    /// Text and a challenge.
    Challenge,
}

/// The `detail` of a handler's error.
#[derive(Debug, Clone, PartialEq, Default)]
struct Detail {
    codes: Vec<&'static str>,
    more: Map<String, Value>,
}

impl ApiError {
    /// An error of a handler.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), shape: Shape::Handler(Box::default()), retry_after: None }
    }

    /// 404 of a handler: the thing that was named is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 400 of a handler: well-formed, but cannot be done.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 409 of a handler: at odds with what is stored.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 403, naming the permission that is missing.
    pub(crate) fn forbidden(domain: &str, action: &str, target: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            format!("Not authorized. Requires permissions: domain={domain} action={action} target={target}"),
        )
    }

    /// 401 with the challenge that makes clients send their credentials.
    pub(crate) fn unauthorized() -> Self {
        let message = "Unauthorized".to_owned();
        Self { status: StatusCode::UNAUTHORIZED, message, shape: Shape::Challenge, retry_after: None }
    }

    /// 429: too many wrong passwords.
    pub(crate) fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let message = format!("too many failed logins: try again in {seconds} seconds");
        Self { retry_after: Some(Duration::from_secs(seconds)), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// 429: too many requests of one user.
    pub(crate) fn too_often(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let message = format!("too many requests: try again in {seconds} seconds");
        Self { retry_after: Some(Duration::from_secs(seconds)), ..Self::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    /// 503: too many logins at the same time.
    pub(crate) fn busy() -> Self {
        let message = "too many logins are being checked: try again";
        let wait = Some(Duration::from_secs(1));
        Self { retry_after: wait, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// An error of the HTTP surface: malformed input, unknown path, wrong method.
    pub(crate) fn problem(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, message: detail.into(), shape: Shape::Problem, retry_after: None }
    }

    /// 500. The cause is logged here; the caller learns only that it happened.
    pub(crate) fn internal(cause: &dyn std::error::Error) -> Self {
        log(cause);
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error; the log of the service tells more")
    }

    /// 503: the database is away. The cause is logged, as that of an internal error.
    pub(crate) fn unavailable(cause: &dyn std::error::Error) -> Self {
        Self::unable(cause, "the database cannot be reached; try again")
    }

    /// 503: nothing can be written. The cause is logged, as that of an internal error.
    pub(crate) fn full(cause: &dyn std::error::Error) -> Self {
        Self::unable(cause, "the service has no room left to keep that: make room, and try again")
    }

    fn unable(cause: &dyn std::error::Error, message: &str) -> Self {
        log(cause);
        let wait = Some(Duration::from_secs(5));
        Self { retry_after: wait, ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message) }
    }

    /// Adds one of [`CODES`].
    pub(crate) fn with_code(mut self, code: &'static str) -> Self {
        if let Shape::Handler(detail) = &mut self.shape {
            detail.codes.push(code);
        }
        self
    }

    /// Adds a member to `detail`.
    pub(crate) fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Shape::Handler(detail) = &mut self.shape {
            detail.more.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Whether it is about a registry that does not have an image, or cannot be asked: it says what the registry said.
    pub(crate) fn is_lookup(&self) -> bool {
        matches!(&self.shape, Shape::Handler(detail) if detail.more.contains_key("raw_exception_message"))
    }

    /// The body of a handler's error.
    pub(crate) fn body(&self) -> Value {
        serde_json::to_value(self.handler_error()).unwrap_or_default()
    }

    fn handler_error(&self) -> HandlerError {
        let mut detail = Map::new();
        if let Shape::Handler(known) = &self.shape {
            detail.clone_from(&known.more);
            detail.insert("error_codes".to_owned(), json!(known.codes));
        }
        HandlerError { message: self.message.clone(), httpcode: self.status.as_u16(), detail }
    }

    fn problem_document(&self) -> Problem {
        let mut more = Map::new();
        if let Shape::Handler(known) = &self.shape {
            more.clone_from(&known.more);
            if !known.codes.is_empty() {
                more.insert("error_codes".to_owned(), json!(known.codes));
            }
        }
        Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            detail: self.message.clone(),
            status: self.status.as_u16(),
            more,
        }
    }

    /// The status it answers with.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The text it answers with.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

/// Logs why a request failed, down to the first cause.
fn log(cause: &dyn std::error::Error) {
    let mut causes = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        next = cause.source();
    }
    tracing::error!(error = %causes, "a request failed: {causes}");
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = match &self.shape {
            Shape::Handler(_) => (self.status, Json(self.handler_error())).into_response(),
            Shape::Problem => {
                let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM))];
                (self.status, kind, Json(self.problem_document())).into_response()
            }
            Shape::Challenge => {
                let challenge = [
                    (header::WWW_AUTHENTICATE, "basic realm=\"Authentication required\""),
                    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                ];
                (self.status, challenge, self.message.clone()).into_response()
            }
        };
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, wait.as_secs().into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Errors of version 2 are problem documents, wherever they come from.
pub(super) async fn as_problems(request: Request, next: Next) -> Response {
    let is_second = request.uri().path().starts_with("/v2/");
    let mut response = next.run(request).await;
    let Some(error) = response.extensions_mut().remove::<ApiError>().filter(|_| is_second) else { return response };
    let body = serde_json::to_vec(&error.problem_document()).unwrap_or_default();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique() {
        for (at, code) in CODES.iter().enumerate() {
            assert!(CODES[..at].iter().all(|other| other.name != code.name), "{} twice", code.name);
        }
    }

    #[test]
    fn codes_that_are_used_are_listed() {
        for used in [
            REGISTRY_PERMISSION_DENIED,
            REGISTRY_IMAGE_NOT_FOUND,
            REGISTRY_NOT_ACCESSIBLE,
            REGISTRY_NOT_SUPPORTED,
            SKOPEO_UNKNOWN_ERROR,
            FEED_SYNC_ALREADY_IN_PROGRESS,
            OSARCH_MISMATCH,
        ] {
            assert!(CODES.iter().any(|code| code.name == used), "{used}");
        }
    }
}
