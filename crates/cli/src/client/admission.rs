//! `killick admission`: a validating webhook for Kubernetes that lets a pod in if a server lets its images pass, or a bundle.
//!
//! The cluster asks before an object is stored, over HTTPS, and waits some seconds for the answer. What is judged is the
//! images that a change brings: an object that is only relabelled, or goes, is never held up.

mod bundle;
mod judge;
mod remembered;
mod review;
mod server;
mod tls;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use clap::{Args, ValueEnum};
use futures_util::StreamExt as _;
use killick_model::digest::Digest;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use self::bundle::ByBundle;
use self::judge::{Court, Judge, Verdict};
use self::remembered::Remembered;
use self::review::{Answer, Review};
use self::server::ByServer;
use super::api::Api;
use super::settings::{ClientArgs, Settings};
use crate::exit::Exit;
use crate::local::standing::{Standing, StandingArgs};

/// Arguments of `admission`. The server and who we are there stand before the command, or in the environment.
///
/// A server judges by its own exceptions and VEX documents.
#[derive(Debug, Args)]
#[command(
    mut_group("ExceptionArgs", |group| group.requires("bundle")),
    mut_group("DecisionArgs", |group| group.requires("bundle"))
)]
pub(crate) struct Admission {
    #[command(flatten)]
    webhook: WebhookArgs,
    #[command(flatten)]
    standing: Box<StandingArgs>,
}

/// Arguments of the webhook itself.
#[derive(Debug, Args)]
struct WebhookArgs {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8443", env = "KILLICK_ADMISSION_LISTEN")]
    listen: SocketAddr,
    /// Certificate with its chain, a PEM file; it is read again when it changes
    #[arg(long, value_name = "FILE", env = "KILLICK_ADMISSION_TLS_CERT")]
    tls_cert: PathBuf,
    /// Private key of the certificate, a PEM file
    #[arg(long, value_name = "FILE", env = "KILLICK_ADMISSION_TLS_KEY")]
    tls_key: PathBuf,
    /// What an image needs to be let in
    #[arg(long, value_enum, default_value_t, env = "KILLICK_ADMISSION_MODE")]
    mode: Mode,
    /// Id of the bundle to judge by (default: the active one of the server)
    #[arg(long, value_name = "ID", env = "KILLICK_ADMISSION_POLICY", conflicts_with = "bundle")]
    policy: Option<String>,
    /// Namespace in which everything is let in; may be repeated
    #[arg(
        long = "exempt-namespace",
        value_name = "NAME",
        default_value = "kube-system",
        value_delimiter = ',',
        env = "KILLICK_ADMISSION_EXEMPT_NAMESPACES"
    )]
    exempt_namespaces: Vec<String>,
    /// Judge without a server, by this bundle: images are read from their registries here. It is read again when it changes
    #[arg(long, value_name = "FILE", env = "KILLICK_ADMISSION_BUNDLE")]
    bundle: Option<PathBuf>,
    /// Images that are read at once with --bundle
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2,
        value_parser = scans,
        env = "KILLICK_ADMISSION_SCANS"
    )]
    scans: usize,
    /// Let in what cannot be judged because the server, or the registry, does not answer
    #[arg(long, env = "KILLICK_ADMISSION_FAIL_OPEN")]
    fail_open: bool,
    /// Do not add images that the server does not know
    #[arg(long, env = "KILLICK_ADMISSION_NO_ADD", conflicts_with = "bundle")]
    no_add: bool,
    /// Seconds to wait for the analysis of an image, within the time of the review
    #[arg(long, value_name = "SECONDS", default_value_t = 7, env = "KILLICK_ADMISSION_WAIT")]
    wait: u64,
    /// Seconds after which a review is answered in any case; the webhook's `timeoutSeconds` must be longer
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=29),
        env = "KILLICK_ADMISSION_TIMEOUT"
    )]
    timeout: u64,
    /// Seconds for which a verdict counts without asking again
    #[arg(long, value_name = "SECONDS", default_value_t = 30, env = "KILLICK_ADMISSION_CACHE_SECONDS")]
    cache_seconds: u64,
}

fn scans(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| (1..=64).contains(number)).ok_or_else(|| "give a number from 1 to 64".to_owned())
}

impl Admission {
    /// Whether it is a server that gives the verdicts.
    pub(crate) fn asks_a_server(&self) -> bool {
        self.webhook.bundle.is_none()
    }
}

/// What an image needs to be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Mode {
    /// To be analysed, and a policy that does not say stop
    #[default]
    Policy,
    /// To be analysed
    Analysis,
    /// Nothing: it is analysed and judged, and what is wrong is a warning
    Passthrough,
}

/// Largest review that is read, in bytes: an object of the cluster has 1.5 MiB, and a review may hold two.
const REVIEW_BYTES: usize = 4 << 20;
/// Reviews that are read at once; their documents take a multiple of their bytes.
const READERS: usize = 16;
/// Images of one object.
const IMAGES: usize = 200;
/// Images of one review that are asked about at once.
const AT_ONCE: usize = 8;

/// What answers need.
struct Webhook<J> {
    time: Duration,
    mode: Mode,
    exempt_namespaces: Vec<String>,
    fail_open: bool,
    court: Court<J>,
    readers: Semaphore,
}

/// Answers reviews until the process is asked to stop.
pub(crate) async fn admission(args: Admission, client: &ClientArgs) -> anyhow::Result<Exit> {
    let Admission { webhook: args, standing } = args;
    let remembered = Arc::new(Remembered::new(Duration::from_secs(args.cache_seconds)));
    match args.bundle.clone() {
        Some(path) => {
            let standing = Standing::new(*standing, path)?;
            let judge = ByBundle::new(standing, &args, Arc::clone(&remembered));
            serve(&args, judge, remembered).await
        }
        None => serve(&args, ByServer::new(server(client).await?, &args), remembered).await,
    }
}

/// The server that is asked.
async fn server(client: &ClientArgs) -> anyhow::Result<Api> {
    let settings = Settings::load(client)?;
    if settings.pass().await?.is_none() {
        return Err(crate::report_error::with_hint(
            "nobody is named who asks the server",
            "give `--u` and `--p` before the command, or KILLICK_USER and KILLICK_PASS; an API key is the password of `_api_key`. \
             Without a server, give a bundle: `--bundle FILE`",
        ));
    }
    Api::new(settings)
}

async fn serve<J: Judge>(args: &WebhookArgs, judge: J, remembered: Arc<Remembered>) -> anyhow::Result<Exit> {
    let listener = tls::Listener::bind(args.listen, &args.tls_cert, &args.tls_key).await?;
    tracing::info!("answering reviews on https://{}/validate, by {}", args.listen, judge.name());
    let webhook = Webhook {
        time: Duration::from_secs(args.timeout),
        mode: args.mode,
        exempt_namespaces: args.exempt_namespaces.clone(),
        fail_open: args.fail_open,
        court: Court::new(judge, remembered),
        readers: Semaphore::new(READERS),
    };
    let router = Router::new()
        .route("/validate", post(validate::<J>))
        .route("/health", get(async || "ok\n"))
        .fallback(async || (StatusCode::NOT_FOUND, "reviews are taken at /validate\n"))
        .with_state(Arc::new(webhook));
    killick_server::connections::serve(listener, router, HEADER_TIME, crate::serve::stopped()).await;
    Ok(Exit::Success)
}

/// How long a connection may take for the header of a request, the first or the next.
const HEADER_TIME: Duration = Duration::from_secs(30);

async fn validate<J: Judge>(State(webhook): State<Arc<Webhook<J>>>, request: Request) -> Response {
    let deadline = Instant::now() + webhook.time(request.uri().query());
    match tokio::time::timeout_at(deadline, webhook.read(request)).await {
        Ok(Ok(review)) => {
            let answer = webhook.answer(&review, deadline).await;
            ([(header::CONTENT_TYPE, "application/json")], answer.document(&review.uid).to_string()).into_response()
        }
        Ok(Err((status, why))) => (status, format!("{why}\n")).into_response(),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the review did not come in time\n").into_response(),
    }
}

impl<J: Judge> Webhook<J> {
    /// How long a review may take: less than the cluster waits, which tells that as `?timeout=10s`.
    fn time(&self, query: Option<&str>) -> Duration {
        let waits = query.into_iter().flat_map(|query| query.split('&')).find_map(|part| part.strip_prefix("timeout="));
        let waits = waits.and_then(|text| text.strip_suffix('s')?.parse::<u64>().ok());
        let most = waits.map_or(u64::MAX, |seconds| seconds.saturating_mul(1000).saturating_sub(500));
        Duration::from_millis(most.max(500)).min(self.time)
    }

    async fn read(&self, mut request: Request) -> Result<Review, (StatusCode, String)> {
        let _turn = self.readers.acquire().await.expect("it is never closed");
        DefaultBodyLimit::max(REVIEW_BYTES).apply(&mut request);
        let bytes = Bytes::from_request(request, &()).await.map_err(|error| match error {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("the review is larger than {REVIEW_BYTES} bytes"))
            }
            error => {
                (StatusCode::BAD_REQUEST, format!("the review broke off: {}", anyhow::Error::new(error).root_cause()))
            }
        })?;
        Review::read(&bytes).map_err(|why| (StatusCode::BAD_REQUEST, why))
    }

    async fn answer(&self, review: &Review, deadline: Instant) -> Answer {
        let namespace = review.namespace.as_deref().unwrap_or_default();
        if review.images.is_empty() || self.exempt_namespaces.iter().any(|exempt| exempt == namespace) {
            return Answer::default();
        }
        if review.images.len() > IMAGES {
            return Answer::refused(format!("the object has more than {IMAGES} images; divide it"));
        }
        let judged = self.judge_all(&review.images, !review.dry_run, deadline).await;
        let mut answer = Answer::default();
        for (image, verdict) in judged {
            let (why, lets_in) = match verdict {
                Verdict::Passes(None) => continue,
                Verdict::Passes(Some(warning)) => (warning, true),
                Verdict::Refused(why) => (why, false),
                Verdict::Unknown(why) => (why, self.fail_open),
            };
            if lets_in || self.mode == Mode::Passthrough {
                answer.warn(format!("{image}: {why}"));
            } else {
                answer.refuse(format!("{image}: {why}"));
            }
        }
        let images = review.images.len();
        let verdict = if answer.is_allowed() { "let in" } else { "refused" };
        tracing::info!(namespace, images, "{verdict}: {} in {namespace}", review.what);
        answer
    }

    async fn judge_all(&self, images: &BTreeSet<String>, may_add: bool, deadline: Instant) -> Vec<(String, Verdict)> {
        let one = async |image: String| {
            let verdict = self.court.verdict(&image, may_add, deadline).await;
            (image, verdict)
        };
        futures_util::stream::iter(images.iter().cloned()).map(one).buffered(AT_ONCE).collect().await
    }
}

/// The tag that an image is judged under which is named by digest alone: no registry has it.
fn tag_of_digest(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex().get(..12).unwrap_or_default())
}
