//! Tokens instead of passwords.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service, basic};

const FORM: &str = "application/x-www-form-urlencoded";

async fn service() -> Service {
    let service = Service::start(|config| config.oauth.secret = "a secret of thirty-two bytes or more".into()).await;
    assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(service.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    service
}

async fn ask(service: &Service, authorization: Option<&str>, form: &str) -> (u16, Value) {
    let (status, body) = service.send(authorization, "POST", "/oauth/token", FORM, form.as_bytes().to_vec()).await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn token(service: &Service, user: &str, password: &str) -> String {
    let form = format!("grant_type=password&username={user}&password={password}&client_id=anonymous");
    let (status, body) = ask(service, None, &form).await;
    assert_eq!((status, &body["token_type"], &body["expires_in"]), (200, &json!("Bearer"), &json!(3600)), "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

async fn status(service: &Service, authorization: &str, path: &str) -> u16 {
    service.send(Some(authorization), "GET", path, "application/json", Vec::new()).await.0
}

#[tokio::test]
async fn a_token_is_as_good_as_the_password() {
    let service = service().await;
    let alice = token(&service, "alice", "password1").await;
    for scheme in ["Bearer", "bearer", "jwt"] {
        assert_eq!(status(&service, &format!("{scheme} {alice}"), "/images").await, 200, "{scheme}");
    }
    assert_eq!(status(&service, &format!("Bearer {alice}"), "/accounts").await, 403, "she is no administrator");
    let admin = token(&service, "admin", "foobar").await;
    assert_eq!(status(&service, &format!("Bearer {admin}"), "/accounts").await, 200);
    assert_eq!(status(&service, &format!("Bearer {admin}x"), "/accounts").await, 401);
    assert_eq!(status(&service, &basic(ADMIN), "/accounts").await, 200, "passwords are as good as before");
    let (answered, body) = ask(&service, Some(&basic("alice:password1")), "").await;
    assert_eq!(answered, 200, "{body}");
}

#[tokio::test]
async fn a_token_makes_no_key_that_outlives_it() {
    let service = service().await;
    let bearer = format!("Bearer {}", token(&service, "alice", "password1").await);
    let with = async |path: &str, body: Value| {
        let (status, _, body) = service.ask(&[("authorization", bearer.as_str())], "POST", path, body).await;
        (status, body)
    };
    let (refused, body) = with("/v2/api-keys", json!({"name": "k"})).await;
    assert_eq!(refused, 403);
    assert_eq!(body["detail"], "keys are made with a password, not with a key or token");
    assert_eq!(service.get("alice:password1", "/v2/api-keys").await["items"], json!([]));
    // As with the original, it changes the password, and ends with that.
    let credential = json!({"type": "password", "value": "password2"});
    assert_eq!(with("/user/credentials", credential).await.0, 200);
    assert_eq!(status(&service, &bearer, "/images").await, 401);
    let audit = service.get("alice:password2", "/v2/audit?path=/user/credentials").await;
    assert_eq!(audit["items"][0]["via"], "token", "{audit}");
}

#[tokio::test]
async fn a_token_ends_with_its_password_and_its_account() {
    let service = service().await;
    let bearer = format!("Bearer {}", token(&service, "alice", "password1").await);
    let credential = json!({"type": "password", "value": "password2"});
    let path = "/accounts/team/users/alice/credentials";
    assert_eq!(service.call(ADMIN, "POST", path, credential).await.0, 200);
    assert_eq!(status(&service, &bearer, "/images").await, 401);
    let bearer = format!("Bearer {}", token(&service, "alice", "password2").await);
    assert_eq!(service.call(ADMIN, "PUT", "/accounts/team/state", json!({"state": "disabled"})).await.0, 200);
    assert_eq!(status(&service, &bearer, "/images").await, 403);
    let form = "grant_type=password&username=alice&password=password2&client_id=anonymous";
    assert_eq!(ask(&service, None, form).await, (401, json!({"error": "invalid_grant"})));
    assert_eq!(service.call(ADMIN, "DELETE", "/accounts/team/users/alice", Value::Null).await.0, 204);
    assert_eq!(status(&service, &bearer, "/images").await, 401);
}

#[tokio::test]
async fn wrong_requests_are_told_apart() {
    let service = service().await;
    let error = |word: &str| json!({ "error": word });
    let unsupported = |grant: &str| json!({"error": "unsupported_grant_type", "error_description": format!("Grant type {grant} is not supported")});
    for (form, want) in [
        ("", (400, unsupported("None"))),
        ("username=admin", (400, unsupported("None"))),
        ("grant_type=client_credentials", (400, unsupported("client_credentials"))),
        ("grant_type=password&username=alice&password=password1", (400, error("invalid_client"))),
        ("grant_type=password&username=alice&password=password1&client_id=zzz", (400, error("invalid_client"))),
        ("grant_type=password&username=alice&client_id=anonymous", (400, error("invalid_request"))),
        ("grant_type=password&username=alice&password=x&client_id=anonymous", (401, error("invalid_grant"))),
        ("grant_type=password&username=nobody&password=x&client_id=anonymous", (401, error("invalid_grant"))),
    ] {
        assert_eq!(ask(&service, None, form).await, want, "{form}");
    }
    assert_eq!(ask(&service, Some(&basic("alice:wrong")), "").await.0, 401);
}

#[tokio::test]
async fn without_a_key_there_are_none() {
    let service = Service::start(|_| {}).await;
    let form = "grant_type=password&username=admin&password=foobar&client_id=anonymous";
    assert_eq!(ask(&service, None, form).await.0, 403);
    assert_eq!(status(&service, "Bearer a.b.c", "/images").await, 401);
}
