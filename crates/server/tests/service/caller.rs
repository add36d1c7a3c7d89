//! A service in process, and requests to it.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_server::{App, Config, Keeping};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tower::ServiceExt as _;

/// The first user.
pub(crate) const ADMIN: &str = "admin:foobar";

/// The `Authorization` of a login.
pub(crate) fn basic(login: &str) -> String {
    format!("Basic {}", STANDARD.encode(login))
}

/// A service with its data.
pub(crate) struct Service {
    app: App,
    router: Router,
    data: tempfile::TempDir,
}

impl Service {
    /// A fresh service; on its own SQLite file, unless `change` says otherwise.
    pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data_dir = data.path().to_owned();
        config.accounts.admin_password = "foobar".into();
        config.knowledge.update = Keeping::Off;
        change(&mut config);
        let app = Box::pin(App::open(config)).await.unwrap();
        Self { router: killick_server::app(app.clone()), app, data }
    }

    /// Another process on the same data.
    pub(crate) async fn another(&self, change: impl FnOnce(&mut Config)) -> Self {
        let data = self.data.path().to_owned();
        Self::start(|config| {
            config.storage.data_dir = data;
            change(config);
        })
        .await
    }

    /// Activates a policy that says the same of every image.
    pub(crate) async fn judge_all(&self, action: &str) {
        let bundle = json!({
            "id": "b", "version": "1_0", "name": "b", "whitelists": [], "whitelisted_images": [], "blacklisted_images": [],
            "policies": [{"id": "p", "version": "1_0", "name": "p", "rules":
                [{"id": "r", "gate": "always", "trigger": "always", "action": action, "params": []}]}],
            "mappings": [{"id": "m", "name": "m", "registry": "*", "repository": "*",
                "image": {"type": "tag", "value": "*"}, "policy_ids": ["p"], "whitelist_ids": []}],
        });
        assert_eq!(self.call(ADMIN, "POST", "/policies", bundle).await.0, 200);
        let stored = self.get(ADMIN, "/policies/b").await[0].clone();
        assert_eq!(self.call(ADMIN, "PUT", "/policies/b?active=true", stored).await.0, 200);
    }

    /// Does something to its SQLite file that no request would.
    pub(crate) async fn tamper(&self, statement: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.data.path().join("killick.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }

    /// The service itself.
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// Status and body of the answer.
    pub(crate) async fn call(&self, login: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(login)));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Status and bytes of the answer to any bytes, with that `Authorization` if any.
    pub(crate) async fn send(
        &self,
        authorization: Option<&str>,
        method: &str,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> (u16, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content_type);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        (status, to_bytes(response.into_body(), 64 << 20).await.unwrap().to_vec())
    }

    /// Status, headers and bytes of the answer to these headers and bytes.
    pub(crate) async fn exchange(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> (u16, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, to_bytes(response.into_body(), 16 << 20).await.unwrap().to_vec())
    }

    /// Status, headers and body of the answer to these headers, sent from an address.
    pub(crate) async fn ask(
        &self,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, HeaderMap, Value) {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let client = ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 4711)));
        let response = self.router.clone().oneshot(request.extension(client).body(body).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), 16 << 20).await.unwrap();
        (status, headers, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// An account, and a user of it with the password `password1`.
    pub(crate) async fn account_with_user(&self, account: &str, user: &str) {
        let (status, body) = self.call(ADMIN, "POST", "/accounts", json!({"name": account})).await;
        assert_eq!(status, 200, "{body}");
        self.user(account, user).await;
    }

    /// A user of an account, with the password `password1`.
    pub(crate) async fn user(&self, account: &str, user: &str) {
        let wanted = json!({"username": user, "password": "password1"});
        let (status, body) = self.call(ADMIN, "POST", &format!("/accounts/{account}/users"), wanted).await;
        assert_eq!(status, 200, "{body}");
    }

    /// Status, headers and bytes of what is read with these headers.
    pub(crate) async fn read(&self, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, Vec<u8>) {
        let mut request =
            Request::builder().uri(path).header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(ADMIN)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, to_bytes(response.into_body(), 16 << 20).await.unwrap().to_vec())
    }

    /// The body of an answer that must be a good one.
    pub(crate) async fn get(&self, login: &str, path: &str) -> Value {
        let (status, body) = self.call(login, "GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Adds an image and analyses it; its digest.
    pub(crate) async fn analyzed(&self, login: &str, reference: &str) -> String {
        let (status, body) = self.call(login, "POST", "/images", json!({"tag": reference})).await;
        assert_eq!(status, 200, "{reference}: {body}");
        self.app.work_until_idle().await;
        let digest = body[0]["imageDigest"].as_str().unwrap().to_owned();
        let image = self.get(login, &format!("/images/{digest}")).await;
        assert_eq!(image[0]["analysis_status"], "analyzed", "{image}");
        digest
    }
}
