//! A library copied out of another image is told to the account that knows that image, and to no other.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::registry;

const ALICE: &str = "alice:password1";

/// The vulnerabilities of an image, as `id package path`.
async fn found(service: &Service, login: &str, digest: &str) -> Vec<String> {
    let answer = service.get(login, &format!("/images/{digest}/vuln/os")).await;
    let word = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
    let records = answer["vulnerabilities"].as_array().unwrap().iter();
    records.map(|record| ["vuln", "package", "package_path"].map(|key| word(record, key)).join(" ")).collect()
}

#[tokio::test]
async fn what_one_account_knows_is_told_to_it_alone() {
    let service = Service::start(|_| {}).await;
    let upstream = registry::serve(None).await;
    let reference = |tag: &str| format!("{}/tiny/alpine:{tag}", upstream.address);
    let made = service.call(ADMIN, "POST", "/accounts", json!({"name": "team"})).await;
    assert_eq!(made.0, 200, "{}", made.1);
    let user = json!({"username": "alice", "password": "password1"});
    let made = service.call(ADMIN, "POST", "/accounts/team/users", user).await;
    assert_eq!(made.0, 200, "{}", made.1);

    // Before the package is known, nothing is.
    let copied = service.analyzed(ADMIN, &reference("copied")).await;
    assert_eq!(found(&service, ADMIN, &copied).await, Vec::<String>::new());
    service.analyzed(ADMIN, &reference("debian")).await;
    assert_eq!(found(&service, ADMIN, &copied).await, Vec::<String>::new(), "an analysis stays as it was");
    let again = json!({"tag": reference("copied")});
    assert_eq!(service.call(ADMIN, "POST", "/images?force=true", again).await.0, 200);
    service.analyzed(ADMIN, &reference("3.20")).await;
    let now = found(&service, ADMIN, &copied).await;
    let expected = "CVE-2023-5363 libssl3-3.0.9-1 /app/lib/libssl.so.3";
    assert!(now.iter().any(|record| record == expected), "{now:?}");
    // The facts of the layers are shared; what they were recognised by is not.
    let alices = service.analyzed(ALICE, &reference("copied")).await;
    assert_eq!(alices, copied);
    assert_eq!(found(&service, ALICE, &alices).await, Vec::<String>::new());
    // Files are not told as installed packages.
    let content = service.get(ADMIN, &format!("/images/{copied}/content/os")).await;
    assert_eq!(content["content"], json!([]));
}

#[tokio::test]
async fn nothing_is_learnt_where_nothing_may_be_known() {
    let service = Service::start(|config| config.retention.known_files = 0).await;
    let upstream = registry::serve(None).await;
    for tag in ["debian", "copied"] {
        let digest = service.analyzed(ADMIN, &format!("{}/tiny/alpine:{tag}", upstream.address)).await;
        let found = found(&service, ADMIN, &digest).await;
        assert_eq!(found.is_empty(), tag == "copied", "{found:?}");
    }
}
