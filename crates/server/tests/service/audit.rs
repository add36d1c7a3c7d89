//! The audit log: who changed what, and who may read it.

use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

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

/// Policies and images are changed by adding them again.
#[tokio::test]
async fn what_is_overwritten_is_told_as_it_was() {
    let service = service().await;
    let mut bundle = service.get(ALICE, "/policies?detail=true").await[0]["policybundle"].clone();
    bundle["name"] = json!("mine");
    assert_eq!(service.call(ALICE, "POST", "/policies", bundle.clone()).await.0, 200, "the active one");
    bundle["id"] = json!("another");
    assert_eq!(service.call(ALICE, "POST", "/policies", bundle).await.0, 200);
    let policies = entries(&service, ALICE, "?path=/policies").await;
    assert_eq!(policies[0]["before"], Value::Null, "there was none");
    assert_eq!(policies[1]["before"]["active"], true);
    let names = ["before", "after"].map(|when| policies[1][when]["name"].clone());
    assert_ne!(names[0], names[1], "{}", policies[1]);
    assert_eq!(names[1], "mine");

    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    for stage in ["test", "production"] {
        let image = json!({"tag": tag, "annotations": {"stage": stage}});
        let (status, body) = service.call(ALICE, "POST", "/images", image).await;
        assert_eq!(status, 200, "{body}");
    }
    let images = entries(&service, ALICE, "?path=/images").await;
    assert_eq!(images[1]["before"], Value::Null, "it was new");
    assert_eq!(images[0]["before"]["annotations"], json!({"stage": "test"}));
    assert_eq!(images[0]["after"][0]["annotations"], json!({"stage": "production"}));
}

#[tokio::test]
async fn what_is_deleted_is_told_as_it_was() {
    let service = service().await;
    let upstream = registry::serve(None).await;
    let mut digests = Vec::new();
    for release in ["3.20", "3.21"] {
        digests.push(service.analyzed(ALICE, &format!("{}/tiny/alpine:{release}", upstream.address)).await);
    }
    assert_eq!(service.call(ALICE, "POST", "/archives/images", json!([digests[0]])).await.0, 200);
    let rule = json!({"selector": {"registry": "*", "repository": "*", "tag": "x"}, "transition": "archive"});
    let (status, rule) = service.call(ALICE, "POST", "/archives/rules", rule).await;
    assert_eq!(status, 200, "{rule}");
    let event = service.get(ALICE, "/events").await["results"][0]["generated_uuid"].clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (rule, one, other) = (rule["rule_id"].clone(), json!(digests[0]), json!(digests[1]));
    for (path, pointer, want) in [
        (format!("/archives/images/{}", text(&one)), "/imageDigest", &one),
        (format!("/archives/rules/{}", text(&rule)), "/rule_id", &rule),
        (format!("/events/{}", text(&event)), "/generated_uuid", &event),
        ("/events".to_owned(), "/next_page", &json!(false)),
        (format!("/images/{}?force=true", text(&one)), "/imageDigest", &one),
        (format!("/images?imageDigests={}&force=true", text(&other)), "/0/imageDigest", &other),
    ] {
        let (status, answer) = service.call(ALICE, "DELETE", &path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        let newest = service.get(ALICE, "/v2/audit?limit=1").await["items"][0].clone();
        assert_eq!((&newest["method"], newest["before"].pointer(pointer)), (&json!("DELETE"), Some(want)), "{newest}");
    }
}

/// Of an answer that is too long to be looked at, as of any long document.
#[tokio::test]
async fn of_long_things_the_digest_is_told() {
    let service = service().await;
    let mut bundle = service.get(ALICE, "/policies?detail=true").await[0]["policybundle"].clone();
    bundle["comment"] = json!("a".repeat(5 << 20));
    assert_eq!(service.call(ALICE, "POST", "/policies", bundle).await.0, 200);
    let after = entries(&service, ALICE, "?path=/policies").await[0]["after"].clone();
    assert!(after["bytes"].as_u64().unwrap() > 5 << 20, "{after}");
    assert_eq!(after["sha256"].as_str().unwrap().len(), 64);
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

#[tokio::test]
async fn every_answer_names_its_request() {
    let service = service().await;
    let basic = ("authorization", "Basic YWxpY2U6cGFzc3dvcmQx");
    let subscription = json!({"subscription_key": "r.io/a:1", "subscription_type": "tag_update"});
    let (too_long, nowhere) = ("x".repeat(129), format!("/images/sha256:{}", "0".repeat(64)));
    for (headers, method, path, body, want) in [
        (vec![basic], "GET", "/images", Value::Null, 200),
        (vec![], "GET", "/health", Value::Null, 200),
        (vec![], "GET", "/images", Value::Null, 401),
        (vec![basic], "GET", "/v2/accounts-of-nobody", Value::Null, 404),
        (vec![basic], "GET", nowhere.as_str(), Value::Null, 404),
        (vec![basic], "PATCH", "/images", Value::Null, 405),
        (vec![basic], "OPTIONS", "/images", Value::Null, 200),
        (vec![basic], "POST", "/accounts", json!({"name": "team3"}), 403),
        (vec![basic], "POST", "/subscriptions", json!({}), 400),
        (vec![basic], "POST", "/subscriptions", subscription, 200),
    ] {
        let named = [headers.clone(), vec![("x-request-id", "my-request")]].concat();
        let (status, answered, _) = service.ask(&named, method, path, body.clone()).await;
        assert_eq!((status, &answered["x-request-id"]), (want, &"my-request".parse().unwrap()), "{method} {path}");
        // One that is none is not taken over, and each request without has its own.
        let mut made_up = Vec::new();
        for name in [None, Some(""), Some(too_long.as_str())] {
            let named = [headers.clone(), name.map(|name| ("x-request-id", name)).into_iter().collect()].concat();
            let (_, answered, _) = service.ask(&named, method, path, body.clone()).await;
            made_up.push(answered["x-request-id"].to_str().unwrap().to_owned());
        }
        assert!(made_up.iter().all(|name| name.len() == 32), "{method} {path}: {made_up:?}");
        made_up.sort();
        made_up.dedup();
        assert_eq!(made_up.len(), 3, "{method} {path}");
    }
    let change = json!({"subscription_key": "r.io/a:2", "subscription_type": "tag_update"});
    let (_, answered, _) = service.ask(&[basic], "POST", "/subscriptions", change).await;
    let newest = service.get(ALICE, "/v2/audit?limit=1").await["items"][0].clone();
    assert_eq!(newest["request_id"].as_str(), answered["x-request-id"].to_str().ok(), "{newest}");
}
