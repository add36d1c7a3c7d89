//! Logging in at a provider, which runs in this process: both ways, its refusals and its lies.

use std::cell::RefCell;
use std::time::Duration;

use killick_fetch::fetched::FetchOptions;
use killick_fetch::oidc::{Authorization, Client, OidcError, Provider, Tokens, Use};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::provider::{self, CLIENT};

fn client(shown: Use) -> Client {
    Client { id: CLIENT.to_owned(), scopes: vec!["openid".to_owned(), "offline_access".to_owned()], shown }
}

async fn found(provider: &provider::Provider) -> Provider {
    Provider::discover(&provider.issuer, &FetchOptions::default()).await.unwrap()
}

/// A login by device code, and the seconds it waited.
async fn by_device(provider: &provider::Provider) -> (Result<Tokens, OidcError>, Vec<u64>) {
    let (found, client, pauses) = (found(provider).await, client(Use::IdToken), RefCell::default());
    let outcome = match found.device(&client).await {
        Ok(device) => {
            let pause = async |time: Duration| RefCell::<Vec<u64>>::borrow_mut(&pauses).push(time.as_secs());
            found.confirmed(&client, &device, pause).await
        }
        Err(error) => Err(error),
    };
    (outcome, pauses.into_inner())
}

/// What went wrong, without the ports of this run.
fn told<T>(outcome: Result<T, OidcError>) -> String {
    outcome.err().expect("it fails").to_string()
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn a_device_is_waited_for_as_the_provider_wants() {
    let provider = provider::Provider::start().await;
    provider.state().errors = vec!["authorization_pending", "slow_down", "authorization_pending"];
    provider.state().otherwise.insert("device", json!({"interval": null}));
    let (tokens, pauses) = by_device(&provider).await;
    let tokens = tokens.unwrap();
    assert_eq!(pauses, [5, 5, 10, 10], "five seconds, and five more when that is too often");
    assert_eq!(claims(tokens.shown.expose_secret())["aud"], CLIENT);
    assert_eq!(tokens.lifetime, Some(Duration::from_mins(5)));
    assert_eq!(provider.asked("device for openid offline_access"), 1);
    assert!(!format!("{tokens:?}").contains("secret-refresh"), "nothing prints them");
    // Whoever says no, and nobody at all.
    for (errors, want) in [
        (vec!["authorization_pending", "access_denied"], "the login was denied at the provider"),
        (vec!["expired_token"], "nobody confirmed the login in time"),
        (vec!["invalid_grant"], "the provider refuses (`invalid_grant`: this is invalid_grant)"),
        (vec!["authorization_pending"; 200], "nobody confirmed the login in time"),
    ] {
        provider.state().errors = errors;
        let (outcome, pauses) = by_device(&provider).await;
        assert_eq!(told(outcome), want);
        assert!(pauses.iter().sum::<u64>() <= 600, "not longer than the code is good: {pauses:?}");
    }
    // Providers that would be asked all the time, or for ever.
    for (members, want) in [
        (json!({"interval": 0, "expires_in": 3}), vec![1; 3]),
        (json!({"interval": u64::MAX, "expires_in": u64::MAX}), vec![60; 60]),
    ] {
        provider.state().otherwise.insert("device", members);
        provider.state().errors = vec!["authorization_pending"; 100];
        let (outcome, pauses) = by_device(&provider).await;
        assert_eq!((told(outcome).as_str(), pauses), ("nobody confirmed the login in time", want));
    }
}

#[tokio::test]
async fn a_provider_that_lies_gives_nothing() {
    let provider = provider::Provider::start().await;
    let issuer = provider.issuer.clone();
    let huge = format!("{issuer}/huge");
    for (what, members, want) in [
        ("configuration", json!({"issuer": "https://id.example.org"}), "the provider's configuration is not that of"),
        ("configuration", json!({"issuer": format!("{issuer}/")}), "the provider's configuration is not that of"),
        ("configuration", json!({"padding": "x".repeat(2 << 20)}), "is larger than 1048576 bytes"),
        ("configuration", json!({"token_endpoint": 7}), "it is not the JSON that was asked for"),
        ("configuration", json!({"token_endpoint": null}), "the provider has no token endpoint"),
        ("configuration", json!({"token_endpoint": "http://id.example.org/token"}), "is not an `https://` address"),
        ("configuration", json!({"token_endpoint": huge}), "is larger than 1048576 bytes"),
        (
            "configuration",
            json!({"device_authorization_endpoint": "http://id.example.org/d"}),
            "is not an `https://` address",
        ),
        (
            "configuration",
            json!({"device_authorization_endpoint": "file:///etc/passwd"}),
            "is not an `https://` address",
        ),
        ("configuration", json!({"device_authorization_endpoint": huge}), "is larger than 1048576 bytes"),
        ("device", json!({"verification_uri": "http://id.example.org/activate"}), "is not an `https://` address"),
        ("device", json!({"verification_uri_complete": "javascript:alert(1)"}), "is not an `https://` address"),
        ("device", json!({"user_code": "\u{1b}[2JWDJB"}), "the code is none that people could type"),
        ("device", json!({"user_code": "A".repeat(65)}), "the code is none that people could type"),
        ("device", json!({"device_code": null}), "it is not the JSON that was asked for"),
        ("tokens", json!({"token_type": "mac"}), "its tokens are of a type that is not `Bearer`"),
        ("tokens", json!({"id_token": null}), "there is no ID token in it"),
        ("tokens", json!({"id_token": "secret"}), "its ID token is none"),
        (
            "tokens",
            json!({"id_token": provider.token(&json!({}))}),
            "its ID token is of another issuer, or for another client",
        ),
        (
            "tokens",
            json!({"id_token": provider.token(&json!({"aud": CLIENT, "iss": "https://id.example.org"}))}),
            "its ID token is of another issuer, or for another client",
        ),
        ("tokens", json!({"refresh_token": "secret\nx"}), "its tokens are no text, or too long"),
        ("tokens", json!({"access_token": "x".repeat(17 << 10)}), "its tokens are no text, or too long"),
    ] {
        provider.state().otherwise = [(what, members.clone())].into();
        let found = Provider::discover(&issuer, &FetchOptions::default()).await;
        let outcome = match found {
            Ok(_) => by_device(&provider).await.0,
            Err(error) => Err(error),
        };
        let told = told(outcome);
        assert!(told.contains(want) && !told.contains("secret"), "{members}: {told}");
    }
}

/// A public provider has no business on this machine or in the network around it.
#[tokio::test]
async fn nobody_is_sent_nearer_than_the_provider() {
    let near = FetchOptions { sent_by: Some("https://id.example.org/".parse().unwrap()), ..FetchOptions::default() };
    for url in ["http://127.0.0.1:1/token", "https://10.0.0.1/token", "https://169.254.169.254/token"] {
        assert!(killick_fetch::fetched::address(url, &near).is_err(), "{url}");
    }
    killick_fetch::fetched::address("https://login.example.com/token", &near).unwrap();
}

/// What the provider sends a browser back with.
async fn visited(authorization: &Authorization) -> Vec<(String, String)> {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = browser.get(authorization.url.clone()).send().await.unwrap();
    let location: url::Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
    assert!(location.as_str().starts_with("http://127.0.0.1:9/"), "{location}");
    location.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn a_code_is_good_for_who_asked() {
    let provider = provider::Provider::start().await;
    let (found, client) = (found(&provider).await, client(Use::AccessToken));
    let ask = || found.authorization(&client, "http://127.0.0.1:9/").unwrap();
    let (mine, other) = (ask(), ask());
    let answer = visited(&mine).await;
    assert!(mine.is_answered_by(&answer) && !other.is_answered_by(&answer));
    assert!(!mine.is_answered_by(&[]));
    let twice: Vec<_> = answer.iter().chain(&answer).cloned().collect();
    assert!(!mine.is_answered_by(&twice), "which of both would it be?");
    assert_eq!(
        told(found.redeemed(&client, &other, &answer).await),
        "the provider's answer cannot be used: it answers another question"
    );
    let tokens = found.redeemed(&client, &mine, &answer).await.unwrap();
    assert_eq!(claims(tokens.shown.expose_secret())["aud"], provider::AUDIENCE);
    let again = told(found.redeemed(&client, &mine, &answer).await);
    assert_eq!(again, "the provider refuses (`invalid_grant`: this is invalid_grant)");
    // A code that somebody slipped in was got with another key.
    let (mine, theirs) = (ask(), ask());
    let mut mixed = visited(&mine).await;
    let stolen = visited(&theirs).await.into_iter().find(|(name, _)| name == "code").unwrap();
    mixed.retain(|(name, _)| name != "code");
    mixed.push(stolen);
    assert!(told(found.redeemed(&client, &mine, &mixed).await).contains("invalid_grant"));
    // And what the provider, or somebody in its place, says instead.
    for (what, members, want) in [
        ("redirect", json!({"iss": "https://id.example.org"}), "it is not said to come from the provider"),
        ("redirect", json!({"iss": null}), "it is not said to come from the provider"),
        ("redirect", json!({"code": null}), "there is no code in it"),
        ("redirect", json!({"error": "access_denied"}), "the login was denied at the provider"),
        ("redirect", json!({"error": "server_error", "error_description": "later"}), "(`server_error`: later)"),
        ("tokens", json!({"id_token": provider.token(&json!({"aud": CLIENT}))}), "its ID token is of another login"),
    ] {
        provider.state().otherwise = [(what, members.clone())].into();
        let mine = ask();
        let answer = visited(&mine).await;
        let told = told(found.redeemed(&client, &mine, &answer).await);
        assert!(told.contains(want), "{members}: {told}");
    }
}

#[tokio::test]
async fn ways_that_are_closed_are_told() {
    let provider = provider::Provider::start().await;
    for (what, members) in [
        ("configuration", json!({"device_authorization_endpoint": null})),
        ("device", json!({"error": "unauthorized_client"})),
    ] {
        provider.state().otherwise = [(what, members)].into();
        let error = by_device(&provider).await.0.err().unwrap();
        assert!(error.is_of_the_way(), "{error}: others may be open");
    }
    for (members, want) in [
        (json!({"authorization_endpoint": null}), "the provider has no authorization endpoint"),
        (json!({"code_challenge_methods_supported": ["plain"]}), "the provider has no proof keys (PKCE with S256)"),
        (
            json!({"authorization_endpoint": "http://id.example.org/"}),
            "`http://id.example.org/` is not an `https://` address",
        ),
    ] {
        provider.state().otherwise = [("configuration", members)].into();
        let outcome = found(&provider).await.authorization(&client(Use::IdToken), "http://127.0.0.1:9/");
        assert_eq!(told(outcome), want);
    }
}

#[tokio::test]
async fn tokens_are_renewed_and_revoked() {
    let provider = provider::Provider::start().await;
    let (found, client) = (found(&provider).await, client(Use::IdToken));
    let first = by_device(&provider).await.0.unwrap().refresh_token.unwrap();
    let second = found.renewed(&client, &first).await.unwrap().refresh_token.unwrap();
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert!(told(found.renewed(&client, &first).await).contains("invalid_grant"), "it was replaced");
    found.revoke(&client, &second).await.unwrap();
    let error = found.renewed(&client, &second).await.err().unwrap();
    assert!(error.is_final(), "{error}");
    // One that is not replaced, and a provider that revokes nothing.
    provider.state().otherwise =
        [("tokens", json!({"refresh_token": null})), ("configuration", json!({"revocation_endpoint": null}))].into();
    assert!(by_device(&provider).await.0.unwrap().refresh_token.is_none());
    let found = self::found(&provider).await;
    assert_eq!(told(found.revoke(&client, &second).await), "the provider has no revocation endpoint");
}
