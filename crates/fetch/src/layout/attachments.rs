//! What is attached to an image of a layout: entries of its index, and of the layout's `index.json`.
//!
//! `oras copy --recursive` writes the artifacts into `index.json` beside the image, `cosign save` marks them by the
//! annotation `kind`, and copies of whole repositories have the tags that registries have.

use std::sync::Arc;

use killick_model::attachment::{Document as AttachedDocument, DocumentSource, Origin};
use killick_model::digest::Digest;

use super::{Layout, path_of};
use crate::attachments::{COSIGN_ENDINGS, FoundArtifact, Gathered, StoredDocument, companions, tag_of};
use crate::documents::{self, Document, Entry};
use crate::stage::{StageError, StageOptions};

/// Entries of `index.json` that are looked at.
const ENTRIES: usize = 10_000;

/// A search in one layout.
struct Search<'a, L> {
    layout: &'a L,
    options: &'a StageOptions,
    gathered: Gathered,
}

/// What is attached to the image `manifest`, chosen from an index with these entries.
pub(super) fn gather(
    layout: &impl Layout,
    name: &str,
    top: &[Entry],
    manifest: &Digest,
    index: Option<(&Digest, &[Entry])>,
    options: &StageOptions,
) -> Gathered {
    let mut search = Search { layout, options, gathered: Gathered::new(name, &options.limits) };
    let top = top.get(..ENTRIES).unwrap_or(top);
    let in_index = index.map(|(_, entries)| entries).unwrap_or_default();
    for entry in companions(in_index, manifest).chain(companions(top, manifest)) {
        search.take(Origin::Index, manifest, entry);
    }
    let whole = index.map_or(manifest, |(digest, _)| digest);
    for about in std::iter::once(manifest).chain(index.map(|(digest, _)| digest)) {
        let tag = tag_of(about);
        for entry in top.iter().filter(|entry| entry.is_attestation() && entry.digest != *about) {
            let ending = entry.ref_name.as_deref().and_then(|name| name.strip_prefix(&tag));
            match ending {
                Some("") => search.listed(about, entry),
                Some(ending) if COSIGN_ENDINGS.contains(&ending) => {
                    search.take(Origin::Tag(ending.to_owned()), about, entry);
                }
                // There is one image in what cosign saves.
                _ if entry.cosign_kind.is_some() => search.take(Origin::Layout, whole, entry),
                _ => search.take_referrer(about, entry),
            }
        }
    }
    search.gathered
}

impl<L: Layout> Search<'_, L> {
    /// A manifest that need not be there: not everybody who copies an image copies what is attached to it.
    fn manifest(&self, entry: &Entry) -> Result<Option<Vec<u8>>, StageError> {
        documents::check_size("manifest", &entry.digest.to_string(), entry.size, &self.options.limits)?;
        let Some(bytes) = self.layout.read(&path_of(&entry.digest), entry.size)? else { return Ok(None) };
        documents::verify("manifest", &bytes, &entry.digest, entry.size)?;
        Ok(Some(bytes))
    }

    /// The artifacts of an index that stands for the referrers API.
    fn listed(&mut self, about: &Digest, entry: &Entry) {
        let read = |search: &Self| -> Result<Vec<Entry>, StageError> {
            let Some(bytes) = search.manifest(entry)? else { return Ok(Vec::new()) };
            let subject = entry.digest.to_string();
            match documents::read_document(&subject, &bytes, Some(&entry.media_type), &search.options.limits)? {
                Document::Index(entries) => Ok(entries),
                Document::Manifest(_) => Ok(Vec::new()),
            }
        };
        match read(self) {
            Ok(entries) => entries.iter().for_each(|entry| self.take(Origin::ReferrersTag, about, entry)),
            Err(error) => self.gathered.unread(&entry.digest, &error),
        }
    }

    fn take(&mut self, origin: Origin, about: &Digest, entry: &Entry) {
        if self.gathered.wants(&entry.digest) {
            match self.manifest(entry) {
                Ok(Some(bytes)) => self.taken(origin, about, entry, bytes),
                Ok(None) => {}
                Err(error) => self.gathered.unread(&entry.digest, &error),
            }
        }
    }

    /// Takes an artifact only if it says that it is attached.
    fn take_referrer(&mut self, about: &Digest, entry: &Entry) {
        let Ok(Some(bytes)) = self.manifest(entry) else { return };
        let read = documents::read_artifact(&entry.digest.to_string(), &bytes, &self.options.limits);
        let is_attached = read.is_ok_and(|artifact| artifact.subject.as_ref() == Some(about));
        if is_attached && self.gathered.wants(&entry.digest) {
            self.taken(Origin::Layout, about, entry, bytes);
        }
    }

    fn taken(&mut self, origin: Origin, about: &Digest, entry: &Entry, bytes: Vec<u8>) {
        let (digest, media_type) = (entry.digest.clone(), entry.media_type.clone());
        let found = FoundArtifact { origin, about: about.clone(), digest, media_type, bytes };
        let layout = self.layout;
        self.gathered.take(found, &self.options.limits, |document| source(layout, document));
    }
}

fn source(layout: &impl Layout, document: &AttachedDocument) -> Arc<dyn DocumentSource> {
    // What is wrong with a blob is told when it is read: as missing.
    let blob = layout.blob(&path_of(&document.digest)).ok().flatten().map(|(blob, _)| blob);
    Arc::new(StoredDocument { blob, digest: document.digest.clone(), size: document.size })
}
