//! What can go wrong between us and a registry.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use killick_model::hint::Hint;

use super::rate::RateLimit;
use crate::credentials::CredentialsError;
use crate::egress::Refused;
use crate::http::HttpError;

/// Why a registry did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no HTTP client to ask with.
    #[error("cannot speak to registry `{registry}`")]
    Client {
        /// The host.
        registry: String,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// The host is none.
    #[error("`{registry}` is not the address of a registry")]
    Address {
        /// As written.
        registry: String,
    },
    /// A rule of the configuration keeps us from it.
    #[error("images of `{name}` are blocked by a rule for registries")]
    Blocked {
        /// The image's name without its tag.
        name: String,
    },
    /// Certificates for it cannot be read.
    #[error("cannot read the certificates for registry `{registry}` in `{}`", path.display())]
    CertificateFile {
        /// The host.
        registry: String,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The credentials, or having none, were refused.
    #[error("registry `{registry}` refused {}{}", if *with_credentials { "the credentials" } else { "anonymous access" }, to(repository.as_ref()))]
    Unauthorized {
        /// The host.
        registry: String,
        /// The repository; none if only the registry itself was asked.
        repository: Option<String>,
        /// Whether we had any.
        with_credentials: bool,
        /// Why we had none, if something went wrong while they were looked for.
        #[source]
        fault: Option<Arc<CredentialsError>>,
    },
    /// The registry asks for a way to authenticate that we do not know.
    #[error("registry `{registry}` asks for authentication in a way that cannot be answered: {reason}")]
    Challenge {
        /// The host.
        registry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token service did not give a token.
    #[error("the token service `{realm}` of registry `{registry}` gave no token: {reason}")]
    Token {
        /// The host.
        registry: String,
        /// Where the token was asked for.
        realm: String,
        /// What came instead.
        reason: String,
    },
    /// It is not there, or hidden from us.
    #[error("registry `{registry}` has no {what}")]
    NotFound {
        /// The host.
        registry: String,
        /// Image or blob.
        what: String,
        /// Whether we had credentials.
        with_credentials: bool,
    },
    /// Too many requests.
    #[error("registry `{registry}` limits the rate of requests{}{}", left(*limit), wait(*retry_after))]
    RateLimited {
        /// The host.
        registry: String,
        /// When it would answer again, if it says so.
        retry_after: Option<Duration>,
        /// What it allows, if it says so.
        limit: Option<RateLimit>,
    },
    /// Another status.
    #[error("registry `{registry}` answered {status} to the request for {what}")]
    Status {
        /// The host.
        registry: String,
        /// What was asked for.
        what: String,
        /// As answered.
        status: u16,
    },
    /// No connection.
    #[error("cannot reach registry `{registry}`")]
    Unreachable {
        /// The host.
        registry: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The connection broke, or what came over it is no HTTP.
    #[error("registry `{registry}` gave no proper answer to the request for {what}")]
    Broken {
        /// The host.
        registry: String,
        /// What was asked for.
        what: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The certificate is not one we trust.
    #[error("the TLS certificate of registry `{registry}` cannot be verified")]
    Tls {
        /// The host.
        registry: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It speaks HTTP where HTTPS was expected.
    #[error("registry `{registry}` answered in plain HTTP to an HTTPS request")]
    PlainHttp {
        /// The host.
        registry: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Nothing more came, or too slowly.
    #[error("registry `{registry}` took too long to send {what}")]
    Timeout {
        /// The host.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// The connection broke each time.
    #[error("registry `{registry}` broke off while sending {what}: {received} of {size} bytes came")]
    Interrupted {
        /// The host.
        registry: String,
        /// What was asked for.
        what: String,
        /// As far as we came.
        received: u64,
        /// As declared.
        size: u64,
    },
    /// The answer is larger than it may be.
    #[error("registry `{registry}` sent more than {limit} bytes for {what}")]
    TooLarge {
        /// The host.
        registry: String,
        /// What was asked for.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// It does not send parts of a blob.
    #[error("registry `{registry}` sends all of {what} where a part was asked for")]
    NoParts {
        /// The host.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// A redirect that we do not follow.
    #[error("registry `{registry}` redirected the request for {what} {reason}")]
    Redirect {
        /// The host.
        registry: String,
        /// What was asked for.
        what: String,
        /// Why not.
        reason: &'static str,
    },
    /// It is, or leads, where we do not go.
    #[error("registry `{registry}` leads to {refused}")]
    Forbidden {
        /// The host.
        registry: String,
        /// Where to, and why not.
        refused: Refused,
    },
    /// Who answers is no registry.
    #[error("`{registry}` answers {status} and is no registry of version 2")]
    NoRegistry {
        /// The host.
        registry: String,
        /// As answered.
        status: u16,
    },
}

fn to(repository: Option<&String>) -> String {
    repository.map_or_else(String::new, |repository| format!(" for `{repository}`"))
}

fn left(limit: Option<RateLimit>) -> String {
    limit.map_or_else(String::new, |limit| format!(" ({limit})"))
}

fn wait(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| format!(" and asks to wait {} seconds", time.as_secs()))
}

impl Hint for RegistryError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Client { source, .. } => return source.hint(),
            Self::Unauthorized { fault: Some(fault), .. } if let CredentialsError::Cloud(error) = fault.as_ref() => {
                return error.hint();
            }
            Self::Unauthorized { registry, .. } => {
                return Some(format!(
                    "log in with `docker login {registry}`, or give `--registry-user` with KILLICK_REGISTRY_PASS; on a server, \
                     `registry add {registry} USER PASSWORD`"
                ));
            }
            Self::NotFound { with_credentials: false, .. } => {
                "check the name; if the image is private, give credentials for its registry"
            }
            Self::NotFound { .. } => "check the name, and whether these credentials may read it",
            Self::RateLimited { .. } => "wait, or give credentials: registries limit anonymous users most",
            Self::Unreachable { .. } => "check the host name, the network and the proxy settings",
            Self::Forbidden { refused: Refused::Nearer { .. }, .. } => {
                "a registry must not send us nearer than itself: if you trust that host, give it with `--private-host`, or \
                 in `egress.private_hosts` of the server"
            }
            Self::Forbidden { refused: Refused::NotAllowed { .. }, .. } => {
                "whoever runs this service may add it to `egress.allowed_hosts`"
            }
            Self::Tls { .. } => {
                "trust its certificate authority with `--ca-file FILE`, on a server with `registries.ca_files`; only for a test, \
                 `--skip-tls-verify`, or `registry add --insecure`"
            }
            Self::PlainHttp { .. } => {
                "if the registry has no TLS, write `--plain-http`; on a server, list it in `registries.plain_http`"
            }
            Self::Status { status: 400, .. } => "if plain HTTP was asked for, the registry may want HTTPS",
            Self::Status { status: 500.., .. }
            | Self::Broken { .. }
            | Self::Timeout { .. }
            | Self::Interrupted { .. } => "the registry or the network is in trouble: try again later",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
