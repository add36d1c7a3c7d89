//! Requests to the server, and its refusals.

use std::time::Duration;

use killick_fetch::http::{self, ClientOptions};
use killick_model::digest::Digest;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::python;
use super::settings::Settings;
use super::token::Pass;
use crate::exit::Exit;
use crate::report_error::hint_of;

/// A connection to one server.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) settings: Settings,
    http: reqwest::Client,
}

/// An answer with a status of success.
pub(super) struct Reply {
    pub(super) body: Value,
}

/// Why a command did not succeed: what to print, and how to end.
#[derive(Debug)]
pub(super) struct Failure {
    /// `message`, `httpcode`, `detail` of the error body, or just a message.
    error: Value,
    /// Exit code.
    pub(super) exit: Exit,
    unreachable: bool,
    /// The HTTP code, if a server answered.
    status: Option<u16>,
    /// What follows the error, for people.
    note: Option<String>,
    advice: Option<Box<Advice>>,
}

/// What anchore-cli would not have told.
#[derive(Debug)]
struct Advice {
    /// What the system said, where the message does not tell it.
    cause: Option<String>,
    /// What to do about it.
    hint: Option<String>,
}

impl Failure {
    /// A failure that no server spoke of.
    pub(super) fn local(message: impl Into<String>) -> Self {
        Self {
            error: json!({ "message": message.into() }),
            exit: Exit::Failure,
            unreachable: false,
            status: None,
            note: None,
            advice: None,
        }
    }

    /// One that kept us from asking, with what to do about it.
    fn of(error: &anyhow::Error) -> Self {
        let failure = Self::local(format!("{error:#}"));
        match hint_of(error) {
            Some(hint) => failure.hinting(hint),
            None => failure,
        }
    }

    /// The same with exit code 1.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { exit: Exit::Refused, ..Self::local(message) }
    }

    /// The same with that exit code.
    pub(super) fn ending(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// The same with a remark below.
    pub(super) fn noting(self, note: &str) -> Self {
        Self { note: Some(note.to_owned()), ..self }
    }

    /// The same with what to do about it.
    pub(super) fn hinting(self, hint: &str) -> Self {
        let cause = self.advice.and_then(|advice| advice.cause);
        Self { advice: Some(Box::new(Advice { cause, hint: Some(hint.to_owned()) })), ..self }
    }

    /// What the system said, where the message does not tell it.
    pub(super) fn cause(&self) -> Option<&str> {
        self.advice.as_ref()?.cause.as_deref()
    }

    /// Whether the answer is that of a server which does not know the request.
    pub(super) fn is_not_understood(&self) -> bool {
        // Version 2 tells with a problem document, too, that there is no such thing; of a path it speaks as a URL.
        let detail = self.error["detail"].as_str().unwrap_or_default();
        let is_problem = self.error.get("title").is_some();
        let is_foreign = self.error.is_string()
            || self.message() == NO_BODY
            || is_problem && (self.status != Some(404) || detail.contains("requested URL"));
        matches!(self.status, Some(404 | 405 | 501)) && is_foreign
    }

    /// Whether the server has no such thing.
    pub(super) fn is_not_found(&self) -> bool {
        [&self.error["httpcode"], &self.error["status"]].into_iter().any(|code| *code == 404)
    }

    /// The HTTP code, if a server answered.
    pub(super) fn status(&self) -> Option<u16> {
        self.status
    }

    /// What went wrong, as whoever answered tells it.
    pub(super) fn told(&self) -> &str {
        let members = ["message", "detail", "title"].iter().find_map(|key| self.error[key].as_str());
        members.or_else(|| self.error.as_str()).unwrap_or("the server did not say why")
    }

    /// The message of the error.
    pub(super) fn message(&self) -> &str {
        self.error["message"].as_str().unwrap_or_default()
    }

    /// The text anchore-cli prints: `Error:`, `HTTP Code:`, `Detail:` lines.
    pub(super) fn render(&self, json: bool) -> String {
        if json {
            return python::dumps(&self.error);
        }
        let mut text = String::new();
        for (key, title) in [("message", "Error"), ("httpcode", "HTTP Code"), ("detail", "Detail")] {
            match &self.error[key] {
                Value::Null => {}
                Value::Object(fields) if key == "detail" && fields.is_empty() => {}
                Value::String(detail) if key == "detail" && detail.is_empty() => {}
                value => text.push_str(&format!("{title}: {}\n", python::str(value))),
            }
        }
        if text.is_empty() {
            text = python::dumps(&self.error);
        }
        text + self.note.as_deref().unwrap_or_default()
    }

    /// What to do about it.
    pub(super) fn hint(&self, settings: &Settings) -> Option<String> {
        let hint = self.advice(settings);
        match &settings.remark {
            Some(remark) if self.unreachable || self.status == Some(401) => {
                Some(hint.map_or_else(|| remark.clone(), |hint| format!("{remark}; or {hint}")))
            }
            _ => hint,
        }
    }

    fn advice(&self, settings: &Settings) -> Option<String> {
        if let Some(hint) = self.advice.as_ref().and_then(|advice| advice.hint.as_ref()) {
            return Some(hint.clone());
        }
        let url = &settings.url;
        if self.is_not_understood() {
            return Some(format!(
                "the server at {url} does not know this request: it may be older than this client, an Anchore Engine, or \
                 something else; `killick system status` tells its version"
            ));
        }
        let is_unauthorized = self.status == Some(401);
        if let Some(context) = settings.context.as_ref().filter(|_| self.unreachable || is_unauthorized) {
            return Some(format!(
                "is a server running at {url}, and is the token of the context `{context}` still good? \
                 `killick login {url} --name {context}` fetches a new one"
            ));
        }
        if is_unauthorized {
            return Some(format!(
                "are the user name and the password right for {url}? give `--u` and `--p`, or KILLICK_USER and KILLICK_PASS; \
                 `killick login {url}` keeps a token instead"
            ));
        }
        if !self.unreachable {
            return None;
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Some(format!("write the address with `http://` or `https://`, as in `http://{url}/v1`"));
        }
        // What rustls says of an answer in plain HTTP.
        if self.cause().is_some_and(|cause| cause.contains("InvalidContentType")) {
            let plain = url.replacen("https://", "http://", 1);
            return Some(format!("the server answers in plain HTTP: write `{plain}`"));
        }
        // A certificate that says it is an authority's own is not taken for a server's (RFC 5280, 4.2.1.9).
        if self.cause().is_some_and(|cause| cause.contains("CaUsedAsEndEntity")) {
            return Some(
                "the certificate is one of an authority (CA:TRUE), and not a server's: make one with \
                 `openssl req -x509 … -addext basicConstraints=critical,CA:FALSE`; only for a test, `--insecure` before the command"
                    .to_owned(),
            );
        }
        if self.cause().is_some_and(|cause| cause.contains("certificate")) {
            return Some(
                "trust its certificate authority with SSL_CERT_FILE=FILE; only for a test, `--insecure` before the command"
                    .to_owned(),
            );
        }
        Some(if settings.user.is_none() {
            format!(
                "start a server with `killick serve`, and name it and yourself with `--url`, `--u`, `--p` or \
                 KILLICK_URL, KILLICK_USER, KILLICK_PASS (now: {url}, no user)"
            )
        } else {
            format!("is a server running at {url}, and are the user name and password right?")
        })
    }
}

/// What anchore-cli says of an answer without a body.
const NO_BODY: &str = "no body in the answer";

/// Bytes of an answer of a server that nobody trusts yet, and how long it may take.
const OPEN_ANSWER_BYTES: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// Largest answer the client reads, in bytes: the file list of a huge image stays far below it.
const ANSWER_BYTES: usize = 1 << 30;

impl Api {
    /// Prepares a client; nothing is sent yet.
    pub(super) fn new(settings: Settings) -> anyhow::Result<Self> {
        let options = ClientOptions { skip_tls_verify: !settings.verify_tls, ..ClientOptions::default() };
        Ok(Self { http: http::client(&options)?, settings })
    }

    /// The same server, in another account.
    pub(super) fn in_account(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.settings.account = Some(name.to_owned());
        other
    }

    /// Asks for the base address, as anchore-cli does before every command.
    pub(super) async fn check_access(&self) -> Result<(), Failure> {
        match self.send("GET", "", &[], None).await {
            Ok(_) => Ok(()),
            Err(failure) => {
                if self.settings.debug {
                    tracing::debug!("{}", failure.render(false).trim_end());
                }
                Err(Failure {
                    error: json!({ "message": format!(
                        "could not access anchore service (user={} url={})",
                        self.settings.user.as_deref().unwrap_or("None"),
                        self.settings.url
                    )}),
                    exit: Exit::Failure,
                    unreachable: true,
                    status: failure.status,
                    note: None,
                    advice: Some(Box::new(Advice { cause: Some(failure.told().to_owned()), hint: None })),
                })
            }
        }
    }

    /// `GET path`.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Reply, Failure> {
        self.send("GET", path, query, None).await
    }

    /// `GET path` as bytes.
    pub(super) async fn download(&self, path: &str) -> Result<Vec<u8>, Failure> {
        exchange(self.request(reqwest::Method::GET, path).await?, ANSWER_BYTES).await
    }

    /// `GET path` as a stream of server-sent events; nothing where the server does not stream.
    pub(super) async fn events(&self, path: &str) -> Option<Events> {
        let url = format!("{}{path}", self.settings.url.trim_end_matches('/'));
        let request = self.signed(self.http.get(url).header("accept", "text/event-stream")).await.ok()?;
        let response = request.send().await.ok()?;
        let kind = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let streams = response.status().is_success() && kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        streams.then(|| Events::of(response))
    }

    /// Sends one request; `path` begins with `/` or is empty, and is already percent-encoded.
    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("methods are literals");
        let mut request = self.request(method, path).await?.header("content-type", "application/json");
        if !query.is_empty() {
            request = request.query(query);
        }
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        answer(request).await
    }

    /// `POST path` with a form, which says itself who sends it.
    pub(super) async fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Result<Reply, Failure> {
        let url = format!("{}{path}", self.settings.url.trim_end_matches('/'));
        answer(self.http.post(url).form(form)).await
    }

    /// `POST path` with one file of a form.
    pub(super) async fn upload(&self, path: &str, field: &str, bytes: &[u8]) -> Result<Reply, Failure> {
        // What is sent cannot contain its own digest.
        let boundary = Digest::of(bytes).hex();
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{field}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let body = [head.as_bytes(), bytes, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        let kind = format!("multipart/form-data; boundary={boundary}");
        answer(self.request(reqwest::Method::POST, path).await?.header("content-type", kind).body(body)).await
    }

    /// A request with who we are.
    async fn request(&self, method: reqwest::Method, path: &str) -> Result<reqwest::RequestBuilder, Failure> {
        let url = format!("{}{path}", self.settings.url.trim_end_matches('/'));
        self.signed(self.http.request(method, &url)).await
    }

    /// The request, with who sends it and for whom.
    async fn signed(&self, mut request: reqwest::RequestBuilder) -> Result<reqwest::RequestBuilder, Failure> {
        request = match self.settings.pass().await.map_err(|error| Failure::of(&error))? {
            Some(Pass::Basic(user, password)) => {
                request.basic_auth(user, password.as_ref().map(SecretString::expose_secret))
            }
            Some(Pass::Bearer(token)) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        if let Some(account) = &self.settings.account {
            request = request.header("x-anchore-account", account);
        }
        Ok(request)
    }

    /// `GET path` of a server that nobody trusts yet, and that is not told who we are: a short answer, and soon.
    pub(super) async fn ask_openly(&self, path: &str) -> Result<Reply, Failure> {
        let url = format!("{}{path}", self.settings.url.trim_end_matches('/'));
        let options =
            ClientOptions { redirects: 0, skip_tls_verify: !self.settings.verify_tls, ..ClientOptions::default() };
        let http = http::client(&options).map_err(|error| Failure::local(error.to_string()))?;
        let answer = exchange(http.get(url), OPEN_ANSWER_BYTES);
        let bytes = tokio::time::timeout(PATIENCE, answer).await;
        let bytes = bytes.map_err(|_| Failure::local("the server takes too long to answer"))??;
        Ok(Reply { body: document(&bytes) })
    }

    /// `GET` of an address that is not the server's: it is not told who we are.
    pub(super) async fn get_elsewhere(&self, url: &str) -> Result<Reply, Failure> {
        let failure = |failure: Failure| {
            let code = failure.error.get("httpcode").map(|code| format!(" (HTTP code {code})")).unwrap_or_default();
            Failure::local(format!("could not fetch {url}: {}{code}", failure.message()))
        };
        answer(self.http.get(url)).await.map_err(failure)
    }
}

/// Bytes of one event, at most.
const EVENT_BYTES: usize = 64 << 10;

/// Seconds without a sign of life, after which a stream counts as broken: servers say something every fifteen.
const SILENCE: Duration = Duration::from_secs(45);

/// A stream of server-sent events, of which only the data count.
pub(super) struct Events {
    response: reqwest::Response,
    unread: Vec<u8>,
}

impl Events {
    fn of(response: reqwest::Response) -> Self {
        Self { response, unread: Vec::new() }
    }

    /// The next document; nothing when the stream has ended or broke.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                if let Some(data) = text.strip_prefix("data:")
                    && let Ok(document) = serde_json::from_str(data.trim())
                {
                    return Some(document);
                }
            }
            if self.unread.len() > EVENT_BYTES {
                return None;
            }
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await.ok()?.ok()??;
            self.unread.extend_from_slice(&chunk);
        }
    }
}

/// Sends a request and judges the answer, which is JSON or text.
async fn answer(request: reqwest::RequestBuilder) -> Result<Reply, Failure> {
    exchange(request, ANSWER_BYTES).await.map(|bytes| Reply { body: document(&bytes) })
}

/// Sends a request and judges the answer by its status.
async fn exchange(request: reqwest::RequestBuilder, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: &reqwest::Error| Failure {
        error: json!({ "message": chain(error) }),
        exit: Exit::Failure,
        unreachable: true,
        status: None,
        note: None,
        advice: None,
    };
    let response = request.send().await.map_err(|error| failed(&error))?;
    let (status, url) = (response.status().as_u16(), response.url().clone());
    let bytes = read_body(response, limit).await?;
    tracing::debug!(status, bytes = bytes.len(), "{url}");
    // anchore-cli counts 200 to 298 as success.
    if (200..299).contains(&status) {
        return Ok(bytes);
    }
    // An answer that is no error object is printed as it came.
    let error = match document(&bytes) {
        Value::String(text) if text.is_empty() => json!({ "message": NO_BODY, "httpcode": status }),
        body => body,
    };
    let exit = if matches!(status, 401 | 500) { Exit::Failure } else { Exit::Refused };
    Err(Failure { error, exit, unreachable: false, status: Some(status), note: None, advice: None })
}

fn document(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()))
}

/// The whole body, unless it is larger than so many bytes.
async fn read_body(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::local(chain(&error)))? {
        if bytes.len() + chunk.len() > limit {
            return Err(Failure::local(format!("the server's answer is larger than {limit} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// One path segment, percent-encoded as Python's `quote(text, safe="")` does.
pub(super) fn percent_encode(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// `True` or `False`, as anchore-cli writes booleans into queries.
pub(super) const fn python_bool(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}
