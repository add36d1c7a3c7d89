//! The images of an index, when several of them are wanted.

use std::collections::HashSet;
use std::sync::Arc;

use killick_model::digest::Digest;
use killick_model::image::{Platform, StagedImage};

use crate::documents::{DocumentError, Entry, is_index};
use crate::limits::Limits;
use crate::platform;
use crate::stage::StageError;

/// Which images of an index are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platforms {
    /// Each that is an image.
    All,
    /// The best one for each of these.
    These(Vec<Platform>),
    /// The best one for each of these that there is one for, in their order. At least one.
    Any(Vec<Platform>),
}

impl Platforms {
    /// The image of a source that has only one, if it is what is wanted.
    pub(crate) fn only(&self, image: StagedImage) -> Result<Staged, StageError> {
        let found = image.platform();
        let is_told = !found.os.is_empty() && !found.architecture.is_empty();
        match self {
            Self::These(wanted) if is_told => match wanted.iter().find(|wanted| !platform::fits(&found, wanted)) {
                None => Ok(Staged::Image(Box::new(image))),
                Some(wanted) => Err(DocumentError::OtherPlatform {
                    subject: image.name,
                    found: Box::new(found),
                    wanted: Box::new(wanted.clone()),
                }
                .into()),
            },
            _ => Ok(Staged::Image(Box::new(image))),
        }
    }
}

/// What a source names: one image, or an index that several images were wanted of.
pub enum Staged {
    /// An image.
    Image(Box<StagedImage>),
    /// An index with its images.
    Index(StagedIndex),
}

/// An index as an object of its own, with those of its images that were wanted.
pub struct StagedIndex {
    /// What the user asked for, for messages.
    pub name: String,
    /// Digest of the index.
    pub digest: Digest,
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Its images, in its order.
    pub images: Vec<IndexedImage>,
}

/// One image of an index.
pub struct IndexedImage {
    /// Digest of its manifest.
    pub digest: Digest,
    /// What the index says it is for.
    pub platform: Option<Platform>,
    /// The image; one that cannot be read does not keep the others from being read.
    pub image: Result<StagedImage, StageError>,
}

/// An index that was read.
pub(crate) struct Index {
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
}

/// An entry that is an image, and the index it is an entry of.
pub(crate) struct Leaf {
    pub(crate) entry: Entry,
    pub(crate) index: Arc<Index>,
}

/// Finds the images of an index that may hold other indexes.
pub(crate) struct Unfolding<'a> {
    name: &'a str,
    limits: &'a Limits,
    nested: Vec<(Entry, usize)>,
    leaves: Vec<Leaf>,
    seen: HashSet<Digest>,
}

impl<'a> Unfolding<'a> {
    pub(crate) fn new(name: &'a str, limits: &'a Limits) -> Self {
        Self { name, limits, nested: Vec::new(), leaves: Vec::new(), seen: HashSet::new() }
    }

    /// Another index that must be read, and how deep it lies.
    pub(crate) fn next(&mut self) -> Option<(Entry, usize)> {
        self.nested.pop()
    }

    /// Takes an index that lies `depth` indexes below the first.
    pub(crate) fn add(&mut self, index: Index, depth: usize) -> Result<(), DocumentError> {
        let index = Arc::new(index);
        for entry in index.entries.iter().filter(|entry| !entry.is_attestation()) {
            // A digest twice is one image, and an index that holds itself would be a broken digest.
            if !self.seen.insert(entry.digest.clone()) {
                continue;
            }
            if self.seen.len() > self.limits.images {
                let (subject, limit) = (self.name.to_owned(), self.limits.images);
                return Err(DocumentError::TooManyImages { subject, limit });
            }
            if !is_index(&entry.media_type) {
                self.leaves.push(Leaf { entry: entry.clone(), index: Arc::clone(&index) });
            } else if depth >= self.limits.index_depth {
                let (subject, limit) = (self.name.to_owned(), self.limits.index_depth);
                return Err(DocumentError::TooDeep { subject, limit });
            } else {
                self.nested.push((entry.clone(), depth + 1));
            }
        }
        Ok(())
    }

    /// The images that are wanted.
    pub(crate) fn wanted(self, platforms: &Platforms) -> Result<Vec<Leaf>, DocumentError> {
        if self.leaves.is_empty() {
            return Err(DocumentError::EmptyIndex { subject: self.name.to_owned() });
        }
        let (wanted, may_lack) = match platforms {
            Platforms::All => return Ok(self.leaves),
            Platforms::These(wanted) => (wanted, false),
            Platforms::Any(wanted) => (wanted, true),
        };
        let entries: Vec<Entry> = self.leaves.iter().map(|leaf| leaf.entry.clone()).collect();
        let (mut digests, mut lacking): (Vec<&Digest>, Option<DocumentError>) = (Vec::new(), None);
        for platform in wanted {
            match platform::choose(&entries, Some(platform), self.name) {
                Ok(entry) if digests.contains(&&entry.digest) => {}
                Ok(entry) => digests.push(&entry.digest),
                Err(error @ DocumentError::NoPlatform { .. }) if may_lack => {
                    lacking = Some(match lacking {
                        Some(before) => before.or(error),
                        None => error,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        if let Some(error) = lacking.filter(|_| digests.is_empty()) {
            return Err(error);
        }
        let mut leaves = self.leaves;
        leaves.retain(|leaf| digests.contains(&&leaf.entry.digest));
        if may_lack {
            leaves.sort_by_key(|leaf| digests.iter().position(|digest| **digest == leaf.entry.digest));
        }
        Ok(leaves)
    }
}
