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
