//! Registries, by the OCI distribution specification and Docker's token protocol.
//!
//! Five requests to read, and two to publish an index of advisories, made by our own client on [`crate::http`]: `oci-client` 0.18 reads manifests and token
//! answers into memory without a bound, retries and resumes nothing, drops the headers of refusals (`Retry-After`) and
//! decides by itself where redirects and credentials go.

mod address;
mod artifact;
mod auth;
mod certificates;
mod challenge;
mod client;
mod download;
mod error;
pub mod mirrors;
mod push;
mod rate;
mod referrers;
mod staging;
mod tags;
pub mod timer;
mod upstreams;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use killick_model::reference::Reference;
use secrecy::SecretSlice;

pub(crate) use artifact::Artifact;
pub(crate) use auth::{basic, retry_after};
pub use certificates::usual_certificate_folders;
pub(crate) use download::begin as range_begin;
pub use error::RegistryError;
pub use rate::RateLimit;
pub(crate) use staging::{stage, stage_several};
pub use tags::list_tags;
pub use watch::{Polled, TagState, poll};

use crate::cloud::Cloud;
use crate::credentials::{Credentials, Helpers};
use crate::egress::Egress;
use crate::http::Proxy;
use crate::stage::StageOptions;
use mirrors::MirrorRule;
use timer::{Timer, TokioTimer};
use upstreams::Upstreams;

/// How a registry is spoken to.
#[derive(Clone)]
pub struct RegistryOptions {
    /// Who we are. Wins over everything else.
    pub credentials: Option<Credentials>,
    /// Files of `docker login` and `podman login` to look for credentials in, best first. They need not exist.
    pub credential_files: Vec<PathBuf>,
    /// How the credential helpers that those files name are run; not at all if not given.
    pub helpers: Option<Helpers>,
    /// How the registries of clouds are logged in to; not at all if not given.
    pub cloud: Option<Cloud>,
    /// Speak HTTP without TLS.
    pub plain_http: bool,
    /// Accept any certificate.
    pub skip_tls_verify: bool,
    /// Certificates in PEM to trust besides the system's.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// Our certificate with its chain and its private key, in PEM.
    pub identity_pem: Option<SecretSlice<u8>>,
    /// Folders with certificates for single registries (`certs.d`). They need not exist.
    pub certificate_folders: Vec<PathBuf>,
    /// Where images are too.
    pub mirrors: Vec<MirrorRule>,
    /// Through whom registries are reached.
    pub proxy: Proxy,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to try.
    pub retry: Retry,
    /// Where it may be, and where it may send us.
    pub egress: Egress,
    /// What waiting is done with.
    pub timer: Arc<dyn Timer>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            credentials: None,
            credential_files: Vec::new(),
            helpers: None,
            cloud: None,
            plain_http: false,
            skip_tls_verify: false,
            extra_ca_pem: None,
            identity_pem: None,
            certificate_folders: Vec::new(),
            mirrors: Vec::new(),
            proxy: Proxy::default(),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            egress: Egress::default(),
            timer: Arc::new(TokioTimer::default()),
        }
    }
}

/// How long to wait for a registry.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte.
    pub read: Duration,
    /// For a whole document: manifest, configuration, token.
    pub document: Duration,
    /// Bytes a second that a layer must bring, on average after the first half minute of waiting for them.
    pub layer_bytes_per_second: u64,
    /// For finding what is attached to a manifest or index, and again for reading it.
    pub attachments: Duration,
    /// Of waiting for the bytes of one layer, pauses between tries included. What its reader takes is not counted.
    pub layer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            document: Duration::from_secs(30),
            attachments: Duration::from_secs(30),
            layer_bytes_per_second: 32 << 10,
            layer: Duration::from_hours(1),
        }
    }
}

/// How often to try what a registry did not answer properly.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Tries of one request, the first included.
    pub attempts: u32,
    /// Pause after the first, doubled each time, less up to half at random.
    pub pause: Duration,
    /// The longest pause, also of those that a registry asks for with `Retry-After`.
    pub longest_pause: Duration,
    /// Times that one layer may be resumed.
    pub resumes: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 4, pause: Duration::from_millis(300), longest_pause: Duration::from_mins(1), resumes: 20 }
    }
}

/// Whether a registry takes the credentials of `options`, under the same guards and rules as a pull: `registry` is
/// `host[:port]`, perhaps with the beginning of repositories' names, `host/team/*`. Where the rules say that their images
/// are elsewhere, whoever has them is asked.
pub async fn log_in(registry: &str, options: &RegistryOptions) -> Result<(), RegistryError> {
    let (host, path) = registry.split_once('/').unwrap_or((registry, ""));
    let path = path.split('/').filter(|part| !part.is_empty()).take_while(|part| !part.contains('*'));
    // Rules speak of repositories: one that begins so.
    let repository = path.chain(["any"]).collect::<Vec<_>>().join("/");
    let reference = Reference { registry: host.to_owned(), repository, tag: None, digest: None };
    let options = StageOptions { registry: options.clone(), ..StageOptions::default() };
    let upstreams = Upstreams::own_registry(&reference, &options).map_err(|error| match error {
        RegistryError::Blocked { .. } => RegistryError::Blocked { name: registry.to_owned() },
        other => other,
    })?;
    upstreams.log_in().await
}
