//! Images of an index beside the one that its tag means: watched, listed, deleted and archived with it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::platforms::{images_of, take};
use crate::receiver::Receiver;
use crate::registry::{self, Upstream};
use crate::watching::{activate, knows_of, pass, payloads};

/// An index for two processors, whose images are of two releases of Alpine: its digest, and theirs.
fn two(upstream: &Upstream) -> (String, [String; 2]) {
    let [main, child] = ["3.20", "3.21"].map(|tag| upstream.digest(tag));
    (upstream.index("multi", &[("linux/amd64", &main), ("linux/arm64", &child)]), [main, child])
}

/// A policy that stops what is critical.
async fn stop_critical(service: &Service) {
    let param = |name: &str, value: &str| json!({"name": name, "value": value});
    let params = [param("package_type", "all"), param("severity_comparison", "="), param("severity", "critical")];
    let bundle = json!({
        "id": "b", "version": "1_0", "name": "b", "whitelists": [], "whitelisted_images": [], "blacklisted_images": [],
        "policies": [{"id": "p", "version": "1_0", "name": "p", "rules":
            [{"id": "r", "gate": "vulnerabilities", "trigger": "package", "action": "STOP", "params": params}]}],
        "mappings": [{"id": "m", "name": "m", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
    });
    assert_eq!(service.call(ADMIN, "POST", "/policies", bundle).await.0, 200);
    let stored = service.get(ADMIN, "/policies/b").await[0].clone();
    assert_eq!(service.call(ADMIN, "PUT", "/policies/b?active=true", stored).await.0, 200);
}

/// State, digest and reason of every alert, the newest first.
async fn alerts(service: &Service) -> Vec<[String; 3]> {
    let alerts = service.get(ADMIN, "/v2/alerts").await["items"].clone();
    let told =
        |alert: &Value| ["state", "digest", "closed_for"].map(|name| alert[name].as_str().unwrap_or("").to_owned());
    alerts.as_array().unwrap().iter().map(told).collect()
}

#[tokio::test]
async fn a_new_advisory_of_one_of_them_is_told() {
    let (receiver, feeds) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let (url, folder) = (receiver.url.clone(), feeds.path().to_owned());
    knows_of(feeds.path(), &[("CVE-2099-1", "Low", "alpine:3.20"), ("CVE-2099-2", "Low", "alpine:3.21")]);
    let service = Service::start(|config| {
        take(config, "linux/amd64,linux/arm64");
        config.webhooks.general.url = url.as_str().into();
        config.knowledge.feeds_dir = folder;
    })
    .await;
    let sync = async || assert_eq!(service.call(ADMIN, "POST", "/system/feeds", Value::Null).await.0, 200);
    // What is looked at at once, and not because its turn comes.
    let follow = async |ids: &[(&str, &str, &str)]| {
        knows_of(feeds.path(), ids);
        sync().await;
        service.app().look_due().await;
        service.app().deliver(Duration::ZERO).await.unwrap();
    };
    sync().await;
    stop_critical(&service).await;
    let upstream = registry::serve(None).await;
    let (_, [main, child]) = two(&upstream);
    let tag = format!("{}/tiny/alpine:multi", upstream.address);
    assert_eq!(service.analyzed(ADMIN, &tag).await, main);
    for kind in ["vuln_update", "policy_eval"] {
        activate(&service, kind, &tag).await;
    }
    let subscription = json!({"subscription_key": tag, "subscription_type": "alerts", "active": true});
    assert_eq!(service.call(ADMIN, "POST", "/subscriptions", subscription).await.0, 200);
    pass(service.app()).await;
    receiver.take();
    assert_eq!(alerts(&service).await, [] as [[String; 3]; 0]);

    follow(&[("CVE-2099-1", "Low", "alpine:3.20"), ("CVE-2099-3", "Critical", "alpine:3.21")]).await;
    let received = receiver.take();
    let told = |kind: &str| {
        let of_kind = received.iter().filter(|one| one.body["data"]["notification_type"] == kind);
        let told: Vec<&Value> = of_kind.map(|one| &one.body["data"]["notification_payload"]).collect();
        let [one] = told.as_slice() else { panic!("{kind}: {told:?}") };
        assert_eq!(one["subscription_key"], json!(tag));
        (*one).clone()
    };
    let update = told("vuln_update");
    assert_eq!(update["imageDigest"], json!(child));
    let ids = |name: &str| update["diff_vulnerability_result"][name][0]["CVE_ID"].clone();
    assert_eq!((ids("added"), ids("removed")), (json!("CVE-2099-3"), json!("CVE-2099-2")));
    let verdict = told("policy_eval");
    for (name, status) in [("last_eval", "pass"), ("curr_eval", "fail")] {
        assert_eq!((&verdict[name]["image_digest"], &verdict[name]["status"]), (&json!(child), &json!(status)));
    }
    let alert = told("alerts");
    assert_eq!((&alert["alert"]["state"], &alert["alert"]["digest"]), (&json!("open"), &json!(child)));
    assert_eq!(received.len(), 3, "{received:?}");
    pass(service.app()).await;
    assert_eq!(receiver.take().len(), 0, "once");

    // The one that the tag means has alerts of its own.
    follow(&[("CVE-2099-1", "Critical", "alpine:3.20"), ("CVE-2099-3", "Critical", "alpine:3.21")]).await;
    let row = |state: &str, digest: &str, why: &str| [state, digest, why].map(str::to_owned);
    assert_eq!(alerts(&service).await, [row("open", &main, ""), row("open", &child, "")]);

    // The tag moves away: what it was of is no matter any more.
    let copied = upstream.digest("debian");
    upstream.index("multi", &[("linux/amd64", &copied)]);
    assert_eq!(service.call(ADMIN, "POST", "/images", json!({"tag": tag})).await.0, 200);
    pass(service.app()).await;
    assert_eq!(alerts(&service).await, [row("closed", &main, "passed"), row("closed", &child, "gone")]);
    receiver.take();
    follow(&[("CVE-2099-1", "Critical", "alpine:3.20"), ("CVE-2099-4", "Critical", "alpine:3.21")]).await;
    pass(service.app()).await;
    assert_eq!(receiver.take().len(), 0);

    // Unless somebody lists it.
    let path = format!("/subscriptions?subscription_key={tag}&subscription_type=vuln_update");
    let id = service.get(ADMIN, &path).await[0]["subscription_id"].as_str().unwrap().to_owned();
    let listing = json!({"subscription_value": json!({"digests": [child]}).to_string()});
    assert_eq!(service.call(ADMIN, "PUT", &format!("/subscriptions/{id}"), listing).await.0, 200);
    follow(&[("CVE-2099-1", "Critical", "alpine:3.20"), ("CVE-2099-5", "Critical", "alpine:3.21")]).await;
    let told = payloads(&receiver, "vuln_update");
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(one["imageDigest"], json!(child));
}

#[tokio::test]
async fn the_one_that_the_tag_means_is_listed_last() {
    let service = Service::start(|config| take(config, "linux/amd64,linux/arm64")).await;
    let upstream = registry::serve(None).await;
    let (_, [main, child]) = two(&upstream);
    let [before, after] = ["debian", "copied"].map(|tag| format!("{}/tiny/alpine:{tag}", upstream.address));
    let before = service.analyzed(ADMIN, &before).await;
    service.analyzed(ADMIN, &format!("{}/tiny/alpine:multi", upstream.address)).await;
    let after = service.analyzed(ADMIN, &after).await;
    let images = service.get(ADMIN, "/images").await;
    let digests: Vec<&Value> = images.as_array().unwrap().iter().map(|image| &image["imageDigest"]).collect();
    // The newest first, and of one tag the one that it means last.
    assert_eq!(digests, [&json!(after), &json!(child), &json!(main), &json!(before)]);
}

#[tokio::test]
async fn they_go_with_the_one_that_the_tag_means() {
    let service = Service::start(|config| take(config, "linux/amd64,linux/arm64")).await;
    let upstream = registry::serve(None).await;
    let (index, [main, child]) = two(&upstream);
    let tag = format!("{}/tiny/alpine:multi", upstream.address);
    let digests = async |path: &str| -> Vec<Value> {
        let (_, images) = service.call(ADMIN, "GET", path, Value::Null).await;
        images.as_array().into_iter().flatten().map(|image| image["imageDigest"].clone()).collect()
    };
    let by_tag = format!("/images?fulltag={tag}");
    for _ in 0..2 {
        service.analyzed(ADMIN, &tag).await;
        assert_eq!((digests("/images").await.len(), digests(&by_tag).await), (2, vec![json!(main)]));
        assert_eq!(images_of(&service, &index).await.len(), 2);
        let (_, answer) = service.call(ADMIN, "DELETE", &format!("/images/{main}?force=true"), Value::Null).await;
        assert_eq!(answer["status"], "deleting", "{answer}");
        service.app().keep_house().await.unwrap();
        // Nothing is left of the tag, however it is asked for.
        assert_eq!((digests("/images").await, digests(&by_tag).await), (vec![], vec![]));
        assert_eq!(images_of(&service, &index).await, []);
        for digest in [&index, &child] {
            let (status, _) = service.call(ADMIN, "GET", &format!("/v2/images/{digest}"), Value::Null).await;
            assert_eq!(status, 404, "{digest}");
        }
    }
}

#[tokio::test]
async fn the_archive_keeps_their_place() {
    let service = Service::start(|config| take(config, "linux/amd64,linux/arm64")).await;
    let upstream = registry::serve(None).await;
    let (index, [main, child]) = two(&upstream);
    let tag = format!("{}/tiny/alpine:multi", upstream.address);
    service.analyzed(ADMIN, &tag).await;
    let before = images_of(&service, &index).await;
    assert_eq!(
        before.iter().map(|(_, platform)| platform.as_str()).collect::<Vec<_>>(),
        ["linux/amd64", "linux/arm64"]
    );
    let (status, answer) = service.call(ADMIN, "POST", "/archives/images", json!([main, child])).await;
    assert_eq!(status, 200, "{answer}");
    service.call(ADMIN, "DELETE", &format!("/images/{main}?force=true"), Value::Null).await;
    service.app().keep_house().await.unwrap();
    assert_eq!(service.get(ADMIN, "/images").await, json!([]));
    // In whatever order they come back.
    for digest in [&child, &main] {
        let body = json!({"source": {"archive": {"digest": digest}}});
        let (status, answer) = service.call(ADMIN, "POST", "/images", body).await;
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(images_of(&service, &index).await, before);
    assert_eq!(service.get(ADMIN, &format!("/images?fulltag={tag}&history=true")).await[0]["imageDigest"], json!(main));
    let images = service.get(ADMIN, "/images").await;
    let digests: Vec<&Value> = images.as_array().unwrap().iter().map(|image| &image["imageDigest"]).collect();
    assert_eq!(digests, [&json!(child), &json!(main)], "{images}");
}
