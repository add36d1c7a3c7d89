//! Files of a layer that are met once more, on another pass over it.

use std::collections::{HashMap, VecDeque};

use killick_model::path::ImagePath;

use crate::facts::LayerFacts;
use crate::tar_stream::{EntryType, TarEntry};

/// The entries that are waited for.
pub(super) struct Awaited {
    /// Entries of one name are met in their order, so only the next of them is looked at.
    by_path: HashMap<ImagePath, VecDeque<u32>>,
    left: usize,
}

impl Awaited {
    /// Those of these numbers, which are in their order.
    pub(super) fn new(numbers: impl Iterator<Item = u32>, facts: &LayerFacts) -> Self {
        let (mut by_path, mut left) = (HashMap::<ImagePath, VecDeque<u32>>::new(), 0);
        for number in numbers {
            if let Some(entry) = facts.entry(number) {
                by_path.entry(entry.path.clone()).or_default().push_back(number);
                left += 1;
            }
        }
        Self { by_path, left }
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The number of the entry, if it may be the next of its name that is waited for.
    pub(super) fn number(&self, entry: &TarEntry, facts: &LayerFacts) -> Option<u32> {
        let number = *self.by_path.get(&ImagePath::new(&entry.path)?)?.front()?;
        let is_listed = facts.entry(number).is_some_and(|listed| listed.size == entry.size);
        (entry.entry_type == EntryType::File && is_listed).then_some(number)
    }

    /// The entry of this number was met. What it is was told by its digest.
    pub(super) fn met(&mut self, number: u32, facts: &LayerFacts) {
        let next = facts.entry(number).and_then(|entry| self.by_path.get_mut(&entry.path));
        if next.and_then(VecDeque::pop_front).is_some() {
            self.left = self.left.saturating_sub(1);
        }
    }
}
