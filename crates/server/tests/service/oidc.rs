//! Logins with tokens of a provider, which runs in this process.

use serde_json::{Value, json};

use crate::caller::{ADMIN, Service};
use crate::provider::{AUDIENCE, CLIENT, Provider, new_key};

/// The header with a token of these claims.
fn bearer(provider: &Provider, claims: &Value) -> String {
    format!("Bearer {}", provider.token(claims))
}

async fn service(provider: &Provider) -> Service {
    let service = Service::start(|config| {
        config.oidc.issuer.clone_from(&provider.issuer);
        AUDIENCE.clone_into(&mut config.oidc.audience);
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

async fn call(service: &Service, bearer: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let (status, _, body) = service.ask(&[("authorization", bearer)], method, path, body).await;
    (status, body)
}

#[tokio::test]
async fn whom_the_provider_vouches_for_comes_in() {
    let provider = Provider::start().await;
    let service = service(&provider).await;
    let erin = bearer(&provider, &json!({"sub": "erin", "team": "team1", "groups": ["dev", "others"]}));
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
    let ops = bearer(&provider, &json!({"sub": "erin", "team": "team1", "groups": ["ops"]}));
    assert_eq!(call(&service, &ops, "GET", "/accounts/team1/users", Value::Null).await.0, 200);
    assert_eq!(call(&service, &ops, "GET", "/accounts", Value::Null).await.0, 403);
    let root = bearer(&provider, &json!({"sub": "frank", "team": "admin", "groups": "root"}));
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
    assert_eq!(provider.asked("keys"), 1, "keys are kept");
}

#[tokio::test]
async fn others_do_not() {
    let provider = Provider::start().await;
    let service = service(&provider).await;
    let good = json!({"sub": "erin", "team": "team1", "groups": ["dev"]});
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        bearer(&provider, &claims)
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
    assert_eq!(call(&service, &bearer(&provider, &good), "GET", "/images", Value::Null).await.0, 200);
    assert_eq!(call(&service, &with("team", json!("team2")), "GET", "/images", Value::Null).await.0, 401);
    let disabled = json!({"state": "disabled"});
    assert_eq!(service.call(ADMIN, "PUT", "/accounts/team1/state", disabled).await.0, 200);
    assert_eq!(call(&service, &bearer(&provider, &good), "GET", "/images", Value::Null).await.0, 403);
    // Another key, which is not asked for at once: whoever makes tokens up could make us ask all the time.
    {
        let mut state = provider.state();
        state.key_id = "second";
        state.key = new_key();
    }
    assert_eq!(call(&service, &bearer(&provider, &good), "GET", "/images", Value::Null).await.0, 401);
    assert_eq!(provider.asked("keys"), 1);
}

fn json_admin(provider: &Provider) -> String {
    bearer(provider, &json!({"sub": "admin", "team": "admin", "groups": ["root"]}))
}

#[tokio::test]
async fn without_its_keys_nobody_is_let_in() {
    let provider = Provider::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let service = Service::start(|config| {
        config.oidc.issuer.clone_from(&provider.issuer);
        AUDIENCE.clone_into(&mut config.oidc.audience);
        config.oidc.account = "admin".to_owned();
        config.oidc.default_role = "reader".to_owned();
        config.oidc.jwks_url = format!("http://{nobody}/keys");
    })
    .await;
    let bearer = bearer(&provider, &json!({"sub": "erin"}));
    for _ in 0..2 {
        let (status, answer) = call(&service, &bearer, "GET", "/images", Value::Null).await;
        assert_eq!(status, 503, "{answer}");
    }
    assert_eq!(service.call(ADMIN, "GET", "/images", Value::Null).await.0, 200);
}

/// What a program is told before anybody knows it.
#[tokio::test]
async fn anybody_may_ask_how_to_log_in() {
    let provider = Provider::start().await;
    let ask = async |client_id: &str, scopes: &[&str]| {
        let service = Service::start(|config| {
            config.oidc.issuer.clone_from(&provider.issuer);
            AUDIENCE.clone_into(&mut config.oidc.audience);
            config.oidc.account = "admin".to_owned();
            config.oidc.client_id = client_id.to_owned();
            config.oidc.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        })
        .await;
        let (status, _, body) = service.ask(&[], "GET", "/v2/login", Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body["oidc"].clone()
    };
    assert_eq!(ask("", &["openid"]).await, Value::Null);
    let told = |client: &str, scopes: &[&str], token: &str| json!({"issuer": provider.issuer, "client_id": client, "scopes": scopes, "token": token});
    assert_eq!(ask(CLIENT, &["email"]).await, told(CLIENT, &["email"], "access_token"));
    assert_eq!(
        ask(AUDIENCE, &["openid"]).await,
        told(AUDIENCE, &["openid"], "id_token"),
        "we are the client ourselves"
    );
}
