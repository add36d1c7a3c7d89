//! The audit log of the API: every request that may change something, with what was there before and after.
//!
//! [`record`] surrounds the handlers; the permission that lets a caller in says who they are; the store writes the entry
//! with the change. Documents are those of the API, which hold no secrets; members that may are left out all the same.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use killick_store::audit::{self, NewAudit, Slot};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::client;
use crate::app::{App, Identity};
use crate::records::now;

/// The header that names a request.
const REQUEST_ID: &str = "x-request-id";

/// Bytes of an id that a caller gives.
const MAX_ID_BYTES: usize = 128;

/// Bytes of a document that is kept whole; of a longer one, its digest is.
const MAX_DOCUMENT_BYTES: usize = 64 << 10;

/// Bytes of an answer that is looked at.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// Members that hold secrets.
const SECRETS: &[&str] = &["access_token", "key", "password", "registry_pass", "secret", "token"];

/// Runs a request, and writes what became of it.
pub(super) async fn record(State(app): State<App>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let slot = Slot::default();
    let response = audit::within(slot.clone(), next.run(request)).await;
    let Some((entry, written)) = slot.take() else { return response };
    if written.is_none() && !response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    if let Ok(id) = HeaderValue::from_str(&entry.request) {
        parts.headers.insert(REQUEST_ID, id);
    }
    let status = i64::from(parts.status.as_u16());
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_document = parts.status.is_success() && kind.starts_with("application/json") && entry.after.is_none();
    let (body, after) = match body.size_hint().exact() {
        Some(bytes) if is_document && bytes <= MAX_ANSWER_BYTES => {
            let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let after = serde_json::from_slice::<Value>(&bytes).ok().map(document);
            (Body::from(bytes), after)
        }
        _ => (body, None),
    };
    let store = app.records().store();
    let finished = async {
        let id = match written {
            Some(id) => Some(id),
            None => store.write_audit(entry).await?,
        };
        match id {
            Some(id) => store.finish_audit(id, status, after.as_deref()).await,
            None => Ok(()),
        }
    };
    if let Err(error) = finished.await {
        tracing::error!(error = %error, "an entry of the audit log cannot be finished: {error}");
    }
    Response::from_parts(parts, body)
}

/// Says who makes this request, of what account.
pub(super) fn begin(app: &App, parts: &Parts, caller: &Identity, account: &str, action: &str) {
    let given = parts.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let given = given.filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()));
    let request = given.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned);
    audit::arm(NewAudit {
        account: account.to_owned(),
        username: caller.user.clone(),
        user_account: caller.account.clone(),
        via: caller.via.to_string(),
        action: action.to_owned(),
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        request,
        client: client::address(parts, &app.config().logins.trusted_proxies).map(|address| address.to_string()),
        before: None,
        after: None,
        created_at: now(),
    });
}

/// What is there before the change that this request is about to make.
pub(crate) fn before(thing: &impl Serialize) {
    if let Ok(value) = serde_json::to_value(thing) {
        audit::before(document(value));
    }
}

/// What is there after the change, where the answer does not say it.
pub(crate) fn after(thing: &impl Serialize) {
    if let Ok(value) = serde_json::to_value(thing) {
        audit::after(document(value));
    }
}

/// A document as it is kept: without secrets, and not too long.
fn document(mut value: Value) -> String {
    redact(&mut value);
    let text = value.to_string();
    if text.len() <= MAX_DOCUMENT_BYTES {
        return text;
    }
    json!({"bytes": text.len(), "sha256": hex::encode(Sha256::digest(&text))}).to_string()
}

/// The nesting is that of a document that was parsed, and so bounded.
fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !SECRETS.contains(&name.as_str()));
            members.values_mut().for_each(redact);
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out() {
        let value = json!({"registry": "r.io", "registry_pass": "x", "items": [{"key": "y", "name": "n"}]});
        assert_eq!(document(value), r#"{"registry":"r.io","items":[{"name":"n"}]}"#);
    }

    #[test]
    fn of_long_documents_the_digest_is_kept() {
        let kept: Value = serde_json::from_str(&document(json!("a".repeat(MAX_DOCUMENT_BYTES)))).unwrap();
        assert_eq!(kept["bytes"], MAX_DOCUMENT_BYTES + 2);
        assert_eq!(kept["sha256"].as_str().unwrap().len(), 64);
    }
}
