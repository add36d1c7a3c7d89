//! The analysis archive.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service, basic};
use crate::registry;
use crate::told::told;

const ALICE: &str = "alice:password1";

/// A service with an account `team`, and two images of one tag after the other.
async fn service() -> (Service, registry::Upstream) {
    let service = Service::start(|_| {}).await;
    assert_eq!(service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await.0, 200);
    let user = json!({"username": "alice", "password": "password1"});
    assert_eq!(service.call(ADMIN, "POST", "/accounts/team/users", user).await.0, 200);
    (service, registry::serve(None).await)
}

/// Digests and states of what is archived.
async fn archived(service: &Service, login: &str) -> Vec<(String, String)> {
    let listed = service.get(login, "/archives/images").await;
    let word = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(|row| (word(row, "imageDigest"), word(row, "status"))).collect()
}

async fn images(service: &Service, login: &str) -> Vec<String> {
    let listed = service.get(login, "/images").await;
    listed.as_array().unwrap().iter().map(|image| image["imageDigest"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_image_goes_and_comes_back() {
    let (service, upstream) = service().await;
    let tag = format!("{}/tiny/alpine:3.20", upstream.address);
    let digest = service.analyzed(ADMIN, &tag).await;
    let annotated = json!({"tag": tag, "annotations": {"team": "web"}});
    assert_eq!(service.call(ADMIN, "POST", "/images", annotated).await.0, 200);
    let check = format!("/images/{digest}/check?tag={tag}&history=true&detail=true");
    service.get(ADMIN, &check).await;
    let address = upstream.address.to_string();
    let names = [(digest.as_str(), "<digest>"), (address.as_str(), "<registry>")];
    let missing = format!("sha256:{}", "0".repeat(64));
    let calls = vec![
        ("GET", "/archives".to_owned(), Value::Null),
        ("GET", "/archives/images".to_owned(), Value::Null),
        ("POST", "/archives/images".to_owned(), json!([digest, missing, "x"])),
        ("POST", "/archives/images".to_owned(), json!([digest])),
        ("GET", "/archives".to_owned(), Value::Null),
        ("GET", "/archives/images".to_owned(), Value::Null),
        ("GET", format!("/archives/images/{digest}"), Value::Null),
        ("GET", format!("/archives/images/{missing}"), Value::Null),
        ("GET", format!("/archives/images/{missing}/document"), Value::Null),
        ("DELETE", format!("/archives/images/{missing}"), Value::Null),
        ("POST", "/archives/images".to_owned(), json!([])),
        ("POST", "/archives/images".to_owned(), json!({"x": 1})),
        ("POST", "/archives/images".to_owned(), json!([1])),
        ("POST", "/images".to_owned(), json!({"source": {"archive": {"digest": digest}}})),
        ("POST", "/images".to_owned(), json!({"source": {"archive": {"digest": missing}}})),
        ("POST", "/images".to_owned(), json!({"source": {"archive": {"digest": "x"}}})),
    ];
    insta::assert_snapshot!("archive", told(&service, ADMIN, &names, calls).await);
    let many = vec![missing.as_str(); 101];
    assert_eq!(service.call(ADMIN, "POST", "/archives/images", json!(many)).await.0, 400);

    let parts = ["", "/content/os", "/content/npm", "/content/files", "/metadata/manifest", "/metadata/docker_history"];
    let mut before = Vec::new();
    for part in parts {
        before.push(service.get(ADMIN, &format!("/images/{digest}{part}")).await);
    }
    let verdicts = service.get(ADMIN, &check).await;
    let history = |verdicts: &Value| verdicts[0][&digest][&tag].as_array().unwrap().len();
    assert_eq!(service.call(ADMIN, "DELETE", &format!("/images/{digest}?force=true"), Value::Null).await.0, 200);
    let restore = json!({"source": {"archive": {"digest": digest}}});
    let (status, refused) = service.call(ADMIN, "POST", "/images", restore.clone()).await;
    let message = format!("the image `{digest}` is being deleted: try again in a moment");
    assert_eq!((status, refused["message"].as_str()), (409, Some(message.as_str())), "{refused}");
    service.app().keep_house().await.unwrap();
    assert_eq!(service.call(ADMIN, "GET", &format!("/images/{digest}"), Value::Null).await.0, 404);
    assert_eq!(service.get(ADMIN, "/query/images/by_package?name=musl").await["total_count"], 0);

    let (status, restored) = service.call(ADMIN, "POST", "/images", restore).await;
    assert_eq!((status, restored[0]["analysis_status"].as_str()), (200, Some("analyzed")), "{restored}");
    for (part, before) in parts.iter().zip(before) {
        let mut after = service.get(ADMIN, &format!("/images/{digest}{part}")).await;
        if part.is_empty() {
            after[0]["last_updated"] = before[0]["last_updated"].clone();
        }
        assert_eq!(after, before, "{part}");
    }
    assert_eq!(history(&service.get(ADMIN, &check).await), history(&verdicts));
    assert_eq!(service.get(ADMIN, "/query/images/by_package?name=musl").await["total_count"], 1);
    assert_eq!(archived(&service, ADMIN).await, [(digest.clone(), "archived".to_owned())], "it stays there");
    let told = service.get(ADMIN, "/events?event_type=system.*").await;
    let mut told: Vec<&str> =
        told["results"].as_array().unwrap().iter().map(|event| event["event"]["type"].as_str().unwrap()).collect();
    told.retain(|kind| kind.contains("archive"));
    assert_eq!(told, ["system.image_analysis.restored_from_archive", "system.analysis_archive.image_archived"]);

    assert_eq!(
        service.call(ADMIN, "DELETE", &format!("/archives/images/{digest}"), Value::Null).await,
        (200, json!({}))
    );
    assert_eq!(archived(&service, ADMIN).await, [(digest.clone(), "deleting".to_owned())]);
    service.app().keep_house().await.unwrap();
    assert_eq!(archived(&service, ADMIN).await, []);
    assert_eq!(service.call(ADMIN, "POST", "/archives/images", json!([digest])).await.1[0]["status"], "archived");
    let (status, _) =
        service.call(ADMIN, "DELETE", &format!("/archives/images/{digest}?force=True"), Value::Null).await;
    assert_eq!((status, archived(&service, ADMIN).await), (200, vec![]));
}

fn form(boundary: &str, field: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"a\"\r\n\r\n");
    [head.as_bytes(), bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()
}

#[tokio::test]
async fn a_document_is_taken_elsewhere() {
    let (service, upstream) = service().await;
    let digest = service.analyzed(ADMIN, &format!("{}/tiny/alpine:3.20", upstream.address)).await;
    assert_eq!(service.call(ADMIN, "POST", "/archives/images", json!([digest])).await.0, 200);
    let (status, headers, document) = service.read(&format!("/archives/images/{digest}/document"), &[]).await;
    assert_eq!((status, &headers["content-type"]), (200, &"application/gzip".parse().unwrap()));
    let kind = "multipart/form-data; boundary=here";
    let upload = async |login: &str, kind: &str, body: Vec<u8>| {
        let (status, body) = service.send(Some(&basic(login)), "POST", "/import/images", kind, body).await;
        (status, serde_json::from_slice::<Value>(&body).unwrap_or_default())
    };
    let (status, image) = upload(ALICE, kind, form("here", "archive_file", &document)).await;
    assert_eq!((status, image[0]["userId"].as_str()), (200, Some("team")), "{image}");
    let os = async |login: &str| service.get(login, &format!("/images/{digest}/content/os")).await;
    assert_eq!(os(ALICE).await, os(ADMIN).await);
    let message = async |login: &str, kind: &str, body: Vec<u8>| {
        let (status, body) = upload(login, kind, body).await;
        let said = body["message"].as_str().or(body["detail"].as_str()).unwrap_or_default().to_owned();
        (status, said.replace(&digest, "<digest>"))
    };
    let there = "the image `<digest>` is there: it cannot be restored".to_owned();
    assert_eq!(message(ALICE, kind, form("here", "archive_file", &document)).await, (409, there));
    let again = service
        .send(
            Some(&basic(ALICE)),
            "POST",
            "/import/images?add_again=true",
            kind,
            form("here", "archive_file", &document),
        )
        .await;
    let again: Value = serde_json::from_slice(&again.1).unwrap();
    assert_eq!((&again[0]["image_detail"], &again[0]["userId"]), (&image[0]["image_detail"], &image[0]["userId"]));
    let no_tar = "the archive is no tar, gzipped or not".to_owned();
    assert_eq!(message(ALICE, kind, form("here", "archive_file", &[b'x'; 600])).await, (409, no_tar));
    let empty = "the archive has no member `archive_manifest`".to_owned();
    assert_eq!(message(ALICE, kind, form("here", "archive_file", b"")).await, (409, empty));
    let missing = "Missing formdata parameter 'archive_file'".to_owned();
    assert_eq!(message(ALICE, kind, form("here", "other", &document)).await, (400, missing));
    assert_eq!(message(ALICE, "application/json", document).await.0, 400);
}

async fn rule(service: &Service, login: &str, change: Value) -> (u16, Value) {
    let mut body = json!({"selector": {"registry": "*", "repository": "*", "tag": "*"}, "transition": "archive"});
    for (key, value) in change.as_object().unwrap() {
        body[key] = value.clone();
    }
    service.call(login, "POST", "/archives/rules", body).await
}

#[tokio::test]
async fn rules_good_and_bad() {
    let (service, _) = service().await;
    let (status, global) = rule(&service, ADMIN, json!({"system_global": true, "tag_versions_newer": 2})).await;
    assert_eq!(status, 200, "{global}");
    let id = global["rule_id"].as_str().unwrap().to_owned();
    let any = json!({"registry": "*", "repository": "*", "tag": "*"});
    let most = |body: Value| {
        let mut whole = json!({"transition": "archive", "max_images_per_account": 5});
        for (key, value) in body.as_object().unwrap() {
            whole[key] = value.clone();
        }
        ("POST", "/archives/rules".to_owned(), whole)
    };
    let post = |body: Value| ("POST", "/archives/rules".to_owned(), body);
    let own = json!({"selector": {"registry": "r.io", "repository": "x", "tag": "*"}, "transition": "delete",
        "analysis_age_days": 10, "tag_versions_newer": 2,
        "exclude": {"expiration_days": 7, "selector": {"registry": "r.io", "repository": "x", "tag": "keep"}}});
    let names = [(id.as_str(), "<rule>")];
    let calls = vec![
        post(own),
        ("GET", "/archives/rules".to_owned(), Value::Null),
        ("GET", "/archives/rules?system_global=false".to_owned(), Value::Null),
        ("GET", "/archives/rules?system_global=maybe".to_owned(), Value::Null),
        ("GET", format!("/archives/rules/{id}"), Value::Null),
        ("GET", format!("/archives/rules/{id}/history"), Value::Null),
        ("GET", "/archives/rules/00".to_owned(), Value::Null),
        ("GET", "/archives/rules/00/history".to_owned(), Value::Null),
        ("DELETE", "/archives/rules/00".to_owned(), Value::Null),
        ("DELETE", format!("/archives/rules/{id}"), Value::Null),
        post(json!({})),
        post(json!({"transition": "keep", "selector": any})),
        post(json!({"transition": "archive"})),
        post(json!({"transition": "archive", "selector": {"registry": "*", "repository": "", "tag": "*"}})),
        post(json!({"transition": "archive", "selector": any, "analysis_age_days": "x"})),
        post(json!({"transition": "archive", "selector": any, "analysis_age_days": -2})),
        post(json!({"transition": "archive", "selector": any, "system_global": true})),
        most(json!({})),
        most(json!({"system_global": true})),
        post(json!([])),
    ];
    insta::assert_snapshot!("rules", told(&service, ALICE, &names, calls).await);
    let calls = vec![
        most(json!({"system_global": true, "selector": any})),
        most(json!({"system_global": true, "exclude": {"expiration_days": 1}})),
        most(json!({"system_global": true, "max_images_per_account": 0})),
        most(json!({"system_global": true, "transition": "delete"})),
        most(json!({"system_global": true})),
        ("GET", "/archives".to_owned(), Value::Null),
        ("DELETE", format!("/archives/rules/{id}"), Value::Null),
        ("GET", format!("/archives/rules/{id}"), Value::Null),
    ];
    insta::assert_snapshot!("rules_global", told(&service, ADMIN, &names, calls).await);
    let (status, second) =
        rule(&service, ADMIN, json!({"system_global": true, "selector": null, "max_images_per_account": 9})).await;
    assert_eq!(status, 409, "{second}");
}

#[tokio::test]
async fn rules_move_images() {
    let (service, upstream) = service().await;
    let named = async |login: &str, release: &str| {
        let tag = format!("{}/tiny/alpine:{release}", upstream.address);
        service.analyzed(login, &tag).await
    };
    let (old, new) = (named(ADMIN, "3.20").await, named(ADMIN, "3.21").await);
    let alices = named(ALICE, "3.20").await;
    assert_eq!(
        rule(&service, ADMIN, json!({"selector": {"registry": "*", "repository": "*", "tag": "3.20"}})).await.0,
        200
    );
    assert_eq!(rule(&service, ADMIN, json!({"analysis_age_days": 3})).await.0, 200);
    service.app().keep_house().await.unwrap();
    assert_eq!(images(&service, ADMIN).await, std::slice::from_ref(&new));
    assert_eq!(archived(&service, ADMIN).await, [(old.clone(), "archived".to_owned())]);
    assert_eq!(images(&service, ALICE).await, std::slice::from_ref(&alices), "the rules are of another account");
    let (_, rules) = service.call(ADMIN, "GET", "/archives/rules", Value::Null).await;
    let history = format!("/archives/rules/{}/history", rules[0]["rule_id"].as_str().unwrap());
    let history = service.get(ADMIN, &history).await;
    assert_eq!((&history[0]["imageDigest"], &history[0]["transition"]), (&json!(old), &json!("archive")));

    // One for all accounts, with what one of them leaves out.
    let most = json!({"transition": "archive", "system_global": true, "max_images_per_account": 1});
    assert_eq!(service.call(ADMIN, "POST", "/archives/rules", most).await.0, 200);
    let newer = named(ALICE, "3.21").await;
    service.app().keep_house().await.unwrap();
    assert_eq!(images(&service, ALICE).await, [newer]);
    assert_eq!(archived(&service, ALICE).await, [(alices, "archived".to_owned())]);
    assert_eq!(images(&service, ADMIN).await, [new]);

    // What is archived goes by a rule of its own.
    let own = json!({"transition": "delete", "analysis_age_days": 0,
        "exclude": {"expiration_days": -1, "selector": {"registry": "", "repository": "", "tag": "3.21"}}});
    assert_eq!(rule(&service, ALICE, own).await.0, 200);
    service.app().keep_house().await.unwrap();
    assert_eq!(archived(&service, ALICE).await, []);
    assert_eq!(archived(&service, ADMIN).await, [(old, "archived".to_owned())]);
}

#[tokio::test]
async fn the_archive_of_another_account_is_not_seen() {
    let (service, upstream) = service().await;
    let digest = service.analyzed(ADMIN, &format!("{}/tiny/alpine:3.20", upstream.address)).await;
    assert_eq!(service.call(ADMIN, "POST", "/archives/images", json!([digest])).await.0, 200);
    let (_, own) = rule(&service, ADMIN, json!({})).await;
    let (_, global) = rule(&service, ADMIN, json!({"system_global": true})).await;
    let path = |rule: &Value| format!("/archives/rules/{}", rule["rule_id"].as_str().unwrap());
    assert_eq!(archived(&service, ALICE).await, []);
    let summary = service.get(ALICE, "/archives").await;
    assert_eq!((&summary["images"]["total_image_count"], &summary["rules"]["count"]), (&json!(0), &json!(0)));
    for (method, path, want) in [
        ("GET", format!("/archives/images/{digest}"), 404),
        ("DELETE", format!("/archives/images/{digest}"), 404),
        ("GET", format!("/archives/images/{digest}/document"), 404),
        ("GET", path(&own), 404),
        ("DELETE", path(&own), 404),
        ("GET", path(&global), 200),
        ("DELETE", path(&global), 403),
    ] {
        assert_eq!(service.call(ALICE, method, &path, Value::Null).await.0, want, "{method} {path}");
    }
    let answer = service.call(ALICE, "POST", "/images", json!({"source": {"archive": {"digest": digest}}})).await;
    assert_eq!(answer.0, 404);
    let answer = service.call(ALICE, "POST", "/archives/images", json!([digest])).await;
    assert_eq!(answer.1[0]["status"], "error");
}

#[tokio::test]
async fn an_image_that_cannot_go_keeps_no_other() {
    let (service, upstream) = service().await;
    let tag = |release: &str| format!("{}/tiny/alpine:{release}", upstream.address);
    let first = service.analyzed(ADMIN, &tag("3.20")).await;
    service.analyzed(ADMIN, &tag("3.21")).await;
    service.analyzed(ALICE, &tag("3.20")).await;
    assert_eq!(rule(&service, ADMIN, json!({"system_global": true})).await.0, 200);
    // By the rule: what fails is of the first image, and of the first account.
    let stay = "create trigger stay before update of image_status on image when old.id = 1 begin select raise(abort, 'no'); end";
    service.tamper(stay).await;
    service.app().keep_house().await.unwrap();
    assert_eq!(images(&service, ADMIN).await, std::slice::from_ref(&first));
    assert_eq!(images(&service, ALICE).await, Vec::<String>::new());
    service.tamper("drop trigger stay").await;

    // And when it is removed, what is removed after it.
    let stay = "create trigger stay before delete on image when old.id = 1 begin select raise(abort, 'no'); end";
    service.tamper(stay).await;
    let deleted = service.call(ADMIN, "DELETE", &format!("/archives/images/{first}"), Value::Null).await;
    assert_eq!(deleted, (200, json!({})));
    assert_eq!(service.call(ADMIN, "DELETE", &format!("/images/{first}?force=true"), Value::Null).await.0, 200);
    service.app().keep_house().await.unwrap();
    let going = service.get(ADMIN, "/summaries/imagetags?image_status=all").await;
    assert_eq!((&going[0]["imageDigest"], going.as_array().unwrap().len()), (&json!(first), 1), "{going}");
    assert_eq!(archived(&service, ADMIN).await.len(), 1, "that of the other image");
    service.tamper("drop trigger stay").await;
    service.app().keep_house().await.unwrap();
    assert_eq!(service.get(ADMIN, "/summaries/imagetags?image_status=all").await, json!([]));
}

/// Deleting what is going already changes nothing and tells nothing.
#[tokio::test]
async fn an_archived_image_is_deleted_once() {
    let (service, upstream) = service().await;
    let digest = service.analyzed(ADMIN, &format!("{}/tiny/alpine:3.20", upstream.address)).await;
    assert_eq!(service.call(ADMIN, "POST", "/archives/images", json!([digest])).await.0, 200);
    for _ in 0..2 {
        let path = format!("/archives/images/{digest}");
        assert_eq!(service.call(ADMIN, "DELETE", &path, Value::Null).await, (200, json!({})));
    }
    let told = service.get(ADMIN, "/events?event_type=system.analysis_archive.archived_image_deleted").await;
    assert_eq!(told["item_count"], 1, "{told}");
}
