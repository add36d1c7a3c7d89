//! Exceptions over the API, what `check` makes of them, and trying a bundle on everything that is stored.

use killick_server::Config;
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

const ALICE: &str = "alice:password1";

/// A bundle that stops on the file, and warns always.
fn bundle(id: &str, action: &str) -> Value {
    json!({
        "id": id, "version": "1_0", "name": id,
        "policies": [{"id": "p", "version": "1_0", "rules": [
            {"id": "os", "gate": "files", "trigger": "name_match", "action": action,
                "params": [{"name": "regex", "value": "/etc/os-release"}]},
            {"id": "tell", "gate": "always", "trigger": "always", "action": "WARN", "params": []},
        ]}],
        "whitelists": [],
        "mappings": [{"id": "m", "name": "all", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
    })
}

fn exception(id: &str) -> Value {
    json!({"id": id, "select": {"path": "/etc/os-release"}, "reason": "everybody has it", "owner": "team"})
}

async fn start() -> Service {
    Service::start(|_: &mut Config| {}).await
}

/// A service with an active bundle that stops, and an image: its tag and digest.
async fn with_image() -> (Service, String, String) {
    let service = start().await;
    let (status, added) = service.call(ADMIN, "POST", "/policies", bundle("stops", "STOP")).await;
    assert_eq!(status, 200, "{added}");
    assert_eq!(service.call(ADMIN, "PUT", "/policies/stops?active=true", added).await.0, 200);
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:debian", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    (service, tag, digest)
}

/// Final action, cells eight of the rows, and details of the problems about exceptions.
async fn checked(service: &Service, tag: &str, digest: &str) -> (String, Vec<Value>, Vec<String>) {
    let answer = service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}&detail=true")).await;
    let result = &answer[0][digest][tag][0]["detail"]["result"];
    let table = result["result"].as_object().unwrap().values().next().unwrap();
    let cells = table["result"]["rows"].as_array().unwrap().iter().map(|row| row[7].clone()).collect();
    let problems = result["evaluation_problems"].as_array().unwrap().iter();
    let problems = problems.filter(|problem| problem["problem_type"] == "ExceptionWarning");
    let details = problems.map(|problem| problem["details"].as_str().unwrap().to_owned()).collect();
    (result["final_action"].as_str().unwrap().to_owned(), cells, details)
}

#[tokio::test]
async fn they_come_and_go() {
    let service = start().await;
    let (status, created) = service.call(ADMIN, "POST", "/v2/exceptions", exception("a b")).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(
        (&created["id"], &created["created_by"], &created["state"]),
        (&json!("a b"), &json!("admin"), &json!("active"))
    );
    let (status, body) = service.call(ADMIN, "POST", "/v2/exceptions", exception("a b")).await;
    assert_eq!((status, &body["status"], &body["type"]), (409, &json!(409), &json!("about:blank")));
    assert_eq!(service.get(ADMIN, "/v2/exceptions/a%20b").await, created);
    // What was read can be sent back; who granted it stays, whatever the body says.
    let mut changed = created.clone();
    changed["expires_at"] = "2020-01-01".into();
    changed["created_by"] = "somebody".into();
    let (status, replaced) = service.call(ADMIN, "PUT", "/v2/exceptions/a%20b", changed).await;
    assert_eq!(status, 200, "{replaced}");
    assert_eq!((&replaced["state"], &replaced["created_by"]), (&json!("expired"), &json!("admin")));
    assert_eq!(replaced["created_at"], created["created_at"]);
    assert_eq!(service.call(ADMIN, "PUT", "/v2/exceptions/none", exception("none")).await.0, 404);
    assert_eq!(service.call(ADMIN, "PUT", "/v2/exceptions/a%20b", exception("other")).await.0, 400);
    assert_eq!(service.call(ADMIN, "DELETE", "/v2/exceptions/a%20b", Value::Null).await.0, 204);
    assert_eq!(service.call(ADMIN, "DELETE", "/v2/exceptions/a%20b", Value::Null).await.0, 404);
    assert_eq!(service.call(ADMIN, "GET", "/v2/exceptions/a%20b", Value::Null).await.0, 404);
}

#[tokio::test]
async fn they_are_listed_page_by_page() {
    let service = start().await;
    for id in ["c", "a", "b"] {
        assert_eq!(service.call(ADMIN, "POST", "/v2/exceptions", exception(id)).await.0, 201);
    }
    let (mut seen, mut path) = (Vec::new(), "/v2/exceptions?limit=2".to_owned());
    loop {
        let page = service.get(ADMIN, &path).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v2/exceptions?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["a", "b", "c"]);
    for query in ["limit=0", "limit=x", "limit=5000", "cursor=%25"] {
        let (status, body) = service.call(ADMIN, "GET", &format!("/v2/exceptions?{query}"), Value::Null).await;
        assert_eq!((status, &body["title"]), (400, &json!("Bad Request")), "{query}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let service = start().await;
    let with = |name: &str, value: Value| {
        let mut exception = exception("x");
        exception[name] = value;
        exception
    };
    for (body, told) in [
        (with("owner", json!("")), "`exception.owner`: it is empty"),
        (with("select", json!({})), "`exception.select`: it selects no findings"),
        (with("selekt", json!({})), "`exception.selekt`: there is no such member"),
        (with("expires_at", json!("soon")), "`exception.expires_at`: `soon` is no date"),
        (with("expires_at", json!("2020-01-01")), "it has ended before it is granted"),
        (with("select", json!({"path": ""})), "`exception.select.path`: it is empty"),
        (with("grant_on", json!({"tag": "x"})), "`grant_on` has no `digest`"),
        (with("grant_on", json!({"digest": "sha256:0", "tag": "x"})), "there is no analyzed image `sha256:0`"),
    ] {
        let (status, answer) = service.call(ADMIN, "POST", "/v2/exceptions", body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(told), "{told}: {answer}");
    }
}

#[tokio::test]
async fn accounts_have_their_own() {
    let service = start().await;
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    assert_eq!(service.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    assert_eq!(service.call(ADMIN, "POST", "/v2/exceptions", exception("x")).await.0, 201);
    assert_eq!(service.get(ALICE, "/v2/exceptions").await["items"], json!([]));
    assert_eq!(service.call(ALICE, "GET", "/v2/exceptions/x", Value::Null).await.0, 404);
    assert_eq!(service.call(ALICE, "DELETE", "/v2/exceptions/x", Value::Null).await.0, 404);
    assert_eq!(service.call(ALICE, "PUT", "/v2/exceptions/x", exception("x")).await.0, 404);
    assert_eq!(service.call(ALICE, "POST", "/v2/exceptions", exception("x")).await.0, 201);
}

#[tokio::test]
async fn a_check_applies_them() {
    let (service, tag, digest) = with_image().await;
    let (action, cells, problems) = checked(&service, &tag, &digest).await;
    assert_eq!((action.as_str(), cells, problems), ("stop", vec![json!(false), json!(false)], vec![]));

    let mut granting = exception("os");
    granting["grant_on"] = json!({"digest": digest, "tag": tag});
    let (status, created) = service.call(ADMIN, "POST", "/v2/exceptions", granting).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(created["granted_for"], json!([{"gate": "files", "trigger": "name_match", "path": "/etc/os-release"}]));
    let (action, cells, problems) = checked(&service, &tag, &digest).await;
    let cleared = json!({"matched_rule_id": "os", "whitelist_id": "exceptions", "whitelist_name": "exceptions"});
    assert_eq!((action.as_str(), cells, problems), ("warn", vec![cleared, json!(false)], vec![]));

    let mut ended = exception("os");
    ended["expires_at"] = "2020-01-01".into();
    assert_eq!(service.call(ADMIN, "PUT", "/v2/exceptions/os", ended).await.0, 200);
    let (action, _, problems) = checked(&service, &tag, &digest).await;
    assert_eq!(action, "stop");
    assert_eq!(problems, ["the exception `os` of team expired on 2020-01-01: 1 finding not cleared any more"]);

    let mut nothing = exception("nothing");
    nothing["select"] = json!({"path": "/nowhere"});
    nothing["grant_on"] = json!({"digest": digest, "tag": tag});
    let (status, answer) = service.call(ADMIN, "POST", "/v2/exceptions", nothing).await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn a_bundle_is_tried_on_everything() {
    let (service, tag, digest) = with_image().await;
    let try_out = async |body: Value| service.call(ADMIN, "POST", "/v2/policies/dry-run", body).await;

    let (status, answer) = try_out(json!({"bundle": bundle("new", "GO")})).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["against"], &answer["examined"], &answer["next_cursor"]),
        (&json!("stops"), &json!(1), &Value::Null)
    );
    let change = &answer["items"][0];
    assert_eq!((&change["reference"], &change["image_digest"]), (&json!(tag), &json!(digest)));
    assert_eq!((&change["before"], &change["after"]), (&json!("stop"), &json!("warn")));
    let because = change["because"][0].as_str().unwrap();
    assert!(because.contains("`p/os` does go only") && because.contains("/etc/os-release"), "{because}");
    assert_eq!(service.get(ADMIN, "/policies").await.as_array().unwrap().len(), 2, "nothing is stored");

    // The same verdict by other findings is only told when asked for.
    let mut other = bundle("new", "STOP");
    other["policies"][0]["rules"][1]["action"] = "GO".into();
    assert_eq!(try_out(json!({"bundle": other})).await.1["items"], json!([]));
    let findings = try_out(json!({"bundle": other, "findings": true})).await.1;
    assert_eq!(findings["items"][0]["changed_count"], 1, "{findings}");

    // Page by page: with a full page there may be another.
    let page = try_out(json!({"bundle": bundle("new", "GO"), "limit": 1})).await.1;
    let rest = try_out(json!({"bundle": bundle("new", "GO"), "limit": 1, "cursor": page["next_cursor"]})).await.1;
    assert_eq!(
        (page["items"].as_array().unwrap().len(), &rest["items"], &rest["next_cursor"]),
        (1, &json!([]), &Value::Null)
    );

    // As of an instant: what was analyzed since was not there, and what is there is judged as it was then.
    let before = try_out(json!({"bundle": bundle("new", "GO"), "at": "2001-01-01T00:00:00Z"})).await.1;
    assert_eq!((&before["examined"], &before["items"]), (&json!(0), &json!([])), "{before}");
    let analyzed_at = service.get(ADMIN, &format!("/v2/images/{digest}")).await["analyzed_at"].clone();
    let then = try_out(json!({"bundle": bundle("new", "GO"), "at": analyzed_at})).await.1;
    assert_eq!((&then["examined"], &then["items"][0]["after"]), (&json!(1), &json!("warn")), "{then}");

    for (body, status) in [
        (json!({}), 400),
        (json!({"bundle": {"id": "x"}}), 400),
        (json!({"bundle": bundle("new", "GO"), "at": "2999-01-01T00:00:00Z"}), 400),
        (json!({"bundle": bundle("new", "GO"), "at": "yesterday"}), 400),
        (json!({"bundle": bundle("new", "GO"), "limit": 0}), 400),
        (json!({"bundle": bundle("new", "GO"), "cursor": "%"}), 400),
        (json!({"bundle": bundle("new", "GO"), "against": "none"}), 404),
    ] {
        let (got, answer) = try_out(body).await;
        assert_eq!(
            (got, &answer["type"], &answer["status"]),
            (status, &json!("about:blank"), &json!(status)),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_bundle_is_tried_on_the_newest_tags() {
    let service = start().await;
    let (status, added) = service.call(ADMIN, "POST", "/policies", bundle("stops", "STOP")).await;
    assert_eq!(status, 200, "{added}");
    assert_eq!(service.call(ADMIN, "PUT", "/policies/stops?active=true", added).await.0, 200);
    let upstream = registry::serve(None).await;
    let repository = format!("{}/tiny/alpine", upstream.address);
    service.analyzed(ADMIN, &format!("{repository}:debian")).await;
    for number in 1..=21 {
        upstream.point(&format!("n{number}"), "debian");
        let added = service.call(ADMIN, "POST", "/images", json!({"tag": format!("{repository}:n{number}")})).await;
        assert_eq!(added.0, 200, "{}", added.1);
    }
    let body = json!({"bundle": bundle("new", "GO")});
    let (status, page) = service.call(ADMIN, "POST", "/v2/policies/dry-run", body).await;
    assert_eq!((status, &page["examined"], &page["tags_left_out"]), (200, &json!(20), &json!(2)), "{page}");
    let tried = page["items"].as_array().unwrap().iter().map(|item| item["reference"].as_str().unwrap().to_owned());
    let newest = (2..=21).map(|number| format!("{repository}:n{number}"));
    assert_eq!(tried.collect::<Vec<_>>(), newest.collect::<Vec<_>>());
}
