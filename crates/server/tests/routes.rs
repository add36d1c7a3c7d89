//! Holds the surface still: every route with who may use it, and the document that describes them.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::format_push_string,
    clippy::struct_field_names,
    clippy::unused_self,
    clippy::cloned_instead_of_copied,
    reason = "a test may fail loudly"
)]

use std::fmt::Write as _;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_server::{App, Config};
use serde_json::{Value, json};
use tower::ServiceExt as _;

async fn service() -> (Router, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.storage.data_dir = data.path().to_owned();
    config.accounts.admin_password = "foobar".into();
    let router = killick_server::app(App::open(config).await.unwrap());
    let account = json!({"name": "team1"});
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(send(&router, "POST", "/accounts", Some("admin:foobar"), None, &account).await.0, 200);
    assert_eq!(send(&router, "POST", "/accounts/team1/users", Some("admin:foobar"), None, &user).await.0, 200);
    (router, data)
}

async fn send(
    router: &Router,
    method: &str,
    path: &str,
    login: Option<&str>,
    account: Option<&str>,
    body: &Value,
) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    if let Some(login) = login {
        request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(login)));
    }
    if let Some(account) = account {
        request = request.header("x-anchore-account", account);
    }
    let response = router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or_default())
}

/// What a user of one account meets on every route when naming another account: refused, with the permission that is
/// missing, or a route that knows no accounts.
#[tokio::test]
async fn every_route_is_authorised() {
    let (router, _data) = service().await;
    let mut table = String::new();
    for (path, operations) in killick_server::openapi()["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_ascii_uppercase();
            let url = path.replace("{accountname}", "admin").replace(['{', '}', '*'], "");
            let (anonymous, _) = send(&router, &method, &url, None, None, &json!({})).await;
            let (other, body) = send(&router, &method, &url, Some("alice:password1"), Some("admin"), &json!({})).await;
            let said = body["message"].as_str().unwrap_or_default();
            let action = said.split("action=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("-");
            let told = if other == 403 { "403" } else { "answered" };
            writeln!(table, "{method:6} {path}: anonymous {anonymous}, other account {told} {action}").unwrap();
        }
    }
    insta::assert_snapshot!("routes", table);
}

#[test]
fn the_document_is_held_still() {
    insta::assert_json_snapshot!("openapi", killick_server::openapi());
}
