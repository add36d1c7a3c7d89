//! The settings of how registries are reached, seen at work.

use serde_json::json;

use crate::caller::{ADMIN, Service};
use crate::registry;

#[tokio::test]
async fn images_come_from_mirrors_and_through_proxies() {
    let address = registry::serve(None).await.address;
    let service = Service::start(|config| {
        config.registries.mirrors = vec![format!("registry.invalid=http://{address}").parse().unwrap()];
    })
    .await;
    service.analyzed(ADMIN, "registry.invalid/tiny/alpine:3.20").await;
    let service = Service::start(|config| {
        config.registries.plain_http = vec!["registry.invalid".to_owned()];
        config.registries.proxy = format!("http://{address}").as_str().into();
    })
    .await;
    service.analyzed(ADMIN, "registry.invalid/tiny/alpine:3.20").await;
    // Neither is known to who was not told.
    let service = Service::start(|config| config.registries.plain_http = vec!["registry.invalid".to_owned()]).await;
    let wanted = json!({"tag": "registry.invalid/tiny/alpine:3.20"});
    assert_eq!(service.call(ADMIN, "POST", "/images", wanted).await.0, 400);
}

/// Podman's rules count for images, for the tags of repositories, and for logins.
#[tokio::test]
async fn images_tags_and_logins_are_asked_for_where_the_rules_say() {
    let address = registry::serve(Some("me:s3cret")).await.address;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registries.conf");
    let rules = format!(
        "[[registry]]\nprefix = 'registry.invalid'\nlocation = '{address}'\ninsecure = true\n\
         [[registry]]\nlocation = 'old.invalid'\nblocked = true\n"
    );
    fs_err::write(&path, rules).unwrap();
    let service = Service::start(|config| config.registries.containers_conf = path).await;
    let record = |registry: &str, password: &str| json!({"registry": registry, "registry_user": "me", "registry_pass": password, "registry_verify": true});
    for (registry, password, want) in [
        ("registry.invalid", "wrong", Some(format!("registry `{address}` refused the credentials of `me`"))),
        ("old.invalid", "s3cret", Some("images of `old.invalid` are blocked by a rule for registries".to_owned())),
        ("registry.invalid", "s3cret", None),
    ] {
        let (status, body) = service.call(ADMIN, "POST", "/registries", record(registry, password)).await;
        let told = body["message"].as_str().map(|told| told.rsplit(" - ").next().unwrap_or_default().to_owned());
        assert_eq!((status, told), (if want.is_some() { 406 } else { 200 }, want), "{body}");
    }
    let path = "/repositories?repository=registry.invalid/tiny/alpine&autosubscribe=true";
    assert_eq!(service.call(ADMIN, "POST", path, json!(null)).await.0, 200);
    service.app().look_now().await.unwrap();
    let images = service.get(ADMIN, "/images").await.to_string();
    assert!(images.contains("registry.invalid/tiny/alpine:3.21"), "{images}");
}

#[tokio::test]
async fn what_is_attached_is_read_if_wanted() {
    let address = registry::serve(None).await.address;
    for wanted in [false, true] {
        let service = Service::start(|config| config.analysis.attachments = wanted).await;
        let digest = service.analyzed(ADMIN, &format!("{address}/tiny/alpine:3.21")).await;
        let problems = service.get(ADMIN, &format!("/images/{digest}/artifacts/problems")).await.to_string();
        assert_eq!(problems.contains("1 packages have no package URL, CPE or version"), wanted, "{problems}");
    }
}

#[tokio::test]
async fn this_process_stands_for_an_account_only_where_it_may() {
    let record = |user: &str| {
        json!({"registry": "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "registry_type": "awsecr",
               "registry_user": user, "registry_pass": "x", "registry_verify": true})
    };
    let service = Service::start(|_| {}).await;
    for user in ["awsauto", "_iam_role"] {
        let (status, body) = service.call(ADMIN, "POST", "/registries?validate=false", record(user)).await;
        assert_eq!(
            (status, body["message"].as_str().unwrap()),
            (406, &*format!("`{user}` is not permitted on this service"))
        );
    }
    assert_eq!(service.call(ADMIN, "POST", "/registries?validate=false", record("AKIA")).await.0, 200);
    let service = Service::start(|config| config.registries.clouds = vec!["aws".parse().unwrap()]).await;
    let (status, body) = service.call(ADMIN, "POST", "/registries?validate=false", record("awsauto")).await;
    assert_eq!((status, body[0]["registry_type"].as_str()), (200, Some("awsecr")), "{body}");
}
