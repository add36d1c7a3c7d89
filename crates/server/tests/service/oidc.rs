//! Logins with tokens of a provider, which runs in this process.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};

/// A provider: one key, and how often it was asked for it.
struct Provider {
    issuer: String,
    state: Arc<Mutex<Issuing>>,
}

struct Issuing {
    issuer: String,
    id: &'static str,
    key: EcdsaKeyPair,
    asked: usize,
}

fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

async fn configuration(State(state): State<Arc<Mutex<Issuing>>>) -> axum::Json<Value> {
    let issuer = state.lock().unwrap().issuer.clone();
    axum::Json(json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}))
}

async fn keys(State(state): State<Arc<Mutex<Issuing>>>) -> axum::Json<Value> {
    let mut state = state.lock().unwrap();
    state.asked += 1;
    let point = state.key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    axum::Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": state.id, "x": x, "y": y}]}))
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realm", listener.local_addr().unwrap());
        let issuing = Issuing { issuer: issuer.clone(), id: "first", key: new_key(), asked: 0 };
        let state = Arc::new(Mutex::new(issuing));
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(configuration))
            .route("/realm/keys", get(keys))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, state }
    }

    /// The header with a token of these claims, besides those that every token has.
    fn bearer(&self, claims: &Value) -> String {
        let now = jiff::Timestamp::now().as_second();
        let mut all = json!({"iss": self.issuer, "aud": "killick", "exp": now + 300});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let state = self.state.lock().unwrap();
        let header = json!({"alg": "ES256", "kid": state.id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&all));
        let signature = state.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    async fn service(&self) -> Service {
        let service = Service::start(|config| {
            config.oidc.issuer.clone_from(&self.issuer);
            "killick".clone_into(&mut config.oidc.audience);
            "team".clone_into(&mut config.oidc.account_claim);
            config.oidc.roles = [("dev", "developer"), ("ops", "account-admin"), ("root", "system-admin")]
                .map(|(group, role)| (group.to_owned(), role.to_owned()))
                .into();
        })
        .await;
        service.account_with_user("team1", "alice").await;
        service.account_with_user("team2", "bob").await;
        service
    }
}

async fn call(service: &Service, bearer: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let (status, _, body) = service.ask(&[("authorization", bearer)], method, path, body).await;
    (status, body)
}

#[tokio::test]
async fn whom_the_provider_vouches_for_comes_in() {
    let provider = Provider::start().await;
    let service = provider.service().await;
    let erin = provider.bearer(&json!({"sub": "erin", "team": "team1", "groups": ["dev", "others"]}));
    let (status, user) = call(&service, &erin, "GET", "/user", Value::Null).await;
    assert_eq!((status, &user["username"], &user["type"]), (200, &json!("erin"), &json!("external")));
    assert_eq!(user["source"], provider.issuer);
    assert_eq!(call(&service, &erin, "GET", "/account", Value::Null).await.1["name"], "team1");
    let subscription = json!({"subscription_key": "r.io/a:1", "subscription_type": "tag_update"});
    assert_eq!(call(&service, &erin, "POST", "/subscriptions", subscription).await.0, 200);
    assert_eq!(call(&service, &erin, "GET", "/accounts/team1/users", Value::Null).await.0, 403);
    let listed = service.get("alice:password1", "/accounts/team1/users").await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let entry = service.get("alice:password1", "/v2/audit?username=erin").await["items"][0].clone();
    assert_eq!((&entry["action"], &entry["via"]), (&json!("createSubscription"), &json!("oidc")));
    // Roles are those of the token, each time.
    let ops = provider.bearer(&json!({"sub": "erin", "team": "team1", "groups": ["ops"]}));
    assert_eq!(call(&service, &ops, "GET", "/accounts/team1/users", Value::Null).await.0, 200);
    assert_eq!(call(&service, &ops, "GET", "/accounts", Value::Null).await.0, 403);
    let root = provider.bearer(&json!({"sub": "frank", "team": "admin", "groups": "root"}));
    assert_eq!(call(&service, &root, "GET", "/accounts", Value::Null).await.0, 200);
    // They have no password here, no keys, and no roles of ours.
    let password = json!({"type": "password", "value": "password1"});
    for (method, path, body, want) in [
        ("POST", "/user/credentials", password.clone(), 400),
        ("POST", "/accounts/team1/users/erin/credentials", password, 400),
        ("POST", "/v2/api-keys", json!({"name": "k"}), 403),
    ] {
        let (status, answer) = call(&service, &ops, method, path, body).await;
        assert_eq!(status, want, "{method} {path}: {answer}");
    }
    // What a key may would follow from roles of ours, which they have none of.
    let more = json!({"name": "k", "role": "account-admin"});
    assert_eq!(call(&service, &erin, "POST", "/v2/api-keys", more).await.0, 403);
    let given = service.call("alice:password1", "PUT", "/v2/users/erin/roles", json!({"roles": ["reader"]})).await;
    assert_eq!(given.0, 400, "{}", given.1);
    assert_eq!(provider.state.lock().unwrap().asked, 1, "keys are kept");
}

#[tokio::test]
async fn others_do_not() {
    let provider = Provider::start().await;
    let service = provider.service().await;
    let good = json!({"sub": "erin", "team": "team1", "groups": ["dev"]});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        provider.bearer(&claims)
    };
    for (what, bearer) in [
        ("another audience", with("aud", json!("others"))),
        ("another issuer", with("iss", json!("https://id.example.org"))),
        ("expired", with("exp", json!(1000))),
        ("not yet", with("nbf", json!(99_999_999_999_i64))),
        ("no role", with("groups", json!(["others"]))),
        ("no account", with("team", json!("team9"))),
        ("no account named", with("team", Value::Null)),
        ("a user with a password", with("sub", json!("alice"))),
        ("the first user", json_admin(&provider)),
        ("no name", with("sub", json!("../x"))),
        ("unsigned", with("sub", json!("erin")).rsplit_once('.').unwrap().0.to_owned() + "."),
    ] {
        let (status, answer) = call(&service, &bearer, "GET", "/images", Value::Null).await;
        assert_eq!(status, 401, "{what}: {answer}");
    }
    // A user of one account is not a user of another.
    assert_eq!(call(&service, &provider.bearer(&good), "GET", "/images", Value::Null).await.0, 200);
    assert_eq!(call(&service, &with("team", json!("team2")), "GET", "/images", Value::Null).await.0, 401);
    let disabled = json!({"state": "disabled"});
    assert_eq!(service.call(ADMIN, "PUT", "/accounts/team1/state", disabled).await.0, 200);
    assert_eq!(call(&service, &provider.bearer(&good), "GET", "/images", Value::Null).await.0, 403);
    // Another key, which is not asked for at once: whoever makes tokens up could make us ask all the time.
    {
        let mut state = provider.state.lock().unwrap();
        state.id = "second";
        state.key = new_key();
    }
    assert_eq!(call(&service, &provider.bearer(&good), "GET", "/images", Value::Null).await.0, 401);
    assert_eq!(provider.state.lock().unwrap().asked, 1);
}

fn json_admin(provider: &Provider) -> String {
    provider.bearer(&json!({"sub": "admin", "team": "admin", "groups": ["root"]}))
}

#[tokio::test]
async fn without_its_keys_nobody_is_let_in() {
    let provider = Provider::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = Service::start(|config| {
        config.oidc.issuer.clone_from(&provider.issuer);
        "killick".clone_into(&mut config.oidc.audience);
        config.oidc.account = "admin".to_owned();
        config.oidc.default_role = "reader".to_owned();
        config.oidc.jwks_url = format!("http://{nobody}/keys");
    })
    .await;
    let bearer = provider.bearer(&json!({"sub": "erin"}));
    for _ in 0..2 {
        let (status, answer) = call(&service, &bearer, "GET", "/images", Value::Null).await;
        assert_eq!(status, 503, "{answer}");
    }
    assert_eq!(service.call(ADMIN, "GET", "/images", Value::Null).await.0, 200);
}
