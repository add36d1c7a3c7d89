//! Why analyses fail, in words, and which of them are tried again.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry::{self, Health};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_may_heal_is_tried_again() {
    for (health, status, told) in [
        (Health::Blobs(503), "not_analyzed", "answered 503"),
        (Health::Blobs(429), "not_analyzed", "limits the rate of requests"),
        (Health::Manifests(502), "not_analyzed", "answered 502"),
        (Health::Blobs(401), "analysis_failed", "asks for authentication"),
        (Health::Blobs(404), "analysis_failed", "has no"),
        (Health::Manifests(404), "analysis_failed", "check the name"),
        (Health::OtherBytes, "analysis_failed", "digest"),
    ] {
        let (service, upstream) = (Service::start(|_| {}).await, registry::serve(None).await);
        let tag = format!("{}/tiny/alpine:3.20", upstream.address);
        let (_, added) = service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await;
        let digest = added[0]["imageDigest"].as_str().unwrap().to_owned();
        assert_eq!(added[0].get("analysis_status_detail"), None, "there is nothing to tell yet");
        upstream.be(health);
        service.app().work_until_idle().await;
        let image = service.get(ADMIN, &format!("/images/{digest}")).await[0].clone();
        let detail = image["analysis_status_detail"].as_str().unwrap_or_default();
        assert_eq!(image["analysis_status"], status, "{health:?}: {detail}");
        assert!(detail.contains(told), "{health:?}: {detail}");
        assert!(!detail.contains("foobar"), "{detail}");
        let progress = service.get(ADMIN, &format!("/v2/images/{digest}/progress")).await;
        assert_eq!((&progress["analysis_status"], &progress["cause"]), (&json!(status), &json!(detail)));
        if status == "not_analyzed" {
            assert_eq!((&progress["attempt"], &progress["attempts"]), (&json!(1), &json!(12)), "{health:?}");
            assert!(progress["next_attempt_at"].is_string(), "{progress}");
        } else {
            assert_eq!((progress.get("attempt"), progress.get("next_attempt_at")), (None, None), "{health:?}");
            // A person who mended it asks again.
            upstream.be(Health::Well);
            assert_eq!(service.analyzed(ADMIN, &tag).await, digest);
            let image = service.get(ADMIN, &format!("/images/{digest}")).await[0].clone();
            assert_eq!(image.get("analysis_status_detail"), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_is_streamed_to_the_end() {
    let (service, upstream) = (Service::start(|_| {}).await, registry::serve(None).await);
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let (_, added) = service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await;
    let digest = added[0]["imageDigest"].as_str().unwrap().to_owned();
    let path = format!("/v2/images/{digest}/progress");
    let working = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        service.app().work_until_idle().await;
    };
    let events = [("accept", "text/event-stream")];
    let ((status, headers, body), ()) = tokio::join!(service.read(&path, &events), working);
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "text/event-stream"));
    let text = String::from_utf8(body).unwrap();
    let states: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str::<Value>(data).unwrap()["analysis_status"].clone())
        .collect();
    assert_eq!(states.first(), Some(&json!("not_analyzed")), "{text}");
    assert_eq!(states.last(), Some(&json!("analyzed")), "{text}");
    assert!(text.lines().any(|line| line == "event: progress"), "{text}");
    // Whoever comes late is told the end, and nothing more.
    let (_, _, body) = service.read(&path, &events).await;
    assert_eq!(String::from_utf8(body).unwrap().matches("data: ").count(), 1);
    let once = service.get(ADMIN, &path).await;
    assert_eq!(once, json!({"image_digest": digest, "analysis_status": "analyzed"}));
    let unknown = format!("/v2/images/sha256:{}/progress", "0".repeat(64));
    assert_eq!(service.call(ADMIN, "GET", &unknown, Value::Null).await.0, 404);
}
