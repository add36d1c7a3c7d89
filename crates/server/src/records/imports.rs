//! Images that are imported.

use killick_fetch::documents::Described;
use killick_model::digest::Digest;
use killick_store::Result;
use killick_store::images as stored;
use serde_json::{Map, Value};

use super::images::{Urgency, annotation, task};
use super::{Image, Records, TagName, now};
use crate::imports::ImportedFrom;
use crate::jobs::analysis::Payload;

/// An image to import.
#[derive(Debug)]
pub(crate) struct NewImport {
    pub(crate) account: String,
    pub(crate) operation: String,
    pub(crate) digest: Digest,
    pub(crate) given_id: String,
    pub(crate) from: ImportedFrom,
    pub(crate) tag: TagName,
    pub(crate) other_tags: Vec<TagName>,
    pub(crate) dockerfile: Option<String>,
    pub(crate) annotations: Map<String, Value>,
    pub(crate) force: bool,
    pub(crate) autosubscribe: bool,
}

impl Records {
    /// Stores an image and queues its analysis, in the transaction that uses up the import.
    pub(crate) async fn import_image(&self, new: &NewImport, described: &Described) -> Result<Image> {
        let digest = new.digest.to_string();
        let payload = Payload { digest: digest.clone(), reference: None, import: Some(new.from.clone()) };
        self.keep_guess(new.from.config_digest(), &killick_model::dockerfile::text(&described.config)).await?;
        let size = described.layers.iter().fold(0_u64, |sum, layer| sum.saturating_add(layer.size));
        let row = stored::NewImage {
            account: new.account.clone(),
            digest: new.digest.clone(),
            index_digest: new.from.index_digest().cloned(),
            naming: stored::Naming::Unknown,
            config_digest: new.from.config_digest().clone(),
            given_id: Some(new.given_id.clone()),
            import: Some(new.operation.clone()),
            tag: new.tag.clone(),
            other_tags: new.other_tags.clone(),
            detected_at: now(),
            size_bytes: i64::try_from(size).unwrap_or(i64::MAX),
            architecture: killick_store::text::column(&described.config.architecture),
            layer_count: i64::try_from(described.layers.len()).unwrap_or(i64::MAX),
            dockerfile: new.dockerfile.clone(),
            manifest: Some(new.from.manifest().clone()),
            annotations: new.annotations.iter().map(|(key, value)| (key.clone(), annotation(value))).collect(),
            force: new.force,
            autosubscribe: new.autosubscribe,
            resubscribe: true,
            task: task(&new.account, &payload, Urgency::Asked),
        };
        let (row, _) = self.store.add_image(&row, now()).await?;
        self.with_tags(row).await
    }
}
