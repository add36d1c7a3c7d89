//! The one way HTTP is spoken: rustls with `ring`, verified certificates, bounded time, redirects only when asked.
//!
//! Borrowed by the API client, webhooks and feed downloads. Nothing here retries; that is its caller's decision.

mod roots;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use killick_model::hint::Hint;
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::egress::{Reach, Resolver};

/// How a client behaves.
#[derive(Clone)]
pub struct ClientOptions {
    /// Certificates in PEM to trust besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Accept any certificate. Only for a registry whose record says so.
    pub skip_tls_verify: bool,
    /// Our certificate with its chain and its private key, in PEM.
    pub identity_pem: Option<SecretSlice<u8>>,
    /// The socket every request goes to, whatever its address says.
    pub unix_socket: Option<PathBuf>,
    /// Through whom requests go.
    pub proxy: Proxy,
    /// Time to establish a connection.
    pub connect_timeout: Duration,
    /// Time without a single byte after which a transfer is given up. It runs on while nobody asks for bytes: where
    /// their reader may pause there is none, and who waits for an answer or its next bytes bounds that.
    pub read_timeout: Option<Duration>,
    /// Redirects to follow. Credentials given as `Authorization` are dropped on the way to another host.
    pub redirects: usize,
    /// Where it may go; anywhere if not given. The first address of a request is its caller's to check.
    pub reach: Option<Arc<Reach>>,
}

/// Through whom requests go.
#[derive(Clone, Default)]
pub enum Proxy {
    /// As `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say.
    #[default]
    System,
    /// Nobody, whatever the environment says.
    Direct,
    /// A proxy.
    Given {
        /// `http://` or `https://`, with user and password if it wants them.
        url: SecretString,
        /// Hosts, domains, addresses and networks that are reached without it, as in `NO_PROXY`.
        except: Vec<String>,
    },
}

impl Proxy {
    /// Whether a client can be made that goes this way.
    pub fn check(&self) -> Result<(), HttpError> {
        match self {
            Self::System | Self::Direct => Ok(()),
            Self::Given { url, .. } => given(url).map(drop),
        }
    }
}

fn given(url: &SecretString) -> Result<reqwest::Proxy, HttpError> {
    reqwest::Proxy::all(url.expose_secret()).map_err(HttpError::Proxy)
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            extra_ca_pem: None,
            skip_tls_verify: false,
            identity_pem: None,
            unix_socket: None,
            proxy: Proxy::default(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Some(Duration::from_secs(30)),
            redirects: 5,
            reach: None,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The additional certificates are unreadable.
    #[error("the additional CA certificates are not PEM")]
    Certificates(#[source] Option<reqwest::Error>),
    /// Our own certificate is unreadable.
    #[error("the client certificate and its key are not PEM")]
    Identity(#[source] reqwest::Error),
    /// The proxy is none.
    #[error("the address of the proxy is malformed")]
    Proxy(#[source] reqwest::Error),
    /// The TLS stack refused the settings.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

impl Hint for HttpError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Certificates(_) => Some("give a file with `-----BEGIN CERTIFICATE-----` blocks".to_owned()),
            Self::Identity(_) => Some(
                "give a file with a `-----BEGIN CERTIFICATE-----` and one with a `-----BEGIN PRIVATE KEY-----` block"
                    .to_owned(),
            ),
            Self::Proxy(_) => Some("write it as `http://HOST:PORT`".to_owned()),
            Self::Client(_) => {
                Some("install the system's CA certificates (Debian: `apt-get install ca-certificates`)".to_owned())
            }
        }
    }
}

/// A client with these options.
pub fn client(options: &ClientOptions) -> Result<reqwest::Client, HttpError> {
    // Fails only if a provider is installed already, which is then the one to use.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("killick/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(options.connect_timeout)
        .redirect(redirects(options))
        // Bounds what HTTP/2 holds for a slow reader.
        .http2_initial_stream_window_size(1 << 20)
        .referer(false);
    if let Some(limit) = options.read_timeout {
        builder = builder.read_timeout(limit);
    }
    let mut trusted = roots::of_system();
    if let Some(pem) = &options.extra_ca_pem {
        let certificates =
            reqwest::Certificate::from_pem_bundle(pem).map_err(|error| HttpError::Certificates(Some(error)))?;
        if certificates.is_empty() {
            return Err(HttpError::Certificates(None));
        }
        trusted.extend(certificates);
    }
    // Where there are none, the client's own search says so.
    if !trusted.is_empty() {
        builder = builder.tls_certs_only(trusted);
    }
    if let Some(reach) = &options.reach {
        builder = builder.dns_resolver(Arc::new(Resolver(Arc::clone(reach))));
    }
    if let Some(pem) = &options.identity_pem {
        builder = builder.identity(reqwest::Identity::from_pem(pem.expose_secret()).map_err(HttpError::Identity)?);
    }
    if let Some(path) = &options.unix_socket {
        builder = builder.unix_socket(path.as_path());
    }
    builder = match &options.proxy {
        // The one look at the environment that is not handed in: every program of a machine agrees on these variables.
        Proxy::System if options.unix_socket.is_none() => builder,
        Proxy::System | Proxy::Direct => builder.no_proxy(),
        Proxy::Given { url, except } => {
            builder.no_proxy().proxy(given(url)?.no_proxy(reqwest::NoProxy::from_string(&except.join(","))))
        }
    };
    if options.skip_tls_verify {
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(HttpError::Client)
}

fn redirects(options: &ClientOptions) -> Policy {
    match (options.redirects, options.reach.clone()) {
        (0, _) => Policy::none(),
        (limit, None) => Policy::limited(limit),
        (limit, Some(reach)) => Policy::custom(move |attempt| match reach.check(attempt.url()) {
            Err(refused) => attempt.error(refused),
            Ok(()) if attempt.previous().len() > limit => attempt.error("too many redirects"),
            Ok(()) => attempt.follow(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_certificates_are_refused() {
        for pem in [b"".as_slice(), b"rubbish", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
            let options = ClientOptions { extra_ca_pem: Some(pem.to_owned()), ..ClientOptions::default() };
            assert!(client(&options).is_err(), "{}", String::from_utf8_lossy(pem));
        }
    }
}
