//! Our service, in process, in a temporary folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request as HttpRequest, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_analysis::inspectors::settings::Pattern;
use killick_server::{App, Config, Keeping};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::exchange::{Answer, Login, Request};
use crate::here;
use crate::plan::Step;
use crate::registry::Upstream;

/// Stands for the registry's address in our own recordings, because the port is chosen anew each time.
const PLACEHOLDER: &str = "registry.test:5000";

/// Answers larger than this are a fault.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// A running service with its data.
pub(crate) struct Service {
    app: App,
    router: Router,
    /// What stands for the registry's address in recordings, and what it is.
    registry: Option<(String, String)>,
    /// Identities in recordings, and what stands for them here.
    learnt: Mutex<Vec<(String, String)>>,
    _data: tempfile::TempDir,
}

impl Service {
    /// A fresh service that builds its advisory index from the folder's `feed-data`, when asked to.
    pub(crate) async fn start(folder: &Path, upstream: Option<&Upstream>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.storage.data_dir = data.path().to_owned();
        config.accounts.admin_password = "foobar".into();
        config.oauth.secret = "what signs the tokens of this test".into();
        "oracle".clone_into(&mut config.server.host_id);
        config.webhooks.general.url = webhook().await.as_str().into();
        // What the original was set up to look for.
        let inspections = &mut config.inspections;
        inspections.retrieve_files =
            ["/etc/passwd", "/etc/debian_version", "/app/package.json"].map(str::to_owned).into();
        let pattern = |name: &str, regex: &str| Pattern { name: name.to_owned(), regex: regex.to_owned() };
        inspections.content_search =
            vec![pattern("FOOBAR", "(?i).*foo=bar.*"), pattern("EXPRESS", r".*require\('express'\).*")];
        // The provider of these records looks into the folder `feed-data`.
        config.knowledge.update = Keeping::Off;
        config.knowledge.feeds_dir = folder.to_owned();
        // Until a step asks for it, nothing is known: the index that ships with the program knows of the world.
        let index = data.path().join("advisories.db");
        killick_vulns::build(&[here().join("feeds")], &index, &killick_vulns::BuildOptions::default()).unwrap();
        let app = Box::pin(App::open(config)).await.unwrap();
        let registry = match upstream {
            Some(upstream) => Some((PLACEHOLDER.to_owned(), upstream.address.to_string())),
            None => std::env::var("KILLICK_TEST_REGISTRY").ok().map(|at| ("127.0.0.1:5999".to_owned(), at)),
        };
        Self { router: killick_server::app(app.clone()), app, registry, learnt: Mutex::default(), _data: data }
    }

    /// Does what makes state.
    pub(crate) async fn perform(&self, step: &Step) {
        match step {
            Step::Case(_) => {}
            Step::Analyze => self.app.work_until_idle().await,
            Step::KeepHouse => self.app.keep_house().await.unwrap(),
            Step::Learn(request, names) => {
                let answer = self.send(request).await;
                assert!(answer.status < 300, "{} {}: {}", request.method, request.path, answer.body);
                for (pointer, recorded) in names {
                    let real = answer.body.pointer(pointer).unwrap().as_str().unwrap().to_owned();
                    self.learnt.lock().unwrap().push((recorded.clone(), real));
                }
            }
            Step::Activate(id) => {
                let request = |method: &str, query: &[(&str, &str)], body: Value| Request {
                    method: method.to_owned(),
                    path: format!("/v1/policies/{id}"),
                    query: query.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect(),
                    auth: Some(Login { user: "admin".to_owned(), pass: "foobar".to_owned() }),
                    request_headers: BTreeMap::new(),
                    request_body: body,
                    request_form: Value::Null,
                };
                let stored = self.send(&request("GET", &[], Value::Null)).await;
                let answer = self.send(&request("PUT", &[("active", "true")], stored.body[0].clone())).await;
                assert!(answer.status < 300, "activate {id}: {} {}", answer.status, answer.body);
            }
            Step::Request(request) => {
                let answer = self.send(request).await;
                let (method, path) = (&request.method, &request.path);
                assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
            }
        }
    }

    /// Sends a request and reads what clients would look at.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        let response = self.router.clone().oneshot(self.http(request)).await.unwrap();
        let status = response.status().as_u16();
        let headers: BTreeMap<String, String> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect();
        let bytes = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.unwrap();
        let text = self.outward(&String::from_utf8_lossy(&bytes));
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    fn http(&self, request: &Request) -> HttpRequest<Body> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &request.query {
            query.append_pair(name, &self.inward(&plain(value)));
        }
        let uri = format!("{}?{}", self.inward(&request.path), query.finish());
        let mut built = HttpRequest::builder().method(request.method.as_str()).uri(uri.trim_end_matches('?'));
        if let Some(login) = &request.auth {
            let encoded = STANDARD.encode(format!("{}:{}", login.user, login.pass));
            built = built.header(header::AUTHORIZATION, format!("Basic {encoded}"));
        }
        for (name, value) in &request.request_headers {
            built = built.header(name, value);
        }
        let body = match (&request.request_body, &request.request_form) {
            (Value::Null, Value::Object(form)) => {
                built = built.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
                let mut body = url::form_urlencoded::Serializer::new(String::new());
                for (name, value) in form {
                    body.append_pair(name, &plain(value));
                }
                body.finish()
            }
            (Value::Null, _) => String::new(),
            (body, _) => {
                built = built.header(header::CONTENT_TYPE, "application/json");
                self.inward(&match body {
                    // Bad input was recorded as the text that was sent; a JSON string as what it says.
                    Value::String(text) if text.is_empty() || text.starts_with('{') => text.clone(),
                    body => body.to_string(),
                })
            }
        };
        built.body(Body::from(body)).unwrap()
    }

    /// Remembers which identity of ours stands for one that was recorded in the answer to the same request.
    pub(crate) fn learn(&self, recorded: &Value, ours: &Value) {
        for name in ["rule_id", "uuid"] {
            if let (Some(recorded), Some(ours)) = (recorded[name].as_str(), ours[name].as_str())
                && recorded != ours
            {
                self.learnt.lock().unwrap().push((recorded.to_owned(), ours.to_owned()));
            }
        }
    }

    fn inward(&self, text: &str) -> String {
        let names = self.learnt.lock().unwrap();
        let names = names.iter().chain(&self.registry);
        names.fold(text.to_owned(), |text, (recorded, real)| text.replace(recorded, real))
    }

    fn outward(&self, text: &str) -> String {
        let names = self.learnt.lock().unwrap();
        let names = names.iter().chain(&self.registry);
        names.fold(text.to_owned(), |text, (recorded, real)| text.replace(real, recorded))
    }
}

/// The address of a webhook that takes everything, and answers no JSON.
async fn webhook() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(|| async { "taken" })).await.unwrap() });
    format!("http://{address}/")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
