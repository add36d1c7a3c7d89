//! Registries that refuse, are not there, or do not have it: each is told apart.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

fn record(address: &str, password: &str) -> Value {
    json!({"registry": address, "registry_user": "puller", "registry_pass": password, "registry_verify": false})
}

#[tokio::test]
async fn a_wrong_password_is_called_one() {
    let service = Service::start(|_| {}).await;
    let address = registry::serve(Some("puller:right")).await.address.to_string();
    let (status, body) = service.call(ADMIN, "POST", "/registries", record(&address, "wrong")).await;
    let message = body["message"].as_str().unwrap();
    assert_eq!(status, 406, "{message}");
    assert!(message.contains("refused the credentials of `puller`"), "{message}");
    let (status, body) = service.call(ADMIN, "POST", "/registries", record(&address, "right")).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn failed_lookups_have_different_codes() {
    let service = Service::start(|_| {}).await;
    let address = registry::serve(Some("puller:right")).await.address.to_string();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let code = async |reference: String| {
        let (status, body) = service.call(ADMIN, "POST", "/images", json!({"tag": reference})).await;
        assert_eq!(status, 400, "{body}");
        body["detail"]["error_codes"][0].as_str().unwrap().to_owned()
    };
    assert_eq!(code(format!("{address}/tiny/alpine:3.20")).await, "REGISTRY_PERMISSION_DENIED", "without a login");
    for (method, path, password, want) in [
        ("POST", "/registries?validate=false".to_owned(), "wrong", "REGISTRY_PERMISSION_DENIED"),
        ("PUT", format!("/registries/{address}"), "right", "REGISTRY_IMAGE_NOT_FOUND"),
    ] {
        let (status, body) = service.call(ADMIN, method, &path, record(&address, password)).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(code(format!("{address}/tiny/other:1")).await, want, "with the {password} password");
    }
    assert_eq!(code(format!("{nobody}/tiny/alpine:3.20")).await, "REGISTRY_NOT_ACCESSIBLE");
    service.analyzed(ADMIN, &format!("{address}/tiny/alpine:3.20")).await;
}

/// Who cannot read a login must not go on as if there were none: the image of another may answer.
#[tokio::test]
async fn a_login_that_cannot_be_read_is_not_a_missing_one() {
    let data = tempfile::tempdir().unwrap();
    let address = registry::serve(None).await.address.to_string();
    let with_key = async |key: &str| {
        Service::start(|config| {
            config.storage.data_dir = data.path().to_owned();
            config.storage.secret_key = key.into();
        })
        .await
    };
    let service = with_key("the first secret, long enough for anybody").await;
    let (status, body) = service.call(ADMIN, "POST", "/registries", record(&address, "right")).await;
    assert_eq!(status, 200, "{body}");
    let image = json!({"tag": format!("{address}/tiny/alpine:3.20")});
    assert_eq!(service.call(ADMIN, "POST", "/images", image.clone()).await.0, 200);
    let service = with_key("another secret, just as long as the first").await;
    let (status, body) = service.call(ADMIN, "POST", "/images", image).await;
    assert_eq!(status, 500, "{body}");
}

#[tokio::test]
async fn hosts_that_are_not_allowed_are_not_asked() {
    let service =
        Service::start(|config| config.egress.allowed_hosts = vec!["registry.example".parse().unwrap()]).await;
    let address = registry::serve(None).await.address.to_string();
    let want = "which is not among the allowed hosts";
    let (status, body) = service.call(ADMIN, "POST", "/registries", record(&address, "right")).await;
    assert_eq!(status, 406);
    assert!(body["message"].as_str().unwrap().contains(want), "{body}");
    let image = json!({"tag": format!("{address}/tiny/alpine:3.20")});
    let (status, body) = service.call(ADMIN, "POST", "/images", image).await;
    assert_eq!(status, 400);
    assert!(body["detail"]["raw_exception_message"].as_str().unwrap().contains(want), "{body}");
}

/// A registry that passes the question on to another host, which asks for the password.
#[tokio::test]
async fn a_login_is_not_shown_to_where_a_registry_leads() {
    let service = Service::start(|_| {}).await;
    let other = registry::serve(Some("puller:right")).await.address;
    let leading = axum::Router::new()
        .fallback(move || async move { axum::response::Redirect::temporary(&format!("http://{other}/v2/")) });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, leading).await.unwrap() });
    let (status, body) = service.call(ADMIN, "POST", "/registries", record(&address, "right")).await;
    assert_eq!(status, 406, "{body}");
}
