//! The audit log: who changed what, and who may read it.

use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};

const ALICE: &str = "alice:password1";

async fn service() -> Service {
    let service = Service::start(|_: &mut Config| {}).await;
    service.account_with_user("team1", "alice").await;
    service.account_with_user("team2", "bob").await;
    service
}

/// The entries without what is new each time.
async fn entries(service: &Service, login: &str, query: &str) -> Value {
    let mut items = service.get(login, &format!("/v2/audit{query}")).await["items"].clone();
    mask(&mut items);
    items
}

fn mask(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let is_new = ["id", "created_at", "last_updated", "updated_at"].contains(&name.as_str());
                if is_new || (name == "request_id" && value != "my-request") {
                    *value = json!("*");
                } else {
                    mask(value);
                }
            }
        }
        _ => {}
    }
}

async fn actions(service: &Service, login: &str, query: &str) -> Vec<String> {
    let items = entries(service, login, query).await;
    items.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn changes_are_told_with_before_and_after() {
    let service = service().await;
    let registry = |user: &str| json!({"registry": "r.example.org", "registry_user": user, "registry_pass": "hunter2"});
    let path = "/registries/r.example.org?validate=false";
    assert_eq!(service.call(ALICE, "POST", "/registries?validate=false", registry("one")).await.0, 200);
    let basic = "Basic YWxpY2U6cGFzc3dvcmQx";
    let headers = [("authorization", basic), ("x-request-id", "my-request")];
    let (status, answered, body) = service.ask(&headers, "PUT", path, registry("two")).await;
    assert_eq!((status, &answered["x-request-id"]), (200, &"my-request".parse().unwrap()), "{body}");
    assert_eq!(service.call(ALICE, "DELETE", "/registries/r.example.org", Value::Null).await.0, 200);
    let all = service.get(ALICE, "/v2/audit").await.to_string();
    assert!(!all.contains("hunter2"), "{all}");
    insta::assert_json_snapshot!("registry", entries(&service, ALICE, "").await);
}

#[tokio::test]
async fn every_kind_of_change_is_there_and_what_is_refused_is_not() {
    let service = service().await;
    let exception = json!({"id": "x", "select": {"path": "/x"}, "reason": "r", "owner": "o"});
    let subscription = json!({"subscription_key": "r.io/a:1", "subscription_type": "tag_update"});
    let policy = service.get(ALICE, "/policies?detail=true").await[0].clone();
    let id = policy["policyId"].as_str().unwrap().to_owned();
    let (_, key) = service.call(ALICE, "POST", "/v2/api-keys", json!({"name": "k"})).await;
    for (method, path, body, want) in [
        ("POST", "/v2/exceptions".to_owned(), exception.clone(), 201),
        ("POST", "/v2/exceptions".to_owned(), exception, 409),
        ("DELETE", "/v2/exceptions/x".to_owned(), Value::Null, 204),
        ("DELETE", "/v2/exceptions/x".to_owned(), Value::Null, 404),
        ("POST", "/subscriptions".to_owned(), subscription, 200),
        ("PUT", format!("/policies/{id}"), policy, 200),
        ("POST", "/accounts/team1/users".to_owned(), json!({"username": "carol", "password": "password1"}), 200),
        ("POST", "/accounts/team1/users".to_owned(), json!({"username": "carol", "password": "password1"}), 400),
        ("PUT", "/v2/users/carol/roles".to_owned(), json!({"roles": ["reader"]}), 200),
        ("POST", "/user/credentials".to_owned(), json!({"type": "password", "value": "password1"}), 200),
        ("DELETE", "/accounts/team1/users/carol".to_owned(), Value::Null, 204),
        ("DELETE", "/events".to_owned(), Value::Null, 200),
        ("DELETE", format!("/v2/api-keys/{}", key["id"].as_str().unwrap()), Value::Null, 204),
        ("POST", "/accounts".to_owned(), json!({"name": "team3"}), 403),
        ("GET", "/images".to_owned(), Value::Null, 200),
    ] {
        let (status, answer) = service.call(ALICE, method, &path, body).await;
        assert_eq!(status, want, "{method} {path}: {answer}");
    }
    let mut told = actions(&service, ALICE, "?username=alice").await;
    told.reverse();
    insta::assert_json_snapshot!("actions", told);
    let key = entries(&service, ALICE, "?path=/v2/api-keys").await;
    assert!(!key.to_string().contains("killick_"), "{key}");
}

#[tokio::test]
async fn it_is_filtered_and_paged() {
    let service = service().await;
    for number in 0..3 {
        let subscription = json!({"subscription_key": format!("r.io/a:{number}"), "subscription_type": "tag_update"});
        assert_eq!(service.call(ALICE, "POST", "/subscriptions", subscription).await.0, 200);
    }
    let first = service.get(ALICE, "/v2/audit?limit=2&action=createSubscription").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = service.get(ALICE, &format!("/v2/audit?limit=2&action=createSubscription&cursor={cursor}")).await;
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (2, 1));
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(second["items"][0]["after"][0]["subscription_key"], "r.io/a:0");
    assert_eq!(actions(&service, ALICE, "?since=2999-01-01T00:00:00Z").await, Vec::<String>::new());
    assert_eq!(actions(&service, ALICE, "?before=2001-01-01T00:00:00Z").await, Vec::<String>::new());
    assert_eq!(actions(&service, ALICE, "?username=admin").await, ["createUser"]);
    for query in ["limit=0", "cursor=%25", "cursor=YQ", "since=yesterday", "all_accounts=perhaps"] {
        let (status, body) = service.call(ALICE, "GET", &format!("/v2/audit?{query}"), Value::Null).await;
        assert_eq!(status, 400, "{query}: {body}");
    }
    // Each account has its own; the system's are with administrators, who see all if they ask.
    assert_eq!(actions(&service, "bob:password1", "").await, ["createUser"]);
    assert_eq!(actions(&service, ADMIN, "").await, ["createAccount", "createAccount"]);
    assert_eq!(actions(&service, ADMIN, "?all_accounts=true").await.len(), 7);
    let (status, body) = service.call(ALICE, "GET", "/v2/audit?all_accounts=true", Value::Null).await;
    assert_eq!(status, 403, "{body}");
    assert_eq!(service.call(ADMIN, "PUT", "/v2/users/alice/roles", json!({"roles": ["developer"]})).await.0, 200);
    assert_eq!(service.call(ALICE, "GET", "/v2/audit", Value::Null).await.0, 403);
}
