//! API keys: shown once, narrowed, used and revoked.

use killick_server::Config;
use serde_json::{Value, json};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::caller::{ADMIN, Service};

const ALICE: &str = "alice:password1";

async fn service() -> Service {
    let service = Service::start(|_: &mut Config| {}).await;
    service.account_with_user("team1", "alice").await;
    service.account_with_user("team2", "bob").await;
    service.user("team1", "carol").await;
    service
}

/// A new key: its id and the header that shows it.
async fn made(service: &Service, login: &str, body: Value) -> (String, String) {
    let (status, key) = service.call(login, "POST", "/v2/api-keys", body).await;
    assert_eq!(status, 201, "{key}");
    (key["id"].as_str().unwrap().to_owned(), format!("Bearer {}", key["key"].as_str().unwrap()))
}

async fn with(service: &Service, header: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let (status, _, body) = service.ask(&[("authorization", header)], method, path, body).await;
    (status, body)
}

#[tokio::test]
async fn a_key_stands_for_its_user_until_it_is_revoked() {
    let service = service().await;
    let (id, bearer) = made(&service, ALICE, json!({"name": "pipeline", "role": null})).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("_api_key:{}", &bearer["Bearer ".len()..])));
    for header in [&bearer, &basic] {
        let (status, user) = with(&service, header, "GET", "/user", Value::Null).await;
        assert_eq!((status, &user["username"]), (200, &json!("alice")));
        assert_eq!(with(&service, header, "GET", "/accounts/team1/users", Value::Null).await.0, 200);
    }
    let mut listed = service.get(ALICE, "/v2/api-keys").await;
    assert!(!listed.to_string().contains("killick_"), "it is shown once: {listed}");
    assert!(listed["items"][0]["last_used_at"].is_string(), "{listed}");
    for member in ["id", "created_at", "last_used_at"] {
        listed["items"][0][member] = json!("*");
    }
    insta::assert_json_snapshot!("listed", listed);
    assert_eq!(service.call(ALICE, "DELETE", &format!("/v2/api-keys/{id}"), Value::Null).await.0, 204);
    assert_eq!(with(&service, &bearer, "GET", "/user", Value::Null).await.0, 401);
    assert_eq!(service.call(ALICE, "DELETE", &format!("/v2/api-keys/{id}"), Value::Null).await.0, 404);
    assert_eq!(service.get(ALICE, "/v2/api-keys").await["items"], json!([]));
}

#[tokio::test]
async fn a_key_may_no_more_than_its_role_and_its_user() {
    let service = service().await;
    let (_, reader) = made(&service, ALICE, json!({"name": "r", "role": "reader"})).await;
    let (_, whole) = made(&service, ALICE, json!({"name": "w"})).await;
    let add = |header: String| {
        let service = &service;
        let body = json!({"subscription_key": "r.io/a:1", "subscription_type": "tag_update"});
        async move { with(service, &header, "POST", "/subscriptions", body).await.0 }
    };
    assert_eq!(with(&service, &reader, "GET", "/subscriptions", Value::Null).await.0, 200);
    assert_eq!(add(reader).await, 403);
    assert_eq!(add(whole.clone()).await, 200);
    let narrowed = json!({"roles": ["policy-editor"]});
    assert_eq!(service.call(ADMIN, "PUT", "/v2/users/alice/roles", narrowed).await.0, 200);
    assert_eq!(add(whole.clone()).await, 403, "the key is narrowed with its user");
    let refused = service.call(ALICE, "POST", "/v2/api-keys", json!({"name": "d", "role": "developer"})).await;
    assert_eq!(refused.0, 403, "{}", refused.1);
    // A key of an administrator that is narrowed stays in its account.
    let (_, admin) = made(&service, ADMIN, json!({"name": "a", "role": "account-admin"})).await;
    assert_eq!(with(&service, &admin, "GET", "/images", Value::Null).await.0, 200);
    assert_eq!(with(&service, &admin, "GET", "/accounts", Value::Null).await.0, 403);
    let headers = [("authorization", admin.as_str()), ("x-anchore-account", "team1")];
    assert_eq!(service.ask(&headers, "GET", "/images", Value::Null).await.0, 403);
}

#[tokio::test]
async fn who_has_a_key_cannot_keep_what_it_opens() {
    let service = service().await;
    let (_, bearer) = made(&service, ALICE, json!({"name": "k"})).await;
    let password = json!({"type": "password", "value": "stolen-1"});
    for (path, body) in [
        ("/v2/api-keys", json!({"name": "another"})),
        ("/user/credentials", password.clone()),
        ("/accounts/team1/users/alice/credentials", password),
    ] {
        let (status, answer) = with(&service, &bearer, "POST", path, body).await;
        assert_eq!(status, 403, "{path}: {answer}");
    }
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let service = service().await;
    for name in ["one", "two", "three"] {
        made(&service, ALICE, json!({"name": name})).await;
    }
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = service.get(ALICE, "/v2/api-keys?limit=2").await;
    assert_eq!(names(&first), ["one", "two"]);
    // The last one that was seen may be gone by then.
    let seen = first["items"][1]["id"].as_str().unwrap();
    assert_eq!(service.call(ALICE, "DELETE", &format!("/v2/api-keys/{seen}"), Value::Null).await.0, 204);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = service.get(ALICE, &format!("/v2/api-keys?limit=2&cursor={cursor}")).await;
    assert_eq!((names(&second), &second["next_cursor"]), (vec!["three".to_owned()], &Value::Null));
    for query in ["limit=0", "limit=1001", "cursor=zz", "cursor=%25", "cursor=YQ"] {
        let (status, body) = service.call(ALICE, "GET", &format!("/v2/api-keys?{query}"), Value::Null).await;
        assert_eq!(status, 400, "{query}: {body}");
    }
}

#[tokio::test]
async fn wrong_keys_are_refused() {
    let service = service().await;
    for body in [
        json!({}),
        json!({"name": ""}),
        json!({"name": "x".repeat(129)}),
        json!({"name": "k", "role": "king"}),
        json!({"name": "k", "expires_at": "tomorrow"}),
        json!({"name": "k", "expires_at": "2001-01-01T00:00:00Z"}),
    ] {
        let (status, answer) = service.call(ALICE, "POST", "/v2/api-keys", body.clone()).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    let unknown = format!("Bearer killick_{}", "0".repeat(64));
    for header in [unknown.as_str(), "Bearer x", "Bearer", "Basic X2FwaV9rZXk6eA=="] {
        assert_eq!(with(&service, header, "GET", "/images", Value::Null).await.0, 401, "{header}");
    }
    let later = json!({"name": "k", "expires_at": "2999-01-01T00:00:00Z"});
    let (id, _) = made(&service, ALICE, later).await;
    // Only its user, and who manages them, have to do with it.
    assert_eq!(service.call("bob:password1", "DELETE", &format!("/v2/api-keys/{id}"), Value::Null).await.0, 404);
    assert_eq!(service.call("bob:password1", "GET", "/v2/api-keys?username=alice", Value::Null).await.0, 404);
    let of_alice = service.get("carol:password1", "/v2/api-keys?username=alice").await;
    assert_eq!(of_alice["items"][0]["expires_at"], "2999-01-01T00:00:00Z");
    assert_eq!(service.call(ADMIN, "PUT", "/v2/users/carol/roles", json!({"roles": ["reader"]})).await.0, 200);
    assert_eq!(service.call("carol:password1", "GET", "/v2/api-keys?username=alice", Value::Null).await.0, 403);
    assert_eq!(service.call("carol:password1", "DELETE", &format!("/v2/api-keys/{id}"), Value::Null).await.0, 404);
    assert_eq!(service.get(ALICE, "/v2/api-keys").await["items"].as_array().unwrap().len(), 1);
}
