//! A web server, or a bucket of S3 (Amazon Simple Storage Service API Reference, `GetObject`, `HeadObject`, `PutObject`;
//! "Authenticating Requests: Using the Authorization Header"): the same requests, signed.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};
use http::{Method, StatusCode};
use killick_model::digest::Digest;
use reqwest::Response;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::OnceCell;
use url::Url;

use super::{Edition, Login, MANIFEST, Place, PlaceError, PlaceOptions, Sent, blob_path};
use crate::channel::{ChannelWriter, channel};
use crate::cloud::{Cloud, Keys, Signed};
use crate::egress::Reach;
use crate::http::ClientOptions;
use crate::registry::{RegistryOptions, basic, range_begin, retry_after};

/// The header with the digest of what is sent, which S3 wants to be signed.
const CONTENT_DIGEST: &str = "x-amz-content-sha256";

/// A connection to one place.
pub(super) struct Web {
    place: String,
    base: Url,
    client: reqwest::Client,
    identity: Identity,
    options: RegistryOptions,
}

/// Who we are there.
enum Identity {
    Nobody,
    User(HeaderValue),
    Amazon { cloud: Option<Cloud>, region: String, keys: OnceCell<Option<Keys>> },
}

/// One request.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    range: Option<String>,
    body: Option<(&'static str, Bytes)>,
}

impl<'a> Ask<'a> {
    fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, range: None, body: None }
    }
}

impl Web {
    pub(super) fn new(place: &Place, options: &PlaceOptions) -> Result<Self, PlaceError> {
        let registry = &options.registry;
        let name = place.to_string();
        let (base, identity) = match place {
            Place::Bucket { bucket, prefix } => {
                let (base, region) = bucket_address(bucket, prefix, options)?;
                (base, Identity::Amazon { cloud: registry.cloud.clone(), region, keys: OnceCell::new() })
            }
            Place::Web(url) => of_user(url, options),
            other => return Err(PlaceError::ReadOnly { place: other.to_string() }),
        };
        let reach = Reach::new(&base, &registry.egress)
            .map_err(|refused| PlaceError::Forbidden { place: name.clone(), refused })?;
        // A signature is for one address.
        let redirects = if matches!(identity, Identity::Amazon { .. }) { 0 } else { 5 };
        let client = crate::http::client(&ClientOptions {
            extra_ca_pem: registry.extra_ca_pem.clone(),
            identity_pem: registry.identity_pem.clone(),
            proxy: registry.proxy.clone(),
            skip_tls_verify: registry.skip_tls_verify,
            connect_timeout: registry.timeouts.connect,
            read_timeout: None,
            redirects,
            reach: Some(reach),
            ..ClientOptions::default()
        })
        .map_err(|source| PlaceError::Client { place: name.clone(), source })?;
        Ok(Self { place: name, base, client, identity, options: registry.clone() })
    }

    /// The signed document, at most `limit` bytes and one piece.
    pub(super) async fn manifest(&self, limit: u64) -> Result<Vec<u8>, PlaceError> {
        self.repeatedly(|| async {
            let exchange = async {
                let mut response = self.send(&Ask::get(MANIFEST)).await?;
                let mut body = Vec::new();
                while body.len() as u64 <= limit {
                    let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? else { break };
                    body.extend_from_slice(&chunk);
                }
                Ok(body)
            };
            tokio::time::timeout(self.options.timeouts.document, exchange).await.map_err(|_| self.slow())?
        })
        .await
    }

    /// Puts what is not there yet, and then the document.
    pub(super) async fn publish(&self, edition: &Edition<'_>) -> Result<Sent, PlaceError> {
        let mut sent = Sent::default();
        for upload in edition.uploads {
            let path = blob_path(&upload.digest);
            let head = Ask { method: Method::HEAD, ..Ask::get(&path) };
            match self.repeatedly(|| self.send(&head)).await {
                Ok(_) => continue,
                // Who may not list a bucket is told 403 of what is not there.
                Err(PlaceError::Status { status: 404 | 403, .. }) => {}
                Err(error) => return Err(error),
            }
            let bytes = (edition.read)(upload).map_err(|source| PlaceError::File {
                doing: "read",
                path: upload.title.clone().into(),
                source,
            })?;
            self.put(&path, "application/octet-stream", bytes.into()).await?;
            sent.blobs += 1;
            sent.bytes += upload.bytes;
        }
        self.put(MANIFEST, "application/json", edition.manifest.to_vec().into()).await?;
        Ok(sent)
    }

    async fn put(&self, path: &str, kind: &'static str, body: Bytes) -> Result<(), PlaceError> {
        let ask = Ask { method: Method::PUT, path, range: None, body: Some((kind, body)) };
        self.repeatedly(|| self.send(&ask)).await.map(drop)
    }

    /// Repeats what may succeed another time.
    async fn repeatedly<T, F>(&self, request: impl Fn() -> F) -> Result<T, PlaceError>
    where
        F: Future<Output = Result<T, PlaceError>>,
    {
        let mut attempt = 1;
        loop {
            let error = match request().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let after = match &error {
                PlaceError::Status { status: 408 | 429 | 500.., after, .. } => *after,
                PlaceError::Unreachable { .. } | PlaceError::Slow { .. } => None,
                _ => return Err(error),
            };
            if attempt >= self.options.retry.attempts || !self.pause(attempt, after).await {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// Waits before another try. False if we are asked to wait longer than we will.
    async fn pause(&self, attempt: u32, after: Option<Duration>) -> bool {
        let retry = &self.options.retry;
        let doubled = retry.pause.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(retry.longest_pause);
        let pause = after.unwrap_or_else(|| doubled.mul_f64(1.0 - self.options.timer.chance() / 2.0));
        if pause > retry.longest_pause {
            return false;
        }
        self.options.timer.sleep(pause).await;
        true
    }

    /// Sends one request; an answer is one of success.
    async fn send(&self, ask: &Ask<'_>) -> Result<Response, PlaceError> {
        let url = self
            .base
            .join(ask.path)
            .map_err(|error| PlaceError::Malformed { text: self.place.clone(), reason: error.to_string() })?;
        let mut request = self.client.request(ask.method.clone(), url.clone());
        if let Some(range) = &ask.range {
            request = request.header(RANGE, range);
        }
        let body = ask.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
        match &self.identity {
            Identity::Nobody => {}
            Identity::User(header) => request = request.header(AUTHORIZATION, header),
            Identity::Amazon { cloud, region, keys } => {
                if let Some(keys) = keys.get_or_try_init(|| self.keys(cloud.as_ref(), region)).await? {
                    request = self.signed(request, ask, &url, &body, region, keys);
                }
            }
        }
        if let Some((kind, _)) = &ask.body {
            request = request.header(CONTENT_TYPE, *kind).body(body);
        }
        // An upload takes as long as it takes; an answer begins in time.
        let limit = if ask.body.is_some() { self.options.timeouts.layer } else { self.options.timeouts.read };
        let sent = tokio::time::timeout(limit, request.send()).await.map_err(|_| self.slow())?;
        let response = sent.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let (what, after) = (ask.path.to_owned(), retry_after(response.headers()));
        Err(PlaceError::Status { place: self.place.clone(), what, status: status.as_u16(), after })
    }

    async fn keys(&self, cloud: Option<&Cloud>, region: &str) -> Result<Option<Keys>, PlaceError> {
        let Some(cloud) = cloud else { return Ok(None) };
        cloud.aws_keys(region).await.map_err(|source| PlaceError::Keys { place: self.place.clone(), source })
    }

    fn signed(
        &self,
        request: reqwest::RequestBuilder,
        ask: &Ask<'_>,
        url: &Url,
        body: &Bytes,
        region: &str,
        keys: &Keys,
    ) -> reqwest::RequestBuilder {
        let digest = Digest::of(body).hex();
        let headers = [(CONTENT_DIGEST, digest.as_str())];
        let method = match ask.method {
            Method::PUT => "PUT",
            Method::HEAD => "HEAD",
            _ => "GET",
        };
        let signed = Signed { method, url, headers: &headers, body, region, service: "s3" };
        let added = signed.sign(keys, self.options.cloud.as_ref().map(Cloud::now).unwrap_or_default());
        added
            .into_iter()
            .fold(request.header(CONTENT_DIGEST, &digest), |request, (name, value)| request.header(name, value))
    }

    fn unreachable(&self, error: reqwest::Error) -> PlaceError {
        PlaceError::Unreachable { place: self.place.clone(), source: error.without_url() }
    }

    fn slow(&self) -> PlaceError {
        PlaceError::Slow { place: self.place.clone() }
    }
}

/// The address without a user, and who that is: of the options, or else of the address.
fn of_user(url: &Url, options: &PlaceOptions) -> (Url, Identity) {
    let mut base = url.clone();
    let _ = base.set_username("");
    let _ = base.set_password(None);
    let identity = match (&options.login, url.username()) {
        (Some(Login::Password(user, password)), _) => Identity::User(basic(user, password.expose_secret())),
        (Some(Login::Bearer(token)), _) => bearer(token).map_or(Identity::Nobody, Identity::User),
        (None, "") => Identity::Nobody,
        (None, user) => {
            let decoded = |text: &str| percent_decoded(text);
            Identity::User(basic(&decoded(user), &decoded(url.password().unwrap_or_default())))
        }
    };
    (base, identity)
}

/// What shows a token, if it is one.
fn bearer(token: &SecretString) -> Option<HeaderValue> {
    let mut header = HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// What `%` and two digits stand for in the user and password of an address.
fn percent_decoded(text: &str) -> String {
    // A query decodes the same but for `+`.
    let escaped = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(escaped.as_bytes()).map(|(_, value)| value.into_owned()).next().unwrap_or_default()
}

/// Where the objects of a bucket are, and in which region: below `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` if that is
/// set, else at Amazon.
fn bucket_address(bucket: &str, prefix: &str, options: &PlaceOptions) -> Result<(Url, String), PlaceError> {
    let environment = &options.environment;
    let variable = |names: [&str; 2]| names.into_iter().find_map(|name| environment.get(name));
    let region = variable(["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or("us-east-1").to_owned();
    let text = match variable(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]) {
        Some(endpoint) => format!("{}/{bucket}/{prefix}", endpoint.trim_end_matches('/')),
        // A certificate for `*.s3.…` is none for two labels more.
        None if bucket.contains(['.', '_']) => format!("https://s3.{region}.amazonaws.com/{bucket}/{prefix}"),
        None => format!("https://{bucket}.s3.{region}.amazonaws.com/{prefix}"),
    };
    let url = text.parse().map_err(|error| PlaceError::Malformed { text, reason: format!("{error}") })?;
    Ok((url, region))
}

/// A blob on its way to a blocking reader.
pub(super) struct Download {
    web: Arc<Web>,
    path: String,
    /// The first byte that was not handed out yet.
    offset: u64,
    end: u64,
    is_part: bool,
}

impl Download {
    /// To be called on the runtime that will download.
    pub(super) fn start(web: &Arc<Web>, digest: &Digest, bytes: u64, part: Option<Range<u64>>) -> Box<dyn Read + Send> {
        let is_part = part.is_some();
        let Range { start, end } = part.unwrap_or(0..bytes);
        let download = Self { web: Arc::clone(web), path: blob_path(digest), offset: start, end, is_part };
        let (writer, reader) = channel();
        // Ends by itself when the blob or the reader does.
        tokio::spawn(download.run(writer));
        Box::new(reader)
    }

    async fn run(mut self, writer: ChannelWriter) {
        let limit = self.web.options.timeouts.layer;
        let outcome = tokio::time::timeout(limit, self.hand_over(&writer)).await;
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => writer.fail(error).await,
            Err(_) => writer.fail(self.web.slow()).await,
        }
    }

    /// Resumes where it broke off. What the reader gets may be too short or too long: it counts.
    async fn hand_over(&mut self, writer: &ChannelWriter) -> Result<(), PlaceError> {
        let web = Arc::clone(&self.web);
        let mut resumes = 0;
        loop {
            let range = (self.is_part || self.offset > 0)
                .then(|| format!("bytes={}-{}", self.offset, self.end.saturating_sub(1)));
            let ask = Ask { range, ..Ask::get(&self.path) };
            let mut response = match web.repeatedly(|| web.send(&ask)).await {
                Ok(response) => response,
                // There is no more: the blob is shorter than it should be.
                Err(PlaceError::Status { status: 416, .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut repeated = self.repeated(&response)?;
            let broken = loop {
                let chunk = tokio::time::timeout(web.options.timeouts.read, response.chunk()).await;
                let mut bytes = match chunk {
                    Ok(Ok(Some(bytes))) => bytes,
                    Ok(Ok(None)) if self.offset >= self.end || resumes > 0 => return Ok(()),
                    Ok(Err(error)) => break web.unreachable(error),
                    Ok(Ok(None)) | Err(_) => break web.slow(),
                };
                let passed = usize::try_from(repeated).unwrap_or(usize::MAX).min(bytes.len());
                bytes.advance(passed);
                repeated -= passed as u64;
                self.offset += bytes.len() as u64;
                if !writer.send(bytes).await || self.offset > self.end {
                    return Ok(());
                }
            };
            resumes += 1;
            if self.offset >= self.end {
                return Ok(());
            }
            if resumes > web.options.retry.resumes || !web.pause(resumes, None).await {
                return Err(broken);
            }
        }
    }

    /// How many bytes come that were handed out already.
    fn repeated(&self, response: &Response) -> Result<u64, PlaceError> {
        match (response.status(), begin(response.headers())) {
            (StatusCode::PARTIAL_CONTENT, Some(begin)) if begin <= self.offset => Ok(self.offset - begin),
            (StatusCode::OK, _) if !self.is_part => Ok(self.offset),
            _ => Err(PlaceError::NoParts { place: self.web.place.clone(), what: self.path.clone() }),
        }
    }
}

fn begin(headers: &HeaderMap) -> Option<u64> {
    range_begin(headers.get(CONTENT_RANGE)?.to_str().ok()?)
}
