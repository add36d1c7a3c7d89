//! Registries, by the OCI distribution specification and Docker's token protocol.
//!
//! Four read-only requests, made by our own client on [`crate::http`]: `oci-client` 0.18 reads manifests and token
//! answers into memory without a bound, retries and resumes nothing, drops the headers of refusals (`Retry-After`) and
//! decides by itself where redirects and credentials go.

mod address;
mod auth;
mod challenge;
mod client;
mod download;
mod error;
pub mod timer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use killick_model::digest::Digest;
use killick_model::image::{StagedImage, StagedLayer};
use killick_model::reference::Reference;

pub use error::RegistryError;

use crate::cloud::Cloud;
use crate::credentials::{Credentials, Helpers, Keychain};
use crate::documents::{self, Document, DocumentError};
use crate::egress::Egress;
use crate::layer::{Promise, StoredLayer};
use crate::platform;
use crate::stage::{StageError, StageOptions};
use client::{Answer, Client};
use download::RegistryBlob;
use timer::{Timer, TokioTimer};

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
    /// Of waiting for the bytes of one layer, pauses between tries included. What its reader takes is not counted.
    pub layer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            document: Duration::from_secs(30),
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

/// Stages `reference` from its registry.
pub(crate) async fn stage(reference: &Reference, options: &StageOptions) -> Result<StagedImage, StageError> {
    let name = reference.to_string();
    let limits = &options.limits;
    let client = connect(reference, options)?;
    let target = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.clone().unwrap_or_else(|| "latest".to_owned()),
    };
    let mut answer = client.manifest(&target).await?;
    let mut digest = checked(&answer, reference.digest.as_ref())?;
    let mut index = None;
    for _ in 0..=limits.index_depth {
        match documents::read_document(&name, &answer.body, answer.media_type.as_deref(), limits)? {
            Document::Index(entries) => {
                let entry = platform::choose(&entries, options.platform.as_ref(), &name)?;
                documents::check_size("manifest", &name, entry.size, limits)?;
                let child = client.manifest(&entry.digest.to_string()).await?;
                documents::verify("manifest", &child.body, &entry.digest, entry.size)?;
                index = Some((digest, std::mem::replace(&mut answer, child).body));
                digest = entry.digest.clone();
            }
            Document::Manifest(manifest) => {
                let config_bytes = client.config(&manifest.config.digest, manifest.config.size).await?;
                documents::verify("configuration", &config_bytes, &manifest.config.digest, manifest.config.size)?;
                let read = documents::read_config(&name, &config_bytes, limits)?;
                read.check_layers(&name, manifest.layers.len())?;
                read.check_platform(&name, options.platform.as_ref())?;
                let layers = manifest.layers.iter().zip(&read.diff_ids);
                let tag = Reference { digest: None, ..reference.clone() };
                return Ok(StagedImage {
                    layers: layers.map(|(layer, diff_id)| stored(&client, layer, diff_id, options)).collect(),
                    manifest_digest: digest,
                    manifest: answer.body,
                    index,
                    config_digest: manifest.config.digest,
                    config_bytes,
                    config: read.config,
                    tags: reference.tag.iter().map(|_| tag.to_string()).collect(),
                    name,
                });
            }
        }
    }
    Err(DocumentError::TooDeep { subject: name, limit: limits.index_depth }.into())
}

/// Whether the registry at `host` takes the credentials of `options`, under the same guards as a pull.
pub async fn log_in(host: &str, options: &RegistryOptions) -> Result<(), RegistryError> {
    let (registry, repository) = (host.to_owned(), String::new());
    let reference = Reference { registry, repository, tag: None, digest: None };
    let keychain = Keychain::of(options);
    let options = StageOptions { registry: options.clone(), ..StageOptions::default() };
    Client::new(&reference, keychain, &options)?.ping().await
}

fn connect(reference: &Reference, options: &StageOptions) -> Result<Arc<Client>, RegistryError> {
    Ok(Arc::new(Client::new(reference, Keychain::of(&options.registry), options)?))
}

/// The digest of what was answered, which is the one asked for and the one the registry says it is.
fn checked(answer: &Answer, wanted: Option<&Digest>) -> Result<Digest, DocumentError> {
    let actual = Digest::of(&answer.body);
    for expected in [wanted, answer.digest.as_ref()].into_iter().flatten() {
        if *expected != actual {
            return Err(DocumentError::WrongDigest { what: "manifest", expected: expected.clone(), actual });
        }
    }
    Ok(actual)
}

fn stored(client: &Arc<Client>, layer: &documents::Layer, diff_id: &Digest, options: &StageOptions) -> StagedLayer {
    let promise = Promise { diff_id: diff_id.clone(), digest: Some(layer.digest.clone()), size: layer.size };
    StagedLayer {
        diff_id: diff_id.clone(),
        digest: layer.digest.clone(),
        media_type: layer.media_type.clone(),
        size: layer.size,
        source: Arc::new(StoredLayer {
            promise,
            blob: Arc::new(RegistryBlob::new(Arc::clone(client), layer.digest.clone(), layer.size)),
            zstd_window_log: options.limits.zstd_window_log,
            progress: options.progress.clone(),
        }),
    }
}
