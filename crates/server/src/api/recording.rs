//! The audit log of the API: every request that may change something, with what was there before and after.
//!
//! [`record`] surrounds the handlers; the permission that lets a caller in says who they are; the store writes the entry
//! with the change. Documents are those of the API, which hold no secrets; members that may are left out all the same.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::Response;
use killick_store::audit::{self, NewAudit, Slot};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::client;
use crate::api::naming::RequestId;
use crate::app::{App, Identity};
use crate::auth::keys;
use crate::cpu;
use crate::records::now;

/// Bytes of a document that is kept whole; of a longer one, its digest is.
const MAX_DOCUMENT_BYTES: usize = 64 << 10;

/// Bytes of an answer that is looked at; of a longer one, the digest is kept as it is.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// Members that hold secrets.
const SECRETS: &[&str] = &["access_token", "password", "registry_pass", "secret", "token"];

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
    let (parts, body) = response.into_parts();
    let status = i64::from(parts.status.as_u16());
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_document = parts.status.is_success() && kind.starts_with("application/json") && entry.after.is_none();
    let (body, after) = match body.size_hint().exact() {
        Some(length) if is_document => {
            let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let after = if length <= MAX_ANSWER_BYTES {
                serde_json::from_slice::<Value>(&bytes).ok().map(document)
            } else {
                let answer = bytes.clone();
                Some(cpu::run(move || stand_in(&answer)).await)
            };
            (Body::from(bytes), after)
        }
        // It was said while the request ran, perhaps after the entry was written.
        _ => (body, entry.after.clone()),
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
    let request = parts.extensions.get().map(|RequestId(id)| id.clone()).unwrap_or_default();
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
    stand_in(text.as_bytes())
}

/// What is kept of a document that is too long.
fn stand_in(text: &[u8]) -> String {
    json!({"bytes": text.len(), "sha256": hex::encode(Sha256::digest(text))}).to_string()
}

/// The nesting is that of a document that was parsed, and so bounded.
fn redact(value: &mut Value) {
    match value {
        Value::Object(members) => {
            // A subscription has a key, too, which is none to open anything with.
            members
                .retain(|name, value| !SECRETS.contains(&name.as_str()) && !value.as_str().is_some_and(keys::is_key));
            members.values_mut().for_each(redact);
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn secrets_are_left_out() {
        let key = keys::make().expose_secret().to_owned();
        let items = [json!({"key": key, "name": "n"}), json!({"key": "r.io/x:1"})];
        let value = json!({"registry": "r.io", "registry_pass": "x", "items": items});
        assert_eq!(document(value), r#"{"registry":"r.io","items":[{"name":"n"},{"key":"r.io/x:1"}]}"#);
    }

    #[test]
    fn of_long_documents_the_digest_is_kept() {
        let kept: Value = serde_json::from_str(&document(json!("a".repeat(MAX_DOCUMENT_BYTES)))).unwrap();
        assert_eq!(kept["bytes"], MAX_DOCUMENT_BYTES + 2);
        assert_eq!(kept["sha256"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn of_answers_too_long_to_be_looked_at_the_digest_is_kept() {
        let kept: Value = serde_json::from_str(&stand_in(b"{}")).unwrap();
        let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(kept, json!({"bytes": 2, "sha256": digest}));
    }
}
