//! Roles: who gives them to whom, and that nobody rises by them.

use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

async fn service() -> Service {
    let service = Service::start(|_: &mut Config| {}).await;
    service.account_with_user("team1", "alice").await;
    service.account_with_user("team2", "bob").await;
    for user in ["carol", "dave"] {
        service.user("team1", user).await;
    }
    service
}

async fn give(service: &Service, login: &str, user: &str, roles: Value) -> (u16, Value) {
    service.call(login, "PUT", &format!("/v2/users/{user}/roles"), json!({"roles": roles})).await
}

#[tokio::test]
async fn the_roles_there_are() {
    insta::assert_json_snapshot!("roles", service().await.get("alice:password1", "/v2/roles").await);
}

#[tokio::test]
async fn a_role_narrows_its_user_at_once() {
    let service = service().await;
    let carol = "carol:password1";
    assert_eq!(service.get("alice:password1", "/v2/users/carol/roles").await["roles"], json!([]));
    let registry = |name: &str| json!({"registry": name, "registry_user": "a", "registry_pass": "b"});
    let add = async |name: &str| service.call(carol, "POST", "/registries?validate=false", registry(name)).await;
    assert_eq!(add("one.example.org").await.0, 200, "nobody gave them a role");
    let given = give(&service, "alice:password1", "carol", json!(["reader", "reader"])).await;
    assert_eq!(given, (200, json!({"username": "carol", "account": "team1", "roles": ["reader"]})));
    let (status, body) = add("two.example.org").await;
    let says = "Not authorized. Requires permissions: domain=team1 action=createRegistry target=*";
    assert_eq!((status, body["message"].as_str()), (403, Some(says)));
    assert_eq!(service.get(carol, "/registries").await.as_array().unwrap().len(), 1);
    assert_eq!(service.get(carol, "/user").await["username"], "carol");
    assert_eq!(service.call(carol, "GET", "/v2/users/carol/roles", Value::Null).await.0, 403);
    assert_eq!(give(&service, "alice:password1", "carol", json!([])).await.0, 200);
    assert_eq!(add("two.example.org").await.0, 200);
}

#[tokio::test]
async fn wrong_roles_are_refused() {
    let service = service().await;
    for body in [json!({}), json!({"roles": "reader"}), json!({"roles": ["Reader"]}), json!({"roles": [1]})] {
        let (status, answer) = service.call("alice:password1", "PUT", "/v2/users/carol/roles", body.clone()).await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    for (login, user, status) in [
        ("alice:password1", "nobody", 404),
        ("alice:password1", "bob", 404),
        ("alice:password1", "admin", 404),
        ("alice:password1", "alice", 400),
        (ADMIN, "admin", 400),
        (ADMIN, "bob", 200),
    ] {
        let (given, body) = give(&service, login, user, json!(["reader"])).await;
        assert_eq!(given, status, "{login} {user}: {body}");
    }
    let seen = service.call("alice:password1", "GET", "/v2/users/bob/roles", Value::Null).await;
    assert_eq!(seen.0, 404, "{}", seen.1);
}

#[tokio::test]
async fn nobody_gives_more_than_they_may() {
    let service = service().await;
    assert_eq!(give(&service, "alice:password1", "carol", json!(["system-admin"])).await.0, 403);
    assert_eq!(give(&service, ADMIN, "carol", json!(["system-admin"])).await.0, 200);
    assert_eq!(service.call("carol:password1", "GET", "/accounts", Value::Null).await.0, 200);
    // Who may more than they cannot be managed by them in any way.
    let password = json!({"type": "password", "value": "stolen"});
    for (method, path, body) in [
        ("PUT", "/v2/users/carol/roles", json!({"roles": ["reader"]})),
        ("POST", "/accounts/team1/users/carol/credentials", password.clone()),
        ("DELETE", "/accounts/team1/users/carol/credentials?credential_type=password", Value::Null),
        ("DELETE", "/accounts/team1/users/carol", Value::Null),
        ("GET", "/v2/api-keys?username=carol", Value::Null),
    ] {
        let (status, answer) = service.call("alice:password1", method, path, body).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    // Neither may those whom a role narrows in the account of administrators make users that nothing narrows.
    service.user("admin", "erin").await;
    assert_eq!(give(&service, ADMIN, "erin", json!(["account-admin"])).await.0, 200);
    for (method, path, body) in [
        ("POST", "/accounts/admin/users", json!({"username": "mallory", "password": "password1"})),
        ("POST", "/accounts/admin/users/admin/credentials", password),
        ("GET", "/accounts", Value::Null),
        ("GET", "/accounts/team1", Value::Null),
    ] {
        let (status, answer) = service.call("erin:password1", method, path, body).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn who_only_reads_leaves_no_verdict() {
    let service = service().await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed("alice:password1", &tag).await;
    assert_eq!(give(&service, "alice:password1", "carol", json!(["reader"])).await.0, 200);
    let verdicts = async |login: &str, history: bool| {
        let answer = service.get(login, &format!("/images/{digest}/check?tag={tag}&history={history}")).await;
        answer[0][&digest][&tag].as_array().unwrap().len()
    };
    assert_eq!(verdicts("carol:password1", false).await, 1);
    for _ in 0..2 {
        assert_eq!(verdicts("carol:password1", true).await, 1, "that of now alone: none was kept");
    }
    assert_eq!(verdicts("alice:password1", true).await, 1);
    assert_eq!(verdicts("carol:password1", true).await, 2, "that of now, and the one that was kept");
}
