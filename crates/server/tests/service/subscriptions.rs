//! Subscriptions.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;
use crate::told::told;

/// The subscriptions of an account: type, whether it is active, key.
async fn listed(service: &Service, query: &str) -> Vec<(String, bool, String)> {
    let listed = service.get(ADMIN, &format!("/subscriptions{query}")).await;
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let row =
        |row: &Value| (word(row, "subscription_type"), row["active"].as_bool().unwrap(), word(row, "subscription_key"));
    listed.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test]
async fn adding_an_image_subscribes() {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let state = |tag_update: bool, analysis_update: bool| {
        [
            ("analysis_update", analysis_update),
            ("policy_eval", false),
            ("tag_update", tag_update),
            ("vuln_update", false),
        ]
        .map(|(kind, active)| (kind.to_owned(), active, tag.clone()))
        .to_vec()
    };
    let add = async |query: &str| service.call(ADMIN, "POST", &format!("/images{query}"), json!({"tag": tag})).await.0;
    assert_eq!(add("").await, 200);
    assert_eq!(listed(&service, "").await, state(false, true));
    assert_eq!(add("?autosubscribe=True").await, 200);
    assert_eq!(listed(&service, "").await, state(true, true));
    let id = service.get(ADMIN, "/subscriptions?subscription_type=analysis_update").await[0]["subscription_id"].clone();
    let path = format!("/subscriptions/{}", id.as_str().unwrap());
    assert_eq!(service.call(ADMIN, "PUT", &path, json!({"active": false})).await.0, 200);
    assert_eq!(listed(&service, "").await, state(true, false));
    assert_eq!(add("").await, 200);
    assert_eq!(listed(&service, "").await, state(true, true), "adding again switches it back on");
    assert_eq!(listed(&service, &format!("?subscription_key={tag}&subscription_type=tag_update")).await.len(), 1);
    assert_eq!(listed(&service, "?subscription_key=r.io/x:1").await, []);
}

#[tokio::test]
async fn calls_good_and_bad() {
    let service = Service::start(|_| {}).await;
    let to = |id: &str| format!("/subscriptions/{id}");
    let path = || "/subscriptions".to_owned();
    let added = json!({"subscription_key": "r.io/x:1", "subscription_type": "policy_eval"});
    let (status, body) = service.call(ADMIN, "POST", "/subscriptions", added.clone()).await;
    assert_eq!(status, 200, "{body}");
    let real = body[0]["subscription_id"].as_str().unwrap().to_owned();
    let calls = vec![
        ("POST", path(), added),
        ("POST", path(), json!({"subscription_key": "r.io/x:1"})),
        ("POST", path(), json!({})),
        ("POST", path(), json!({"subscription_key": "r.io/x:1", "subscription_type": "bogus"})),
        ("POST", path(), json!({"subscription_key": 1, "subscription_type": "policy_eval"})),
        ("POST", path(), json!({"subscription_key": "r.io/x:1", "subscription_type": "vuln_update", "active": "yes"})),
        ("POST", path(), json!([])),
        (
            "POST",
            path(),
            json!({"subscription_key": "r.io/x", "subscription_type": "repo_update", "active": true,
            "subscription_value": "{\"tagcount\": 1}"}),
        ),
        (
            "POST",
            path(),
            json!({"subscription_key": "r.io/x:1", "subscription_type": "vuln_update",
            "subscription_value": {"digests": ["sha256:1"]}}),
        ),
        ("GET", "/subscriptions?subscription_type=bogus".to_owned(), Value::Null),
        ("GET", "/subscriptions?subscription_key=r.io/x".to_owned(), Value::Null),
        ("GET", to(&real), Value::Null),
        ("GET", to("types"), Value::Null),
        ("PUT", to(&real), json!({"active": true, "subscription_key": "other", "subscription_type": "other"})),
        ("PUT", to(&real), json!({"subscription_value": "{\"digests\": []}"})),
        ("PUT", to(&real), json!({})),
        ("PUT", to(&real), json!({"subscription_value": null, "active": false})),
        ("PUT", to(&real), json!({"active": 1})),
        ("PUT", to("none"), json!({"active": true})),
        ("DELETE", to(&real), Value::Null),
        ("DELETE", to(&real), Value::Null),
        ("GET", to(&real), Value::Null),
    ];
    let text = told(&service, ADMIN, &[(&real, "ID")], calls).await;
    // MD5 of `admin+r.io/x:1+policy_eval`.
    assert_eq!(real, "013a1bd78bbf2bda0244f69372bd4d51");
    insta::assert_snapshot!("subscriptions", text);
}

#[tokio::test]
async fn others_have_their_own() {
    let service = Service::start(|_| {}).await;
    assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(service.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    let body = json!({"subscription_key": "r.io/x:1", "subscription_type": "tag_update"});
    let mut ids = Vec::new();
    for login in [ADMIN, "alice:password1"] {
        let (status, added) = service.call(login, "POST", "/subscriptions", body.clone()).await;
        assert_eq!(status, 200, "{added}");
        ids.push(added[0]["subscription_id"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(service.get("alice:password1", &format!("/subscriptions/{}", ids[0])).await, json!([]));
    assert_eq!(service.get("alice:password1", "/subscriptions").await.as_array().unwrap().len(), 1);
}
