//! Posts to webhooks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use killick_fetch::egress::Egress;
use killick_fetch::webhook::{Login, Message, Webhook, WebhookError, WebhookOptions};
use secrecy::SecretString;

use crate::fake::{Fake, reply};

fn message() -> Message<'static> {
    Message { id: "0123", timestamp: 1_700_000_000, body: b"{\"a\":1}".to_vec() }
}

async fn post(address: &str, options: WebhookOptions) -> Result<Vec<u8>, WebhookError> {
    let address = SecretString::from(address);
    let login = Login { user: "bob".to_owned(), password: SecretString::from("pa55") };
    let secret = SecretString::from("secret");
    Webhook::new(&address, options)?.post(&address, Some(&login), Some(&secret), message()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_named_signed_and_sent_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let fake = Fake::start(move |request| {
        let headers = ["content-type", "authorization", "webhook-id", "webhook-timestamp", "webhook-signature"];
        let told: Vec<String> = headers.iter().map(|name| request.header(name).to_owned()).collect();
        log.lock().unwrap().push((request.method.clone(), request.path.clone(), told, request.body.to_vec()));
        reply(200, &[], "x".repeat(100))
    })
    .await;
    let options = WebhookOptions { answer_bytes: 10, ..WebhookOptions::default() };
    assert_eq!(post(&format!("http://{}/hooks/a", fake.host), options).await.unwrap(), b"xxxxxxxxxx");
    let seen = seen.lock().unwrap();
    let [(method, path, told, body)] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((method.as_str(), path.as_str(), body.as_slice()), ("POST", "/hooks/a", b"{\"a\":1}".as_slice()));
    let [kind, login, id, timestamp, signature] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((kind.as_str(), login.as_str()), ("application/json", "Basic Ym9iOnBhNTU="));
    assert_eq!((id.as_str(), timestamp.as_str()), ("0123", "1700000000"));
    assert!(signature.starts_with("v1,"), "{signature}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_told_without_secrets() {
    let fake = Fake::start(|request| match request.path.as_str() {
        "/moved/t0ken" => reply(302, &[("location", "/ok")], ""),
        "/down/t0ken" => reply(503, &[], "no"),
        _ => reply(200, &[], ""),
    })
    .await;
    let at = |path: &str| format!("http://me:s3cret@{}/{path}/t0ken?key=k3y", fake.host);
    for (address, want) in [(at("moved"), "answered 302"), (at("down"), "answered 503")] {
        let error = post(&address, WebhookOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains(want) && !error.is_outage(), "{error}");
    }
    let error = post("http://me:s3cret@127.0.0.1:1/t0ken?key=k3y", WebhookOptions::default()).await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    let told = format!("{error} {error:?}");
    assert!(["s3cret", "t0ken", "k3y"].iter().all(|secret| !told.contains(secret)), "{told}");
    let egress = Egress { allowed: vec!["other.example".parse().unwrap()], ..Egress::default() };
    let refused = post(&at("ok"), WebhookOptions { egress, ..WebhookOptions::default() }).await;
    assert!(matches!(refused, Err(WebhookError::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let options = WebhookOptions { timeout: Duration::from_millis(50), ..WebhookOptions::default() };
    let error = post(&address, options).await.unwrap_err();
    assert!(matches!(error, WebhookError::Timeout { .. }) && error.is_outage(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_place_does_not_post_to_another() {
    let fake = Fake::start(|_| reply(200, &[], "")).await;
    let home = SecretString::from(format!("http://{}/a", fake.host));
    let webhook = Webhook::new(&home, WebhookOptions::default()).unwrap();
    let other = SecretString::from("http://127.0.0.1:1/a");
    assert!(webhook.is_at(&home) && !webhook.is_at(&other));
    assert!(matches!(webhook.post(&other, None, None, message()).await, Err(WebhookError::Address)));
    assert!(webhook.post(&home, None, None, message()).await.is_ok());
}
