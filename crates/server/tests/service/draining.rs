//! Accounts that go away: what they owned goes with them, and nobody comes in any more.

use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

const ALICE: &str = "alice:password1";

async fn set(service: &Service, account: &str, state: &str) -> (u16, Value) {
    service.call(ADMIN, "PUT", &format!("/accounts/{account}/state"), json!({"state": state})).await
}

async fn states(service: &Service) -> Vec<String> {
    let accounts = service.get(ADMIN, "/accounts").await;
    let line =
        |account: &Value| format!("{} {}", account["name"].as_str().unwrap(), account["state"].as_str().unwrap());
    accounts.as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn who_is_disabled_is_refused_at_once() {
    let service = Service::start(|_: &mut Config| {}).await;
    service.account_with_user("team1", "alice").await;
    let (_, key) = service.call(ALICE, "POST", "/v2/api-keys", json!({"name": "k"})).await;
    let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
    let by_key = async || service.ask(&[("authorization", &bearer)], "GET", "/images", Value::Null).await.0;
    assert_eq!((service.call(ALICE, "GET", "/images", Value::Null).await.0, by_key().await), (200, 200));
    assert_eq!(set(&service, "team1", "disabled").await, (200, json!({"state": "disabled"})));
    let (status, body) = service.call(ALICE, "GET", "/images", Value::Null).await;
    assert_eq!(status, 403, "{body}");
    assert_eq!(by_key().await, 403);
    assert_eq!(service.call("alice:wrong", "GET", "/images", Value::Null).await.0, 401);
    assert_eq!(set(&service, "team1", "enabled").await.0, 200);
    assert_eq!((service.call(ALICE, "GET", "/images", Value::Null).await.0, by_key().await), (200, 200));
}

#[tokio::test]
async fn a_deleted_account_drains() {
    let service = Service::start(|_: &mut Config| {}).await;
    let upstream = registry::serve(None).await;
    for (account, user) in [("team1", "alice"), ("team2", "bob")] {
        service.account_with_user(account, user).await;
    }
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ALICE, &tag).await;
    assert_eq!(service.analyzed("bob:password1", &tag).await, digest);
    let registry = json!({"registry": "registry.example.org", "registry_user": "a", "registry_pass": "b"});
    assert_eq!(service.call(ALICE, "POST", "/registries?validate=false", registry).await.0, 200);
    let exception = json!({"id": "x", "select": {"path": "/x"}, "reason": "r", "owner": "o"});
    assert_eq!(service.call(ALICE, "POST", "/v2/exceptions", exception).await.0, 201);
    // An analysis that will not be begun.
    let waiting = json!({"tag": format!("{}/tiny/alpine:3.21", upstream.address)});
    assert_eq!(service.call(ALICE, "POST", "/images", waiting).await.0, 200);

    let refused = service.call(ADMIN, "DELETE", "/accounts/team1", Value::Null).await;
    let says = "Invalid account state change requested. Cannot go from state enabled to state deleting";
    assert_eq!((refused.0, refused.1["message"].as_str()), (400, Some(says)));
    assert_eq!(set(&service, "team1", "disabled").await.0, 200);
    let deleted = service.call(ADMIN, "DELETE", "/accounts/team1", Value::Null).await;
    assert_eq!(deleted, (200, json!({"state": "deleting"})));
    assert_eq!(states(&service).await, ["admin enabled", "team1 deleting", "team2 enabled"]);
    assert_eq!(service.call(ALICE, "GET", "/images", Value::Null).await.0, 401, "users go at once");
    for (method, path, body) in [
        ("DELETE", "/accounts/team1", Value::Null),
        ("PUT", "/accounts/team1/state", json!({"state": "enabled"})),
        ("POST", "/accounts/team1/users", json!({"username": "dave", "password": "password1"})),
        ("POST", "/accounts", json!({"name": "team1"})),
    ] {
        let (status, body) = service.call(ADMIN, method, path, body).await;
        assert_eq!(status, 400, "{method} {path}: {body}");
    }

    service.app().drain().await.unwrap();
    assert_eq!(states(&service).await, ["admin enabled", "team2 enabled"]);
    assert_eq!(service.call(ADMIN, "GET", "/accounts/team1", Value::Null).await.0, 404);
    // The name is free, and what is made under it begins empty.
    service.account_with_user("team1", "alice").await;
    for path in ["/images", "/registries", "/subscriptions", "/summaries/imagetags"] {
        assert_eq!(service.get(ALICE, path).await, json!([]), "{path}");
    }
    assert_eq!(service.get(ALICE, "/v2/exceptions").await["items"], json!([]));
    assert_eq!(service.get(ALICE, "/events").await["results"], json!([]));
    let changes = service.get(ALICE, "/v2/audit").await["items"].clone();
    let changes: Vec<_> = changes.as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(changes, [json!("createUser")], "what was done in the earlier account is not told");
    service.app().work_until_idle().await;
    let left = service.get("bob:password1", &format!("/images/{digest}/content/os")).await;
    assert_eq!(left["content"].as_array().unwrap().len(), 2, "what was shared is still another's: {left}");
}

#[tokio::test]
async fn an_account_that_cannot_go_keeps_no_other() {
    let service = Service::start(|_: &mut Config| {}).await;
    for account in ["team1", "team2"] {
        assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": account})).await.0, 200);
        assert_eq!(set(&service, account, "disabled").await.0, 200);
        assert_eq!(service.call(ADMIN, "DELETE", &format!("/accounts/{account}"), Value::Null).await.0, 200);
    }
    let stay =
        "create trigger stay before delete on account when old.name = 'team1' begin select raise(abort, 'no'); end";
    service.tamper(stay).await;
    service.app().drain().await.unwrap();
    assert_eq!(states(&service).await, ["admin enabled", "team1 deleting"]);
    service.tamper("drop trigger stay").await;
    service.app().drain().await.unwrap();
    assert_eq!(states(&service).await, ["admin enabled"]);
}
