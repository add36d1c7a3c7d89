//! From a reference to a staged image: the name is resolved once, and everything else is asked for by digest.

use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::image::{NameSource, StagedImage, StagedLayer, Surroundings};
use killick_model::reference::Reference;
use url::Url;

use super::client::Answer;
use super::download::RegistryBlob;
use super::upstreams::Upstreams;
use super::watch::TagName;
use crate::documents::{self, Document, DocumentError, Manifest};
use crate::layer::{Promise, StoredLayer};
use crate::platform;
use crate::stage::{StageError, StageOptions};

/// One reference that is being staged.
struct Staging<'a> {
    upstreams: Arc<Upstreams>,
    name: String,
    reference: &'a Reference,
    options: &'a StageOptions,
}

/// Stages `reference` from its registry.
pub(crate) async fn stage(reference: &Reference, options: &StageOptions) -> Result<StagedImage, StageError> {
    let upstreams = Upstreams::connect(reference, options)?;
    let staging = Staging { upstreams, name: reference.to_string(), reference, options };
    let top = staging.top().await?;
    let name = staging.name_of(&top);
    let mut found = top;
    let mut index = None;
    for _ in 0..=options.limits.index_depth {
        match staging.read(&found)? {
            Document::Index(entries) => {
                let entry = platform::choose(&entries, options.platform.as_ref(), &staging.name)?;
                documents::check_size("manifest", &staging.name, entry.size, &options.limits)?;
                let child = staging.upstreams.manifest(&entry.digest, Some(entry.size)).await?;
                let child = Found { digest: entry.digest.clone(), answer: child };
                let Found { digest, answer } = std::mem::replace(&mut found, child);
                index = Some((digest, answer.body));
            }
            Document::Manifest(manifest) => {
                let surroundings = Surroundings { name, ..Surroundings::default() };
                return staging.image(found, manifest, index, surroundings).await;
            }
        }
    }
    Err(DocumentError::TooDeep { subject: staging.name, limit: options.limits.index_depth }.into())
}

/// A manifest or index, and what it really is.
struct Found {
    digest: Digest,
    answer: Answer,
}

impl Staging<'_> {
    /// What the reference names.
    async fn top(&self) -> Result<Found, StageError> {
        if let Some(digest) = &self.reference.digest {
            let answer = self.upstreams.manifest(digest, None).await?;
            return Ok(Found { digest: checked(&answer)?, answer });
        }
        let answer = self.upstreams.tagged(self.tag()).await?;
        Ok(Found { digest: checked(&answer)?, answer })
    }

    fn tag(&self) -> &str {
        self.reference.tag.as_deref().unwrap_or("latest")
    }

    /// Who can be asked whether the reference still names what it did.
    fn name_of(&self, top: &Found) -> Option<Arc<dyn NameSource>> {
        if self.reference.digest.is_some() {
            return None;
        }
        Some(Arc::new(TagName::new(&self.upstreams, self.tag(), &top.digest, &top.answer)))
    }

    fn read(&self, found: &Found) -> Result<Document, DocumentError> {
        let Answer { body, media_type, .. } = &found.answer;
        documents::read_document(&self.name, body, media_type.as_deref(), &self.options.limits)
    }

    /// The image of a manifest.
    async fn image(
        &self,
        found: Found,
        manifest: Manifest,
        index: Option<(Digest, Vec<u8>)>,
        surroundings: Surroundings,
    ) -> Result<StagedImage, StageError> {
        let (name, config) = (&self.name, &manifest.config);
        manifest.check_foreign(name, self.options.foreign_layers)?;
        let config_bytes = self.upstreams.blob("configuration", &config.digest, config.size).await?;
        let read = documents::read_config(name, &config_bytes, &self.options.limits)?;
        read.check_layers(name, manifest.layers.len())?;
        read.check_platform(name, self.options.platform.as_ref())?;
        let layers = manifest.layers.iter().zip(&read.diff_ids);
        let tag = Reference { digest: None, ..self.reference.clone() };
        Ok(StagedImage {
            layers: layers.map(|(layer, diff_id)| self.layer(layer, diff_id)).collect(),
            manifest_digest: found.digest,
            manifest: found.answer.body,
            index,
            config_digest: config.digest.clone(),
            config_bytes,
            config: read.config,
            tags: self.reference.tag.iter().map(|_| tag.to_string()).collect(),
            surroundings,
            name: name.clone(),
        })
    }

    fn layer(&self, layer: &documents::Layer, diff_id: &Digest) -> StagedLayer {
        let promise = Promise { diff_id: diff_id.clone(), digest: Some(layer.digest.clone()), size: layer.size };
        let urls: Vec<Url> = layer.foreign.iter().flatten().filter_map(|url| url.parse().ok()).collect();
        let blob = RegistryBlob::new(Arc::clone(&self.upstreams), layer.digest.clone(), layer.size, urls);
        StagedLayer {
            diff_id: diff_id.clone(),
            digest: layer.digest.clone(),
            media_type: layer.media_type.clone(),
            size: layer.size,
            source: Arc::new(StoredLayer {
                promise,
                blob: Arc::new(blob),
                zstd_window_log: self.options.limits.zstd_window_log,
                progress: self.options.progress.clone(),
            }),
        }
    }
}

/// The digest of what was answered, which is the one the registry says it is.
fn checked(answer: &Answer) -> Result<Digest, DocumentError> {
    let actual = Digest::of(&answer.body);
    match &answer.digest {
        Some(expected) if *expected != actual => {
            Err(DocumentError::WrongDigest { what: "manifest", expected: expected.clone(), actual })
        }
        _ => Ok(actual),
    }
}
