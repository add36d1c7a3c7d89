//! What one account holds is nothing to another.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

const ALICE: &str = "alice:password1";
const BOB: &str = "bob:password1";

/// Two accounts, each with an image, a registry and a policy of its own.
struct Shared {
    service: Service,
    tag: String,
    alices: String,
    bobs: String,
}

async fn shared() -> Shared {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    for (account, user) in [("team1", "alice"), ("team2", "bob")] {
        let made = service.call(ADMIN, "POST", "/accounts", json!({"name": account})).await;
        assert_eq!(made.0, 200, "{}", made.1);
        let user = json!({"username": user, "password": "password1"});
        let made = service.call(ADMIN, "POST", &format!("/accounts/{account}/users"), user).await;
        assert_eq!(made.0, 200, "{}", made.1);
    }
    let registry = json!({"registry": "registry.example.org", "registry_user": "a", "registry_pass": "b"});
    let made = service.call(ALICE, "POST", "/registries?validate=false", registry).await;
    assert_eq!(made.0, 200, "{}", made.1);
    let mut bundle = service.get(ALICE, "/policies?detail=true").await[0]["policybundle"].clone();
    bundle["id"] = json!("alices");
    let made = service.call(ALICE, "POST", "/policies", bundle).await;
    assert_eq!(made.0, 200, "{}", made.1);
    let tag = format!("{}/tiny/alpine", upstream.address);
    let alices = service.analyzed(ALICE, &format!("{tag}:3.20")).await;
    let bobs = service.analyzed(BOB, &format!("{tag}:3.21")).await;
    Shared { service, tag, alices, bobs }
}

fn digests(images: &Value) -> Vec<&str> {
    images.as_array().unwrap().iter().map(|image| image["imageDigest"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lists_hold_what_the_caller_owns() {
    let Shared { service, alices, bobs, .. } = shared().await;
    for (login, own) in [(ALICE, &alices), (BOB, &bobs)] {
        assert_eq!(digests(&service.get(login, "/images").await), [own]);
        assert_eq!(digests(&service.get(login, "/summaries/imagetags").await), [own]);
    }
    assert_eq!(service.get(BOB, "/registries").await, json!([]));
    let policies = service.get(BOB, "/policies").await;
    assert!(policies.as_array().unwrap().iter().all(|policy| policy["policyId"] != "alices"), "{policies}");
}

#[tokio::test]
async fn nothing_of_another_account_is_found() {
    let Shared { service, tag, alices, .. } = shared().await;
    let id = service.get(ALICE, &format!("/images/{alices}")).await[0]["image_detail"][0]["imageId"].clone();
    let id = id.as_str().unwrap();
    for path in [
        format!("/images/{alices}"),
        format!("/images/{alices}/content/os"),
        format!("/images/{alices}/metadata/manifest"),
        format!("/images/{alices}/vuln/all"),
        format!("/images/{alices}/check?tag={tag}:3.20"),
        format!("/images/by_id/{id}"),
        format!("/images/by_id/{id}/content/os"),
        format!("/images/by_id/{id}/vuln/all"),
        format!("/images/by_id/{id}/check?tag={tag}:3.20"),
        "/policies/alices".to_owned(),
        "/registries/registry.example.org".to_owned(),
    ] {
        assert_eq!(service.call(ALICE, "GET", &path, Value::Null).await.0, 200, "{path}, by its owner");
        assert_eq!(service.call(BOB, "GET", &path, Value::Null).await.0, 404, "{path}, by another");
    }
    let by_tag = format!("/images?fulltag={tag}:3.20");
    assert_eq!(digests(&service.get(ALICE, &by_tag).await), [&alices]);
    assert_eq!(service.call(BOB, "GET", &by_tag, Value::Null).await.0, 404);
}

#[tokio::test]
async fn nothing_of_another_account_is_changed() {
    let Shared { service, alices, .. } = shared().await;
    let before = service.get(ALICE, "/policies?detail=true").await;
    let mut bundle = before.as_array().unwrap().iter().find(|policy| policy["policyId"] == "alices").unwrap().clone();
    bundle["active"] = json!(true);
    let registry = json!({"registry": "registry.example.org", "registry_user": "bob", "registry_pass": "b"});
    for (method, path, body) in [
        ("DELETE", format!("/images/{alices}?force=true"), Value::Null),
        ("DELETE", format!("/images?imageDigests={alices}&force=true"), Value::Null),
        ("PUT", "/policies/alices".to_owned(), bundle),
        ("DELETE", "/policies/alices".to_owned(), Value::Null),
        ("PUT", "/registries/registry.example.org?validate=false".to_owned(), registry),
        ("DELETE", "/registries/registry.example.org".to_owned(), Value::Null),
    ] {
        let (status, body) = service.call(BOB, method, &path, body).await;
        assert!(status < 500, "{method} {path}: {status} {body}");
    }
    assert_eq!(digests(&service.get(ALICE, "/images").await), [&alices]);
    assert_eq!(service.get(ALICE, "/registries").await[0]["registry_user"], "a");
    assert_eq!(service.get(ALICE, "/policies?detail=true").await, before);
}

/// The same image in both accounts is two records over one set of facts.
#[tokio::test]
async fn a_shared_image_has_two_owners() {
    let Shared { service, tag, alices, .. } = shared().await;
    assert_eq!(service.analyzed(BOB, &format!("{tag}:3.20")).await, alices);
    let (status, body) = service.call(BOB, "DELETE", &format!("/images/{alices}?force=true"), Value::Null).await;
    assert_eq!(status, 200, "{body}");
    let left = service.get(ALICE, &format!("/images/{alices}/content/os")).await;
    assert_eq!(left["content"].as_array().unwrap().len(), 2, "{left}");
}
