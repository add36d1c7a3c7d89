//! The images of an index: which are taken, and what they are to each other.

use std::time::Duration;

use killick_fetch::platform::host;
use killick_model::digest::Digest;
use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::receiver::Receiver;
use crate::registry;

/// The setting, as it is written in a variable.
pub(crate) fn take(config: &mut Config, platforms: &str) {
    config.analysis.platforms = serde_json::from_value(json!(platforms)).unwrap();
}

/// The images of an index with their platforms, that of its tags first.
pub(crate) async fn images_of(service: &Service, index: &str) -> Vec<(String, String)> {
    let page = service.get(ADMIN, &format!("/v2/images?parent={index}")).await;
    assert_eq!(page["next_cursor"], Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = page["items"].as_array().unwrap().iter();
    items.map(|image| (text(&image["image_digest"]), text(&image["platform"]))).collect()
}

/// The digests of the images that a tag has pointed to, the present one first.
async fn history(service: &Service, tag: &str) -> Vec<String> {
    let images = service.get(ADMIN, &format!("/images?fulltag={tag}&history=true")).await;
    images.as_array().unwrap().iter().map(|image| image["imageDigest"].as_str().unwrap().to_owned()).collect()
}

fn pairs(of: &[(&String, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(digest, platform)| ((*digest).clone(), (*platform).to_owned())).collect()
}

#[tokio::test]
async fn the_images_of_an_index_are_taken_together() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let service = Service::start(|config| {
        take(config, "linux/amd64,linux/arm64");
        config.webhooks.tag_update.url = url.as_str().into();
    })
    .await;
    service.judge_all("GO").await;
    let upstream = registry::serve(None).await;
    let [first, second, third, other] = ["3.20", "3.21", "debian", "copied"].map(|tag| upstream.digest(tag));
    let index = upstream.index(
        "multi",
        &[("linux/arm64", &second), ("linux/s390x", &other), ("linux/amd64", &first), ("unknown/unknown", &third)],
    );
    let tag = format!("{}/tiny/alpine:multi", upstream.address);
    for _ in 0..2 {
        let (status, body) = service.call(ADMIN, "POST", "/images?autosubscribe=true", json!({"tag": tag})).await;
        assert_eq!((status, &body[0]["imageDigest"], &body[0]["parentDigest"]), (200, &json!(first), &json!(index)));
        assert_eq!(body.as_array().unwrap().len(), 1);
        service.app().work_until_idle().await;
        assert_eq!(images_of(&service, &index).await, pairs(&[(&first, "linux/amd64"), (&second, "linux/arm64")]));
        assert_eq!(service.get(ADMIN, "/images").await.as_array().unwrap().len(), 2);
        assert_eq!(history(&service, &tag).await, [first.as_str()]);
        // By the digest of the index it is the one of the tag.
        assert_eq!(service.get(ADMIN, &format!("/images/{index}")).await[0]["imageDigest"], json!(first));
        let child = service.get(ADMIN, &format!("/images/{second}")).await[0].clone();
        assert_eq!((&child["parentDigest"], &child["analysis_status"]), (&json!(index), &json!("analyzed")));
        let details = child["image_detail"].as_array().unwrap();
        assert_eq!((details.len(), &details[0]["fulltag"]), (1, &json!(tag)));
        let judged = service.get(ADMIN, &format!("/images/{second}/check?tag={tag}")).await;
        assert_eq!(judged[0][&second][&tag][0]["status"], "pass", "{judged}");
    }

    // It moves: one image stays, and is of both.
    let moved = upstream.index("multi", &[("linux/amd64", &third), ("linux/arm64", &second)]);
    for _ in 0..2 {
        service.app().look_now().await.unwrap();
        service.app().work_until_idle().await;
    }
    service.app().deliver(Duration::ZERO).await.unwrap();
    let told: Vec<Value> =
        receiver.take().into_iter().map(|one| one.body["data"]["notification_payload"].clone()).collect();
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&one["last_eval"], &one["curr_eval"]), (&json!([first]), &json!([third])));
    assert_eq!(history(&service, &tag).await, [third.as_str(), first.as_str()]);
    assert_eq!(images_of(&service, &moved).await, pairs(&[(&third, "linux/amd64"), (&second, "linux/arm64")]));
    assert_eq!(images_of(&service, &index).await, pairs(&[(&first, "linux/amd64"), (&second, "linux/arm64")]));
    assert_eq!(service.get(ADMIN, &format!("/images/{second}")).await[0]["parentDigest"], json!(moved));

    // The one that the tag means stays while the tag is watched; others are nobody's latest.
    for (digest, want) in [(&third, "delete_failed"), (&second, "deleting")] {
        let (_, answer) = service.call(ADMIN, "DELETE", &format!("/images/{digest}"), Value::Null).await;
        assert_eq!(answer["status"], want, "{answer}");
    }
    assert_eq!(images_of(&service, &moved).await, pairs(&[(&third, "linux/amd64")]));
}

#[tokio::test]
async fn without_a_setting_one_image_is_taken() {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    let [first, second] = ["3.20", "3.21"].map(|tag| upstream.digest(tag));
    let host = host().to_string();
    let index = upstream.index("multi", &[("plan9/386", &second), (&host, &first)]);
    let tag = format!("{}/tiny/alpine:multi", upstream.address);
    assert_eq!(service.analyzed(ADMIN, &tag).await, first);
    // The image of the test says that it is for amd64.
    assert_eq!(images_of(&service, &index).await, pairs(&[(&first, "linux/amd64")]));
    assert_eq!(service.get(ADMIN, "/images").await.as_array().unwrap().len(), 1);

    upstream.index("multi", &[("plan9/386", &second), ("windows/amd64", &first)]);
    let (status, body) = service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await;
    assert_eq!((status, &body["detail"]["error_codes"]), (400, &json!(["OSARCH_MISMATCH"])));
    let why = body["detail"]["raw_exception_message"].as_str().unwrap();
    assert!(why.contains("it has `plan9/386`, `windows/amd64`"), "{why}");
}

#[tokio::test]
async fn what_is_not_taken_is_told_in_words_of_the_service() {
    let upstream = registry::serve(None).await;
    let [first, second] = ["3.20", "3.21"].map(|tag| upstream.digest(tag));
    let why = async |platforms: &str| {
        let service = Service::start(|config| take(config, platforms)).await;
        let tag = format!("{}/tiny/alpine:multi", upstream.address);
        let (status, body) = service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await;
        assert_eq!(status, 400, "{body}");
        let why = body["detail"]["raw_exception_message"].as_str().unwrap();
        why.strip_prefix(&format!("`{tag}` ")).unwrap_or(why).to_owned()
    };
    upstream.index("multi", &[("windows/amd64", &first), ("plan9/386", &second)]);
    let hint = "(`analysis.platforms` of the service names those that are taken)";
    assert_eq!(
        why("linux/arm64,linux/arm/v7").await,
        format!("has no image for `linux/arm64` or `linux/arm/v7`: it has `plan9/386`, `windows/amd64` {hint}")
    );
    let many: Vec<String> = (0..33).map(|number| Digest::of(format!("{number}").as_bytes()).to_string()).collect();
    let entries: Vec<(&str, &str)> = many.iter().map(|digest| ("linux/amd64", digest.as_str())).collect();
    upstream.index("multi", &entries);
    assert_eq!(why("all").await, format!("has more than 32 images {hint}"));
}

#[tokio::test]
async fn all_images_are_taken_within_bounds() {
    let service = Service::start(|config| take(config, "all")).await;
    let upstream = registry::serve(None).await;
    let [first, second] = ["3.20", "3.21"].map(|tag| upstream.digest(tag));
    let (host, missing) = (host().to_string(), Digest::of(b"missing").to_string());
    // One that the registry does not have keeps nobody from the others.
    let index = upstream.index("multi", &[("plan9/386", &second), ("plan9/arm", &missing), (&host, &first)]);
    let tag = format!("{}/tiny/alpine:multi", upstream.address);
    assert_eq!(service.analyzed(ADMIN, &tag).await, first);
    assert_eq!(images_of(&service, &index).await, pairs(&[(&first, host.as_str()), (&second, "plan9/386")]));

    let many: Vec<String> = (0..33).map(|number| Digest::of(format!("{number}").as_bytes()).to_string()).collect();
    let entries: Vec<(&str, &str)> = many.iter().map(|digest| ("linux/amd64", digest.as_str())).collect();
    upstream.index("multi", &entries);
    let (status, body) = service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await;
    let why = body["detail"]["raw_exception_message"].as_str().unwrap();
    assert!(status == 400 && why.contains("has more than 32 images"), "{body}");
    let (status, body) = service.call(ADMIN, "GET", "/v2/images?parent=latest", Value::Null).await;
    assert_eq!((status, &body["detail"]), (400, &json!("`parent` must be the digest of an index")));
}
