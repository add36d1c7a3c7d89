//! Where published advisory indexes lie: a folder, one tar file, a web server, a bucket, an OCI registry.
//!
//! All hold the same: one signed document, and blobs by their digests. What they say is for `killick-vulns` to read and
//! to verify; here are bytes, bounded by who asks for them. Blobs are read by blocking readers, whole or in part, and a
//! download that breaks off is resumed.

mod bundle;
mod error;
mod folder;
mod place;
mod web;

use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use killick_model::digest::Digest;
use secrecy::SecretString;
use tokio::runtime::Handle;

pub use error::PlaceError;
pub use place::Place;

use crate::archive::Archive;
use crate::environment::Environment;
use crate::limits::Limits;
use crate::registry::{Artifact, RegistryOptions};
use web::Web;

/// Name of the signed document.
const MANIFEST: &str = "manifest.json";

/// What is shown to a web server.
#[derive(Debug, Clone)]
pub enum Login {
    /// A user and their password.
    Password(String, SecretString),
    /// A token alone.
    Bearer(SecretString),
}

/// How a place is reached.
#[derive(Clone, Default)]
pub struct PlaceOptions {
    /// Proxies, certificates, patience, egress for all that is in the network; credentials for registries, and for
    /// buckets the cloud's.
    pub registry: RegistryOptions,
    /// Says where buckets are: `AWS_REGION`, `AWS_ENDPOINT_URL_S3`.
    pub environment: Environment,
    /// Who we are at a web server.
    pub login: Option<Login>,
    /// Largest signed document that is read.
    pub manifest_bytes: u64,
}

/// Where a blob lies below the place.
fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A place that publications are read from.
pub struct Opened {
    kind: Kind,
    /// Downloads run here while blocking readers wait for them.
    runtime: Handle,
}

enum Kind {
    Folder(PathBuf),
    Bundle(Archive),
    Web(Arc<Web>),
    Registry(Artifact),
}

impl Opened {
    /// Makes ready to read. To be called on the runtime that will download.
    pub async fn new(place: &Place, options: &PlaceOptions) -> Result<Self, PlaceError> {
        let kind = match place {
            Place::Folder(path) => Kind::Folder(path.clone()),
            Place::Bundle(path) => Kind::Bundle(Archive::open(path.clone(), &Limits::default())?),
            Place::Web(_) | Place::Bucket { .. } => Kind::Web(Arc::new(Web::new(place, options)?)),
            Place::Registry(reference) => Kind::Registry(Artifact::open(reference, &options.registry).await?),
        };
        Ok(Self { kind, runtime: Handle::current() })
    }

    /// The signed document.
    pub async fn manifest(&self, options: &PlaceOptions) -> Result<Vec<u8>, PlaceError> {
        let limit = options.manifest_bytes;
        let bytes = match &self.kind {
            Kind::Folder(path) => folder::manifest(path, limit)?,
            Kind::Bundle(archive) => archive.read(MANIFEST.as_bytes(), limit)?,
            Kind::Web(web) => web.manifest(limit).await?,
            Kind::Registry(artifact) => artifact.envelope(limit).await?,
        };
        if bytes.len() as u64 > limit {
            return Err(PlaceError::TooLarge { what: MANIFEST.to_owned(), limit });
        }
        Ok(bytes)
    }

    /// Begins to read a blob of that many bytes, or a part of it. What comes is not verified.
    pub fn blob(&self, digest: &Digest, bytes: u64, part: Option<Range<u64>>) -> io::Result<Box<dyn Read + Send>> {
        let _entered = self.runtime.enter();
        match &self.kind {
            Kind::Folder(path) => folder::blob(path, digest, part),
            Kind::Bundle(archive) => {
                let (blob, _) = archive.blob(blob_path(digest).as_bytes()).map_err(io::Error::other)?;
                part.map_or_else(|| blob.open(), |part| blob.open_part(part))
            }
            Kind::Web(web) => Ok(web::Download::start(web, digest, bytes, part)),
            Kind::Registry(artifact) => artifact.blob(digest, bytes, part),
        }
    }
}

/// A blob to be published.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes.
    pub bytes: u64,
    /// What it is, for people who look at an artifact in a registry.
    pub title: String,
}

/// What is published.
pub struct Edition<'a> {
    /// The signed document.
    pub manifest: &'a [u8],
    /// The blobs it names.
    pub uploads: &'a [Upload],
    /// Reads one of them.
    pub read: &'a (dyn Fn(&Upload) -> io::Result<Vec<u8>> + Sync),
    /// Blobs that stay besides, for who is reading by the document that is there now. All others go; none, if not given.
    pub keep: Option<&'a [Digest]>,
}

/// What it took to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Blobs that were not there.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Publishes: blobs first, the document last, so that whoever reads meanwhile finds all that his document names.
pub async fn publish(place: &Place, edition: &Edition<'_>, options: &PlaceOptions) -> Result<Sent, PlaceError> {
    match place {
        Place::Folder(path) => folder::publish(path, edition),
        Place::Bundle(path) => bundle::publish(path, edition),
        Place::Bucket { .. } => Web::new(place, options)?.publish(edition).await,
        Place::Registry(reference) => Artifact::publish(reference, edition, &options.registry).await,
        Place::Web(_) => Err(PlaceError::ReadOnly { place: place.to_string() }),
    }
}
