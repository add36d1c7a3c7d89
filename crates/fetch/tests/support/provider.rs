//! A provider of `OpenID` Connect in this process: it signs tokens, and gives them to whoever comes by the device code, the
//! authorization code with its proof key, or a refresh token. Everybody is logged in there.

#![allow(dead_code, reason = "some tests look at some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The client that it knows, and for whom its access tokens are.
pub(crate) const CLIENT: &str = "killick-cli";
pub(crate) const AUDIENCE: &str = "killick";

pub(crate) struct Provider {
    pub(crate) issuer: String,
    state: Arc<Mutex<Issuing>>,
}

/// What it does and saw.
pub(crate) struct Issuing {
    issuer: String,
    pub(crate) key_id: &'static str,
    pub(crate) key: EcdsaKeyPair,
    /// What it says of whoever logs in.
    pub(crate) claims: Value,
    /// Seconds for which its tokens are good.
    pub(crate) lifetime: i64,
    /// Members of its answers that are otherwise, or with `null` not there: `configuration`, `device`, `tokens`, `redirect`.
    pub(crate) otherwise: BTreeMap<&'static str, Value>,
    /// Errors that are answered to a device code, before there are tokens.
    pub(crate) errors: Vec<&'static str>,
    /// What it was asked for, in order.
    pub(crate) asked: Vec<String>,
    /// Those that still give something.
    pub(crate) refresh_tokens: BTreeSet<String>,
    codes: BTreeMap<String, BTreeMap<String, String>>,
    given: usize,
}

type Shared = State<Arc<Mutex<Issuing>>>;

/// Seconds since 1970. Servers know no other time.
#[allow(clippy::disallowed_methods, reason = "tokens are good from now on")]
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

pub(crate) fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).expect("it is one")
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let issuer = format!("http://{}/realm", listener.local_addr().expect("it is bound"));
        let state = Arc::new(Mutex::new(Issuing {
            issuer: issuer.clone(),
            key_id: "first",
            key: new_key(),
            claims: json!({"sub": "erin", "team": "team1", "groups": ["dev"]}),
            lifetime: 300,
            otherwise: BTreeMap::new(),
            errors: Vec::new(),
            asked: Vec::new(),
            refresh_tokens: BTreeSet::new(),
            codes: BTreeMap::new(),
            given: 0,
        }));
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(configuration))
            .route("/realm/keys", get(keys))
            .route("/realm/device", post(device))
            .route("/realm/authorize", get(authorize))
            .route("/realm/token", post(token))
            .route("/realm/revoke", post(revoke))
            .route("/realm/huge", get(huge).post(huge))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { issuer, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, Issuing> {
        self.state.lock().expect("nobody panics")
    }

    /// How often it was asked for something.
    pub(crate) fn asked(&self, what: &str) -> usize {
        self.state().asked.iter().filter(|asked| *asked == what).count()
    }

    /// A token of these claims, besides those that every token has.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.state().signed(AUDIENCE, claims)
    }
}

impl Issuing {
    fn signed(&self, audience: &str, claims: &Value) -> String {
        let now = now();
        let mut all = json!({"iss": self.issuer, "aud": audience, "iat": now, "exp": now + self.lifetime});
        merge(&mut all, claims);
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&all));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("it signs");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn otherwise(&self, what: &str, mut answer: Value) -> Value {
        if let Some(members) = self.otherwise.get(what) {
            merge(&mut answer, members);
        }
        answer
    }

    /// What nobody had before.
    fn fresh(&mut self, what: &str) -> String {
        self.given += 1;
        format!("{what}-{}", self.given)
    }

    fn tokens(&mut self, nonce: Option<&String>) -> Response {
        let refresh_token = self.fresh("secret-refresh");
        self.refresh_tokens.insert(refresh_token.clone());
        let mut claims = self.claims.clone();
        let access_token = self.signed(AUDIENCE, &claims);
        claims["nonce"] = json!(nonce);
        let answer = json!({
            "access_token": access_token, "id_token": self.signed(CLIENT, &claims), "token_type": "bearer",
            "expires_in": self.lifetime, "refresh_token": refresh_token,
        });
        Json(self.otherwise("tokens", answer)).into_response()
    }
}

fn merge(all: &mut Value, others: &Value) {
    let (Some(all), Some(others)) = (all.as_object_mut(), others.as_object()) else { return };
    for (name, value) in others {
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn refused(error: &str) -> Response {
    let answer = json!({"error": error, "error_description": format!("this is {error}")});
    (StatusCode::BAD_REQUEST, Json(answer)).into_response()
}

async fn configuration(State(state): Shared) -> Json<Value> {
    let state = state.lock().expect("nobody panics");
    let issuer = &state.issuer;
    let answer = json!({
        "issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "token_endpoint": format!("{issuer}/token"),
        "authorization_endpoint": format!("{issuer}/authorize"), "revocation_endpoint": format!("{issuer}/revoke"),
        "device_authorization_endpoint": format!("{issuer}/device"), "code_challenge_methods_supported": ["plain", "S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    Json(state.otherwise("configuration", answer))
}

async fn keys(State(state): Shared) -> Json<Value> {
    let mut state = state.lock().expect("nobody panics");
    state.asked.push("keys".to_owned());
    let point = state.key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "kid": state.key_id, "x": x, "y": y}]}))
}

async fn device(State(state): Shared, form: String) -> Response {
    let mut state = state.lock().expect("nobody panics");
    let form = pairs(&form);
    state.asked.push(format!("device for {}", form["scope"]));
    if form["client_id"] != CLIENT {
        return refused("invalid_client");
    }
    let issuer = &state.issuer;
    let answer = json!({
        "device_code": "secret-device", "user_code": "WDJB-MJHT", "verification_uri": format!("{issuer}/activate"),
        "verification_uri_complete": format!("{issuer}/activate?user_code=WDJB-MJHT"), "expires_in": 600, "interval": 1,
    });
    let answer = state.otherwise("device", answer);
    match answer["error"].as_str() {
        Some(error) => refused(error),
        None => Json(answer).into_response(),
    }
}

/// Whoever comes is logged in, and sent back with a code.
async fn authorize(State(state): Shared, RawQuery(query): RawQuery) -> Response {
    let mut state = state.lock().expect("nobody panics");
    state.asked.push("authorize".to_owned());
    let question = pairs(&query.unwrap_or_default());
    let code = state.fresh("secret-code");
    let mut back = url::Url::parse(&question["redirect_uri"]).expect("it is one");
    let answer = json!({"code": code, "state": question["state"], "iss": state.issuer});
    let answer = state.otherwise("redirect", answer);
    for (name, value) in answer.as_object().expect("members") {
        back.query_pairs_mut().append_pair(name, value.as_str().expect("a text"));
    }
    state.codes.insert(code, question);
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

async fn token(State(state): Shared, form: String) -> Response {
    let mut state = state.lock().expect("nobody panics");
    let form = pairs(&form);
    let grant = form["grant_type"].rsplit(':').next().unwrap_or_default().to_owned();
    state.asked.push(grant.clone());
    if form["client_id"] != CLIENT {
        return refused("invalid_client");
    }
    match grant.as_str() {
        "device_code" if !state.errors.is_empty() => refused(state.errors.remove(0)),
        "device_code" if form["device_code"] == "secret-device" => state.tokens(None),
        "authorization_code" => {
            let Some(question) = state.codes.remove(&form["code"]) else { return refused("invalid_grant") };
            let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
            let is_proven = question["code_challenge_method"] == "S256" && question["code_challenge"] == challenge;
            if is_proven && question["redirect_uri"] == form["redirect_uri"] {
                state.tokens(question.get("nonce"))
            } else {
                refused("invalid_grant")
            }
        }
        // Each is good once.
        "refresh_token" if state.refresh_tokens.remove(&form["refresh_token"]) => state.tokens(None),
        _ => refused("invalid_grant"),
    }
}

async fn revoke(State(state): Shared, form: String) -> StatusCode {
    let mut state = state.lock().expect("nobody panics");
    state.asked.push("revoke".to_owned());
    if state.refresh_tokens.contains(&pairs(&form)["token"]) {
        // All of the same login (RFC 7009, section 2.1), and some providers know one login of a user and client.
        state.refresh_tokens.clear();
    }
    StatusCode::OK
}

/// Valid JSON, and far too much of it.
async fn huge() -> Json<Value> {
    Json(json!({"access_token": "x".repeat(2 << 20), "token_type": "Bearer"}))
}
