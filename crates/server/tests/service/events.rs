//! Events: what is told, and how it is asked for.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service, basic};
use crate::registry;
use crate::told::{masked, named, told};

/// Type and resource of every event, oldest first.
async fn happened(service: &Service, login: &str) -> Vec<String> {
    let events = service.get(login, "/events?limit=1000").await;
    let line = |result: &Value| {
        let event = &result["event"];
        format!("{} {}", event["type"].as_str().unwrap(), event["resource"]["id"].as_str().unwrap_or("-"))
    };
    events["results"].as_array().unwrap().iter().rev().map(line).collect()
}

fn bundle(id: &str, action: &str) -> Value {
    json!({
        "id": id, "version": "1_0", "name": id, "whitelists": [], "whitelisted_images": [], "blacklisted_images": [],
        "policies": [{"id": "p", "version": "1_0", "name": "p", "rules":
            [{"id": "r", "gate": "always", "trigger": "always", "action": action, "params": []}]}],
        "mappings": [{"id": "m", "name": "m", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"},
            "policy_ids": ["p"], "whitelist_ids": []}],
    })
}

#[tokio::test]
async fn the_life_of_an_image_is_told() {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    let address = upstream.address.to_string();
    let tag = format!("{address}/tiny/alpine:3.20");
    let digest = service.analyzed(ADMIN, &tag).await;
    upstream.point("other", "3.20");
    let other = format!("{address}/tiny/alpine:other");
    for (reference, status) in [(&other, 200), (&other, 200), (&format!("{address}/tiny/alpine:none"), 400)] {
        assert_eq!(service.call(ADMIN, "POST", "/images", json!({"tag": reference})).await.0, status, "{reference}");
    }
    // Judged by three policies, of which the second judges otherwise and the third alike; then by another text.
    for (id, action) in [("one", "GO"), ("two", "STOP"), ("three", "STOP"), ("three", "WARN")] {
        assert_eq!(service.call(ADMIN, "POST", "/policies", bundle(id, action)).await.0, 200);
        let policy = service.get(ADMIN, &format!("/policies/{id}")).await[0].clone();
        let path = format!("/policies/{id}?active=true");
        assert_eq!(service.call(ADMIN, "PUT", &path, policy).await.0, 200);
        service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}")).await;
        service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}&interactive=true")).await;
    }
    let happened = happened(&service, ADMIN).await.join("\n");
    insta::assert_snapshot!("life", named(happened, &[(&address, "REGISTRY")]));

    let events = service.get(ADMIN, "/events").await;
    let mut seen = Vec::new();
    let mut each = String::new();
    for result in events["results"].as_array().unwrap().iter().rev() {
        let kind = result["event"]["type"].as_str().unwrap().to_owned();
        if !seen.contains(&kind) {
            let mut event = masked(result);
            if let Some(details) = event["event"]["details"].as_object_mut() {
                for name in ["curr_eval", "last_eval"] {
                    // What a check answers is told elsewhere.
                    if details.get(name).is_some_and(|told| told.get("bundle").is_some()) {
                        details[name] =
                            json!({"final_action": details[name]["final_action"], "status": details[name]["status"]});
                    }
                }
                if let Some(error) = details.get_mut("anchore_error_json") {
                    error["detail"]["raw_exception_message"] = "<message>".into();
                }
            }
            each.push_str(&format!("{}\n", serde_json::to_string_pretty(&event).unwrap()));
            seen.push(kind);
        }
    }
    insta::assert_snapshot!("each", named(each, &[(&address, "REGISTRY"), (&digest, "DIGEST")]));
}

#[tokio::test]
async fn a_failed_analysis_is_told_to_all_its_tags() {
    // The limit refuses every layer for good.
    let service = Service::start(|config| config.limits.layer_bytes = 1).await;
    let upstream = registry::serve(None).await;
    upstream.point("other", "3.20");
    for tag in ["3.20", "other"] {
        let reference = format!("{}/tiny/alpine:{tag}", upstream.address);
        assert_eq!(service.call(ADMIN, "POST", "/images", json!({"tag": reference})).await.0, 200);
    }
    service.app().work_until_idle().await;
    let told = happened(&service, ADMIN).await;
    let kinds: Vec<&str> = told.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let failed = "user.image.analysis.failed";
    assert_eq!(kinds, ["system.image_analysis.failed", failed, failed], "{told:?}");
}

#[tokio::test]
async fn updates_of_advisories_are_told() {
    let feeds = tempfile::tempdir().unwrap();
    let folder = feeds.path().to_owned();
    let service = Service::start(|config| config.knowledge.feeds_dir = folder).await;
    let record = json!({"Vulnerability": {
        "Name": "CVE-2099-1", "NamespaceName": "alpine:3.20", "Severity": "High", "Link": "", "Metadata": {},
        "FixedIn": [{"Name": "musl", "Version": "1.2.5-r1", "VersionFormat": "apk", "NamespaceName": "alpine:3.20",
        "VendorAdvisory": {"NoAdvisory": false, "AdvisorySummary": []}}]}});
    fs_err::create_dir_all(feeds.path().join("vulnerabilities")).unwrap();
    let data = json!({"data": [record]}).to_string();
    fs_err::write(feeds.path().join("vulnerabilities/alpine.json"), data).unwrap();
    assert_eq!(service.call(ADMIN, "POST", "/system/feeds", Value::Null).await.0, 200);
    let told = happened(&service, ADMIN).await;
    assert_eq!(told[..2], ["system.feeds.sync.started -", "system.feeds.sync.feed_started vulnerabilities"]);
    assert!(told.contains(&"system.feeds.sync.group_completed vulnerabilities/alpine:3.20".to_owned()), "{told:?}");
    let end = ["system.feeds.sync.feed_completed vulnerabilities", "system.feeds.sync.completed -"];
    assert_eq!(told[told.len() - 2..], end);
    // Who does not say where to update from is told so, and nothing happened.
    let none = Service::start(|_| {}).await;
    assert_eq!(none.call(ADMIN, "POST", "/system/feeds", Value::Null).await.0, 409);
    assert!(happened(&none, ADMIN).await.is_empty());
}

/// A service in which nine images were not found.
async fn missed() -> Service {
    let service = Service::start(|config| "here".clone_into(&mut config.server.host_id)).await;
    for number in 1..=9 {
        let reference = json!({"tag": format!("127.0.0.1:1/x:{number}")});
        assert_eq!(service.call(ADMIN, "POST", "/images", reference).await.0, 400);
    }
    service
}

#[tokio::test]
async fn events_are_asked_for() {
    let service = missed().await;
    let found = async |query: &str| {
        let events = service.get(ADMIN, &format!("/events?{query}")).await;
        let ids =
            events["results"].as_array().unwrap().iter().map(|result| {
                result["event"]["resource"]["id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
            });
        (ids.collect::<String>(), events["next_page"].clone(), events["page"].clone(), events["item_count"].clone())
    };
    let want = |ids: &str, next: bool, page: u64| (ids.to_owned(), json!(next), json!(page), json!(ids.len()));
    for (query, ids, next, page) in [
        ("", "987654321", false, 1),
        ("limit=4", "9876", true, 1),
        ("limit=4&page=2", "5432", true, 2),
        ("limit=4&page=3", "1", false, 3),
        ("limit=3&page=3", "321", false, 3),
        ("page=999", "", false, 999),
        ("level=error&limit=1", "9", true, 1),
        ("level=info", "", false, 1),
        ("level=ERROR", "", false, 1),
        ("source_servicename=catalog&limit=1", "9", true, 1),
        ("source_servicename=analyzer", "", false, 1),
        ("source_hostid=here&limit=1", "9", true, 1),
        ("resource_type=image_reference&limit=1", "9", true, 1),
        ("resource_id=127.0.0.1:1/x:3", "3", false, 1),
        ("event_type=System.*&limit=1", "9", true, 1),
        ("event_type=system.image_analysis.registry_lookup_failed&limit=1", "9", true, 1),
        ("event_type=system", "", false, 1),
        ("since=2020-01-01&before=2120-01-01T00:00:00Z&limit=1", "9", true, 1),
        ("before=2020-01-01T00:00:00", "", false, 1),
        ("since=2120-01-01", "", false, 1),
    ] {
        assert_eq!(found(query).await, want(ids, next, page), "{query}");
    }
    let bad = [
        "page=0",
        "page=x",
        "limit=0",
        "limit=1001",
        "since=yesterday",
        "before=x",
        "event_type=a%20b",
        "since=2024-01-02&before=2024-01-01",
        "since=2024-01-02&before=2024-01-02",
    ];
    let calls = bad.map(|query| ("GET", format!("/events?{query}"), Value::Null)).to_vec();
    insta::assert_snapshot!("bad", told(&service, ADMIN, &[], calls).await);
}

#[tokio::test]
async fn events_are_removed() {
    let service = missed().await;
    let id = service.get(ADMIN, "/events?limit=1").await["results"][0]["generated_uuid"].as_str().unwrap().to_owned();
    let calls = vec![
        ("GET", format!("/events/{id}"), Value::Null),
        ("DELETE", format!("/events/{id}"), Value::Null),
        ("GET", format!("/events/{id}"), Value::Null),
        ("DELETE", format!("/events/{id}"), Value::Null),
        ("DELETE", "/events?before=2020-01-01T00:00:00".to_owned(), Value::Null),
        ("DELETE", "/events?level=info".to_owned(), Value::Null),
        ("DELETE", "/events?since=x".to_owned(), Value::Null),
    ];
    let text = told(&service, ADMIN, &[(&id, "ID")], calls).await;
    let start = text.find("\"raw_exception_message\": ").unwrap();
    let end = start + text[start..].find('\n').unwrap();
    let text = format!("{}\"raw_exception_message\": <message>{}", &text[..start], &text[end..]);
    insta::assert_snapshot!("removed", text);

    assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(service.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    let other =
        service.get(ADMIN, "/events?limit=1").await["results"][0]["generated_uuid"].as_str().unwrap().to_owned();
    for method in ["GET", "DELETE"] {
        let (status, _) = service.call("alice:password1", method, &format!("/events/{other}"), Value::Null).await;
        assert_eq!(status, 404, "{method}");
    }
    assert_eq!(service.call("alice:password1", "DELETE", "/events", Value::Null).await, (200, json!([])));
    let (status, ids) = service.call(ADMIN, "DELETE", "/events", Value::Null).await;
    assert_eq!((status, ids.as_array().unwrap().len()), (200, 8));
    assert!(happened(&service, ADMIN).await.is_empty());
}

#[tokio::test]
async fn events_are_acknowledged() {
    let service = missed().await;
    service.user("admin", "alice").await;
    let found = async |query: &str| {
        let page = service.get(ADMIN, &format!("/v2/events?{query}")).await;
        let numbers = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["resource"]["id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned());
        (numbers.collect::<String>(), page["next_cursor"].as_str().map(str::to_owned))
    };
    let (first, cursor) = found("limit=4").await;
    let (second, cursor) = found(&format!("limit=4&cursor={}", cursor.unwrap())).await;
    let (third, cursor) = found(&format!("limit=4&cursor={}", cursor.unwrap())).await;
    assert_eq!((first.as_str(), second.as_str(), third.as_str(), cursor), ("9876", "5432", "1", None));

    let id = service.get(ADMIN, "/v2/events?resource_id=127.0.0.1:1/x:3").await["items"][0]["id"].clone();
    let path = format!("/v2/events/{}", id.as_str().unwrap());
    let acknowledge = async |login: &str, acknowledged: bool| {
        let (status, event) = service.call(login, "PATCH", &path, json!({"acknowledged": acknowledged})).await;
        assert_eq!(status, 200, "{event}");
        assert_eq!(event, service.get(ADMIN, &path).await);
        assert_eq!(event["acknowledged_at"].is_string(), acknowledged, "{event}");
        event["acknowledged_by"].clone()
    };
    assert_eq!(acknowledge("alice:password1", true).await, "alice");
    assert_eq!(acknowledge(ADMIN, true).await, "alice", "who did so first stays");
    assert_eq!(
        (found("acknowledged=true").await.0, found("acknowledged=false").await.0),
        ("3".into(), "98765421".into())
    );
    let audit = service.get(ADMIN, "/v2/audit?action=updateEvent&username=alice").await["items"][0].clone();
    let who = ["before", "after"].map(|when| audit[when]["acknowledged_by"].clone());
    assert_eq!(who, [Value::Null, json!("alice")], "{audit}");
    assert_eq!(acknowledge(ADMIN, false).await, Value::Null);
    assert_eq!(found("acknowledged=true").await.0, "");
    let old = service.get(ADMIN, &format!("/events/{}", id.as_str().unwrap())).await;
    let members: Vec<&String> = old.as_object().unwrap().keys().collect();
    assert_eq!(members, ["created_at", "event", "generated_uuid"], "version 1 is as it was");
}

#[tokio::test]
async fn events_name_the_request_that_caused_them() {
    let service = Service::start(|_| {}).await;
    let headers =
        [("authorization", &*basic(ADMIN)), ("content-type", "application/json"), ("x-request-id", "my-request")];
    let reference = json!({"tag": "127.0.0.1:1/x:1"}).to_string().into_bytes();
    assert_eq!(service.exchange(&headers, "POST", "/images", reference).await.0, 400);
    let event = service.get(ADMIN, "/events").await["results"][0]["event"].clone();
    assert_eq!(event["source"]["request_id"], "my-request", "{event}");
}

#[tokio::test]
async fn types_are_listed() {
    let service = Service::start(|_| {}).await;
    insta::assert_json_snapshot!("types", service.get(ADMIN, "/event_types").await);
}
