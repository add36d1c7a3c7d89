//! Tokens for a password (RFC 6749, section 4.3). Nothing of the service is reached here: the answer is made of what the
//! extractor decided.

use axum::Json;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::{ApiError, Problem};
use crate::api::permission::{Granted, Guarded, Refusal};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(token))
}

#[utoipa::path(post, path = "/oauth/token", tag = "Users", security(()),
    request_body(content = Option<TokenRequest>, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Token), (status = 401, body = TokenError), (status = 403), (status = 429), (status = 503),
        (status = 400, content((TokenError = "application/json"), (Problem = "application/problem+json")))))]
async fn token(Granted(outcome): Granted) -> Response {
    let (status, error, error_description) = match outcome {
        Ok(token) => {
            let token = Token { token_type: "Bearer", access_token: token.text, expires_in: token.seconds };
            return (StatusCode::OK, NOT_KEPT, Json(token)).into_response();
        }
        Err(Refusal::NotConfigured) => {
            let message = "OAuth is not configured: authenticate with user and password";
            return ApiError::new(StatusCode::FORBIDDEN, message).into_response();
        }
        Err(Refusal::Turned(error)) => return error.into_response(),
        Err(Refusal::GrantType(grant)) => {
            let grant = grant.as_deref().unwrap_or("None");
            let grant: String = grant.chars().take(80).collect();
            let told = format!("Grant type {grant} is not supported");
            (StatusCode::BAD_REQUEST, "unsupported_grant_type", Some(told))
        }
        Err(Refusal::Client) => (StatusCode::BAD_REQUEST, "invalid_client", None),
        Err(Refusal::Incomplete) => (StatusCode::BAD_REQUEST, "invalid_request", None),
        Err(Refusal::Credentials) => (StatusCode::UNAUTHORIZED, "invalid_grant", None),
    };
    (status, NOT_KEPT, Json(TokenError { error, error_description })).into_response()
}

/// What is answered is secret.
const NOT_KEPT: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// A token.
#[derive(Serialize, ToSchema)]
struct Token {
    token_type: &'static str,
    access_token: String,
    /// Seconds.
    expires_in: u64,
}

/// Why there is none.
#[derive(Serialize, ToSchema)]
struct TokenError {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_description: Option<String>,
}

/// A form; left out, or empty, where the login is in the header.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the extractor reads")]
struct TokenRequest {
    #[schema(pattern = "^password$")]
    grant_type: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[schema(pattern = "^anonymous$")]
    client_id: Option<String>,
}
