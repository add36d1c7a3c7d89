//! What the rules of a policy ask for is looked for in images, where the operator lets them.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

fn bundle() -> Value {
    let content = json!([{"name": "path", "value": "/etc/os-release"}, {"name": "regex", "value": "ID=debian"},
        {"name": "check", "value": "match"}]);
    let search = json!([{"name": "regex_name", "value": "VERSION_ID=.*"}]);
    json!({
        "id": "asks", "version": "1_0", "name": "asks",
        "policies": [{"id": "p", "version": "1_0", "name": "p", "rules": [
            {"id": "kept", "gate": "retrieved_files", "trigger": "content_regex", "action": "STOP", "params": content},
            {"id": "searched", "gate": "files", "trigger": "content_regex_match", "action": "WARN", "params": search},
        ]}],
        "mappings": [{"id": "m", "name": "all", "registry": "*", "repository": "*", "image": {"type": "tag", "value": "*"},
            "policy_ids": ["p"], "whitelist_ids": []}],
    })
}

/// Trigger ids and problems of an evaluation of a Debian image by that bundle.
async fn judged(extends: bool) -> (Vec<String>, Vec<String>) {
    let service = Service::start(|config| config.policies.extend_inspections = extends).await;
    let (status, added) = service.call(ADMIN, "POST", "/policies", bundle()).await;
    assert_eq!(status, 200, "{added}");
    let (status, active) = service.call(ADMIN, "PUT", "/policies/asks?active=true", added).await;
    assert_eq!(status, 200, "{active}");
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:debian", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    let answer = service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}&detail=true")).await;
    let result = &answer[0][&digest][&tag][0]["detail"]["result"];
    let texts = |list: &Value, cell: &Value| -> Vec<String> {
        let list = list.as_array().unwrap().iter();
        list.map(|row| cell.as_str().map_or_else(|| &row[2], |key| &row[key]).as_str().unwrap().to_owned()).collect()
    };
    let image = result["result"].as_object().unwrap().values().next().unwrap();
    (texts(&image["result"]["rows"], &Value::Null), texts(&result["evaluation_problems"], &json!("problem_type")))
}

#[tokio::test]
async fn rules_tell_what_to_look_for() {
    let (found, problems) = judged(true).await;
    assert_eq!((found.len(), found[0].as_str()), (2, "kept+file:///etc/os-release"), "{found:?} {problems:?}");
    assert!(!problems.contains(&"EvidenceWarning".to_owned()), "{problems:?}");
}

#[tokio::test]
async fn an_operator_may_keep_to_the_settings() {
    let (found, problems) = judged(false).await;
    assert_eq!(found, Vec::<String>::new());
    let unseen = problems.iter().filter(|problem| *problem == "EvidenceWarning").count();
    assert_eq!(unseen, 2, "{problems:?}");
}

#[tokio::test]
async fn a_bundle_has_a_bounded_number_of_rules() {
    let service = Service::start(|config| config.policies.max_rules = 2).await;
    let (status, kept) = service.call(ADMIN, "POST", "/policies", bundle()).await;
    assert_eq!(status, 200, "{kept}");
    let mut larger = bundle();
    let mut rule = larger["policies"][0]["rules"][0].clone();
    rule["id"] = json!("third");
    larger["policies"][0]["rules"].as_array_mut().unwrap().push(rule);
    let told = "the bundle has 3 rules, more than the 2 that one may have (`policies.max_rules` of the service)";
    let (status, refused) = service.call(ADMIN, "POST", "/policies", larger.clone()).await;
    assert_eq!((status, refused["message"].as_str()), (400, Some(told)), "{refused}");
    let mut change = kept.clone();
    change["policybundle"] = larger.clone();
    let (status, refused) = service.call(ADMIN, "PUT", "/policies/asks", change).await;
    assert_eq!((status, refused["message"].as_str()), (400, Some(told)), "{refused}");
    let (status, refused) = service.call(ADMIN, "POST", "/v2/policies/dry-run", json!({"bundle": larger})).await;
    let detail = format!("the bundle is refused: {told}");
    assert_eq!((status, refused["detail"].as_str()), (400, Some(detail.as_str())), "{refused}");
    // Few rules that are applied again and again are as many.
    let mut repeated = bundle();
    repeated["mappings"][0]["policy_ids"] = json!(["p", "p"]);
    let (status, refused) = service.call(ADMIN, "POST", "/policies", repeated).await;
    let told = "a mapping of the bundle applies 4 rules, more than the 2 that one may have (`policies.max_rules` of the service)";
    assert_eq!((status, refused["message"].as_str()), (400, Some(told)), "{refused}");
    let stored = service.get(ADMIN, "/policies/asks").await;
    assert_eq!(stored[0]["policybundle"], kept["policybundle"], "it is as before");
}

/// What a verdict was made of may be gone or changed since; what it was then stays.
#[tokio::test]
async fn a_verdict_is_told_as_it_was_at_an_instant() {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    let path = |at: &str| format!("/v2/images/{digest}/verdict?tag={tag}&at={at}");
    let mut held = Vec::new();
    for action in ["STOP", "GO"] {
        let mut bundle = bundle();
        bundle["policies"][0]["rules"] =
            json!([{"id": "r", "gate": "always", "trigger": "always", "action": action, "params": []}]);
        let (status, added) = service.call(ADMIN, "POST", "/policies", bundle).await;
        assert_eq!(status, 200, "{added}");
        assert_eq!(service.call(ADMIN, "PUT", "/policies/asks?active=true", added).await.0, 200);
        service.get(ADMIN, &format!("/images/{digest}/check?tag={tag}")).await;
        held.push(service.get(ADMIN, &path("2100-01-01T00:00:00Z")).await);
    }
    let reached = |verdict: &Value| verdict["reached_at"].as_str().unwrap().to_owned();
    for (verdict, action) in held.iter().zip(["stop", "go"]) {
        let then = service.get(ADMIN, &path(&reached(verdict))).await;
        assert_eq!((then["action"].as_str(), &then), (Some(action), verdict));
        let findings = then["evaluation"]["findings"].as_array();
        assert_eq!(findings.map(Vec::len), Some(1), "{then}");
    }
    let first: jiff::Timestamp = reached(&held[0]).parse().unwrap();
    let before = first.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap();
    let (status, problem) = service.call(ADMIN, "GET", &path(&before.to_string()), Value::Null).await;
    let told = format!("no verdict under `{tag}` was reached by {before}");
    assert_eq!((status, problem["detail"].as_str()), (404, Some(told.as_str())), "{problem}");
}
