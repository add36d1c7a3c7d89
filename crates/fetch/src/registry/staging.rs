//! From a reference to a staged image: the name is resolved once, and everything else is asked for by digest.

use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::image::{NameSource, StagedImage, StagedLayer, Surroundings};
use killick_model::reference::Reference;
use url::Url;

use super::client::Answer;
use super::download::RegistryBlob;
use super::referrers;
use super::upstreams::Upstreams;
use super::watch::TagName;
use crate::documents::{self, Document, DocumentError, Entry, Manifest};
use crate::index::{Index, IndexedImage, Leaf, Platforms, Staged, StagedIndex, Unfolding};
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
    let staging = Staging::begin(reference, options)?;
    let mut found = staging.top().await?;
    let name = staging.name_of(&found);
    let mut index = None;
    for _ in 0..=options.limits.index_depth {
        match staging.read(&found)? {
            Document::Index(entries) => {
                let entry = platform::choose(&entries, options.platform.as_ref(), &staging.name)?;
                let child = staging.child(entry).await?;
                let Found { digest, answer } = std::mem::replace(&mut found, child);
                index = Some(Index { digest, bytes: answer.body, entries });
            }
            Document::Manifest(manifest) => {
                let surroundings = Surroundings { name, ..Surroundings::default() };
                let mut image = staging.image(found, &manifest, index.as_ref(), surroundings).await?;
                staging.gather(&image.manifest_digest, index.as_ref(), &mut image.surroundings).await;
                if let Some(index) = &index {
                    staging.gather(&index.digest, None, &mut image.surroundings).await;
                }
                return Ok(image);
            }
        }
    }
    Err(DocumentError::TooDeep { subject: staging.name, limit: options.limits.index_depth }.into())
}

/// Stages those images of the index `reference` that are wanted.
pub(crate) async fn stage_several(
    reference: &Reference,
    platforms: &Platforms,
    options: &StageOptions,
) -> Result<Staged, StageError> {
    let staging = Staging::begin(reference, options)?;
    let found = staging.top().await?;
    let mut surroundings = Surroundings { name: staging.name_of(&found), ..Surroundings::default() };
    let entries = match staging.read(&found)? {
        Document::Index(entries) => entries,
        Document::Manifest(manifest) => {
            let mut image = staging.image(found, &manifest, None, surroundings).await?;
            staging.gather(&image.manifest_digest, None, &mut image.surroundings).await;
            return platforms.only(image);
        }
    };
    let (digest, bytes) = (found.digest, found.answer.body);
    let mut unfolding = Unfolding::new(&staging.name, &options.limits);
    unfolding.add(Index { digest: digest.clone(), bytes: bytes.clone(), entries }, 0)?;
    while let Some((entry, depth)) = unfolding.next() {
        let found = staging.child(&entry).await?;
        if let Document::Index(entries) = staging.read(&found)? {
            unfolding.add(Index { digest: found.digest, bytes: found.answer.body, entries }, depth)?;
        }
    }
    let wanted = unfolding.wanted(platforms)?;
    // What is attached to the index is attached to each of its images.
    staging.gather(&digest, None, &mut surroundings).await;
    let mut images = Vec::new();
    for Leaf { entry, index } in wanted {
        let image = staging.indexed(&entry, &index, surroundings.clone()).await;
        images.push(IndexedImage { digest: entry.digest, platform: entry.platform, image });
    }
    Ok(Staged::Index(StagedIndex { digest, bytes, images, name: staging.name }))
}

/// A manifest or index, and what it really is.
struct Found {
    digest: Digest,
    answer: Answer,
}

impl<'a> Staging<'a> {
    fn begin(reference: &'a Reference, options: &'a StageOptions) -> Result<Self, StageError> {
        let upstreams = Upstreams::connect(reference, options)?;
        Ok(Self { upstreams, name: reference.to_string(), reference, options })
    }

    /// What an index lists.
    async fn child(&self, entry: &Entry) -> Result<Found, StageError> {
        documents::check_size("manifest", &self.name, entry.size, &self.options.limits)?;
        let answer = self.upstreams.manifest(&entry.digest, Some(entry.size)).await?;
        Ok(Found { digest: entry.digest.clone(), answer })
    }

    /// One of several images of an index.
    async fn indexed(
        &self,
        entry: &Entry,
        index: &Index,
        surroundings: Surroundings,
    ) -> Result<StagedImage, StageError> {
        let found = self.child(entry).await?;
        match self.read(&found)? {
            Document::Manifest(manifest) => {
                let mut image = self.image(found, &manifest, Some(index), surroundings).await?;
                self.gather(&image.manifest_digest, Some(index), &mut image.surroundings).await;
                Ok(image)
            }
            Document::Index(_) => Err(DocumentError::HiddenIndex { digest: found.digest }.into()),
        }
    }

    /// Looks for what is attached to a manifest or index, if that is wanted.
    async fn gather(&self, about: &Digest, index: Option<&Index>, surroundings: &mut Surroundings) {
        if self.options.attachments {
            let entries = index.map(|index| index.entries.as_slice()).unwrap_or_default();
            referrers::gather(&self.upstreams, &self.name, about, entries, self.options).await.add_to(surroundings);
        }
    }

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
        manifest: &Manifest,
        index: Option<&Index>,
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
            index: index.map(|index| (index.digest.clone(), index.bytes.clone())),
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
                table: layer.table.clone().filter(|_| self.options.lazy),
                limits: self.options.limits.clone(),
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
