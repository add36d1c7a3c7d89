//! Notifications reach their webhooks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service, basic};
use crate::receiver::{Received, Receiver};
use crate::registry;
use crate::told::{masked, named, told};

/// How long after a failed try the next one is due at the latest.
const LATER: Duration = Duration::from_hours(1);

fn to(receiver: &Receiver) -> impl FnOnce(&mut killick_server::Config) {
    let url = receiver.url.clone();
    move |config| config.webhooks.general.url = url.as_str().into()
}

#[tokio::test]
async fn an_analysis_is_told_to_who_subscribed() {
    let receiver = Receiver::start().await;
    let service = Service::start(to(&receiver)).await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let body = json!({"tag": tag, "annotations": {"team": "web"}});
    assert_eq!(service.call(ADMIN, "POST", "/images", body).await.0, 200);
    let digest = service.analyzed(ADMIN, &tag).await;
    service.app().deliver(Duration::ZERO).await.unwrap();
    let received = receiver.take();
    let [Received { path, headers, body }] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(path, "/hooks/analysis_update/admin");
    let id = body["dataId"].as_str().unwrap().to_owned();
    assert_eq!(headers["webhook-id"].to_str().unwrap(), id);
    assert!(!headers.contains_key("webhook-signature") && !headers.contains_key("authorization"));
    assert_eq!(body["data"]["notification_payload"]["notificationId"], id);
    let mut told = masked(body);
    told["max_tries"] = Value::Null;
    let text = serde_json::to_string_pretty(&told).unwrap();
    let names = [(tag.as_str(), "TAG"), (digest.as_str(), "DIGEST"), (id.as_str(), "ID")];
    insta::assert_snapshot!("analysis_update", named(text, &names));
    service.app().deliver(LATER).await.unwrap();
    assert!(receiver.take().is_empty(), "it is sent once");
}

#[tokio::test]
async fn what_is_not_received_is_sent_again() {
    let receiver = Receiver::start().await;
    let service = Service::start(|config| {
        to(&receiver)(config);
        config.webhooks.webhook_user = "bob".to_owned();
        config.webhooks.webhook_pass = "pa55".into();
        config.webhooks.signing_secret = "a secret".into();
    })
    .await;
    let upstream = registry::serve(None).await;
    receiver.answer(&[500, 302]);
    service.analyzed(ADMIN, &format!("{}/tiny/alpine:3.20", upstream.address)).await;
    let mut ids = Vec::new();
    for tries in 0..4 {
        service.app().deliver(LATER * tries).await.unwrap();
        for Received { headers, body, .. } in receiver.take() {
            assert_eq!(headers["authorization"], "Basic Ym9iOnBhNTU=");
            assert!(headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
            assert_eq!(body["tries"], tries);
            ids.push(body["dataId"].clone());
        }
    }
    assert_eq!(ids.len(), 3, "two failed, one was received");
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// Key, tries and last error of what waits, the newest first.
async fn waiting(service: &Service, login: &str) -> Vec<(Value, i64, bool)> {
    let waiting = service.get(login, "/v2/notifications").await["items"].clone();
    let told = |one: &Value| {
        (one["subscription_key"].clone(), one["attempts"].as_i64().unwrap(), one["last_error"].is_string())
    };
    waiting.as_array().unwrap().iter().map(told).collect()
}

/// How many notifications of the account were given up.
async fn given_up(service: &Service, login: &str) -> usize {
    let events = service.get(login, "/v2/events?type=system.notification.given_up&limit=1000").await;
    events["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn what_nobody_receives_is_given_up() {
    let receiver = Receiver::start().await;
    let service = Service::start(|config| {
        to(&receiver)(config);
        config.webhooks.notification_retry_timeout = 60;
        config.event_log.notification_enabled = true;
        config.metrics.enabled = true;
    })
    .await;
    let upstream = registry::serve(None).await;
    receiver.answer(&[500, 500]);
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    service.analyzed(ADMIN, &tag).await;
    assert_eq!(waiting(&service, ADMIN).await, [(json!(tag), 0, false)]);
    service.app().deliver(Duration::ZERO).await.unwrap();
    assert_eq!(waiting(&service, ADMIN).await, [(json!(tag), 1, true)]);
    let one = service.get(ADMIN, "/v2/notifications").await["items"][0].clone();
    let error = one["last_error"].as_str().unwrap();
    assert!(error.starts_with("the webhook at `127.0.0.1:") && error.ends_with("` answered 500"), "{error}");
    assert_eq!((&one["type"], given_up(&service, ADMIN).await), (&json!("analysis_update"), 0));
    for _ in 0..2 {
        service.app().deliver(LATER).await.unwrap();
    }
    assert_eq!(receiver.take().len(), 2, "and what tells of it is not sent itself");
    assert_eq!((waiting(&service, ADMIN).await, given_up(&service, ADMIN).await), (vec![], 1));
    let event = service.get(ADMIN, "/v2/events?type=system.notification.*").await["items"][0].clone();
    assert_eq!((&event["level"], &event["resource"]["id"]), (&json!("error"), &one["id"]));
    let details = &event["details"];
    assert_eq!(
        (&details["key"], &details["attempts"], &details["cause"]),
        (&json!(tag), &json!(2), &one["last_error"])
    );

    let (_, page) = service.send(Some(&basic(ADMIN)), "GET", "/metrics", "", Vec::new()).await;
    let page = String::from_utf8(page).unwrap();
    for line in [
        "killick_notifications_waiting 0",
        r#"killick_notification_failures_total{type="analysis_update"} 2"#,
        r#"killick_notifications_given_up_total{type="analysis_update"} 1"#,
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line}\n{page}");
    }
}

/// The receiver of each account is on a host of its own, and one of them is not there.
#[tokio::test]
async fn a_dead_receiver_is_that_of_its_account() {
    // More than are sent at the same time.
    const MANY: usize = 17;
    let receiver = Receiver::start().await;
    let url = receiver.url.replace("127.0.0.1", "127.0.0.<userId>");
    let service = Service::start(|config| {
        config.webhooks.general.url = url.as_str().into();
        config.webhooks.notification_retry_timeout = 0;
        config.event_log.notification_enabled = true;
    })
    .await;
    service.account_with_user("001", "alice").await;
    service.account_with_user("002", "bob").await;
    let (alice, bob) = ("alice:password1", "bob:password1");
    let miss = async |login: &str, number: usize| {
        let reference = json!({"tag": format!("127.0.0.1:1/x:{number}")});
        assert_eq!(service.call(login, "POST", "/images", reference).await.0, 400);
    };
    for number in 0..MANY {
        miss(bob, number).await;
    }
    miss(alice, MANY).await;
    service.app().deliver(Duration::ZERO).await.unwrap();
    let received = receiver.take();
    assert_eq!(received.iter().map(|one| one.path.as_str()).collect::<Vec<_>>(), ["/hooks/event_log/001"]);
    assert_eq!((waiting(&service, alice).await, given_up(&service, alice).await), (vec![], 0));
    // The last of the others was not tried, as nobody answered just now: it is not given up without.
    assert_eq!(waiting(&service, bob).await, [(Value::Null, 1, false)]);
    assert_eq!(given_up(&service, bob).await, MANY - 1);
    service.app().deliver(LATER).await.unwrap();
    assert_eq!((waiting(&service, bob).await, given_up(&service, bob).await), (vec![], MANY));
}

#[tokio::test]
async fn events_are_sent_if_that_is_wanted() {
    let receiver = Receiver::start().await;
    let service = Service::start(|config| {
        to(&receiver)(config);
        config.event_log.notification_enabled = true;
    })
    .await;
    let reference = json!({"tag": "127.0.0.1:1/x:1"});
    assert_eq!(service.call(ADMIN, "POST", "/images", reference).await.0, 400);
    service.app().deliver(Duration::ZERO).await.unwrap();
    let received = receiver.take();
    let [one] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(one.path, "/hooks/event_log/admin");
    let payload = &one.body["data"]["notification_payload"];
    assert_eq!(payload["event"]["type"], "system.image_analysis.registry_lookup_failed", "{payload}");
    assert_eq!((&payload["userId"], &payload["subscription_key"]), (&json!("admin"), &json!("error")));
}

#[tokio::test]
async fn webhooks_are_tried() {
    let receiver = Receiver::start().await;
    let service = Service::start(|config| {
        to(&receiver)(config);
        config.webhooks.policy_eval.url = "http://127.0.0.1:1/nobody?token=s3cret".into();
    })
    .await;
    let test = |name: &str, query: &str| ("POST", format!("/system/webhooks/{name}/test{query}"), Value::Null);
    let mut calls = vec![test("general", "")];
    calls.extend(
        ["analysis_update", "vuln_update", "policy_eval", "alerts"]
            .map(|kind| test("general", &format!("?notification_type={kind}"))),
    );
    calls.extend([
        test("general", "?notification_type=bogus"),
        test("nosuch", ""),
        test("vuln_update", ""),
        test("policy_eval", ""),
    ]);
    insta::assert_snapshot!("tried", told(&service, ADMIN, &[], calls).await);
    let received = receiver.take();
    assert!(received.iter().all(|one| one.path == "/hooks/test/admin"), "{received:?}");
    let mut payloads: Vec<Value> = Vec::new();
    for one in &received {
        let mut body = masked(&one.body);
        (body["dataId"], body["max_tries"]) = (Value::Null, Value::Null);
        for id in ["notificationId", "subscription_key"] {
            body["data"]["notification_payload"][id] = Value::Null;
        }
        if let Some(alert) = body["data"]["notification_payload"].get_mut("alert") {
            (alert["opened_at"], alert["updated_at"]) = (Value::Null, Value::Null);
        }
        payloads.push(body);
    }
    payloads.sort_by_key(|body| body["queueId"].to_string());
    insta::assert_json_snapshot!("made_up", payloads);

    let none = Service::start(|_| {}).await;
    let (status, body) = none.call(ADMIN, "POST", "/system/webhooks/general/test", Value::Null).await;
    assert_eq!(status, 400, "{body}");
    assert_eq!(none.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(none.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    let (status, _) = none.call("alice:password1", "POST", "/system/webhooks/general/test", Value::Null).await;
    assert_eq!(status, 403);
}
