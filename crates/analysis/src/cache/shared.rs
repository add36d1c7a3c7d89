//! Layers that several images have, read once while the images are analysed one after the other.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use killick_model::digest::Digest;
use killick_model::image::StagedImage;

use super::{LayerCache, LayerKey};
use crate::facts::LayerFacts;

/// A cache in front of another, or of none: it keeps the facts of layers that more than one of its images has, packed,
/// until the last of them was asked for.
pub struct SharedLayers<'a> {
    behind: Option<&'a dyn LayerCache>,
    /// How often each layer will yet be asked for.
    uses: Mutex<HashMap<Digest, usize>>,
    held: Mutex<HashMap<Digest, (String, Vec<u8>)>>,
}

impl<'a> SharedLayers<'a> {
    /// For these images, each of which is analysed once.
    pub fn new<'i>(images: impl IntoIterator<Item = &'i StagedImage>, behind: Option<&'a dyn LayerCache>) -> Self {
        let mut uses = HashMap::new();
        for layer in images.into_iter().flat_map(|image| &image.layers) {
            *uses.entry(LayerKey::new(layer, "").layer()).or_insert(0) += 1;
        }
        Self { behind, uses: Mutex::new(uses), held: Mutex::default() }
    }

    /// Counts one request for a layer. Whether others will come.
    fn comes_again(&self, layer: &Digest) -> bool {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = uses.get_mut(layer) else { return false };
        *left = left.saturating_sub(1);
        *left > 0
    }

    #[cfg(test)]
    pub(super) fn held_layers(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn is_awaited(&self, layer: &Digest) -> bool {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).get(layer).is_some_and(|left| *left > 0)
    }
}

impl LayerCache for SharedLayers<'_> {
    fn get(&self, key: LayerKey<'_>) -> Option<LayerFacts> {
        let layer = key.layer();
        let comes_again = self.comes_again(&layer);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = held.get(&layer).filter(|(revision, _)| revision == key.revision);
        let facts = facts.and_then(|(_, packed)| LayerFacts::from_bytes(packed));
        if !comes_again {
            held.remove(&layer);
        }
        drop(held);
        facts.or_else(|| self.behind?.get(key))
    }

    fn put(&self, key: LayerKey<'_>, facts: &LayerFacts) {
        if let Some(behind) = self.behind {
            behind.put(key, facts);
            return;
        }
        let layer = key.layer();
        if self.is_awaited(&layer)
            && let Ok(packed) = facts.to_bytes()
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.insert(layer, (key.revision.to_owned(), packed));
        }
    }
}
