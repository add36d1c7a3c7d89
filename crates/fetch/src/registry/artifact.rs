//! A published index as an artifact (OCI image specification, manifest.md, "Guidelines for Artifact Usage"): its
//! configuration is the signed document, its layers are the blobs. Registries and copying tools see to the rest.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::reference::Reference;
use serde::Deserialize;
use serde_json::json;

use super::RegistryOptions;
use super::client::Client;
use super::download::RegistryBlob;
use super::upstreams::Upstreams;
use crate::credentials::Keychain;
use crate::layer::Blob as _;
use crate::publication::{Edition, PlaceError, Sent, Upload};
use crate::stage::{StageError, StageOptions};

/// What the artifact is.
const ARTIFACT_TYPE: &str = "application/vnd.killick.publication.v1";
/// Type of the signed document (DSSE, envelope.md).
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Type of the blobs.
const BLOB: &str = "application/vnd.killick.index.part.v1";
/// Type of a manifest.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An artifact that publications are read from.
pub(crate) struct Artifact {
    upstreams: Arc<Upstreams>,
    reference: String,
    document: Document,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default, rename = "artifactType")]
    artifact_type: Option<String>,
    config: Document,
}

/// The descriptor of the signed document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: String,
    digest: Digest,
    size: u64,
}

impl Artifact {
    /// Asks for the manifest, which need not be believed: only where the signed document is.
    pub(crate) async fn open(reference: &Reference, options: &RegistryOptions) -> Result<Self, PlaceError> {
        let upstreams = Upstreams::connect(reference, &stage_options(options)).map_err(StageError::from)?;
        let answer = match &reference.digest {
            Some(digest) => upstreams.manifest(digest, None).await?,
            None => upstreams.tagged(reference.tag.as_deref().unwrap_or("latest")).await?,
        };
        let reference = reference.to_string();
        let no_artifact = |reason: String| PlaceError::NoArtifact { reference: reference.clone(), reason };
        let manifest: Manifest =
            serde_json::from_slice(&answer.body).map_err(|error| no_artifact(format!("its manifest: {error}")))?;
        if manifest.config.media_type != ENVELOPE {
            let kind = manifest.artifact_type.unwrap_or(manifest.config.media_type);
            return Err(no_artifact(format!("it is of the type `{kind:.100}`")));
        }
        Ok(Self { upstreams, reference, document: manifest.config })
    }

    /// The signed document.
    pub(crate) async fn envelope(&self, limit: u64) -> Result<Vec<u8>, PlaceError> {
        let Document { digest, size, .. } = &self.document;
        if *size > limit {
            return Err(PlaceError::TooLarge { what: format!("the signed document of {}", self.reference), limit });
        }
        Ok(self.upstreams.blob("signed document", digest, *size).await?)
    }

    /// Begins to read a blob, or a part of it. To be called on the runtime that will download.
    pub(crate) fn blob(
        &self,
        digest: &Digest,
        bytes: u64,
        part: Option<Range<u64>>,
    ) -> io::Result<Box<dyn Read + Send>> {
        let blob = RegistryBlob::new(Arc::clone(&self.upstreams), digest.clone(), bytes, Vec::new());
        part.map_or_else(|| blob.open(), |part| blob.open_part(part))
    }

    /// Pushes blobs that are not there, and then the manifest under the reference's tag.
    pub(crate) async fn publish(
        reference: &Reference,
        edition: &Edition<'_>,
        options: &RegistryOptions,
    ) -> Result<Sent, PlaceError> {
        let client =
            Client::new(reference, Keychain::of(options), &stage_options(options)).map_err(StageError::from)?;
        let mut sent = Sent::default();
        for upload in edition.uploads {
            if client.has_blob(&upload.digest).await.map_err(StageError::from)? {
                continue;
            }
            let read = (edition.read)(upload);
            let bytes =
                read.map_err(|source| PlaceError::File { doing: "read", path: upload.title.clone().into(), source })?;
            client.push_blob(&upload.digest, bytes.into()).await.map_err(StageError::from)?;
            sent.blobs += 1;
            sent.bytes += upload.bytes;
        }
        let document = Digest::of(edition.manifest);
        client.push_blob(&document, edition.manifest.to_vec().into()).await.map_err(StageError::from)?;
        let manifest = manifest(&document, edition);
        let tag = reference.tag.as_deref().unwrap_or("latest");
        client.push_manifest(tag, MANIFEST, manifest.into()).await.map_err(StageError::from)?;
        Ok(sent)
    }
}

fn stage_options(options: &RegistryOptions) -> StageOptions {
    StageOptions { registry: options.clone(), ..StageOptions::default() }
}

fn manifest(document: &Digest, edition: &Edition<'_>) -> Vec<u8> {
    let layer = |upload: &Upload| {
        json!({
            "mediaType": BLOB,
            "digest": upload.digest,
            "size": upload.bytes,
            "annotations": { "org.opencontainers.image.title": upload.title },
        })
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": ARTIFACT_TYPE,
        "config": { "mediaType": ENVELOPE, "digest": document, "size": edition.manifest.len() },
        "layers": edition.uploads.iter().map(layer).collect::<Vec<_>>(),
    });
    manifest.to_string().into_bytes()
}
