//! Posts to webhooks: JSON to an address of the configuration, within a time, without following where it is sent.
//!
//! A body may be signed as [Standard Webhooks](https://www.standardwebhooks.com/) does it: `webhook-id` names the
//! message, the same at each try; `webhook-timestamp` is the second of this try; `webhook-signature` is `v1,` and the
//! base64 of the HMAC-SHA256 of `id.timestamp.body`. Nothing here retries.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use killick_model::hint::Hint;
use reqwest::header::CONTENT_TYPE;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::egress::{Egress, Reach, Refused};
use crate::http::{ClientOptions, HttpError, Proxy, client};

/// How secrets of Standard Webhooks are written: base64 behind this word.
const ENCODED_SECRET: &str = "whsec_";

/// How webhooks are spoken to.
#[derive(Clone)]
pub struct WebhookOptions {
    /// Whether certificates are verified.
    pub verify_tls: bool,
    /// Certificates in PEM to trust besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Through whom.
    pub proxy: Proxy,
    /// Where they may be.
    pub egress: Egress,
    /// How long one post may take.
    pub timeout: Duration,
    /// Bytes of an answer that are read.
    pub answer_bytes: usize,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            verify_tls: true,
            extra_ca_pem: None,
            proxy: Proxy::default(),
            egress: Egress::default(),
            timeout: Duration::from_secs(10),
            answer_bytes: 64 << 10,
        }
    }
}

/// Why a webhook did not take what was sent. Neither address nor credentials are told, beyond the host.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It is no address.
    #[error("the address of the webhook is not an `http://` or `https://` address")]
    Address,
    /// The settings keep us from it.
    #[error("webhooks must not go to {0}")]
    Refused(#[source] Refused),
    /// There is no HTTP client to ask with.
    #[error("cannot speak to the webhook at `{host}`")]
    Client {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// No connection, or it broke.
    #[error("cannot reach the webhook at `{host}`")]
    Unreachable {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It took too long.
    #[error("the webhook at `{host}` did not answer within {seconds} seconds")]
    Timeout {
        /// The host.
        host: String,
        /// The limit.
        seconds: u64,
    },
    /// It answered, and did not take it.
    #[error("the webhook at `{host}` answered {status}")]
    Status {
        /// The host.
        host: String,
        /// As answered.
        status: u16,
    },
}

impl WebhookError {
    /// Whether nobody is there, so that others for the same place need not be tried now.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }
}

impl Hint for WebhookError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(_) => Some("allow its host in `egress.allowed_hosts`".to_owned()),
            Self::Status { status: 401 | 403, .. } => Some("check `webhook_user` and `webhook_pass`".to_owned()),
            Self::Status { status: 300..=399, .. } => Some("give the address it sends to".to_owned()),
            Self::Client { source, .. } => source.hint(),
            _ => None,
        }
    }
}

/// What is sent.
#[derive(Clone)]
pub struct Message<'a> {
    /// Names the message, the same at each try.
    pub id: &'a str,
    /// The second of this try, since 1970 UTC.
    pub timestamp: i64,
    /// JSON.
    pub body: Vec<u8>,
}

/// User and password.
#[derive(Clone)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// One place that takes messages. Cheap to clone: addresses on the same host share connections.
#[derive(Clone)]
pub struct Webhook {
    http: reqwest::Client,
    home: Url,
    options: Arc<WebhookOptions>,
}

impl Webhook {
    /// The place at this address, and others on the same host.
    pub fn new(address: &SecretString, options: WebhookOptions) -> Result<Self, WebhookError> {
        let home = read(address)?;
        let reach = Reach::new(&home, &options.egress).map_err(WebhookError::Refused)?;
        let http = client(&ClientOptions {
            extra_ca_pem: options.extra_ca_pem.clone(),
            skip_tls_verify: !options.verify_tls,
            proxy: options.proxy.clone(),
            redirects: 0,
            reach: Some(reach),
            ..ClientOptions::default()
        })
        .map_err(|source| WebhookError::Client { host: host(&home), source })?;
        Ok(Self { http, home, options: Arc::new(options) })
    }

    /// Whether an address is on the host of this place.
    pub fn is_at(&self, address: &SecretString) -> bool {
        read(address).is_ok_and(|url| url.origin() == self.home.origin())
    }

    /// Posts a message to an address on the host of this place, and reads the beginning of the answer.
    pub async fn post(
        &self,
        address: &SecretString,
        login: Option<&Login>,
        signing: Option<&SecretString>,
        message: Message<'_>,
    ) -> Result<Vec<u8>, WebhookError> {
        let url = read(address)?;
        if url.origin() != self.home.origin() {
            return Err(WebhookError::Address);
        }
        let host = host(&url);
        let mut request = self.http.post(url).header(CONTENT_TYPE, "application/json").header("webhook-id", message.id);
        if let Some(login) = login {
            request = request.basic_auth(&login.user, Some(login.password.expose_secret()));
        }
        if let Some(secret) = signing {
            let timestamp = message.timestamp.to_string();
            let signature = sign(secret, message.id, &timestamp, &message.body);
            request = request.header("webhook-timestamp", timestamp).header("webhook-signature", signature);
        }
        let exchange = async {
            let mut response = request.body(message.body).send().await?;
            let status = response.status().as_u16();
            let mut answer = Vec::new();
            // What it says to a failure is for its own log.
            while (200..300).contains(&status) && answer.len() < self.options.answer_bytes {
                let Some(chunk) = response.chunk().await? else { break };
                let room = self.options.answer_bytes - answer.len();
                answer.extend(chunk.iter().take(room));
            }
            Ok((status, answer))
        };
        match tokio::time::timeout(self.options.timeout, exchange).await {
            Err(_) => Err(WebhookError::Timeout { host, seconds: self.options.timeout.as_secs() }),
            // The address may hold what is secret.
            Ok(Err(error)) => {
                let error: reqwest::Error = error;
                Err(WebhookError::Unreachable { host, source: error.without_url() })
            }
            Ok(Ok((200..=299, answer))) => Ok(answer),
            Ok(Ok((status, _))) => Err(WebhookError::Status { host, status }),
        }
    }
}

fn read(address: &SecretString) -> Result<Url, WebhookError> {
    let url = Url::parse(address.expose_secret()).map_err(|_| WebhookError::Address)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(WebhookError::Address) }
}

fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

/// The value of `webhook-signature`.
fn sign(secret: &SecretString, id: &str, timestamp: &str, body: &[u8]) -> String {
    // Settings with another are refused at the start.
    let key = key(secret).unwrap_or_else(|| secret.expose_secret().as_bytes().to_owned());
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        context.update(part);
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

/// The bytes to sign with; nothing if they are said to be base64, and are not.
fn key(secret: &SecretString) -> Option<Vec<u8>> {
    let text = secret.expose_secret();
    match text.strip_prefix(ENCODED_SECRET) {
        Some(encoded) => STANDARD.decode(encoded).ok().filter(|key| !key.is_empty()),
        // A secret of another kind is its own bytes.
        None => Some(text.as_bytes().to_owned()),
    }
}

/// Whether receivers can come by the same key: behind `whsec_` there has to be base64.
pub fn is_signing_secret(secret: &SecretString) -> bool {
    key(secret).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let plain = SecretString::from("a secret of words");
        assert_ne!(sign(&plain, "a", "1", b"{}"), sign(&plain, "b", "1", b"{}"));
    }

    #[test]
    fn behind_the_word_of_standard_webhooks_is_base64() {
        for (secret, is_one) in [
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", true),
            ("a secret of words", true),
            ("whsec_!!!", false),
            ("whsec_", false),
            ("whsec_abc", false),
        ] {
            assert_eq!(is_signing_secret(&SecretString::from(secret)), is_one, "{secret}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "example.org", "ftp://example.org", "http://", "file:///etc/passwd"] {
            assert!(matches!(read(&SecretString::from(text)), Err(WebhookError::Address)), "{text}");
        }
    }
}
