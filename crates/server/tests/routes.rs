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
use killick_server::{App, Config, Keeping};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

async fn service() -> (Router, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.storage.data_dir = data.path().to_owned();
    config.accounts.admin_password = "foobar".into();
    config.knowledge.update = Keeping::Off;
    let router = killick_server::app(Box::pin(App::open(config)).await.unwrap());
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

/// Paths of the document, and the operations of each by their methods.
fn paths() -> Vec<(String, Map<String, Value>)> {
    let document = killick_server::openapi();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations = |item: &Value| -> Map<String, Value> {
        let members = item.as_object().unwrap().clone().into_iter();
        members.filter(|(_, member)| member["responses"].is_object()).collect()
    };
    paths.map(|(path, item)| (path.clone(), operations(item))).collect()
}

/// What an error says, in the words of either version.
fn said(body: &Value) -> &str {
    body["message"].as_str().or_else(|| body["detail"].as_str()).unwrap_or_default()
}

/// What a user of one account meets on every route when naming another account: refused, with the permission that is
/// missing, or a route that knows no accounts.
#[tokio::test]
async fn every_route_is_authorised() {
    let (router, _data) = service().await;
    let mut table = String::new();
    for (path, operations) in paths() {
        for method in operations.keys() {
            let method = method.to_ascii_uppercase();
            let url = path.replace("{accountname}", "admin").replace(['{', '}'], "");
            let (anonymous, _) = send(&router, &method, &url, None, None, &json!({})).await;
            let (other, body) = send(&router, &method, &url, Some("alice:password1"), Some("admin"), &json!({})).await;
            let said = said(&body);
            let action = said.split("action=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("-");
            let told = if other == 403 { "403" } else { "answered" };
            writeln!(table, "{method:6} {path}: anonymous {anonymous}, other account {told} {action}").unwrap();
        }
    }
    insta::assert_snapshot!("routes", table);
}

/// Roles, as they are given: on the whole account, and on all resources of a kind, which is less.
fn roles() -> Vec<(&'static str, Value)> {
    vec![
        ("reader", json!("reader")),
        ("developer", json!("developer")),
        ("developer-on-repository", json!({"role": "developer", "on": ["repository:*"]})),
        ("policy-editor", json!("policy-editor")),
        ("policy-editor-on-policy", json!({"role": "policy-editor", "on": ["policy:*"]})),
        ("account-admin", json!("account-admin")),
        ("account-admin-on-registry", json!({"role": "account-admin", "on": ["registry:*"]})),
        ("system-admin", json!("system-admin")),
    ]
}

/// What a user with each role may do in their own account: every route but those that anybody may use. The document says
/// which of them a role on resources may be for.
#[tokio::test]
async fn every_role_has_its_routes() {
    let (router, _data) = service().await;
    for (name, role) in roles() {
        let user = json!({"username": format!("user-{name}"), "password": "password1"});
        let made = send(&router, "POST", "/accounts/team1/users", Some("admin:foobar"), None, &user).await;
        assert_eq!(made.0, 200, "{}", made.1);
        let path = format!("/v2/users/user-{name}/roles");
        let given = send(&router, "PUT", &path, Some("admin:foobar"), None, &json!({"roles": [role]})).await;
        assert_eq!(given.0, 200, "{}", given.1);
    }
    let mut table = String::new();
    for (path, operations) in paths() {
        for (method, operation) in operations {
            let method = method.to_ascii_uppercase();
            let url = path.replace("{accountname}", "team1").replace(['{', '}'], "");
            let mut may = Vec::new();
            for (role, _) in roles() {
                let login = format!("user-{role}:password1");
                let (status, body) = send(&router, &method, &url, Some(&login), None, &narrowable(&path)).await;
                assert_ne!(status, 401, "{method} {url} as {role}: {body}");
                if status != 403 || !said(&body).starts_with("Not authorized.") {
                    may.push(role);
                }
            }
            let reads = may.contains(&"reader");
            let narrowed_by = may.iter().filter_map(|role| role.split_once("-on-")).map(|(_, kind)| kind).next();
            assert_eq!(operation["x-narrowed-by"].as_str(), narrowed_by.filter(|_| !reads), "{method} {path}: {may:?}");
            let may = if may.len() == roles().len() { "all".to_owned() } else { may.join(" ") };
            writeln!(table, "{method:6} {path}: {may}").unwrap();
        }
    }
    insta::assert_snapshot!("roles", table);
}

/// A body that names something, where only the body does.
fn narrowable(path: &str) -> Value {
    match path {
        "/policies" => json!({"id": "p"}),
        "/registries" => json!({"registry": "r.io", "registry_user": "", "registry_pass": "", "registry_type": 7}),
        "/subscriptions" => json!({"subscription_key": "r.io/a:1", "subscription_type": "tag_update"}),
        "/v2/subscriptions" => json!({"key": "r.io/a:1", "type": "tag_update"}),
        _ => json!({}),
    }
}

/// Every route that can be read, by a user of another account: nothing of the first account is in any answer.
#[tokio::test]
async fn another_account_sees_nothing() {
    let (router, _data) = service().await;
    let mark = "7b1e5mark";
    let alice = Some("alice:password1");
    let made = async |method: &str, path: &str, body: Value| {
        let (status, body) = send(&router, method, path, alice, None, &body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {body}");
        body
    };
    let admin = Some("admin:foobar");
    for (path, body) in [
        ("/accounts", json!({"name": "team2"})),
        ("/accounts/team2/users", json!({"username": "bob", "password": "password1"})),
        ("/accounts/team1/users", json!({"username": format!("carol-{mark}"), "password": "password1"})),
    ] {
        assert_eq!(send(&router, "POST", path, admin, None, &body).await.0, 200);
    }
    let registry = json!({"registry": format!("{mark}.example.org"), "registry_user": "a", "registry_pass": "b"});
    made("POST", "/registries?validate=false", registry).await;
    let mut bundle = made("GET", "/policies?detail=true", Value::Null).await[0]["policybundle"].clone();
    bundle["id"] = json!(mark);
    bundle["name"] = json!(mark);
    made("POST", "/policies", bundle).await;
    let exception = json!({"id": mark, "select": {"path": "/x"}, "reason": mark, "owner": mark});
    made("POST", "/v2/exceptions", exception).await;
    let subscription = json!({"subscription_key": format!("{mark}.io/a:1"), "subscription_type": "tag_update"});
    let subscription = made("POST", "/subscriptions", subscription).await[0]["subscription_id"].clone();
    let key = made("POST", "/v2/api-keys", json!({"name": mark})).await["id"].clone();
    let ids = [
        ("{accountname}", "team1".to_owned()),
        ("{username}", format!("carol-{mark}")),
        ("{registry}", format!("{mark}.example.org")),
        ("{policyId}", mark.to_owned()),
        ("{policy_id}", mark.to_owned()),
        ("{exception_id}", mark.to_owned()),
        ("{subscriptionId}", subscription.as_str().unwrap().to_owned()),
        ("{subscription_id}", subscription.as_str().unwrap().to_owned()),
        ("{key_id}", key.as_str().unwrap().to_owned()),
    ];
    let mut seen_by_owner = 0;
    let before = all_of(&router, &ids, mark).await;
    for (path, operations) in paths() {
        let url = ids.iter().fold(path.clone(), |url, (name, id)| url.replace(name, id)).replace(['{', '}'], "");
        for method in operations.keys().map(|method| method.to_ascii_uppercase()) {
            for account in [None, Some("team1")] {
                let (status, body) = send(&router, &method, &url, Some("bob:password1"), account, &json!({})).await;
                let text = body.to_string().replace(&url, "");
                let text = ids.iter().fold(text, |text, (_, id)| {
                    // What the caller asked for is told back, and kept in the log of their own account.
                    text.replace(&format!("`{id}`"), "").replace(&format!("/{id}"), "")
                });
                assert!(!text.contains(mark) && status < 500, "{method} {url} {account:?}: {status} {body}");
            }
            if method == "GET" {
                let (_, body) = send(&router, "GET", &url, alice, None, &json!({})).await;
                seen_by_owner += usize::from(body.to_string().replace(&url, "").contains(mark));
            }
        }
    }
    assert!(seen_by_owner >= 10, "the owner sees it in {seen_by_owner} answers");
    assert_eq!(all_of(&router, &ids, mark).await, before, "and changed nothing");
}

/// What the owner reads of what is marked, without the audit log of who asked.
async fn all_of(router: &Router, ids: &[(&str, String)], mark: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (path, operations) in paths() {
        let url = ids.iter().fold(path.clone(), |url, (name, id)| url.replace(name, id));
        if !operations.contains_key("get") || url.contains('{') {
            continue;
        }
        let (status, body) = send(router, "GET", &url, Some("alice:password1"), None, &json!({})).await;
        if body.to_string().contains(mark) {
            all.push(format!("{url} {status} {body}"));
        }
    }
    all
}

#[tokio::test]
async fn the_document_is_served_to_anybody_in_both_languages() {
    let (router, _data) = service().await;
    for path in ["/swagger.json", "/openapi.json", "/swagger.yaml", "/v1/swagger.yaml", "/openapi.yaml"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let kind = if path.contains("json") { "application/json" } else { "application/yaml" };
        assert_eq!(response.headers()[header::CONTENT_TYPE], kind, "{path}");
        let bytes = to_bytes(response.into_body(), 4 << 20).await.unwrap();
        let document: Value = match kind {
            "application/json" => serde_json::from_slice(&bytes).unwrap(),
            _ => serde_saphyr::from_slice(&bytes).unwrap(),
        };
        assert!(document == killick_server::openapi(), "{path}");
    }
}

#[test]
fn the_document_is_held_still() {
    insta::assert_json_snapshot!("openapi", killick_server::openapi());
}
