//! Which identities there are, and in which images.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sha2::{Digest as _, Sha256};

use super::identity::PackageIdentity;
use crate::index::IndexError;
use crate::matching::Subject;

/// Whatever knows the identities of a fleet and the images that carry them: an inverted index.
pub trait Inventory: Sync {
    /// Why it cannot tell.
    type Error: From<IndexError>;

    /// Calls `visit` with the number of each identity that is looked up under this name: at least those, each any
    /// number of times.
    fn named(&self, ecosystem: &str, name: &str, visit: &mut dyn FnMut(u64)) -> Result<(), Self::Error>;

    /// The same for all identities that are looked up in an ecosystem or a release of a distribution.
    fn of_ecosystem(&self, ecosystem: &str, visit: &mut dyn FnMut(u64)) -> Result<(), Self::Error>;

    /// The identity with this number, unless it is gone meanwhile.
    fn identity(&self, number: u64) -> Result<Option<PackageIdentity>, Self::Error>;
}

/// An inventory in memory.
///
/// Images share what they are built on, so they are kept as sets of identities: whoever adds the packages of each
/// layer as a set of its own keeps the sets of a base image once for all images on it.
#[derive(Debug, Default)]
pub struct Fleet {
    /// Documents of the identities by number.
    documents: Vec<Box<[u8]>>,
    /// Numbers by the beginning of the digest of the document.
    numbers: HashMap<[u8; 16], u32>,
    /// Numbers by hash of ecosystem and name. Where two have one hash, more is judged than need be.
    names: HashMap<u64, Vec<u32>>,
    ecosystems: HashMap<String, Vec<u32>>,
    /// Sets with this identity, by its number.
    sets_of: Vec<Vec<u32>>,
    /// Numbers of sets by the beginning of the digest over their members.
    sets: HashMap<[u8; 16], u32>,
    /// Images with this set, ascending as long as images are added so.
    images_of: Vec<Vec<u32>>,
}

impl Fleet {
    /// Adds an image, known by a number of the caller's, with its packages.
    pub fn add(&mut self, image: u32, subject: Subject<'_>) {
        let mut layers: HashMap<u32, Vec<u32>> = HashMap::new();
        for (package, identity) in subject.packages.iter().zip(PackageIdentity::all(subject)) {
            let number = self.intern(&identity);
            layers.entry(package.layer).or_default().push(number);
        }
        for identities in layers.into_values() {
            let set = self.set(identities);
            self.add_set(image, set);
        }
    }

    /// The number of an identity, which is added if it is new.
    pub fn intern(&mut self, identity: &PackageIdentity) -> u32 {
        let document = identity.to_document();
        let next = u32::try_from(self.documents.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(short_digest(&document)).or_insert(next);
        if number == next {
            self.documents.push(document.into_boxed_slice());
            self.sets_of.push(Vec::new());
            for name in identity.lookup_names() {
                self.names.entry(hash(&name.ecosystem, &name.name)).or_default().push(number);
            }
            for ecosystem in identity.ecosystems() {
                self.ecosystems.entry(ecosystem).or_default().push(number);
            }
        }
        number
    }

    /// The number of a set of identities, which is added if it is new.
    pub fn set(&mut self, mut identities: Vec<u32>) -> u32 {
        identities.sort_unstable();
        identities.dedup();
        let bytes: Vec<u8> = identities.iter().flat_map(|identity| identity.to_le_bytes()).collect();
        let next = u32::try_from(self.images_of.len()).unwrap_or(u32::MAX);
        let set = *self.sets.entry(short_digest(&bytes)).or_insert(next);
        if set == next {
            self.images_of.push(Vec::new());
            for identity in identities {
                if let Some(sets) = self.sets_of.get_mut(identity as usize) {
                    sets.push(set);
                }
            }
        }
        set
    }

    /// Says that an image has a set.
    pub fn add_set(&mut self, image: u32, set: u32) {
        if let Some(images) = self.images_of.get_mut(set as usize) {
            images.push(image);
        }
    }

    /// Distinct identities.
    pub fn identities(&self) -> usize {
        self.documents.len()
    }

    /// Distinct sets.
    pub fn sets(&self) -> usize {
        self.images_of.len()
    }

    /// Calls `visit` with each image that has the identity.
    pub fn images(&self, identity: u64, visit: &mut dyn FnMut(u32)) {
        let sets = usize::try_from(identity).ok().and_then(|at| self.sets_of.get(at)).map_or(&[][..], Vec::as_slice);
        let images_of = |set: &u32| self.images_of.get(*set as usize).map_or(&[][..], Vec::as_slice);
        if let [set] = sets {
            for image in images_of(set) {
                visit(*image);
            }
            return;
        }
        // Two layers of an image may have the same package.
        let mut images: Vec<u32> = sets.iter().flat_map(images_of).copied().collect();
        images.sort_unstable();
        images.dedup();
        images.into_iter().for_each(visit);
    }
}

impl Inventory for Fleet {
    type Error = IndexError;

    fn named(&self, ecosystem: &str, name: &str, visit: &mut dyn FnMut(u64)) -> Result<(), IndexError> {
        let found = self.names.get(&hash(ecosystem, name));
        found.into_iter().flatten().for_each(|number| visit(u64::from(*number)));
        Ok(())
    }

    fn of_ecosystem(&self, ecosystem: &str, visit: &mut dyn FnMut(u64)) -> Result<(), IndexError> {
        let found = self.ecosystems.get(ecosystem);
        found.into_iter().flatten().for_each(|number| visit(u64::from(*number)));
        Ok(())
    }

    fn identity(&self, number: u64) -> Result<Option<PackageIdentity>, IndexError> {
        let document = usize::try_from(number).ok().and_then(|at| self.documents.get(at));
        Ok(document.and_then(|document| PackageIdentity::from_document(document).ok()))
    }
}

fn hash(ecosystem: &str, name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (ecosystem, name).hash(&mut hasher);
    hasher.finish()
}

fn short_digest(bytes: &[u8]) -> [u8; 16] {
    Sha256::digest(bytes).first_chunk().copied().unwrap_or_default()
}
