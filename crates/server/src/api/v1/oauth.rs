//! Tokens for a password (RFC 6749, section 4.3). Nothing of the service is reached here: the answer is made of what the
//! extractor decided.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::error::ApiError;
use crate::api::permission::{Granted, Guarded, Refusal};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(token))
}

#[utoipa::path(post, path = "/oauth/token", tag = "Users", security(()),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Object)))]
async fn token(Granted(outcome): Granted) -> Response {
    let (status, body) = match outcome {
        Ok(token) => {
            (StatusCode::OK, json!({"token_type": "Bearer", "access_token": token.text, "expires_in": token.seconds}))
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
            (StatusCode::BAD_REQUEST, json!({"error": "unsupported_grant_type", "error_description": told}))
        }
        Err(Refusal::Client) => (StatusCode::BAD_REQUEST, error("invalid_client")),
        Err(Refusal::Incomplete) => (StatusCode::BAD_REQUEST, error("invalid_request")),
        Err(Refusal::Credentials) => (StatusCode::UNAUTHORIZED, error("invalid_grant")),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn error(word: &str) -> Value {
    json!({ "error": word })
}
