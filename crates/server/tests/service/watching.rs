//! What watched tags become is told.

use std::path::Path;
use std::time::Duration;

use killick_server::App;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::receiver::Receiver;
use crate::registry;

pub(crate) async fn activate(service: &Service, kind: &str, key: &str) {
    let path = format!("/subscriptions?subscription_key={key}&subscription_type={kind}");
    let id = service.get(ADMIN, &path).await[0]["subscription_id"].as_str().unwrap().to_owned();
    let (status, _) = service.call(ADMIN, "PUT", &format!("/subscriptions/{id}"), json!({"active": true})).await;
    assert_eq!(status, 200);
}

/// Looks at everything, analyses what is new, looks again, and sends what is to be sent.
pub(crate) async fn pass(app: &App) {
    app.look_now().await.unwrap();
    app.work_until_idle().await;
    app.look_now().await.unwrap();
    app.deliver(Duration::ZERO).await.unwrap();
}

/// The payloads of one type that were received since the last time.
pub(crate) fn payloads(receiver: &Receiver, kind: &str) -> Vec<Value> {
    let received = receiver.take().into_iter().filter(|one| one.body["data"]["notification_type"] == kind);
    received.map(|one| one.body["data"]["notification_payload"].clone()).collect()
}

fn knows(folder: &Path, ids: &[(&str, &str)]) {
    let of_one = ids.iter().map(|(id, severity)| (*id, *severity, "alpine:3.20"));
    knows_of(folder, &of_one.collect::<Vec<_>>());
}

/// Vulnerabilities of musl with their severities, each in one release of Alpine.
pub(crate) fn knows_of(folder: &Path, ids: &[(&str, &str, &str)]) {
    let record = |(id, severity, release): &(&str, &str, &str)| {
        json!({"Vulnerability": {
            "Name": id, "NamespaceName": release, "Severity": severity, "Link": format!("https://x/{id}"),
            "Metadata": {}, "FixedIn": [{"Name": "musl", "Version": "9", "VersionFormat": "apk",
            "NamespaceName": release, "VendorAdvisory": {"NoAdvisory": false, "AdvisorySummary": []}}]}})
    };
    let path = folder.join("vulnerabilities/alpine.json");
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, json!({"data": ids.iter().map(record).collect::<Vec<_>>()}).to_string()).unwrap();
}

#[tokio::test]
async fn a_tag_that_moves_is_followed() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let service = Service::start(|config| config.webhooks.tag_update.url = url.as_str().into()).await;
    let upstream = registry::serve(None).await;
    upstream.point("latest", "3.20");
    let tag = format!("{}/tiny/alpine:latest", upstream.address);
    let body = json!({"tag": tag, "annotations": {"team": "web"}});
    assert_eq!(service.call(ADMIN, "POST", "/images?autosubscribe=true", body).await.0, 200);
    let first = service.analyzed(ADMIN, &tag).await;
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "tag_update"), [] as [Value; 0]);
    // What was switched off stays off when the tag moves.
    let off = format!("/subscriptions?subscription_key={tag}&subscription_type=analysis_update");
    let id = service.get(ADMIN, &off).await[0]["subscription_id"].as_str().unwrap().to_owned();
    let path = format!("/subscriptions/{id}");
    assert_eq!(service.call(ADMIN, "PUT", &path, json!({"active": false})).await.0, 200);

    upstream.point("latest", "3.21");
    pass(service.app()).await;
    pass(service.app()).await;
    let images = service.get(ADMIN, &format!("/images?fulltag={tag}&history=true")).await;
    let digests: Vec<&str> =
        images.as_array().unwrap().iter().map(|image| image["imageDigest"].as_str().unwrap()).collect();
    assert_eq!((digests.len(), digests[1]), (2, first.as_str()), "the new one comes first");
    assert_eq!(images[0]["annotations"], json!({"team": "web"}));
    assert_eq!(images[0]["analysis_status"], "analyzed");
    let told = payloads(&receiver, "tag_update");
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&one["last_eval"], &one["curr_eval"]), (&json!([first]), &json!([digests[0]])));
    assert_eq!((&one["subscription_key"], &one["annotations"]), (&json!(tag), &json!({"team": "web"})));

    assert_eq!(service.get(ADMIN, &off).await[0]["active"], false);

    // There and back again.
    upstream.point("latest", "3.20");
    pass(service.app()).await;
    let told = payloads(&receiver, "tag_update");
    assert_eq!((told.len(), &told[0]["curr_eval"]), (1, &json!([first])));
}

#[tokio::test]
async fn a_tag_that_cannot_be_looked_up_is_told_once() {
    let service = Service::start(|_| {}).await;
    let body = json!({"subscription_key": "127.0.0.1:1/x:1", "subscription_type": "tag_update", "active": true});
    assert_eq!(service.call(ADMIN, "POST", "/subscriptions", body).await.0, 200);
    pass(service.app()).await;
    let events = service.get(ADMIN, "/events").await;
    assert_eq!(events["item_count"], 1, "{events}");
    let event = &events["results"][0]["event"];
    assert_eq!(event["type"], "system.image_analysis.registry_lookup_failed");
    assert_eq!(event["details"]["anchore_error_json"]["detail"]["error_codes"], json!(["REGISTRY_NOT_ACCESSIBLE"]));
}

#[tokio::test]
async fn vulnerabilities_that_become_others_are_told() {
    let (receiver, feeds) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let (url, folder) = (receiver.url.clone(), feeds.path().to_owned());
    knows(feeds.path(), &[("CVE-2099-1", "Low"), ("CVE-2099-2", "Low")]);
    let service = Service::start(|config| {
        config.webhooks.vuln_update.url = url.as_str().into();
        config.knowledge.feeds_dir = folder;
    })
    .await;
    let sync = async || assert_eq!(service.call(ADMIN, "POST", "/system/feeds", Value::Null).await.0, 200);
    sync().await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    activate(&service, "vuln_update", &tag).await;
    pass(service.app()).await;
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "vuln_update"), [] as [Value; 0], "the first time is no news");

    knows(feeds.path(), &[("CVE-2099-2", "High"), ("CVE-2099-3", "Low")]);
    sync().await;
    pass(service.app()).await;
    pass(service.app()).await;
    let told = payloads(&receiver, "vuln_update");
    let [one] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&one["imageDigest"], &one["subscription_key"]), (&json!(digest), &json!(tag)));
    insta::assert_json_snapshot!("difference", one["diff_vulnerability_result"]);
    let events = service.get(ADMIN, "/events?event_type=user.checks.tag.vulnerabilities.update").await;
    assert_eq!(events["item_count"], 1);

    // What the new advisories concern does not wait for its turn, which comes after hours.
    let told_at_once = async |severity: &str| {
        knows(feeds.path(), &[("CVE-2099-2", "High"), ("CVE-2099-3", severity)]);
        sync().await;
        service.app().look_due().await;
        service.app().deliver(Duration::ZERO).await.unwrap();
        let told = payloads(&receiver, "vuln_update");
        let [one] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(one["diff_vulnerability_result"]["updated"][0]["CVE_ID"], "CVE-2099-3");
    };
    told_at_once("Critical").await;
    // Nor where an earlier build stored packages without what of them decides.
    service.tamper("delete from package_document").await;
    told_at_once("Low").await;

    // Another text of the same, and a build without a change, are no news.
    sync().await;
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "vuln_update"), [] as [Value; 0]);
}

#[tokio::test]
async fn verdicts_that_become_others_are_told() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let service = Service::start(|config| config.webhooks.policy_eval.url = url.as_str().into()).await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    let policy = async |action: &str| service.judge_all(action).await;
    policy("GO").await;
    activate(&service, "policy_eval", &tag).await;
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "policy_eval"), [] as [Value; 0], "the first time is no news");
    policy("STOP").await;
    pass(service.app()).await;
    pass(service.app()).await;
    let told = payloads(&receiver, "policy_eval");
    let [one] = told.as_slice() else { panic!("{told:?}") };
    for (name, action, status) in [("last_eval", "go", "pass"), ("curr_eval", "stop", "fail")] {
        let told = &one[name];
        assert_eq!((&told["final_action"], &told["status"]), (&json!(action), &json!(status)), "{name}");
        assert_eq!((&told["image_digest"], &told["tag"]), (&json!(digest), &json!(tag)));
        assert!(told["bundle"].is_object() && told["result"].is_object(), "{told}");
    }
    // A check by hand tells as well, and only once.
    policy("WARN").await;
    service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}")).await;
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "policy_eval").len(), 1);
    // So does an exception, which comes and goes.
    policy("STOP").await;
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "policy_eval").len(), 1);
    let exception =
        json!({"id": "e", "select": {"finding": {"gate": "always"}}, "reason": "it is known", "owner": "team"});
    assert_eq!(service.call(ADMIN, "POST", "/v2/exceptions", exception).await.0, 201);
    pass(service.app()).await;
    let told = payloads(&receiver, "policy_eval");
    assert_eq!(told.iter().map(|one| &one["curr_eval"]["final_action"]).collect::<Vec<_>>(), [&json!("go")]);
    assert_eq!(service.call(ADMIN, "DELETE", "/v2/exceptions/e", Value::Null).await.0, 204);
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "policy_eval").len(), 1);
    // One that is switched off is not told, though it happens.
    let path = format!("/subscriptions?subscription_key={tag}&subscription_type=policy_eval");
    let id = service.get(ADMIN, &path).await[0]["subscription_id"].as_str().unwrap().to_owned();
    let off = service.call(ADMIN, "PUT", &format!("/subscriptions/{id}"), json!({"active": false})).await;
    assert_eq!(off.0, 200);
    policy("GO").await;
    service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}")).await;
    pass(service.app()).await;
    assert_eq!(payloads(&receiver, "policy_eval"), [] as [Value; 0]);
    let events = service.get(ADMIN, "/events?event_type=user.checks.tag.policy_evaluation.update").await;
    assert_eq!(events["item_count"], 6);
}

#[tokio::test]
async fn what_ends_in_the_midst_of_a_day_is_noticed() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let service = Service::start(|config| config.webhooks.policy_eval.url = url.as_str().into()).await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    service.analyzed(ADMIN, &tag).await;
    service.judge_all("STOP").await;
    activate(&service, "policy_eval", &tag).await;
    let expires_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    let exception = json!({"id": "e", "select": {"finding": {"gate": "always"}}, "reason": "it is known",
        "owner": "team", "expires_at": expires_at.to_string()});
    assert_eq!(service.call(ADMIN, "POST", "/v2/exceptions", exception).await.0, 201);
    pass(service.app()).await;
    let left = expires_at.duration_since(jiff::Timestamp::now());
    tokio::time::sleep(Duration::try_from(left).unwrap() + Duration::from_secs(1)).await;
    pass(service.app()).await;
    let told = payloads(&receiver, "policy_eval");
    let actions: Vec<_> = told.iter().map(|one| [&one["last_eval"], &one["curr_eval"]]).collect();
    let actions: Vec<_> =
        actions.iter().map(|of| of.map(|verdict| verdict["final_action"].as_str().unwrap())).collect();
    assert_eq!(actions, [["go", "stop"]]);
}

/// With other findings it is another verdict, though its outcome is the same; version 1 lists outcomes.
#[tokio::test]
async fn a_verdict_keeps_the_findings_it_had() {
    let feeds = tempfile::tempdir().unwrap();
    let folder = feeds.path().to_owned();
    knows(feeds.path(), &[("CVE-2099-1", "Low")]);
    let service = Service::start(|config| config.knowledge.feeds_dir = folder).await;
    let sync = async || assert_eq!(service.call(ADMIN, "POST", "/system/feeds", Value::Null).await.0, 200);
    sync().await;
    let param = |name: &str, value: &str| json!({"name": name, "value": value});
    let bundle = json!({
        "id": "v", "version": "1_0", "name": "v", "whitelists": [],
        "policies": [{"id": "p", "version": "1_0", "name": "p", "rules": [{"id": "r", "gate": "vulnerabilities",
            "trigger": "package", "action": "WARN", "params": [param("package_type", "all"),
                param("severity_comparison", ">="), param("severity", "low")]}]}],
        "mappings": [{"id": "m", "name": "m", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
    });
    let (status, added) = service.call(ADMIN, "POST", "/policies", bundle).await;
    assert_eq!(status, 200, "{added}");
    assert_eq!(service.call(ADMIN, "PUT", "/policies/v?active=true", added).await.0, 200);
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    let check = format!("/images/{digest}/check?tag={tag}&detail=false&history=true");
    let at = |instant: &str| format!("/v2/images/{digest}/verdict?tag={tag}&at={instant}");
    let found = |verdict: &Value| {
        let findings = verdict["evaluation"]["findings"].as_array().unwrap().iter();
        findings.filter(|finding| finding["trigger_id"].as_str().unwrap().contains("CVE-2099-")).count()
    };
    service.get(ADMIN, &check).await;
    let first = service.get(ADMIN, &at("2100-01-01T00:00:00Z")).await;
    knows(feeds.path(), &[("CVE-2099-1", "Low"), ("CVE-2099-2", "Low")]);
    sync().await;
    let history = service.get(ADMIN, &check).await;
    assert_eq!(history[0][&digest][&tag].as_array().unwrap().len(), 1, "{history}");
    let second = service.get(ADMIN, &at("2100-01-01T00:00:00Z")).await;
    assert_eq!((found(&first), found(&second)), (1, 2), "{first} {second}");
    assert_eq!((&first["action"], &second["action"]), (&json!("warn"), &json!("warn")));
    assert_eq!(service.get(ADMIN, &at(first["reached_at"].as_str().unwrap())).await, first);
}
