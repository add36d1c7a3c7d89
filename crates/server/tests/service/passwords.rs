//! Wrong passwords: told so, then told to wait.

use killick_server::passwords::{ResetError, reset};
use secrecy::{ExposeSecret as _, SecretString};
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

/// Killed before the user was made: with a next start that has another password.
#[tokio::test]
async fn a_first_start_that_was_cut_short_is_gone_on_with() {
    let service = Service::start(|_| {}).await;
    service.tamper("delete from account_user").await;
    let next = service.another(|config| config.accounts.admin_password = "second".into()).await;
    assert_eq!(next.call(ADMIN, "GET", "/images", Value::Null).await.0, 401);
    let policies = next.get("admin:second", "/policies").await;
    assert_eq!((policies.as_array().unwrap().len(), &policies[0]["active"]), (1, &Value::Bool(true)), "{policies}");
    let last = service.another(|config| config.accounts.admin_password = "third".into()).await;
    assert_eq!(last.call("admin:third", "GET", "/images", Value::Null).await.0, 401, "it is no first start");
    last.get("admin:second", "/images").await;
}

#[tokio::test]
async fn a_lost_password_is_replaced_on_the_machine() {
    let service = Service::start(|_| {}).await;
    service.account_with_user("team1", "alice").await;
    let config = service.app().config();
    service.get(ADMIN, "/images").await;
    let made_up = reset(config, "admin", None).await.unwrap();
    assert_eq!(service.call(ADMIN, "GET", "/images", Value::Null).await.0, 401, "the former one");
    service.get(&format!("admin:{}", made_up.expose_secret()), "/images").await;
    reset(config, "alice", Some(SecretString::from("chosen-1"))).await.unwrap();
    service.get("alice:chosen-1", "/images").await;
    for none in ["short", "chosen\n2"] {
        let refused = reset(config, "alice", Some(SecretString::from(none))).await;
        assert!(matches!(refused, Err(ResetError::NoPassword)), "{refused:?}");
    }
    let unknown = reset(config, "bob", None).await;
    assert!(matches!(unknown, Err(ResetError::NoUser { .. })), "{unknown:?}");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut config = config.clone();
    config.storage.data_dir = elsewhere.path().join("data");
    let nowhere = reset(&config, "admin", None).await;
    assert!(matches!(nowhere, Err(ResetError::NoDatabase { .. })), "{nowhere:?}");
    assert!(!config.storage.data_dir.exists(), "nothing is made");
}
