//! From a source to a staged image.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_model::image::{Platform, StagedImage};
use killick_model::reference::Reference;

use crate::archive::{Archive, ArchiveError};
use crate::directory::{self, DirectoryError};
use crate::docker_archive::{self, DockerArchiveError};
use crate::documents::DocumentError;
use crate::engine::{self, EngineError, EngineTimeouts};
use crate::environment::Environment;
use crate::index::{Platforms, Staged};
use crate::layout::{self, LayoutError};
use crate::limits::Limits;
use crate::progress::{self, Event, Progress};
use crate::registry::{self, RegistryError, RegistryOptions};
use crate::source::Source;

/// What is wanted of a source, and how far to go for it. The default suits an anonymous user.
#[derive(Clone, Default)]
pub struct StageOptions {
    /// Which image of an index. Without it, the host's, or the only one.
    pub platform: Option<Platform>,
    /// How registries are spoken to.
    pub registry: RegistryOptions,
    /// How container engines are waited for. The environment says where they are.
    pub engine_timeouts: EngineTimeouts,
    /// What the process was told by its environment; nothing if not given.
    pub environment: Environment,
    /// Look for what is attached to the image: SBOMs, attestations, signatures.
    pub attachments: bool,
    /// Fetch layers from where a manifest says, if the registry does not have them. Any host may be named there.
    pub foreign_layers: bool,
    /// Let layers of a registry be read by their tables of contents, which are verified, where they have one. Their
    /// stored bytes and their diffIDs are not verified then: the table may list other files than the layer has.
    pub lazy: bool,
    /// What is refused.
    pub limits: Limits,
    /// Who hears about it.
    pub progress: Option<Arc<dyn Progress>>,
}

/// Why an image could not be staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The documents of the image.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The archive file.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The image within a Docker archive.
    #[error(transparent)]
    DockerArchive(#[from] DockerArchiveError),
    /// The OCI layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The root directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The container engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The source is no image.
    #[error("`{name}` is an SBOM, which holds no layers")]
    Sbom {
        /// The source.
        name: String,
    },
}

impl Hint for StageError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.hint(),
            Self::Document(error) => error.hint(),
            Self::Archive(error) => error.hint(),
            Self::DockerArchive(error) => error.hint(),
            Self::Layout(error) => error.hint(),
            Self::Directory(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::Sbom { .. } => None,
        }
    }
}

/// Resolves `source` and fetches its documents.
///
/// Layers are not fetched: that happens when they are opened, as often as they are opened. Layers of a registry or an
/// engine come by tasks of the runtime this was called on, which must therefore have another thread than the one that
/// reads the layer, and must live as long.
pub async fn stage(source: &Source, options: &StageOptions) -> Result<StagedImage, StageError> {
    let name = source.to_string();
    progress::report(options.progress.as_ref(), Event::Resolving { name: &name });
    let image = match source {
        Source::Registry(reference) => registry::stage(reference, options).await?,
        Source::Engine { engine, image } => engine::stage(*engine, image, name, options).await?,
        local => {
            let local = local.clone();
            blocking(options, move |options| stage_local(local, name, options)).await?
        }
    };
    resolved(options, &image.manifest_digest, [&image]);
    Ok(image)
}

/// The same for those images of an index that are wanted. A source that has one image gives that, if it is wanted.
///
/// `options.platform` does not count.
pub async fn stage_several(
    source: &Source,
    platforms: &Platforms,
    options: &StageOptions,
) -> Result<Staged, StageError> {
    let options = &StageOptions { platform: None, ..options.clone() };
    let name = source.to_string();
    progress::report(options.progress.as_ref(), Event::Resolving { name: &name });
    let staged = match source {
        Source::Registry(reference) => registry::stage_several(reference, platforms, options).await?,
        // An engine exports one image.
        Source::Engine { engine, image } => platforms.only(engine::stage(*engine, image, name, options).await?)?,
        local => {
            let (local, platforms) = (local.clone(), platforms.clone());
            blocking(options, move |options| stage_several_local(local, name, &platforms, options)).await?
        }
    };
    match &staged {
        Staged::Image(image) => resolved(options, &image.manifest_digest, [image.as_ref()]),
        Staged::Index(index) => {
            resolved(options, &index.digest, index.images.iter().filter_map(|child| child.image.as_ref().ok()));
        }
    }
    Ok(staged)
}

fn resolved<'a>(options: &StageOptions, digest: &Digest, images: impl IntoIterator<Item = &'a StagedImage>) {
    let mut seen = HashSet::new();
    let layers = images.into_iter().flat_map(|image| &image.layers);
    let sizes = layers.filter(|layer| seen.insert(&layer.digest)).map(|layer| layer.size);
    let (layers, bytes) = sizes.fold((0, 0_u64), |(count, sum), size| (count + 1, sum.saturating_add(size)));
    progress::report(options.progress.as_ref(), Event::Resolved { digest, layers, bytes });
}

/// The names of an image that count: the one that was asked for if it is among them, else all.
pub(crate) fn meant(names: Vec<String>, wanted: Option<&str>) -> Vec<String> {
    let reference = wanted.and_then(|wanted| wanted.parse::<Reference>().ok());
    let is_wanted = |name: &&String| reference.is_some() && name.parse::<Reference>().ok() == reference;
    match names.iter().find(is_wanted) {
        Some(name) => vec![name.clone()],
        None => names,
    }
}

/// Runs what reads files on a thread that may block.
async fn blocking<T: Send + 'static>(
    options: &StageOptions,
    work: impl FnOnce(&StageOptions) -> Result<T, StageError> + Send + 'static,
) -> Result<T, StageError> {
    let options = options.clone();
    match tokio::task::spawn_blocking(move || work(&options)).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Only a layout knows of indexes.
fn stage_several_local(
    source: Source,
    name: String,
    platforms: &Platforms,
    options: &StageOptions,
) -> Result<Staged, StageError> {
    match source {
        Source::OciLayout { path, tag } => {
            layout::stage_several(&layout::Folder::open(path)?, name, tag.as_deref(), platforms, options)
        }
        Source::OciArchive { path, tag: image } | Source::Archive { path, image } => {
            let archive = Archive::open(path, &options.limits)?;
            if archive.contains(b"manifest.json") && !archive.contains(b"index.json") {
                platforms.only(docker_archive::stage(&archive, name, image.as_deref(), options)?)
            } else {
                layout::stage_several(&archive, name, image.as_deref(), platforms, options)
            }
        }
        other => platforms.only(stage_local(other, name, options)?),
    }
}

fn stage_local(source: Source, name: String, options: &StageOptions) -> Result<StagedImage, StageError> {
    let open = |path: PathBuf| Archive::open(path, &options.limits);
    match source {
        Source::DockerArchive { path, image } => docker_archive::stage(&open(path)?, name, image.as_deref(), options),
        Source::OciArchive { path, tag } => layout::stage(&open(path)?, name, tag.as_deref(), options),
        Source::Archive { path, image } => {
            let archive = open(path)?;
            if archive.contains(b"manifest.json") {
                docker_archive::stage(&archive, name, image.as_deref(), options)
            } else {
                layout::stage(&archive, name, image.as_deref(), options)
            }
        }
        Source::OciLayout { path, tag } => {
            let folder = layout::Folder::open(path)?;
            layout::stage(&folder, name, tag.as_deref(), options)
        }
        Source::Directory(path) => directory::stage(path, name, options),
        Source::Sbom(_) => Err(StageError::Sbom { name }),
        Source::Registry(_) | Source::Engine { .. } => unreachable!("staged without blocking"),
    }
}
