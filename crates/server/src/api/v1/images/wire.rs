//! Image records on the wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::encoding::seconds;
use crate::api::error::ApiError;
use crate::app::App;
use crate::records;

/// An image and the tags it was added under.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::v1) struct Image {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    #[serde(rename = "parentDigest")]
    parent_digest: String,
    #[serde(rename = "userId")]
    user_id: String,
    image_type: &'static str,
    image_status: &'static str,
    analysis_status: &'static str,
    /// Why the last attempt failed: ours, and there only if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis_status_detail: Option<String>,
    #[schema(value_type = Object)]
    annotations: Map<String, Value>,
    created_at: String,
    last_updated: String,
    analyzed_at: Option<String>,
    image_content: ImageContent,
    pub(super) image_detail: Vec<ImageDetail>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ImageContent {
    metadata: ImageMetadata,
}

#[derive(Debug, Serialize, ToSchema)]
struct ImageMetadata {
    arch: Option<String>,
    distro: Option<String>,
    distro_version: Option<String>,
    dockerfile_mode: Option<&'static str>,
    image_size: Option<u64>,
    layer_count: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::v1) struct ImageDetail {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    #[serde(rename = "userId")]
    user_id: String,
    registry: String,
    repo: String,
    tag: String,
    digest: String,
    #[serde(rename = "imageId")]
    image_id: Option<String>,
    dockerfile: Option<String>,
    fulltag: String,
    fulldigest: String,
    created_at: String,
    last_updated: String,
    tag_detected_at: String,
}

impl Image {
    /// The record of an image.
    pub(in crate::api::v1) async fn of(app: &App, image: &records::Image) -> Result<Self, ApiError> {
        let summary = image.summary.as_ref();
        let metadata = ImageMetadata {
            arch: summary.map(|summary| summary.architecture.clone()),
            distro: summary.map(|summary| summary.distribution.clone()),
            distro_version: summary.map(|summary| summary.distribution_version.clone()),
            dockerfile_mode: match (&image.dockerfile, summary) {
                (Some(_), _) => Some("Actual"),
                (None, Some(_)) => Some("Guessed"),
                (None, None) => None,
            },
            image_size: summary.map(|summary| summary.size_bytes),
            layer_count: summary.map(|summary| summary.layers),
        };
        let guessed = app.records().guessed_dockerfile(image).await?;
        let dockerfile = image.dockerfile.as_ref().or(guessed.as_ref()).map(|text| STANDARD.encode(text));
        Ok(Self {
            image_digest: image.digest.clone(),
            parent_digest: image.parent_digest.clone(),
            user_id: image.account.clone(),
            image_type: "docker",
            image_status: image.status.as_str(),
            analysis_status: image.analysis_status.as_str(),
            analysis_status_detail: image.failure.clone(),
            annotations: image.annotations.clone(),
            created_at: seconds(image.created_at),
            last_updated: seconds(image.updated_at),
            analyzed_at: image.analyzed_at.map(seconds),
            image_content: ImageContent { metadata },
            image_detail: image.tags.iter().map(|tag| ImageDetail::of(image, tag, dockerfile.clone())).collect(),
        })
    }
}

impl ImageDetail {
    fn of(image: &records::Image, tag: &records::Tag, dockerfile: Option<String>) -> Self {
        Self {
            image_digest: image.digest.clone(),
            user_id: image.account.clone(),
            registry: tag.registry.clone(),
            repo: tag.repository.clone(),
            tag: tag.tag.clone(),
            digest: image.digest.clone(),
            image_id: image.image_id.clone(),
            dockerfile,
            fulltag: tag.full(),
            fulldigest: format!("{}/{}@{}", tag.registry, tag.repository, image.digest),
            created_at: seconds(tag.created_at),
            last_updated: seconds(tag.updated_at),
            tag_detected_at: seconds(tag.detected_at),
        }
    }
}

/// One tag of one image.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::v1) struct ImageTagSummary {
    #[serde(rename = "imageDigest")]
    image_digest: String,
    #[serde(rename = "parentDigest")]
    parent_digest: String,
    #[serde(rename = "imageId")]
    image_id: Option<String>,
    analysis_status: &'static str,
    fulltag: String,
    image_status: &'static str,
    created_at: i64,
    tag_detected_at: i64,
    analyzed_at: Option<i64>,
}

impl ImageTagSummary {
    /// The tags of an image.
    pub(super) fn of(image: &records::Image) -> Vec<Self> {
        let one = |tag: &records::Tag| Self {
            image_digest: image.digest.clone(),
            parent_digest: image.parent_digest.clone(),
            image_id: image.image_id.clone(),
            analysis_status: image.analysis_status.as_str(),
            fulltag: tag.full(),
            image_status: image.status.as_str(),
            created_at: image.created_at.as_second(),
            tag_detected_at: tag.detected_at.as_second(),
            analyzed_at: image.analyzed_at.map(jiff::Timestamp::as_second),
        };
        image.tags.iter().map(one).collect()
    }
}

/// What became of the wish to delete an image.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api::v1) struct DeleteImageResponse {
    pub(super) digest: String,
    pub(super) status: &'static str,
    pub(super) detail: Option<String>,
}

/// An image to be added: `tag` alone, `tag` and `digest`, or one of `source`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
pub(in crate::api::v1) struct ImageRequest {
    tag: Option<String>,
    digest: Option<String>,
    created_at: Option<String>,
    /// In base64.
    dockerfile: Option<String>,
    image_type: Option<String>,
    #[schema(value_type = Option<Object>)]
    annotations: Option<Map<String, Value>>,
    source: Option<ImageSource>,
}

/// Where an image is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct ImageSource {
    tag: Option<TagSource>,
    digest: Option<DigestSource>,
    archive: Option<ArchiveSource>,
    import: Option<ImportSource>,
}

/// In a registry, by tag.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct TagSource {
    pullstring: String,
    dockerfile: Option<String>,
}

/// In a registry, by digest.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct DigestSource {
    pullstring: String,
    /// What it is called.
    tag: String,
    creation_timestamp_override: Option<String>,
    dockerfile: Option<String>,
}

/// In the analysis archive.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct ArchiveSource {
    #[schema(pattern = "^sha256:[a-fA-F0-9]{64}$")]
    digest: String,
}

/// Among what was uploaded.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct ImportSource {
    #[schema(min_items = 1)]
    tags: Vec<String>,
    digest: String,
    parent_digest: Option<String>,
    local_image_id: Option<String>,
    operation_uuid: String,
    contents: ImportContents,
}

/// The digests that uploads were answered with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct ImportContents {
    packages: String,
    manifest: String,
    image_config: String,
    parent_manifest: Option<String>,
    dockerfile: Option<String>,
}
