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
