//! Imports: an image of which somebody else made the analysis.
//!
//! Its documents were uploaded before; the task of the image names them, and the worker makes the analysis of them as of
//! any other image. The digest of the image is the caller's word: nothing here has its layers.

use std::sync::Arc;

use killick_analysis::imported::{Documents, ImportError, Imported};
use killick_fetch::documents::describe;
use killick_model::digest::Digest;
use killick_model::problem::Problem;
use killick_store::imports::ImportStatus;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::error::ApiError;
use crate::app::App;
use crate::cpu;
use crate::records::{Image, NewImport, TagName};

/// The annotation that tells the import of an image.
const ANNOTATION: &str = "anchore.system/import_operation_id";

/// The kinds of documents.
pub(crate) const KINDS: [&str; 5] = ["packages", "dockerfile", "manifest", "parent_manifest", "image_config"];

/// What to import.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImportImage {
    /// The import that the documents were uploaded to.
    pub(crate) operation: String,
    /// The image's digest.
    pub(crate) digest: Digest,
    /// Digest of the index it was chosen from.
    pub(crate) index_digest: Option<Digest>,
    /// Its id, if the caller knows one.
    pub(crate) given_id: Option<String>,
    /// The tag it is remembered under.
    pub(crate) tag: TagName,
    /// Others.
    pub(crate) other_tags: Vec<TagName>,
    /// Kind and digest of the documents.
    pub(crate) contents: Vec<(&'static str, Digest)>,
    /// Merged into the image's.
    pub(crate) annotations: Map<String, Value>,
    /// Analyse again.
    pub(crate) force: bool,
    /// Watch the tags from now on.
    pub(crate) autosubscribe: bool,
}

/// The documents of an image, as a task names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportedFrom {
    packages: Digest,
    manifest: Digest,
    image_config: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index_digest: Option<Digest>,
}

/// Adds an image whose documents were uploaded, or merges into the one that is there.
pub(crate) async fn add(app: &App, account: &str, wanted: ImportImage) -> Result<Image, ApiError> {
    let store = app.records().store();
    let operation = store.import(account, &wanted.operation).await?;
    if operation.status != ImportStatus::Pending {
        let status = operation.status.as_str();
        return Err(ApiError::conflict(format!("the import `{}` is not pending: it is {status}", operation.id)));
    }
    let uploaded = store.import_contents(account, &operation.id, None).await?;
    for (kind, digest) in &wanted.contents {
        if !uploaded.iter().any(|content| content.r#type == *kind && content.digest == *digest) {
            let message = format!("no `{kind}` of this digest was uploaded to the import `{}`", operation.id);
            return Err(ApiError::bad_request(message).with_detail("digest", digest.hex()));
        }
    }
    let of = |kind: &str| wanted.contents.iter().find(|(known, _)| *known == kind).map(|(_, digest)| digest.clone());
    let needs =
        |kind: &str| of(kind).ok_or_else(|| ApiError::bad_request(format!("an import needs `contents.{kind}`")));
    let from = ImportedFrom {
        packages: needs("packages")?,
        manifest: needs("manifest")?,
        image_config: needs("image_config")?,
        index_digest: wanted.index_digest.clone(),
    };
    let read = async |key: &Digest| store.blobs().get(key, app.config().fetch_limits.document_bytes).await;
    let dockerfile = match of("dockerfile") {
        Some(key) => Some(String::from_utf8_lossy(&read(&key).await?).into_owned()),
        None => None,
    };
    let (manifest, config) = (read(&from.manifest).await?, read(&from.image_config).await?);
    let limits = app.config().fetch_limits.clone();
    let described = cpu::run(move || describe(&manifest, &config, &limits)).await;
    let mut annotations = wanted.annotations;
    annotations.insert(ANNOTATION.to_owned(), Value::from(operation.id.as_str()));
    let new = NewImport {
        account: account.to_owned(),
        operation: operation.id,
        // Lacking an id, the whole digest stands for it.
        given_id: wanted.given_id.unwrap_or_else(|| wanted.digest.to_string()),
        digest: wanted.digest,
        from,
        tag: wanted.tag,
        other_tags: wanted.other_tags,
        dockerfile,
        annotations,
        force: wanted.force,
        autosubscribe: wanted.autosubscribe,
    };
    Ok(app.records().import_image(&new, &described).await?)
}

impl ImportedFrom {
    /// Digest of the configuration, which is true: it was computed of what was sent.
    pub(crate) fn config_digest(&self) -> &Digest {
        &self.image_config
    }

    /// The blob of the manifest.
    pub(crate) fn manifest(&self) -> &Digest {
        &self.manifest
    }

    /// Digest of the index the image was chosen from.
    pub(crate) fn index_digest(&self) -> Option<&Digest> {
        self.index_digest.as_ref()
    }

    /// Makes the analysis of the image of that digest.
    pub(crate) async fn analyse(&self, app: &App, digest: &Digest) -> Result<Imported, AnalyseError> {
        let blobs = app.records().store().blobs();
        let limit = app.config().fetch_limits.document_bytes;
        let manifest = blobs.get(&self.manifest, limit).await?;
        let config = blobs.get(&self.image_config, limit).await?;
        let packages = Arc::new(blobs.get(&self.packages, MAX_PACKAGES_BYTES as u64).await?);
        let (fetch_limits, max_packages) = (app.config().fetch_limits.clone(), app.config().limits.packages);
        let (from, digest) = (self.clone(), digest.clone());
        let imported = cpu::run_on(app.analysts(), move || {
            let described = describe(&manifest, &config, &fetch_limits);
            let mut problems = described.problems;
            if from.manifest != digest {
                let message = "the digest that was given for the image is not that of the manifest";
                problems.push(Problem::new("import-digest", digest.to_string(), message));
            }
            let documents = Documents {
                manifest_digest: digest,
                index_digest: from.index_digest,
                config_digest: from.image_config,
                config: described.config,
                layers: described.layers,
                problems,
            };
            killick_analysis::imported::read(&packages, documents, max_packages)
        });
        Ok(imported.await?)
    }
}

/// Bytes of a list of packages, by the contract.
pub(crate) const MAX_PACKAGES_BYTES: usize = 100 << 20;

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnalyseError {
    /// The documents.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The store.
    #[error(transparent)]
    Store(#[from] killick_store::StoreError),
}
