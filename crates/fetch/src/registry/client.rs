//! Requests to one repository: authenticated, redirected, repeated.

use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, RANGE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, StatusCode};
use killick_model::digest::Digest;
use killick_model::reference::Reference;
use reqwest::Response;
use url::Url;

use super::auth::{Pass, retry_after};
use super::error::RegistryError;
use super::push::Body;
use super::rate::RateLimit;
use super::{RegistryOptions, address, certificates, challenge};
use crate::credentials::Keychain;
use crate::documents;
use crate::egress::{Reach, Refused};
use crate::http::ClientOptions;
use crate::limits::Limits;
use crate::progress::{self, Event, Progress};
use crate::stage::StageOptions;

/// Redirects of one request.
const REDIRECTS: usize = 5;

/// A client for one repository. Its errors name the registry.
pub(super) struct Client {
    pub(super) http: reqwest::Client,
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) base: Url,
    /// Where it may send us.
    pub(super) reach: Arc<Reach>,
    pub(super) keychain: Keychain,
    /// Whether we first try to get in as a stranger where a stranger asks who we are.
    pub(super) is_shy: AtomicBool,
    pub(super) pass: Pass,
    /// What the registry said last of how often it may be asked.
    rate: Mutex<Option<RateLimit>>,
    /// Where the registry sent us for blobs of which parts are read.
    led_to: Mutex<HashMap<Digest, Url>>,
    pub(super) options: RegistryOptions,
    pub(super) limits: Limits,
    pub(super) progress: Option<Arc<dyn Progress>>,
    name: String,
}

/// A document as answered.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) media_type: Option<String>,
    /// What the registry says its digest is.
    pub(super) digest: Option<Digest>,
    /// How long it says its body is.
    pub(super) size: Option<u64>,
    pub(super) etag: Option<String>,
}

impl Answer {
    /// What the headers say; the body is yet to come.
    fn of(headers: &HeaderMap) -> Self {
        let header = |name| Some(headers.get(name)?.to_str().ok()?.trim().to_owned());
        Self {
            body: Vec::new(),
            media_type: header(CONTENT_TYPE.as_str()),
            digest: header("docker-content-digest").and_then(|text| text.parse().ok()),
            size: header(CONTENT_LENGTH.as_str()).and_then(|text| text.parse().ok()),
            etag: header(ETAG.as_str()).filter(|etag| !etag.is_empty()),
        }
    }
}

/// Which bytes of a blob are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes {
    pub(super) first: u64,
    /// Those before this one; without it, all that follow.
    pub(super) end: Option<u64>,
}

impl Bytes {
    /// RFC 9110, 14.1.2; nothing for a whole blob.
    fn range(self) -> Option<String> {
        match self {
            Self { first: 0, end: None } => None,
            Self { first, end: None } => Some(format!("bytes={first}-")),
            Self { first, end: Some(end) } => Some(format!("bytes={first}-{}", end.saturating_sub(1))),
        }
    }
}

/// What is asked for.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Below the repository.
    pub(super) path: String,
    /// Where the registry led, instead of what is below the repository.
    pub(super) page: Option<Url>,
    pub(super) body: Option<Body>,
    /// Which bytes, in the form of the header.
    pub(super) range: Option<String>,
    /// Nothing is wanted if it is this one.
    pub(super) etag: Option<&'a str>,
    /// Where there is none, that is no reason to say who we are.
    pub(super) is_optional: bool,
}

impl Ask<'_> {
    pub(super) fn get(path: String) -> Self {
        Self { method: Method::GET, path, page: None, body: None, range: None, etag: None, is_optional: false }
    }

    fn optional(path: String) -> Self {
        Self { is_optional: true, ..Self::get(path) }
    }
}

/// One try of a request.
pub(super) type Try<T> = Result<T, Failure>;

/// Why a try did not succeed, and whether another may.
pub(super) enum Failure {
    Final(RegistryError),
    Again { after: Option<Duration>, error: RegistryError },
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::Final(error)
    }
}

impl Client {
    /// A client for the repository of `reference`, or without one for the registry itself.
    pub(super) fn new(
        reference: &Reference,
        keychain: Keychain,
        options: &StageOptions,
    ) -> Result<Self, RegistryError> {
        let registry = reference.registry.clone();
        let base = address::base(reference, options.registry.plain_http);
        let base: Url = base.parse().map_err(|_| RegistryError::Address { registry: registry.clone() })?;
        let refused = |refused| RegistryError::Forbidden { registry: registry.clone(), refused };
        let reach = Reach::new(&base, &options.registry.egress).map_err(refused)?;
        let certificates = certificates::find(&options.registry.certificate_folders, reference)?;
        let mut ca = options.registry.extra_ca_pem.clone();
        if let Some(pem) = certificates.ca {
            ca.get_or_insert_default().extend(pem);
        }
        let http = crate::http::client(&ClientOptions {
            extra_ca_pem: ca,
            identity_pem: options.registry.identity_pem.clone().or(certificates.identity),
            proxy: options.registry.proxy.clone(),
            skip_tls_verify: options.registry.skip_tls_verify,
            connect_timeout: options.registry.timeouts.connect,
            read_timeout: None,
            redirects: 0,
            reach: Some(Arc::clone(&reach)),
            ..ClientOptions::default()
        })
        .map_err(|source| RegistryError::Client { registry: registry.clone(), source })?;
        Ok(Self {
            http,
            registry,
            repository: reference.repository.clone(),
            base,
            reach,
            keychain,
            is_shy: AtomicBool::new(true),
            pass: Pass::default(),
            rate: Mutex::default(),
            led_to: Mutex::default(),
            options: options.registry.clone(),
            limits: options.limits.clone(),
            progress: options.progress.clone(),
            name: reference.to_string(),
        })
    }

    /// Asks the registry whether it is one (OCI distribution specification, "Determining Support"), showing our
    /// credentials if it asks for them. Without credentials, a token is enough: it need not open anything.
    pub(super) async fn ping(&self) -> Result<(), RegistryError> {
        // It is our credentials that are in question.
        self.is_shy.store(false, Ordering::Relaxed);
        let ask = Ask::get(String::new());
        let outcome = self.repeatedly("its version", || self.in_time("its version", self.send(&ask, "its version")));
        let no_registry = |status| RegistryError::NoRegistry { registry: self.registry.clone(), status };
        match outcome.await {
            Ok(_) => Ok(()),
            Err(RegistryError::Unauthorized { with_credentials: false, .. })
                if self.pass.current(self.options.timer.now()).is_some() =>
            {
                Ok(())
            }
            Err(RegistryError::NotFound { .. }) => Err(no_registry(404)),
            Err(RegistryError::Status { status, .. }) => Err(no_registry(status)),
            Err(error) => Err(error),
        }
    }

    /// The manifest or index called `target`.
    pub(super) async fn manifest(&self, target: &str) -> Result<Answer, RegistryError> {
        let ask = Ask::get(format!("manifests/{target}"));
        self.document(&ask, &self.manifest_name(target)).await.map(|(answer, _)| answer)
    }

    /// The manifest or index called `target`, which need not be there. A registry that has it says so to `HEAD`, which
    /// counts as no pull.
    pub(super) async fn optional_manifest(&self, target: &str) -> Result<Answer, RegistryError> {
        let what = self.manifest_name(target);
        let ask = Ask::optional(format!("manifests/{target}"));
        let head = Ask { method: Method::HEAD, ..Ask::optional(format!("manifests/{target}")) };
        let outcome = self.repeatedly(&what, || self.in_time(&what, self.send(&head, &what))).await;
        match outcome {
            // Not everybody knows `HEAD`.
            Ok(_) | Err(RegistryError::Status { status: 405 | 501, .. }) => {
                self.document(&ask, &what).await.map(|(answer, _)| answer)
            }
            Err(error) => Err(error),
        }
    }

    /// What refers to `digest`, or another page of it.
    pub(super) async fn referrers(
        &self,
        digest: &Digest,
        page: Option<Url>,
    ) -> Result<(Answer, HeaderMap), RegistryError> {
        let what = format!("what is attached to `{digest}`");
        let ask = Ask { page, ..Ask::optional(format!("referrers/{digest}")) };
        self.document(&ask, &what).await
    }

    /// The next page of the list at `path`, if it is the registry's.
    pub(super) fn next_page(&self, path: &str, target: &str) -> Option<Url> {
        let first = self.base.join(&format!("v2/{}/{path}", self.repository)).ok()?;
        let url = first.join(target).ok()?;
        (address::is_same_origin(&url, &self.base) && url.path().starts_with("/v2/")).then_some(url)
    }

    pub(super) async fn document(&self, ask: &Ask<'_>, what: &str) -> Result<(Answer, HeaderMap), RegistryError> {
        self.repeatedly(what, || async {
            let exchange = async {
                let response = self.send(ask, what).await?;
                let headers = response.headers().clone();
                let mut answer = Answer::of(&headers);
                answer.body = self.body(response, self.limits.document_bytes, what).await?;
                Ok((answer, headers))
            };
            self.in_time(what, exchange).await
        })
        .await
    }

    /// What the registry says of the manifest or index called `target`, without its body; `None` if it still is the one
    /// of `etag`.
    pub(super) async fn head(&self, target: &str, etag: Option<&str>) -> Result<Option<Answer>, RegistryError> {
        let what = self.manifest_name(target);
        let ask = Ask { method: Method::HEAD, etag, ..Ask::get(format!("manifests/{target}")) };
        self.repeatedly(&what, || async {
            let exchange = async {
                let response = self.send(&ask, &what).await?;
                let is_same = response.status() == StatusCode::NOT_MODIFIED;
                Ok((!is_same).then(|| Answer::of(response.headers())))
            };
            self.in_time(&what, exchange).await
        })
        .await
    }

    fn manifest_name(&self, target: &str) -> String {
        if target.starts_with("sha256:") {
            format!("manifest `{target}` in `{}`", self.repository)
        } else {
            format!("image `{}`", self.name)
        }
    }

    /// A small blob, at most `limit` bytes.
    pub(super) async fn small_blob(&self, digest: &Digest, limit: u64, what: &str) -> Result<Vec<u8>, RegistryError> {
        let ask = Ask::get(format!("blobs/{digest}"));
        self.repeatedly(what, || async {
            let exchange = async {
                let response = self.send(&ask, what).await?;
                self.body(response, limit, what).await
            };
            self.in_time(what, exchange).await
        })
        .await
    }

    /// Starts to read the wanted bytes of a blob, which the answer may ignore.
    pub(super) async fn blob(&self, digest: &Digest, wanted: Bytes, what: &str) -> Result<Response, RegistryError> {
        let ask = Ask { range: wanted.range(), ..Ask::get(format!("blobs/{digest}")) };
        if wanted.end.is_none() {
            return self.repeatedly(what, || self.send(&ask, what)).await;
        }
        let led_to = self.led_to().get(digest).cloned();
        if let Some(url) = led_to {
            match self.follow(url, &ask, what).await {
                Ok(response) if response.status() == StatusCode::PARTIAL_CONTENT => return Ok(response),
                // Such addresses are good for some minutes: the registry knows another.
                _ => drop(self.led_to().remove(digest)),
            }
        }
        let response = self.repeatedly(what, || self.send(&ask, what)).await?;
        if !address::is_same_origin(response.url(), &self.base) {
            self.led_to().insert(digest.clone(), response.url().clone());
        }
        Ok(response)
    }

    fn led_to(&self) -> MutexGuard<'_, HashMap<Digest, Url>> {
        self.led_to.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts to read from elsewhere, as a stranger: a URL that a manifest names.
    pub(super) async fn elsewhere(&self, url: &Url, wanted: Bytes, what: &str) -> Result<Response, RegistryError> {
        match self.reach.check(url) {
            Ok(()) if !address::is_same_origin(url, &self.base) => {}
            // It would be asked with our credentials.
            Ok(()) => return Err(self.not_elsewhere(what, "to itself")),
            Err(refused) => return Err(self.forbidden(refused)),
        }
        let ask = Ask { range: wanted.range(), ..Ask::get(String::new()) };
        self.repeatedly(what, || async {
            let response = self.follow(url.clone(), &ask, what).await?;
            match response.status().as_u16() {
                200..=299 => Ok(response),
                status => {
                    let (registry, what) = (url.host_str().unwrap_or_default().to_owned(), what.to_owned());
                    let (after, error) =
                        (retry_after(response.headers()), RegistryError::Status { registry, what, status });
                    Err(match status {
                        408 | 429 | 500.. => Failure::Again { after, error },
                        _ => Failure::Final(error),
                    })
                }
            }
        })
        .await
    }

    fn not_elsewhere(&self, what: &str, reason: &'static str) -> RegistryError {
        RegistryError::Redirect { registry: self.registry.clone(), what: what.to_owned(), reason }
    }

    /// Repeats a request until it succeeds, fails for good, or was tried often enough.
    pub(super) async fn repeatedly<T, F>(&self, what: &str, request: impl Fn() -> F) -> Result<T, RegistryError>
    where
        F: Future<Output = Try<T>>,
    {
        let mut attempt = 1;
        loop {
            let (after, error) = match request().await {
                Ok(value) => return Ok(value),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Again { after, error }) => (after, error),
            };
            if attempt >= self.options.retry.attempts || !self.pause(attempt, after, what).await {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// What the registry said last of how often it may be asked.
    pub(super) fn rate(&self) -> Option<RateLimit> {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_rate(&self, headers: &HeaderMap) {
        let Some(rate) = RateLimit::of(headers) else { return };
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner) = Some(rate);
        progress::report(self.progress.as_ref(), Event::RateLimit { registry: &self.registry, rate });
    }

    /// Waits before the next try. False if the registry wants us to wait longer than we will.
    pub(super) async fn pause(&self, attempt: u32, after: Option<Duration>, what: &str) -> bool {
        let retry = &self.options.retry;
        let doubled = retry.pause.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(retry.longest_pause);
        let own = doubled.mul_f64(1.0 - self.options.timer.chance() / 2.0);
        let pause = after.unwrap_or(own);
        if pause > retry.longest_pause {
            return false;
        }
        progress::report(self.progress.as_ref(), Event::Retrying { what, after: pause });
        tracing::debug!(registry = self.registry, "asking again for {what} after {pause:?}");
        self.options.timer.sleep(pause).await;
        true
    }

    /// Sends one request about the repository, or without one to the registry, authenticating if asked to: once, or once
    /// more where being a stranger was not enough.
    pub(super) async fn send(&self, ask: &Ask<'_>, what: &str) -> Try<Response> {
        let path = &ask.path;
        let url = match (&ask.page, self.repository.as_str()) {
            (Some(page), _) => page.to_string(),
            (None, "") => format!("{}v2/{path}", self.base),
            (None, repository) => format!("{}v2/{repository}/{path}", self.base),
        };
        let url: Url = url.parse().map_err(|_| RegistryError::Address { registry: self.registry.clone() })?;
        let mut may_authenticate = true;
        loop {
            let response = self.follow(url.clone(), ask, what).await?;
            self.note_rate(response.headers());
            let status = response.status().as_u16();
            let registry = || self.registry.clone();
            match status {
                200..=299 => return Ok(response),
                304 if ask.etag.is_some() => return Ok(response),
                401 | 403 | 404
                    if !ask.is_optional
                        && self.pass.is_strangers()
                        && address::is_same_origin(response.url(), &self.base) =>
                {
                    self.is_shy.store(false, Ordering::Relaxed);
                    self.pass.forget();
                    may_authenticate = true;
                }
                // Only the registry itself may ask who we are.
                401 if may_authenticate && address::is_same_origin(response.url(), &self.base) => {
                    may_authenticate = false;
                    let headers = response.headers().get_all(WWW_AUTHENTICATE);
                    let challenge = challenge::parse(headers.iter().filter_map(|value| value.to_str().ok()));
                    self.authenticate(challenge).await?;
                }
                401 | 403 => return Err(self.unauthorized().into()),
                404 => {
                    let with_credentials = self.keychain.has_credentials();
                    let error =
                        RegistryError::NotFound { registry: registry(), what: what.to_owned(), with_credentials };
                    return Err(error.into());
                }
                429 => {
                    let after = retry_after(response.headers());
                    let error =
                        RegistryError::RateLimited { registry: registry(), retry_after: after, limit: self.rate() };
                    return Err(Failure::Again { after, error });
                }
                _ => {
                    let after = retry_after(response.headers());
                    let error = RegistryError::Status { registry: registry(), what: what.to_owned(), status };
                    return Err(match status {
                        408 | 500.. => Failure::Again { after, error },
                        _ => Failure::Final(error),
                    });
                }
            }
        }
    }

    /// Sends a request and follows its redirects. The credentials stay with the registry.
    async fn follow(&self, mut url: Url, ask: &Ask<'_>, what: &str) -> Try<Response> {
        let refuse =
            |reason| RegistryError::Redirect { registry: self.registry.clone(), what: what.to_owned(), reason };
        for _ in 0..=REDIRECTS {
            let mut request = self.http.request(ask.method.clone(), url.clone());
            if address::is_same_origin(&url, &self.base) {
                request = request.header(ACCEPT, documents::ACCEPT);
                if let Some(header) = self.pass.current(self.options.timer.now()) {
                    request = request.header(AUTHORIZATION, header);
                }
            }
            if let Some(Body { kind, bytes }) = &ask.body {
                request = request.header(CONTENT_TYPE, *kind).body(bytes.clone());
            }
            if let Some(range) = &ask.range {
                request = request.header(RANGE, range);
            }
            if let Some(etag) = ask.etag {
                request = request.header(IF_NONE_MATCH, etag);
            }
            // What is sent takes as long as it takes.
            let limit = if ask.body.is_some() { self.options.timeouts.layer } else { self.options.timeouts.read };
            let Ok(sent) = tokio::time::timeout(limit, request.send()).await else {
                return Err(self.too_slow(what).into());
            };
            let response = sent.map_err(|error| self.broken(what, error))?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| url.join(location).ok());
            let target = target.ok_or_else(|| refuse("to nowhere"))?;
            match self.reach.check(&target) {
                Ok(()) => {}
                Err(Refused::Scheme) => return Err(refuse("to an address that is neither HTTP nor HTTPS").into()),
                Err(Refused::Plain) => return Err(refuse("from HTTPS to plain HTTP").into()),
                Err(refused) => return Err(self.forbidden(refused).into()),
            }
            url = target;
        }
        Err(refuse("again and again").into())
    }

    /// The whole body of an answer, if it is not too large.
    pub(super) async fn body(&self, mut response: Response, limit: u64, what: &str) -> Try<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(what, error))? {
            if body.len() as u64 + chunk.len() as u64 > limit {
                let (registry, what) = (self.registry.clone(), what.to_owned());
                return Err(RegistryError::TooLarge { registry, what, limit }.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Gives up on a document after its time.
    pub(super) async fn in_time<T>(&self, what: &str, exchange: impl Future<Output = Try<T>>) -> Try<T> {
        match tokio::time::timeout(self.options.timeouts.document, exchange).await {
            Ok(result) => result,
            Err(_) => Err(self.too_slow(what).into()),
        }
    }

    pub(super) fn too_slow(&self, what: &str) -> RegistryError {
        RegistryError::Timeout { registry: self.registry.clone(), what: what.to_owned() }
    }

    pub(super) fn forbidden(&self, refused: Refused) -> RegistryError {
        RegistryError::Forbidden { registry: self.registry.clone(), refused }
    }

    pub(super) fn unauthorized(&self) -> RegistryError {
        RegistryError::Unauthorized {
            registry: self.registry.clone(),
            repository: Some(self.repository.clone()).filter(|name| !name.is_empty()),
            with_credentials: self.keychain.has_credentials(),
            fault: self.keychain.fault(),
        }
    }

    /// What a failure without an answer means.
    pub(super) fn broken(&self, what: &str, error: reqwest::Error) -> Failure {
        let registry = self.registry.clone();
        // The address may carry a signature.
        let source = error.without_url();
        match fault(&source) {
            Some(Fault::PlainHttp) => return RegistryError::PlainHttp { registry, source }.into(),
            Some(Fault::Tls) => return RegistryError::Tls { registry, source }.into(),
            Some(Fault::Refused(refused)) => return RegistryError::Forbidden { registry, refused }.into(),
            None => {}
        }
        if source.is_timeout() && !source.is_connect() {
            return self.too_slow(what).into();
        }
        let error = if source.is_connect() {
            RegistryError::Unreachable { registry, source }
        } else {
            RegistryError::Broken { registry, what: what.to_owned(), source }
        };
        Failure::Again { after: None, error }
    }
}

enum Fault {
    PlainHttp,
    Tls,
    Refused(Refused),
}

/// Looks for what we know among the causes. An I/O error passes over the error it wraps, which is therefore asked for.
fn fault(error: &reqwest::Error) -> Option<Fault> {
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
                return Some(Fault::PlainHttp);
            }
            Some(_) => return Some(Fault::Tls),
            None => {}
        }
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(Fault::Refused(refused.clone()));
        }
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
