//! Wrong passwords: told so, then told to wait.

use serde_json::Value;

use crate::caller::{ADMIN, Service};

#[tokio::test]
async fn too_many_wrong_passwords_must_wait() {
    let service = Service::start(|config| {
        config.logins.user_failures = 3;
        config.logins.pause_seconds = 1000;
        config.logins.longest_user_pause_seconds = 1000;
    })
    .await;
    let mut statuses = Vec::new();
    for number in 0..5 {
        statuses.push(service.call(&format!("admin:wrong{number}"), "GET", "/images", Value::Null).await.0);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    let (status, body) = service.call(ADMIN, "GET", "/images", Value::Null).await;
    assert_eq!(status, 429, "the right one, which was not seen before");
    assert_eq!(body["httpcode"], 429);
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("too many failed logins: try again in "), "{message}");
    assert_eq!(service.call("nobody:wrong", "GET", "/images", Value::Null).await.0, 401, "another user");
}

#[tokio::test]
async fn who_is_logged_in_does_not_wait_for_others() {
    let service = Service::start(|config| {
        config.logins.user_failures = 1;
        config.logins.pause_seconds = 1000;
        config.logins.longest_user_pause_seconds = 1000;
    })
    .await;
    service.get(ADMIN, "/images").await;
    assert_eq!(service.call("admin:wrong", "GET", "/images", Value::Null).await.0, 401);
    assert_eq!(service.call("admin:wrong", "GET", "/images", Value::Null).await.0, 429);
    service.get(ADMIN, "/images").await;
}
