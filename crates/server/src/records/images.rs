//! Images with their tags, and the documents about them.

#![expect(clippy::struct_field_names, reason = "the words of the field")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::image::StagedImage;
use killick_model::matching::Matches;
use killick_model::reference::Reference;
use killick_store::Result;
use killick_store::images::{self as stored, ImageFilter, ImageTag};
use killick_store::knowledge::NewMatches;
use killick_store::tasks::NewTask;
use serde_json::{Map, Value};

use super::{DOCUMENT_BYTES, Records, instant, now, optional};
use crate::archive::document::{Record, TagRecord};
use crate::jobs::analysis::{KIND, Payload};

pub(crate) use killick_store::images::{AnalysisStatus, Deletion, ImageStatus, IndexPlace, Naming, TagName};

/// Images whose tags are read at once.
const AT_ONCE: usize = 1_000;

/// Times an image is tried before its analysis counts as failed.
const ATTEMPTS: i64 = 12;

/// An image of an account.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) account: String,
    pub(crate) digest: String,
    pub(crate) parent_digest: String,
    pub(crate) image_id: Option<String>,
    pub(crate) status: ImageStatus,
    pub(crate) analysis_status: AnalysisStatus,
    /// Why the last attempt at analysing it failed.
    pub(crate) failure: Option<String>,
    pub(crate) annotations: Map<String, Value>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) analyzed_at: Option<Timestamp>,
    /// Known once it is analysed.
    pub(crate) summary: Option<Summary>,
    /// As the user gave it.
    pub(crate) dockerfile: Option<String>,
    pub(crate) tags: Vec<Tag>,
    config: Digest,
    manifest: Option<Digest>,
    analysis: Option<Digest>,
}

/// What analysis saw, in a few words.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) architecture: String,
    pub(crate) distribution: String,
    pub(crate) distribution_version: String,
    pub(crate) size_bytes: u64,
    pub(crate) layers: u64,
}

/// A tag under which an image was found.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: String,
    pub(crate) detected_at: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// Whether it means another image of the same index.
    pub(crate) child: bool,
}

impl Tag {
    /// `registry/repository:tag`.
    pub(crate) fn full(&self) -> String {
        format!("{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

impl From<ImageTag> for Tag {
    fn from(row: ImageTag) -> Self {
        let at = instant(row.detected_at);
        Self {
            registry: row.registry,
            repository: row.repository,
            tag: row.tag,
            detected_at: at,
            created_at: at,
            updated_at: at,
            child: row.child,
        }
    }
}

/// An image to add, as the registry gave it.
#[derive(Debug)]
pub(crate) struct NewImage {
    pub(crate) account: String,
    /// Where a worker gets it.
    pub(crate) pull: Reference,
    pub(crate) tag: TagName,
    pub(crate) dockerfile: Option<String>,
    pub(crate) annotations: Map<String, Value>,
    pub(crate) detected_at: Timestamp,
    pub(crate) force: bool,
    pub(crate) autosubscribe: bool,
    pub(crate) resubscribe: bool,
    pub(crate) urgency: Urgency,
    /// What its tag names.
    pub(crate) naming: Naming,
}

impl Records {
    /// Stores an image and queues its analysis, in one transaction.
    pub(crate) async fn add_image(&self, new: &NewImage, staged: &StagedImage) -> Result<Image> {
        let manifest = self.store.blobs().put(staged.manifest.clone()).await?;
        let digest = staged.manifest_digest.to_string();
        let payload = Payload { digest, reference: Some(new.pull.clone()), import: None };
        self.keep_guess(&staged.config_digest, &killick_model::dockerfile::text(&staged.config)).await?;
        let size = staged.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        let row = stored::NewImage {
            account: new.account.clone(),
            digest: staged.manifest_digest.clone(),
            index_digest: match new.naming.place() {
                Some(place) => Some(place.index.clone()),
                None => staged.index.as_ref().map(|(digest, _)| digest.clone()),
            },
            naming: new.naming.clone(),
            config_digest: staged.config_digest.clone(),
            given_id: None,
            import: None,
            tag: new.tag.clone(),
            other_tags: Vec::new(),
            detected_at: new.detected_at.as_microsecond(),
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            architecture: killick_store::text::column(&staged.config.architecture),
            layer_count: i64::try_from(staged.layers.len()).unwrap_or(i64::MAX),
            dockerfile: new.dockerfile.clone(),
            manifest: Some(manifest),
            annotations: new.annotations.iter().map(|(key, value)| (key.clone(), annotation(value))).collect(),
            force: new.force,
            autosubscribe: new.autosubscribe,
            resubscribe: new.resubscribe,
            task: task(&new.account, &payload, new.urgency),
        };
        let (row, _) = self.store.add_image(&row, now()).await?;
        self.with_tags(row).await
    }

    /// Adds an image that is there and analysed once more, under the tags of a record of it.
    pub(crate) async fn add_again(&self, image: &Image, record: Record) -> Result<Image> {
        let name = |tag: TagRecord| TagName { registry: tag.registry, repository: tag.repository, tag: tag.tag };
        let own: Vec<TagRecord> = record.tags.into_iter().filter(|tag| !tag.child).collect();
        let Some(detected_at) = own.iter().map(|tag| tag.detected_at).max() else { return Ok(image.clone()) };
        let mut names = own.into_iter().map(name);
        let Some(tag) = names.next() else { return Ok(image.clone()) };
        let payload = Payload { digest: image.digest.clone(), reference: None, import: None };
        let row = stored::NewImage {
            account: image.account.clone(),
            digest: record.digest,
            index_digest: record.index_digest,
            naming: Naming::Unknown,
            config_digest: record.config_digest,
            given_id: None,
            import: None,
            tag,
            other_tags: names.collect(),
            detected_at: detected_at.as_microsecond(),
            size_bytes: record.size_bytes,
            architecture: String::new(),
            layer_count: 0,
            dockerfile: record.dockerfile,
            manifest: image.manifest.clone(),
            annotations: record.annotations.iter().map(|(key, value)| (key.clone(), annotation(value))).collect(),
            force: false,
            autosubscribe: false,
            resubscribe: false,
            task: task(&image.account, &payload, Urgency::Asked),
        };
        let (row, _) = self.store.add_image(&row, now()).await?;
        self.with_tags(row).await
    }

    /// The images of an index that are in use, that of its tags first, each with what it is for as far as that is known.
    pub(crate) async fn images_of_index(&self, account: &str, index: &str) -> Result<Vec<(Image, Option<String>)>> {
        let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let found = self.store.images_of_index(account, index, limit).await?;
        let (rows, platforms): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ok(self.all_with_tags(account, rows).await?.into_iter().zip(platforms).collect())
    }

    /// All images, newest first.
    pub(crate) async fn images(&self, account: &str) -> Result<Vec<Image>> {
        let mut tags: BTreeMap<Digest, Vec<Tag>> = BTreeMap::new();
        for row in self.store.tags(account).await? {
            tags.entry(row.digest.clone()).or_default().push(row.into());
        }
        let mut images = Vec::new();
        for row in self.store.images(account, ImageFilter::default()).await? {
            let tags = tags.remove(&row.digest).unwrap_or_default();
            images.push(image(row, tags));
        }
        Ok(images)
    }

    /// Images by digest: those after `after`, at most so many.
    pub(crate) async fn images_after(&self, account: &str, after: &str, limit: usize) -> Result<Vec<Image>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all_with_tags(account, self.store.images_after(account, after, limit).await?).await
    }

    async fn all_with_tags(&self, account: &str, rows: Vec<stored::Image>) -> Result<Vec<Image>> {
        let digests: Vec<String> = rows.iter().map(|row| row.digest.to_string()).collect();
        let mut tags = self.tags_of_images(account, &digests).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let tags = tags.remove(&row.digest).unwrap_or_default();
                image(row, tags)
            })
            .collect())
    }

    /// Images that can be judged, by digest: those after `after`, at most so many.
    pub(crate) async fn analyzed_images(&self, account: &str, after: &str, limit: usize) -> Result<Vec<Image>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all_with_tags(account, self.store.analyzed_images(account, after, limit).await?).await
    }

    /// The image of this manifest or index digest.
    pub(crate) async fn image(&self, account: &str, digest: &str) -> Result<Option<Image>> {
        let found = optional(self.store.image_with_tags(account, digest).await)?;
        Ok(found.map(|(row, tags)| image(row, tags.into_iter().map(Tag::from).collect())))
    }

    /// The images of this configuration, given by its hexadecimal digits, or of this id that somebody gave.
    pub(crate) async fn images_by_id(&self, account: &str, id: &str) -> Result<Vec<Image>> {
        let mut found = optional(self.store.image_by_config(account, &format!("sha256:{id}")).await)?;
        if found.is_none() {
            found = optional(self.store.image_by_given_id(account, id).await)?;
        }
        match found {
            Some(row) => Ok(vec![self.with_tags(row).await?]),
            None => Ok(Vec::new()),
        }
    }

    /// The image of this id; failing that, of this digest.
    pub(crate) async fn image_by_id(&self, account: &str, id: &str) -> Result<Option<Image>> {
        match self.images_by_id(account, id).await?.into_iter().next() {
            Some(image) => Ok(Some(image)),
            None => self.image(account, id).await,
        }
    }

    /// The images this tag has pointed to, the present one first, so many at most.
    pub(crate) async fn images_by_tag(&self, account: &str, tag: &TagName, limit: usize) -> Result<Vec<Image>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all_with_tags(account, self.store.images_by_tag(account, tag, ImageFilter::default(), limit).await?).await
    }

    /// The others of the index that a tag names now, in their order, so many at most.
    pub(crate) async fn children_of_tag(&self, account: &str, tag: &TagName, limit: usize) -> Result<Vec<Image>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all_with_tags(account, self.store.children_of_tag(account, tag, limit).await?).await
    }

    /// Marks an image as going away, by the rules of version 1; the retention job removes it.
    pub(crate) async fn delete_image(&self, account: &str, digest: &str, force: bool) -> Result<Deletion> {
        self.store.delete_image(account, digest, force, now()).await
    }

    /// The exact bytes of the manifest; empty where they were not kept.
    pub(crate) async fn manifest(&self, image: &Image) -> Result<Vec<u8>> {
        match &image.manifest {
            Some(blob) => self.store.blobs().get(blob, DOCUMENT_BYTES).await,
            None => Ok(Vec::new()),
        }
    }

    /// The facts as a document; `null` where there are none.
    pub(crate) async fn analysis(&self, image: &Image) -> Result<Vec<u8>> {
        match &image.analysis {
            Some(blob) => self.store.blobs().get(blob, DOCUMENT_BYTES).await,
            None => Ok(b"null".to_vec()),
        }
    }

    /// The matches by this index, if they were kept.
    pub(crate) async fn matches(&self, image: &Image, index: &Digest) -> Result<Option<Matches>> {
        let Some(blob) = self.store.matches(&image.account, &image.digest, index).await? else { return Ok(None) };
        let bytes = self.store.blobs().get(&blob, DOCUMENT_BYTES).await?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Keeps the matches by this index; `seen` are vulnerability and package of each.
    pub(crate) async fn keep_matches(
        &self,
        image: &Image,
        index: &Digest,
        matches: &Matches,
        seen: &[(String, String)],
    ) -> Result<()> {
        let (Ok(bytes), Some(analysis)) = (serde_json::to_vec(matches), &image.analysis) else { return Ok(()) };
        let new = NewMatches {
            account: image.account.clone(),
            digest: image.digest.clone(),
            analysis: analysis.clone(),
            index: index.clone(),
            blob: self.store.blobs().put(bytes).await?,
        };
        self.store.put_matches(&new, seen, now()).await
    }

    /// When each vulnerability of each package was first seen in the image.
    pub(crate) async fn first_seen(&self, image: &Image) -> Result<BTreeMap<(String, String), Timestamp>> {
        let rows = self.store.first_detected(&image.account, &image.digest).await?;
        Ok(rows.into_iter().map(|row| ((row.vulnerability, row.package), instant(row.detected_at))).collect())
    }

    /// The tags of images, as they are stored: newest first.
    pub(super) async fn tags_of_images(&self, account: &str, digests: &[String]) -> Result<BTreeMap<Digest, Vec<Tag>>> {
        let mut tags: BTreeMap<Digest, Vec<Tag>> = BTreeMap::new();
        for digests in digests.chunks(AT_ONCE) {
            for row in self.store.tags_of_images(account, digests).await? {
                tags.entry(row.digest.clone()).or_default().push(row.into());
            }
        }
        Ok(tags)
    }

    pub(super) async fn with_tags(&self, row: stored::Image) -> Result<Image> {
        let tags = self.store.tags_of_image(&row.account, &row.digest.to_string()).await?;
        Ok(image(row, tags.into_iter().map(Tag::from).collect()))
    }

    /// The Dockerfile as it is guessed from the history: of analysed images that nobody gave one.
    pub(crate) async fn guessed_dockerfile(&self, image: &Image) -> Result<Option<String>> {
        if image.dockerfile.is_some() || image.summary.is_none() {
            return Ok(None);
        }
        // Version 1 ends the text with a line break.
        Ok(self.guess(&image.config).await?.map(|text| format!("{}\n", text.trim_end())))
    }
}

/// The tags as version 1 lists them: each once, by when it was last seen, the oldest first. They come newest first, and
/// one that was added again comes again.
pub(super) fn told(tags: Vec<Tag>) -> Vec<Tag> {
    let mut told: Vec<Tag> = Vec::new();
    for tag in tags {
        if told.iter().all(|newer| newer.full() != tag.full()) {
            told.push(tag);
        }
    }
    told.reverse();
    told
}

/// Which analysis goes first, whosever it is. Within each, accounts take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody asks for an image that is not known.
    Asked,
    /// A watcher found a new image.
    Found,
    /// Another image of an index that is not known: that of the tag goes first.
    Further,
    /// What is known of an image is asked for anew: it can be used meanwhile.
    Again,
}

impl Urgency {
    const fn priority(self) -> i64 {
        match self {
            Self::Asked => 20,
            Self::Found => 10,
            Self::Further => 5,
            Self::Again => 0,
        }
    }
}

/// The task of analysing an image.
pub(super) fn task(account: &str, payload: &Payload, urgency: Urgency) -> NewTask {
    NewTask {
        kind: KIND,
        account: account.to_owned(),
        payload: payload.to_text(),
        priority: urgency.priority(),
        run_after: now(),
        dedupe: Some(format!("{KIND} {account} {}", payload.digest)),
        max_attempts: ATTEMPTS,
    }
}

/// The text of an annotation; `null`, and the word for it, removes one.
pub(super) fn annotation(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) if text == "null" => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn image(row: stored::Image, tags: Vec<Tag>) -> Image {
    let tags = told(tags);
    let analyzed = row.analyzed_at.is_some() && row.analysis.is_some();
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let summary = analyzed.then(|| Summary {
        architecture: row.architecture,
        distribution: row.distro,
        distribution_version: row.distro_version,
        size_bytes: number(row.size_bytes),
        layers: number(row.layer_count),
    });
    Image {
        parent_digest: row.index_digest.as_ref().unwrap_or(&row.digest).to_string(),
        digest: row.digest.to_string(),
        image_id: Some(row.given_id.unwrap_or_else(|| row.config_digest.hex())),
        config: row.config_digest,
        account: row.account,
        status: row.image_status,
        analysis_status: row.analysis_status,
        failure: row.failure,
        annotations: serde_json::from_str(&row.annotations).unwrap_or_default(),
        created_at: instant(row.created_at),
        updated_at: instant(row.updated_at),
        analyzed_at: row.analyzed_at.map(instant),
        summary,
        dockerfile: row.dockerfile.filter(|_| row.dockerfile_mode == "Actual"),
        tags,
        manifest: row.manifest,
        analysis: row.analysis,
    }
}
