//! Docker archives, as `docker save` writes them: `manifest.json`, a configuration and layers for each image.
//!
//! Such an archive has no image manifest. We derive one, a Docker manifest of version 2, schema 2 whose layers are the
//! diffIDs, so that the same image has the same identity in every archive whatever wrote it.

use std::path::PathBuf;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_model::image::{StagedImage, StagedLayer, Surroundings};
use killick_model::reference::Reference;
use serde::Deserialize;

use crate::archive::Archive;
use crate::documents::{self, DocumentError};
use crate::layer::{Promise, StoredLayer};
use crate::stage::{StageError, StageOptions, meant};

/// What we call every layer of such an archive; how it is really stored is recognised when it is read.
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// Images that an error message lists at most.
const LISTED: usize = 20;

/// What is wrong with the images of a Docker archive.
#[derive(Debug, thiserror::Error)]
pub enum DockerArchiveError {
    /// There is no manifest.
    #[error("`{name}` is no Docker archive: it has no `manifest.json`")]
    NoManifest {
        /// The source.
        name: String,
    },
    /// The manifest lists nothing.
    #[error("`{name}` has no image")]
    Empty {
        /// The source.
        name: String,
    },
    /// The manifest lists several images.
    #[error("`{name}` has several images: {available}")]
    Several {
        /// The source.
        name: String,
        /// Their names.
        available: String,
    },
    /// No image has the name.
    #[error("`{name}` has no image `{image}`: it has {available}")]
    NoImage {
        /// The source.
        name: String,
        /// As asked for.
        image: String,
        /// What there is.
        available: String,
    },
    /// The configuration is not the one its name says.
    #[error("the configuration of `{name}` has the digest `{actual}`, but is called `{member}`")]
    WrongConfig {
        /// The source.
        name: String,
        /// As computed.
        actual: Digest,
        /// Its member name.
        member: PathBuf,
    },
}

impl Hint for DockerArchiveError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Several { .. } => "name one behind a colon, as in `docker-archive:FILE:REPOSITORY:TAG`",
            Self::NoManifest { .. } | Self::Empty { .. } => "make an archive with `docker save -o FILE IMAGE`",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl Image {
    fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}

/// Stages the image called `wanted`; without a name, the only one.
pub(crate) fn stage(
    archive: &Archive,
    name: String,
    wanted: Option<&str>,
    options: &StageOptions,
) -> Result<StagedImage, StageError> {
    let limits = &options.limits;
    if !archive.contains(b"manifest.json") {
        return Err(DockerArchiveError::NoManifest { name }.into());
    }
    let bytes = archive.read(b"manifest.json", limits.document_bytes)?;
    documents::check_size("manifest", &name, bytes.len() as u64, limits)?;
    let images: Vec<Image> = serde_json::from_slice(&bytes).map_err(|source| DocumentError::Malformed {
        what: "manifest",
        subject: name.clone(),
        source,
    })?;
    let image = choose(&images, &name, wanted)?;
    let config_bytes = archive.read(image.config.as_bytes(), limits.document_bytes)?;
    let read = documents::read_config(&name, &config_bytes, limits)?;
    let config_digest = Digest::of(&config_bytes);
    if digest_in_name(&image.config).is_some_and(|named| named != config_digest) {
        let member = PathBuf::from(&image.config);
        return Err(DockerArchiveError::WrongConfig { name, actual: config_digest, member }.into());
    }
    let members = image.layers.as_deref().unwrap_or_default();
    read.check_layers(&name, members.len())?;
    read.check_platform(&name, options.platform.as_ref())?;
    let mut layers = Vec::new();
    for (member, diff_id) in members.iter().zip(&read.diff_ids) {
        layers.push(layer(archive, member, diff_id, options)?);
    }
    let manifest = documents::synthesise(&config_bytes, &layers);
    Ok(StagedImage {
        manifest_digest: Digest::of(&manifest),
        manifest,
        index: None,
        config_digest,
        config_bytes,
        config: read.config,
        layers,
        tags: meant(image.tags().to_owned(), wanted),
        surroundings: Surroundings::default(),
        name,
    })
}

fn layer(archive: &Archive, member: &str, diff_id: &Digest, options: &StageOptions) -> Result<StagedLayer, StageError> {
    let (blob, size) = archive.blob(member.as_bytes())?;
    // Only in a layout's folder is a name known to be the digest of the stored bytes.
    let digest = if member.starts_with("blobs/sha256/") { digest_in_name(member) } else { None };
    let promise = Promise { diff_id: diff_id.clone(), digest, size };
    Ok(StagedLayer {
        diff_id: diff_id.clone(),
        digest: diff_id.clone(),
        media_type: LAYER_TYPE.to_owned(),
        size,
        source: Arc::new(StoredLayer {
            promise,
            blob,
            table: None,
            limits: options.limits.clone(),
            progress: options.progress.clone(),
        }),
    })
}

fn choose<'a>(images: &'a [Image], name: &str, wanted: Option<&str>) -> Result<&'a Image, DockerArchiveError> {
    let name = || name.to_owned();
    let Some(wanted) = wanted else {
        return match images {
            [] => Err(DockerArchiveError::Empty { name: name() }),
            [image] => Ok(image),
            _ => Err(DockerArchiveError::Several { name: name(), available: available(images) }),
        };
    };
    let reference = wanted.parse::<Reference>().ok();
    let is_wanted = |tag: &String| tag == wanted || (reference.is_some() && tag.parse::<Reference>().ok() == reference);
    images.iter().find(|image| image.tags().iter().any(is_wanted)).ok_or_else(|| DockerArchiveError::NoImage {
        name: name(),
        image: wanted.to_owned(),
        available: available(images),
    })
}

fn available(images: &[Image]) -> String {
    let names: Vec<String> = images
        .iter()
        .flat_map(|image| match image.tags() {
            [] => vec!["one without a name".to_owned()],
            tags => tags.iter().map(|tag| format!("`{tag}`")).collect(),
        })
        .take(LISTED)
        .collect();
    names.join(", ")
}

/// The digest that `HEX.json` and `blobs/sha256/HEX` carry in their name.
fn digest_in_name(member: &str) -> Option<Digest> {
    let last = member.rsplit('/').next()?;
    let hex = last.strip_suffix(".json").unwrap_or(last);
    format!("sha256:{hex}").parse().ok()
}
