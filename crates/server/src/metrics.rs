//! What monitoring reads at `/metrics`: the [text format](https://prometheus.io/docs/specs/om/open_metrics_spec/) of
//! Prometheus. Where Anchore Engine told the same, it has the same name, so that dashboards go on.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use crate::api::error::ApiError;
use crate::app::App;
use crate::jobs::analysis::KIND;

/// Upper ends, in seconds, of what is counted together.
const REQUEST_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];
const ANALYSIS_SECONDS: [f64; 10] = [0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 1800.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// What is counted in this process since it began.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels<3>, Histogram, fn() -> Histogram>,
    analyses: Family<Labels<1>, Histogram, fn() -> Histogram>,
    analysed: Counter,
    not_analysed: Counter,
    evaluations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    queue: Family<Labels<1>, Gauge>,
    waiting: Gauge,
    not_received: Family<Labels<1>, Counter>,
    given_up: Family<Labels<1>, Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let quick: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let slow: fn() -> Histogram = || Histogram::new(ANALYSIS_SECONDS);
        let metrics = Self {
            registry: Registry::default(),
            requests: Family::new_with_constructor(quick),
            analyses: Family::new_with_constructor(slow),
            analysed: Counter::default(),
            not_analysed: Counter::default(),
            evaluations: Family::new_with_constructor(quick),
            queue: Family::default(),
            waiting: Gauge::default(),
            not_received: Family::default(),
            given_up: Family::default(),
        };
        metrics.registered()
    }

    fn registered(mut self) -> Self {
        let about = Info::new([("version", env!("CARGO_PKG_VERSION")), ("servicename", "killick")]);
        self.registry.register("anchore_service", "The service", about);
        let help = "Time until a request was answered";
        self.registry.register("flask_http_request_duration_seconds", help, self.requests.clone());
        self.registry.register("anchore_analysis_time_seconds", "Time of an analysis", self.analyses.clone());
        self.registry.register("anchore_analysis_success", "Images that were analysed", self.analysed.clone());
        self.registry.register("anchore_analysis_error", "Analyses that failed", self.not_analysed.clone());
        let help = "Time of an evaluation that was computed";
        self.registry.register("anchore_policy_evaluation_time_seconds", help, self.evaluations.clone());
        self.registry.register("anchore_queue_length", "Images that wait for a worker", self.queue.clone());
        let help = "Notifications that wait to be received";
        self.registry.register("killick_notifications_waiting", help, self.waiting.clone());
        let help = "Tries to send a notification that failed";
        self.registry.register("killick_notification_failures", help, self.not_received.clone());
        let help = "Notifications that nobody received for as long as they are tried";
        self.registry.register("killick_notifications_given_up", help, self.given_up.clone());
        self
    }

    /// An analysis ended.
    pub(crate) fn analysis(&self, succeeded: bool, took: Duration) {
        let counter = if succeeded { &self.analysed } else { &self.not_analysed };
        counter.inc();
        self.analyses.get_or_create(&[("status", word(succeeded))]).observe(took.as_secs_f64());
    }

    /// A verdict was computed, and not only remembered.
    pub(crate) fn evaluation(&self, succeeded: bool, took: Duration) {
        self.evaluations.get_or_create(&[("status", word(succeeded))]).observe(took.as_secs_f64());
    }

    /// A notification of a type was tried and not received.
    pub(crate) fn not_received(&self, kind: &str) {
        self.not_received.get_or_create(&[("type", kind.to_owned())]).inc();
    }

    /// A notification of a type was given up.
    pub(crate) fn given_up(&self, kind: &str) {
        self.given_up.get_or_create(&[("type", kind.to_owned())]).inc();
    }

    fn request(&self, method: &str, status: StatusCode, endpoint: &str, took: Duration) {
        let labels =
            [("method", method.to_owned()), ("status", status.as_str().to_owned()), ("endpoint", endpoint.to_owned())];
        self.requests.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

fn word(succeeded: bool) -> String {
    if succeeded { "success" } else { "fail" }.to_owned()
}

/// Counts a request under its route, so that there are no more names than routes.
pub(crate) async fn measure(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let endpoint = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    // What is no route, and methods that somebody made up, are counted together.
    let (method, endpoint) = match &endpoint {
        Some(endpoint) if response.status() != StatusCode::METHOD_NOT_ALLOWED => (method.as_str(), endpoint.as_str()),
        _ => ("", ""),
    };
    app.metrics().request(method, response.status(), endpoint, began.elapsed());
    response
}

/// The page.
pub(crate) async fn page(app: &App) -> Result<Response, ApiError> {
    let waiting = app.records().store().waiting_tasks(KIND).await?;
    app.metrics().queue.get_or_create(&[("queuename", "images_to_analyze".to_owned())]).set(waiting);
    app.metrics().waiting.set(app.records().store().waiting_notices().await?);
    let mut text = String::new();
    encode(&mut text, &app.metrics().registry).map_err(|error| ApiError::internal(&error))?;
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
