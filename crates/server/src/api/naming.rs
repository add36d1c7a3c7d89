//! The name of a request: the caller's `x-request-id`, or one that is made up. It is in the answer, whatever that is, in
//! the log, in the audit log and in events, so that who asks about a request can name it.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

use crate::herald;

/// The header that names a request.
const HEADER: &str = "x-request-id";

/// Bytes of a name that a caller gives.
const MAX_BYTES: usize = 128;

/// What a request is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId(pub(super) String);

/// Names a request, for what runs inside and for who reads the answer.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(HEADER).and_then(|id| id.to_str().ok());
    let given = given.filter(|id| (1..=MAX_BYTES).contains(&id.len()));
    let id = given.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned);
    let header = HeaderValue::from_str(&id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = herald::within(id, next.run(request)).await;
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}
