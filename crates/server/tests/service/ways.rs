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
