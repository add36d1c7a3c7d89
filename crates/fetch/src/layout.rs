//! OCI image layouts (image-layout.md), in a directory or in an archive.
//!
//! Blobs are found by validated digest only, so a document cannot name a path. Documents are verified here, layers
//! while they are read.

mod attachments;
mod folder;

use std::path::PathBuf;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_model::image::{StagedImage, StagedLayer, Surroundings};

pub(crate) use folder::Folder;

use crate::archive::Archive;
use crate::documents::{self, Document, DocumentError, Entry, Manifest};
use crate::index::{Index, IndexedImage, Leaf, Platforms, Staged, StagedIndex, Unfolding};
use crate::layer::{Blob, Promise, StoredLayer};
use crate::platform;
use crate::stage::{StageError, StageOptions};

/// What is wrong with an OCI layout itself.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The directory cannot be read.
    #[error("cannot read `{}` of the OCI layout", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is no index.
    #[error("`{name}` is no OCI layout: it has no `index.json`")]
    NoIndex {
        /// The source.
        name: String,
    },
    /// A blob is not there.
    #[error("the blob `{digest}` is missing from `{name}`")]
    Missing {
        /// The source.
        name: String,
        /// The blob.
        digest: Digest,
    },
    /// A blob is a link to somewhere else.
    #[error("`{}` lies outside the OCI layout", path.display())]
    Outside {
        /// The file.
        path: PathBuf,
    },
    /// A blob is not a plain file.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The tag is not there.
    #[error("`{name}` has no image `{tag}`: it has {available}")]
    NoTag {
        /// The source.
        name: String,
        /// As asked for.
        tag: String,
        /// What there is.
        available: String,
    },
    /// There are several images.
    #[error("`{name}` has several images: {available}")]
    Several {
        /// The source.
        name: String,
        /// What there is.
        available: String,
    },
}

impl Hint for LayoutError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoTag { .. } => "name one that is there, or leave the tag out if there is one image only",
            Self::Several { .. } => "name one behind a colon, as in `oci:DIR:TAG`",
            Self::NoIndex { .. } => "give a docker archive as `docker-archive:FILE`, a root directory as `dir:PATH`",
            Self::Missing { .. } => "the image is incomplete: pull or copy it again, with the platform you want",
            Self::Outside { .. } => "copy the layout with its links replaced by files (`cp -rL`)",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Something to open, and how many bytes it will give.
pub(crate) type SizedBlob = (Arc<dyn Blob>, u64);

/// Where the files of a layout are.
pub(crate) trait Layout {
    /// A file by its name in the layout, if it is there; at most `limit` bytes and one.
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StageError>;
    /// The bytes of a file and how many they are, if it is there.
    fn blob(&self, name: &str) -> Result<Option<SizedBlob>, StageError>;
}

impl Layout for Archive {
    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, StageError> {
        if !self.contains(name.as_bytes()) {
            return Ok(None);
        }
        Ok(Some(Self::read(self, name.as_bytes(), limit)?))
    }

    fn blob(&self, name: &str) -> Result<Option<SizedBlob>, StageError> {
        if !self.contains(name.as_bytes()) {
            return Ok(None);
        }
        Ok(Some(Self::blob(self, name.as_bytes())?))
    }
}

/// Stages the image `tag` of a layout; without a tag, its only one.
pub(crate) fn stage(
    layout: &impl Layout,
    name: String,
    tag: Option<&str>,
    options: &StageOptions,
) -> Result<StagedImage, StageError> {
    let limits = &options.limits;
    let top_index = top_index(layout, &name, options)?;
    let mut entry = top(&top_index.entries, &name, tag, options)?.clone();
    let top = Top { layout, tags: tags(&top_index.entries, &entry, tag), entries: &top_index.entries, name, options };
    let mut index = None;
    for _ in 0..=limits.index_depth {
        let bytes = top.document("manifest", &entry.digest, entry.size)?;
        match documents::read_document(&top.name, &bytes, Some(&entry.media_type), limits)? {
            Document::Index(entries) => {
                let entries = within_reach(layout, entries, options);
                let chosen = platform::choose(&entries, options.platform.as_ref(), &top.name)?.clone();
                index = Some(Index { digest: entry.digest, bytes, entries });
                entry = chosen;
            }
            Document::Manifest(manifest) => return top.image(&entry.digest, bytes, &manifest, index.as_ref()),
        }
    }
    Err(DocumentError::TooDeep { subject: top.name, limit: limits.index_depth }.into())
}

/// Stages those images of the index `tag` of a layout that are wanted; without a tag, of its only one.
pub(crate) fn stage_several(
    layout: &impl Layout,
    name: String,
    tag: Option<&str>,
    platforms: &Platforms,
    options: &StageOptions,
) -> Result<Staged, StageError> {
    let limits = &options.limits;
    let mut whole = top_index(layout, &name, options)?;
    let is_meant = |entry: &&Entry| tag.is_none_or(|tag| is_named(entry, tag)) && !entry.is_attestation();
    let meant: Vec<Entry> = whole.entries.iter().filter(is_meant).cloned().collect();
    let [first, others @ ..] = meant.as_slice() else {
        // It says what is there instead.
        return platforms.only(stage(layout, name, tag, options)?);
    };
    let tags = tags(&whole.entries, first, tag);
    let all_entries = whole.entries.clone();
    let top = Top { layout, tags, entries: &all_entries, name, options };
    let index = if others.iter().all(|other| other.digest == first.digest) {
        let bytes = top.document("manifest", &first.digest, first.size)?;
        match documents::read_document(&top.name, &bytes, Some(&first.media_type), limits)? {
            Document::Index(entries) => Index { digest: first.digest.clone(), bytes, entries },
            Document::Manifest(manifest) => {
                return platforms.only(top.image(&first.digest, bytes, &manifest, None)?);
            }
        }
    } else if is_one_image(&meant, first) {
        whole.entries = meant;
        whole
    } else {
        return Err(LayoutError::Several { name: top.name, available: available(&all_entries) }.into());
    };
    let (digest, bytes) = (index.digest.clone(), index.bytes.clone());
    let mut unfolding = Unfolding::new(&top.name, limits);
    unfolding.add(index, 0)?;
    while let Some((entry, depth)) = unfolding.next() {
        let bytes = top.document("index", &entry.digest, entry.size)?;
        if let Document::Index(entries) = documents::read_document(&top.name, &bytes, Some(&entry.media_type), limits)?
        {
            unfolding.add(Index { digest: entry.digest, bytes, entries }, depth)?;
        }
    }
    let images = unfolding.wanted(platforms)?.into_iter().map(|Leaf { entry, index }| {
        let image =
            top.document("manifest", &entry.digest, entry.size).and_then(|bytes| {
                match documents::read_document(&top.name, &bytes, Some(&entry.media_type), limits)? {
                    Document::Manifest(manifest) => top.image(&entry.digest, bytes, &manifest, Some(&index)),
                    Document::Index(_) => Err(DocumentError::HiddenIndex { digest: entry.digest.clone() }.into()),
                }
            });
        IndexedImage { digest: entry.digest, platform: entry.platform, image }
    });
    let images = images.collect();
    Ok(Staged::Index(StagedIndex { digest, bytes, images, name: top.name }))
}

/// The `index.json` of a layout.
fn top_index(layout: &impl Layout, name: &str, options: &StageOptions) -> Result<Index, StageError> {
    let none = || LayoutError::NoIndex { name: name.to_owned() };
    let bytes = layout.read("index.json", options.limits.document_bytes)?.ok_or_else(none)?;
    match documents::read_document(name, &bytes, None, &options.limits)? {
        Document::Index(entries) => Ok(Index { digest: Digest::of(&bytes), bytes, entries }),
        Document::Manifest(_) => Err(none().into()),
    }
}

/// What an entry of `index.json` is called there: as `wanted`, if that was asked for.
fn tags(entries: &[Entry], entry: &Entry, wanted: Option<&str>) -> Vec<String> {
    let is_same = |other: &&Entry| other.digest == entry.digest && wanted.is_none_or(|tag| is_named(other, tag));
    entries
        .iter()
        .filter(is_same)
        .filter_map(|other| other.full_name.as_ref().or(other.ref_name.as_ref()))
        .cloned()
        .collect()
}

/// A layout whose images are being staged.
struct Top<'a, L> {
    layout: &'a L,
    name: String,
    /// Of `index.json`.
    entries: &'a [Entry],
    tags: Vec<String>,
    options: &'a StageOptions,
}

impl<L: Layout> Top<'_, L> {
    /// Reads and verifies one document.
    fn document(&self, what: &'static str, digest: &Digest, size: u64) -> Result<Vec<u8>, StageError> {
        documents::check_size(what, &self.name, size, &self.options.limits)?;
        let Some(bytes) = self.layout.read(&path_of(digest), size)? else {
            return Err(LayoutError::Missing { name: self.name.clone(), digest: digest.clone() }.into());
        };
        documents::verify(what, &bytes, digest, size)?;
        Ok(bytes)
    }

    /// The image of a manifest.
    fn image(
        &self,
        digest: &Digest,
        bytes: Vec<u8>,
        manifest: &Manifest,
        index: Option<&Index>,
    ) -> Result<StagedImage, StageError> {
        let (name, options) = (&self.name, self.options);
        manifest.check_foreign(name, options.foreign_layers)?;
        let config = &manifest.config;
        let config_bytes = self.document("configuration", &config.digest, config.size)?;
        let read = documents::read_config(name, &config_bytes, &options.limits)?;
        read.check_layers(name, manifest.layers.len())?;
        read.check_platform(name, options.platform.as_ref())?;
        let layers = manifest.layers.iter().zip(&read.diff_ids);
        let layers = layers.map(|(layer, diff_id)| stored(self.layout, name, layer, diff_id, options));
        let mut surroundings = Surroundings::default();
        if options.attachments {
            let index = index.map(|index| (&index.digest, index.entries.as_slice()));
            attachments::gather(self.layout, name, self.entries, digest, index, options).add_to(&mut surroundings);
        }
        Ok(StagedImage {
            layers: layers.collect::<Result<_, _>>()?,
            manifest_digest: digest.clone(),
            manifest: bytes,
            index: index.map(|index| (index.digest.clone(), index.bytes.clone())),
            config_digest: config.digest.clone(),
            config_bytes,
            config: read.config,
            tags: self.tags.clone(),
            surroundings,
            name: name.clone(),
        })
    }
}

/// The entry of `index.json` that is meant.
fn top<'a>(
    entries: &'a [Entry],
    name: &str,
    tag: Option<&str>,
    options: &StageOptions,
) -> Result<&'a Entry, StageError> {
    let available = || available(entries);
    if let Some(tag) = tag {
        let named: Vec<Entry> = entries.iter().filter(|entry| is_named(entry, tag)).cloned().collect();
        if named.is_empty() {
            return Err(
                LayoutError::NoTag { name: name.to_owned(), tag: tag.to_owned(), available: available() }.into()
            );
        }
        let chosen = platform::choose(&named, options.platform.as_ref(), name)?.digest.clone();
        let found = entries.iter().find(|entry| entry.digest == chosen && is_named(entry, tag));
        return Ok(found.expect("the chosen entry is one of them"));
    }
    let mut real = entries.iter().filter(|entry| !entry.is_attestation());
    let first = real.next().ok_or_else(|| DocumentError::EmptyIndex { subject: name.to_owned() })?;
    if real.all(|entry| entry.digest == first.digest) {
        return Ok(first);
    }
    if is_one_image(entries, first) {
        return Ok(platform::choose(entries, options.platform.as_ref(), name)?);
    }
    Err(LayoutError::Several { name: name.to_owned(), available: available() }.into())
}

/// The names of images in `index.json`.
fn available(entries: &[Entry]) -> String {
    let named = entries.iter().filter(|entry| !entry.is_attestation()).filter_map(|entry| entry.ref_name.as_ref());
    let mut names: Vec<String> = named.map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    names.truncate(20);
    if names.is_empty() { "none that has a name".to_owned() } else { names.join(", ") }
}

/// Whether the entries of `index.json` are those of one index, written there itself.
fn is_one_image(entries: &[Entry], first: &Entry) -> bool {
    let mut real = entries.iter().filter(|entry| !entry.is_attestation());
    real.all(|entry| entry.ref_name == first.ref_name && entry.platform.is_some())
}

/// The entries whose manifests are there, if there are such and no particular one is wanted: an engine keeps only the
/// platform that was pulled, with the index of all.
fn within_reach(layout: &impl Layout, entries: Vec<Entry>, options: &StageOptions) -> Vec<Entry> {
    if options.platform.is_some() {
        return entries;
    }
    // What is wrong with a blob is told where it is read.
    let is_there = |entry: &&Entry| !matches!(layout.blob(&path_of(&entry.digest)), Ok(None));
    let there: Vec<Entry> = entries.iter().filter(is_there).cloned().collect();
    if there.iter().any(|entry| !entry.is_attestation()) { there } else { entries }
}

/// Whether `tag` is the name of an entry, or the tag of its name.
fn is_named(entry: &Entry, tag: &str) -> bool {
    let Some(name) = &entry.ref_name else { return false };
    name == tag || name.rsplit_once(':').is_some_and(|(_, last)| last == tag)
}

fn path_of(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn stored(
    layout: &impl Layout,
    name: &str,
    layer: &documents::Layer,
    diff_id: &Digest,
    options: &StageOptions,
) -> Result<StagedLayer, StageError> {
    let Some((blob, actual)) = layout.blob(&path_of(&layer.digest))? else {
        return Err(LayoutError::Missing { name: name.to_owned(), digest: layer.digest.clone() }.into());
    };
    if actual != layer.size {
        let (digest, declared) = (layer.digest.clone(), layer.size);
        return Err(DocumentError::WrongSize { what: "layer", digest, declared, actual }.into());
    }
    let promise = Promise { diff_id: diff_id.clone(), digest: Some(layer.digest.clone()), size: layer.size };
    Ok(StagedLayer {
        diff_id: diff_id.clone(),
        digest: layer.digest.clone(),
        media_type: layer.media_type.clone(),
        size: layer.size,
        source: Arc::new(StoredLayer {
            promise,
            blob,
            table: None,
            limits: options.limits.clone(),
            progress: options.progress.clone(),
        }),
    })
}
