//! What version 2 lets users do: policies, images, subscriptions, registries, accounts, the archive.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

const ALICE: &str = "alice:password1";
const BOB: &str = "bob:password1";

/// A service with two accounts, and a user of each.
async fn service() -> Service {
    let service = Service::start(|_| {}).await;
    service.account_with_user("team1", "alice").await;
    service.account_with_user("team2", "bob").await;
    service
}

/// The body of an answer that must have that status.
async fn call(service: &Service, login: &str, method: &str, path: &str, body: Value, status: u16) -> Value {
    let (got, answer) = service.call(login, method, path, body).await;
    assert_eq!(got, status, "{method} {path}: {answer}");
    if status >= 400 {
        assert_eq!((&answer["type"], &answer["status"]), (&json!("about:blank"), &json!(status)), "{method} {path}");
        assert!(answer["detail"].is_string(), "{answer}");
    }
    answer
}

/// That member of every entry of a list, read in pages of one.
async fn listed(service: &Service, login: &str, path: &str, member: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    let mark = if path.contains('?') { '&' } else { '?' };
    loop {
        let page = service.get(login, &format!("{path}{mark}limit=1{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 1, "{page}");
        all.extend(items.iter().map(|item| item[member].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    for wrong in ["limit=0", "limit=1001", "limit=x", "cursor=%25"] {
        call(service, login, "GET", &format!("{path}{mark}{wrong}"), Value::Null, 400).await;
    }
    all
}

fn bundle(action: &str) -> Value {
    json!({
        "version": "1_0", "name": "Ours", "whitelists": [],
        "policies": [{"id": "p", "version": "1_0", "rules":
            [{"id": "r", "gate": "always", "trigger": "always", "action": action, "params": []}]}],
        "mappings": [{"id": "m", "name": "all", "registry": "*", "repository": "*",
            "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
    })
}

#[tokio::test]
async fn policies_are_written_and_activated() {
    let service = service().await;
    let default = listed(&service, ALICE, "/v2/policies", "policy_id").await;
    assert_eq!(default.len(), 1);
    let made = call(&service, ALICE, "PUT", "/v2/policies/ours", bundle("STOP"), 201).await;
    assert_eq!((&made["policy_id"], &made["name"], &made["active"]), (&json!("ours"), &json!("Ours"), &json!(false)));
    assert_eq!(made["bundle"]["id"], "ours", "it has the id of the path");
    assert_eq!(service.get(ALICE, "/v2/policies/ours").await, made);
    assert_eq!(listed(&service, ALICE, "/v2/policies", "policy_id").await, [default[0].as_str(), "ours"]);
    assert_eq!(service.get(ALICE, "/policies/ours").await[0]["policybundle"], made["bundle"], "both versions have it");

    let active = call(&service, ALICE, "POST", "/v2/policies/ours/activate", Value::Null, 200).await;
    assert_eq!((&active["active"], active.get("bundle")), (&json!(true), None));
    call(&service, ALICE, "POST", "/v2/policies/ours/activate", Value::Null, 200).await;
    assert_eq!(service.get(ALICE, &format!("/v2/policies/{}", default[0])).await["active"], false);
    let replaced = call(&service, ALICE, "PUT", "/v2/policies/ours", bundle("GO"), 200).await;
    assert_eq!(replaced["active"], true, "it stays active");
    assert_ne!(replaced["digest"], made["digest"]);
    call(&service, ALICE, "DELETE", "/v2/policies/ours", Value::Null, 409).await;
    call(&service, ALICE, "DELETE", &format!("/v2/policies/{}", default[0]), Value::Null, 204).await;
    call(&service, ALICE, "DELETE", &format!("/v2/policies/{}", default[0]), Value::Null, 404).await;

    for (body, status) in [(json!({}), 400), (bundle("EXPLODE"), 400), (json!({"id": "other"}), 400)] {
        call(&service, ALICE, "PUT", "/v2/policies/ours", body, status).await;
    }
    for (method, path) in [("GET", ""), ("POST", "/activate"), ("DELETE", "")] {
        call(&service, BOB, method, &format!("/v2/policies/ours{path}"), Value::Null, 404).await;
    }
    call(&service, BOB, "PUT", "/v2/policies/ours", bundle("GO"), 201).await;
    assert_eq!(service.get(ALICE, "/v2/policies/ours").await, replaced, "another account has its own");

    let entry = service.get(ALICE, "/v2/audit").await["items"][0].clone();
    let change = (&entry["action"], &entry["before"]["policy_id"]);
    assert_eq!(change, (&json!("deletePolicy"), &json!(default[0])), "{entry}");
}

#[tokio::test]
async fn images_come_and_go() {
    let service = service().await;
    let upstream = registry::serve(None).await;
    let repository = format!("{}/tiny/alpine", upstream.address);
    let tag = format!("{repository}:3.20");
    let wanted = json!({"reference": tag, "annotations": {"team": "shop"}, "subscribe": true});
    let added = call(&service, ALICE, "POST", "/v2/images", wanted, 201).await;
    assert_eq!((&added["analysis_status"], &added["annotations"]["team"]), (&json!("not_analyzed"), &json!("shop")));
    let digest = added["image_digest"].as_str().unwrap().to_owned();
    let watched = format!("/v2/subscriptions?type=tag_update&key={tag}");
    assert_eq!(service.get(ALICE, &watched).await["items"][0]["active"], true);
    service.app().work_until_idle().await;
    let again = call(&service, ALICE, "POST", "/v2/images", json!({"reference": tag}), 200).await;
    assert_eq!((&again["image_digest"], &again["analysis_status"]), (&json!(digest), &json!("analyzed")));
    let forced = json!({"reference": tag, "force": true, "dockerfile": "FROM scratch\n"});
    assert_eq!(call(&service, ALICE, "POST", "/v2/images", forced, 200).await["analysis_status"], "not_analyzed");
    service.app().work_until_idle().await;

    // By digest, under a tag of its own.
    let other = format!("{repository}:other");
    let by_digest = json!({"reference": format!("{repository}@{digest}"), "tag": other});
    let tags = call(&service, ALICE, "POST", "/v2/images", by_digest, 200).await["tags"].clone();
    let tags: Vec<&str> = tags.as_array().unwrap().iter().map(|tag| tag["tag"].as_str().unwrap()).collect();
    assert!(tags.contains(&tag.as_str()) && tags.contains(&other.as_str()), "{tags:?}");

    let missing =
        call(&service, ALICE, "POST", "/v2/images", json!({"reference": format!("{repository}:no")}), 400).await;
    assert_eq!(missing["error_codes"], json!(["REGISTRY_IMAGE_NOT_FOUND"]), "{missing}");
    for body in [json!({}), json!({"reference": "a b"}), json!({"reference": format!("{repository}@{digest}")})] {
        call(&service, ALICE, "POST", "/v2/images", body, 400).await;
    }

    let path = format!("/v2/images/{digest}");
    call(&service, BOB, "DELETE", &format!("{path}?force=true"), Value::Null, 404).await;
    call(&service, ALICE, "DELETE", &path, Value::Null, 409).await;
    call(&service, ALICE, "DELETE", &format!("{path}?force=perhaps"), Value::Null, 400).await;
    call(&service, ALICE, "DELETE", &format!("{path}?force=true"), Value::Null, 202).await;
    service.app().keep_house().await.unwrap();
    call(&service, ALICE, "DELETE", &path, Value::Null, 404).await;
    assert_eq!(listed(&service, ALICE, "/v2/images", "image_digest").await, Vec::<String>::new());
}

#[tokio::test]
async fn subscriptions_are_switched() {
    let service = service().await;
    let wanted = |kind: &str, key: &str| json!({"type": kind, "key": key});
    let made = call(&service, ALICE, "POST", "/v2/subscriptions", wanted("tag_update", "r.io/a:1"), 201).await;
    assert_eq!((&made["active"], &made["value"]), (&json!(true), &Value::Null));
    let id = made["subscription_id"].as_str().unwrap();
    let path = format!("/v2/subscriptions/{id}");
    assert_eq!(service.get(ALICE, &path).await, made);
    call(&service, ALICE, "POST", "/v2/subscriptions", wanted("tag_update", "r.io/a:1"), 409).await;
    call(&service, ALICE, "POST", "/v2/subscriptions", wanted("alerts", "r.io/a:1"), 201).await;
    call(&service, ALICE, "POST", "/v2/subscriptions", wanted("alerts", "r.io/b:1"), 201).await;
    for (filter, number) in [("", 3), ("?type=alerts", 2), ("?key=r.io/a:1", 2), ("?type=alerts&key=r.io/b:1", 1)] {
        let list = format!("/v2/subscriptions{filter}");
        assert_eq!(listed(&service, ALICE, &list, "subscription_id").await.len(), number, "{filter}");
    }
    call(&service, ALICE, "GET", "/v2/subscriptions?type=nothing", Value::Null, 400).await;

    let off = call(&service, ALICE, "PATCH", &path, json!({"active": false}), 200).await;
    assert_eq!((&off["active"], &off["key"]), (&json!(false), &json!("r.io/a:1")));
    let valued = call(&service, ALICE, "PATCH", &path, json!({"value": "x"}), 200).await;
    assert_eq!((&valued["active"], &valued["value"]), (&json!(false), &json!("x")), "what is not named stays");
    assert_eq!(call(&service, ALICE, "PATCH", &path, json!({"value": null}), 200).await["value"], Value::Null);
    call(&service, ALICE, "PATCH", &path, json!({"active": "yes"}), 400).await;
    for body in [wanted("nothing", "r.io/c:1"), wanted("alerts", ""), json!({"type": "alerts"}), json!({})] {
        call(&service, ALICE, "POST", "/v2/subscriptions", body, 400).await;
    }

    call(&service, BOB, "GET", &path, Value::Null, 404).await;
    call(&service, BOB, "PATCH", &path, json!({"active": true}), 404).await;
    call(&service, BOB, "DELETE", &path, Value::Null, 404).await;
    assert_eq!(listed(&service, BOB, "/v2/subscriptions", "subscription_id").await, Vec::<String>::new());
    call(&service, ALICE, "DELETE", &path, Value::Null, 204).await;
    call(&service, ALICE, "DELETE", &path, Value::Null, 404).await;
}

#[tokio::test]
async fn registries_keep_their_passwords() {
    let service = service().await;
    let upstream = registry::serve(Some("u:secret-word")).await;
    let path = format!("/v2/registries/{}", upstream.address);
    let login = |password: &str| json!({"username": "u", "password": password, "verify_tls": false});
    let refused = call(&service, ALICE, "PUT", &path, login("wrong-word"), 400).await;
    assert!(!refused.to_string().contains("wrong-word"), "{refused}");
    let made = call(&service, ALICE, "PUT", &path, login("secret-word"), 201).await;
    assert_eq!((&made["username"], &made["verify_tls"]), (&json!("u"), &json!(false)));
    call(&service, ALICE, "PUT", &format!("{path}?validate=false"), login("wrong-word"), 200).await;
    call(&service, ALICE, "PUT", &path, login("secret-word"), 200).await;
    let wanted = json!({"reference": format!("{}/tiny/alpine:3.20", upstream.address)});
    call(&service, ALICE, "POST", "/v2/images", wanted, 201).await;

    let below = "/v2/registries/r.example.org/team/*?validate=false";
    let made = call(&service, ALICE, "PUT", below, json!({"username": "", "name": "Team"}), 201).await;
    assert_eq!((&made["registry"], &made["name"]), (&json!("r.example.org/team/*"), &json!("Team")));
    assert_eq!(made["verify_tls"], true, "unless it says otherwise");
    let mut names = vec![upstream.address.to_string(), "r.example.org/team/*".to_owned()];
    names.sort();
    assert_eq!(listed(&service, ALICE, "/v2/registries", "registry").await, names);
    for body in [json!({}), json!({"username": 7}), json!({"username": "u", "type": "nothing"})] {
        call(&service, ALICE, "PUT", &format!("{path}?validate=false"), body, 400).await;
    }
    for place in ["/v2/registries", path.as_str(), "/v2/audit"] {
        let told = service.get(ALICE, place).await.to_string();
        assert!(!told.contains("secret-word") && !told.contains("wrong-word"), "{place}: {told}");
    }

    call(&service, BOB, "GET", &path, Value::Null, 404).await;
    call(&service, BOB, "DELETE", &path, Value::Null, 404).await;
    assert_eq!(listed(&service, BOB, "/v2/registries", "registry").await, Vec::<String>::new());
    call(&service, ALICE, "DELETE", &path, Value::Null, 204).await;
    call(&service, ALICE, "DELETE", &path, Value::Null, 404).await;
}

#[tokio::test]
async fn accounts_and_users_come_and_go() {
    let service = service().await;
    let made = call(&service, ADMIN, "POST", "/v2/accounts", json!({"name": "team3"}), 201).await;
    assert_eq!((&made["state"], &made["type"]), (&json!("enabled"), &json!("user")));
    call(&service, ADMIN, "POST", "/v2/accounts", json!({"name": "team3"}), 400).await;
    call(&service, ADMIN, "POST", "/v2/accounts", json!({"name": "a b"}), 400).await;
    let names = ["admin", "team1", "team2", "team3"];
    assert_eq!(listed(&service, ADMIN, "/v2/accounts", "name").await, names);

    let carol = json!({"username": "carol", "password": "password1"});
    let users = "/v2/accounts/team3/users";
    let made = call(&service, ADMIN, "POST", users, carol, 201).await;
    assert_eq!(
        (&made["username"], &made["account"], &made["type"]),
        (&json!("carol"), &json!("team3"), &json!("native"))
    );
    let dave = json!({"username": "dave", "password": "password1"});
    call(&service, "carol:password1", "POST", users, dave, 201).await;
    assert_eq!(listed(&service, "carol:password1", users, "username").await, ["carol", "dave"]);
    call(&service, ADMIN, "POST", users, json!({"username": "erin", "password": "short"}), 400).await;
    call(&service, "carol:password1", "DELETE", &format!("{users}/carol"), Value::Null, 400).await;
    call(&service, "carol:password1", "DELETE", &format!("{users}/dave"), Value::Null, 204).await;
    call(&service, "carol:password1", "DELETE", &format!("{users}/dave"), Value::Null, 404).await;
    for (method, path) in [("GET", users), ("POST", users), ("GET", "/v2/accounts/team3"), ("GET", "/v2/accounts")] {
        call(&service, BOB, method, path, Value::Null, 403).await;
    }

    call(&service, ADMIN, "DELETE", "/v2/accounts/team3", Value::Null, 400).await;
    let disabled = json!({"state": "disabled"});
    assert_eq!(call(&service, ADMIN, "PATCH", "/v2/accounts/team3", disabled, 200).await["state"], "disabled");
    call(&service, "carol:password1", "GET", "/v2/images", Value::Null, 403).await;
    assert_eq!(listed(&service, ADMIN, "/v2/accounts?state=disabled", "name").await, ["team3"]);
    call(&service, ADMIN, "PATCH", "/v2/accounts/team3", json!({"state": "gone"}), 400).await;
    call(&service, ADMIN, "PATCH", "/v2/accounts/nothing", json!({"state": "enabled"}), 404).await;
    call(&service, ALICE, "PATCH", "/v2/accounts/team1", json!({"state": "disabled"}), 403).await;
    call(&service, ADMIN, "DELETE", "/v2/accounts/team3", Value::Null, 202).await;
    call(&service, ADMIN, "DELETE", "/v2/accounts/admin", Value::Null, 400).await;
    call(&service, ADMIN, "DELETE", "/v2/accounts/nothing", Value::Null, 404).await;
}

#[tokio::test]
async fn the_archive_gives_back_what_it_has() {
    let service = service().await;
    let upstream = registry::serve(None).await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ALICE, &tag).await;
    let wanted = json!({"image_digest": digest});
    let archived = call(&service, ALICE, "POST", "/v2/archive/images", wanted.clone(), 201).await;
    assert_eq!((&archived["image_digest"], &archived["status"]), (&json!(digest), &json!("archived")));
    assert_eq!(archived["tags"], json!([tag]));
    assert_eq!(call(&service, ALICE, "POST", "/v2/archive/images", wanted.clone(), 200).await, archived);
    call(&service, BOB, "POST", "/v2/archive/images", wanted, 404).await;
    call(&service, ALICE, "POST", "/v2/archive/images", json!({}), 400).await;
    assert_eq!(listed(&service, ALICE, "/v2/archive/images", "image_digest").await, [digest.as_str()]);
    assert_eq!(listed(&service, BOB, "/v2/archive/images", "image_digest").await, Vec::<String>::new());
    let path = format!("/v2/archive/images/{digest}");
    assert_eq!(service.get(ALICE, &path).await, archived);

    let restore = format!("{path}/restore");
    call(&service, ALICE, "POST", &restore, Value::Null, 409).await;
    call(&service, ALICE, "DELETE", &format!("/v2/images/{digest}?force=true"), Value::Null, 202).await;
    service.app().keep_house().await.unwrap();
    call(&service, BOB, "POST", &restore, Value::Null, 404).await;
    let image = call(&service, ALICE, "POST", &restore, Value::Null, 200).await;
    assert_eq!((&image["image_digest"], &image["analysis_status"]), (&json!(digest), &json!("analyzed")));

    for (method, path) in [("GET", path.as_str()), ("DELETE", path.as_str())] {
        call(&service, BOB, method, path, Value::Null, 404).await;
    }
    call(&service, ALICE, "DELETE", &path, Value::Null, 202).await;
    service.app().keep_house().await.unwrap();
    call(&service, ALICE, "GET", &path, Value::Null, 404).await;
}

#[tokio::test]
async fn rules_of_the_archive_are_their_accounts() {
    let service = service().await;
    let any = json!({"registry": "*", "repository": "*", "tag": "*"});
    let rule = json!({"transition": "archive", "selector": any, "analysis_age_days": 30});
    let made = call(&service, ALICE, "POST", "/v2/archive/rules", rule.clone(), 201).await;
    assert_eq!((&made["analysis_age_days"], &made["tag_versions_newer"]), (&json!(30), &json!(-1)));
    let id = made["rule_id"].as_str().unwrap();
    let path = format!("/v2/archive/rules/{id}");
    assert_eq!(service.get(ALICE, &path).await, made);
    call(&service, BOB, "GET", &path, Value::Null, 404).await;
    call(&service, BOB, "DELETE", &path, Value::Null, 404).await;
    for body in [json!({}), json!({"transition": "nothing", "selector": any})] {
        call(&service, ALICE, "POST", "/v2/archive/rules", body, 400).await;
    }
    // Those for all accounts are seen by all, and are for administrators.
    let mut global = rule;
    global["system_global"] = json!(true);
    call(&service, ALICE, "POST", "/v2/archive/rules", global.clone(), 403).await;
    let made = call(&service, ADMIN, "POST", "/v2/archive/rules", global, 201).await;
    let global = made["rule_id"].as_str().unwrap();
    assert_eq!(listed(&service, ALICE, "/v2/archive/rules", "rule_id").await, [id, global], "the oldest first");
    assert_eq!(listed(&service, BOB, "/v2/archive/rules", "rule_id").await, [global]);
    call(&service, ALICE, "DELETE", &format!("/v2/archive/rules/{global}"), Value::Null, 403).await;
    call(&service, ALICE, "DELETE", &path, Value::Null, 204).await;
    call(&service, ALICE, "DELETE", &path, Value::Null, 404).await;
}
