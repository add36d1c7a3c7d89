//! A registry that answers as a test tells it, on the loopback interface.

use std::future::ready;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, Response};
use futures_util::stream;
use killick_fetch::registry::timer::Timer;
use killick_fetch::{Credentials, Source, StageError, StageOptions, stage};
use killick_model::digest::Digest;
use killick_model::image::StagedImage;

use crate::made_images::TestImage;

/// One request as it arrived.
pub(crate) struct Seen {
    /// How many of the same path came before.
    pub(crate) before: usize,
    pub(crate) method: String,
    /// Of the address, where a proxy is asked.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The first byte asked for.
    pub(crate) fn range(&self) -> Option<usize> {
        self.header("range").strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// A server that answers as it is told, and remembers what it was asked.
pub(crate) struct Fake {
    pub(crate) host: String,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
}

pub(crate) type Answer = Response<Body>;

impl Fake {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, paths) = (Arc::new(answer), Arc::new(Mutex::new(Vec::<String>::new())));
        let service = {
            let log = Arc::clone(&log);
            move |request: Request<Body>| {
                let (log, answer, paths) = (Arc::clone(&log), Arc::clone(&answer), Arc::clone(&paths));
                async move {
                    let (head, body) = request.into_parts();
                    let body = to_bytes(body, 1 << 20).await.unwrap();
                    let path = head.uri.path().to_owned();
                    let before = {
                        let mut paths = paths.lock().unwrap();
                        paths.push(path.clone());
                        paths.iter().filter(|other| **other == path).count() - 1
                    };
                    let query = head.uri.query().unwrap_or_default().to_owned();
                    let (method, host) = (head.method.to_string(), head.uri.host().unwrap_or_default().to_owned());
                    let seen = Seen { before, method, host, path, query, headers: head.headers, body };
                    let line = [&seen.path, seen.header("authorization"), seen.header("range")].join(" ");
                    log.lock().unwrap().push(line.trim_end().to_owned());
                    answer(&seen)
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(service)).await });
        Self { host, log }
    }

    pub(crate) async fn stage(&self, options: StageOptions) -> Result<StagedImage, StageError> {
        self.stage_named("app:v1", options).await
    }

    pub(crate) async fn stage_named(&self, name: &str, mut options: StageOptions) -> Result<StagedImage, StageError> {
        options.registry.plain_http = true;
        stage(&Source::parse(&format!("registry:{}/{name}", self.host)).unwrap(), &options).await
    }

    /// The error of staging, with the address taken out.
    pub(crate) async fn refusal(&self, options: StageOptions) -> String {
        let error = self.stage(options).await.map(|image| image.name).expect_err("it is refused");
        error.to_string().replace(&self.host, "HOST")
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

/// Pauses that take no time, but are written down.
#[derive(Default)]
pub(crate) struct FakeTimer {
    pub(crate) pauses: Mutex<Vec<Duration>>,
    /// What each look at the clock adds to it.
    pub(crate) step: Duration,
    time: Mutex<Duration>,
}

impl Timer for FakeTimer {
    fn now(&self) -> Duration {
        let mut time = self.time.lock().unwrap();
        *time += self.step;
        *time
    }

    fn sleep(&self, pause: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.pauses.lock().unwrap().push(pause);
        Box::pin(ready(()))
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

pub(crate) fn options() -> (StageOptions, Arc<FakeTimer>) {
    ticking(Duration::ZERO)
}

/// Options with a clock that moves on by `step` each time it is looked at.
pub(crate) fn ticking(step: Duration) -> (StageOptions, Arc<FakeTimer>) {
    let timer = Arc::new(FakeTimer { step, ..FakeTimer::default() });
    let mut options = StageOptions::default();
    options.registry.timer = Arc::<FakeTimer>::clone(&timer);
    (options, timer)
}

pub(crate) fn with_password(password: &str) -> StageOptions {
    let (mut options, _) = options();
    options.registry.credentials = Some(Credentials::password("me", password));
    options
}

pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub(crate) fn manifest(bytes: &[u8]) -> Answer {
    let kind = if bytes.windows(9).any(|window| window == b"manifests") { "index" } else { "manifest" };
    reply(200, &[("content-type", &format!("application/vnd.oci.image.{kind}.v1+json"))], bytes.to_owned())
}

/// What a good registry answers.
pub(crate) fn serve(image: &TestImage, seen: &Seen) -> Answer {
    let last = seen.path.rsplit('/').next().unwrap_or_default();
    if seen.path == "/v2/app/manifests/v1" || last == Digest::of(&image.manifest).to_string() {
        return manifest(&image.manifest);
    }
    let Some(blob) = image.blobs().into_iter().find(|blob| Digest::of(blob).to_string() == last) else {
        return reply(404, &[], "{}");
    };
    match seen.range() {
        None => reply(200, &[], blob.to_owned()),
        Some(first) => {
            let range = format!("bytes {first}-{}/{}", blob.len() - 1, blob.len());
            reply(206, &[("content-range", &range)], blob[first..].to_owned())
        }
    }
}

/// The beginning of a body that breaks off.
pub(crate) fn cut(status: u16, headers: &[(&str, &str)], bytes: &[u8], promised: usize) -> Answer {
    let promised = promised.to_string();
    let headers = [headers, &[("content-length", promised.as_str())]].concat();
    let chunks = stream::unfold(Some(bytes.to_owned()), async |chunk| {
        if chunk.is_none() {
            // The server sends what it has when it must wait.
            tokio::task::yield_now().await;
        }
        Some((Ok::<_, io::Error>(chunk?), None))
    });
    reply(status, &headers, Body::from_stream(chunks))
}
