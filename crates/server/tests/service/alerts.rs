//! Alerts: opened when the policy stops what a watched tag points to, closed when it does not, and told.

use std::time::Duration;

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::receiver::Receiver;
use crate::registry;

/// State, digest and reason of every alert, the newest first.
async fn alerts(service: &Service) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let alerts = service.get(ADMIN, "/v2/alerts").await["items"].clone();
    let told = |alert: &Value| (text(&alert["state"]), text(&alert["digest"]), text(&alert["closed_for"]));
    alerts.as_array().unwrap().iter().map(told).collect()
}

fn alert(state: &str, digest: &str, closed_for: &str) -> (String, String, String) {
    (state.to_owned(), digest.to_owned(), closed_for.to_owned())
}

#[tokio::test]
async fn a_tag_that_is_stopped_is_warned_of_until_it_is_over() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let service = Service::start(|config| config.webhooks.alerts.url = url.as_str().into()).await;
    let upstream = registry::serve(None).await;
    upstream.point("latest", "3.20");
    let tag = format!("{}/tiny/alpine:latest", upstream.address);
    let first = service.analyzed(ADMIN, &tag).await;
    let look = async || {
        service.app().look_now().await.unwrap();
        service.app().work_until_idle().await;
        service.app().look_now().await.unwrap();
        service.app().deliver(Duration::ZERO).await.unwrap();
    };
    // State of each alert that was told since the last time.
    let told = || {
        let payloads = receiver.take().into_iter().map(|one| one.body["data"]["notification_payload"].clone());
        payloads.map(|payload| payload["alert"]["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let subscription = json!({"subscription_key": tag, "subscription_type": "alerts", "active": true});
    let (status, added) = service.call(ADMIN, "POST", "/subscriptions", subscription).await;
    assert_eq!(status, 200, "{added}");
    let subscription = format!("/subscriptions/{}", added[0]["subscription_id"].as_str().unwrap());
    service.judge_all("WARN").await;
    look().await;
    assert_eq!((alerts(&service).await, told()), (vec![], vec![]), "a warning lets it through");

    service.judge_all("STOP").await;
    service.app().look_due().await;
    service.app().deliver(Duration::ZERO).await.unwrap();
    let received = receiver.take();
    let [one] = received.as_slice() else { panic!("{received:?}") };
    let payload = &one.body["data"]["notification_payload"];
    assert_eq!((&payload["subscription_type"], &payload["subscription_key"]), (&json!("alerts"), &json!(tag)));
    let open = service.get(ADMIN, "/v2/alerts").await["items"][0].clone();
    assert_eq!(payload["alert"], open);
    assert_eq!((&open["state"], &open["digest"], &open["policy_id"]), (&json!("open"), &json!(first), &json!("b")));
    look().await;
    assert_eq!((alerts(&service).await, told()), (vec![alert("open", &first, "")], vec![]), "once");

    // It goes with the tag.
    upstream.point("latest", "3.21");
    assert_eq!(service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await.0, 200);
    look().await;
    let second = service.get(ADMIN, &format!("/images?fulltag={tag}")).await[0]["imageDigest"].clone();
    let second = second.as_str().unwrap();
    assert_ne!(second, first);
    assert_eq!((alerts(&service).await, told()), (vec![alert("open", second, "")], vec![]));

    service.judge_all("GO").await;
    look().await;
    let passed = alert("closed", second, "passed");
    assert_eq!((alerts(&service).await, told()), (vec![passed.clone()], vec!["closed".to_owned()]));

    // Whoever closes one is not told of the same again, until something is other.
    service.judge_all("STOP").await;
    look().await;
    assert_eq!(told(), ["open"]);
    let id = service.get(ADMIN, "/v2/alerts?state=open").await["items"][0]["id"].clone();
    let (status, closed) = service.call(ADMIN, "PATCH", &format!("/v2/alerts/{id}"), json!({"state": "closed"})).await;
    assert_eq!((status, &closed["closed_for"], &closed["closed_by"]), (200, &json!("user"), &json!("admin")));
    look().await;
    assert_eq!((told(), alerts(&service).await.len()), (vec!["closed".to_owned()], 2));
    upstream.point("latest", "3.20");
    assert_eq!(service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await.0, 200);
    look().await;
    assert_eq!((told(), &alerts(&service).await[0]), (vec!["open".to_owned()], &alert("open", &first, "")));

    // Without a subscription there are none, and with it again there is one again.
    let switch = async |active: bool| {
        assert_eq!(service.call(ADMIN, "PUT", &subscription, json!({"active": active})).await.0, 200);
        service.app().look_due().await;
        service.app().deliver(Duration::ZERO).await.unwrap();
        alerts(&service).await[0].clone()
    };
    assert_eq!((switch(false).await, told()), (alert("closed", &first, "unsubscribed"), vec![]));
    assert_eq!((switch(true).await, told()), (alert("open", &first, ""), vec!["open".to_owned()]));

    // Nor of an image that is gone.
    for digest in [&first, second] {
        let gone = service.call(ADMIN, "DELETE", &format!("/images/{digest}?force=true"), Value::Null).await;
        assert_eq!(gone.0, 200, "{}", gone.1);
    }
    // Their subscriptions are switched off.
    let unsubscribed = alert("closed", &first, "unsubscribed");
    let all = [unsubscribed.clone(), unsubscribed, alert("closed", second, "user"), passed];
    assert_eq!(alerts(&service).await, all);
}
