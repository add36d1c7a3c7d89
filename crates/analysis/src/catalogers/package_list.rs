//! The packages of one file, no more than an image may have.

use std::ops::{Deref, DerefMut};

use killick_model::package::Package;
use serde::{Deserialize, Serialize};

/// A list that takes no more packages than it may: what a line of a few bytes declares is a thousand in memory, and
/// nobody would look at the rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PackageList {
    packages: Vec<Package>,
    /// How many it may have.
    #[serde(skip, default = "unbounded")]
    most: usize,
    /// There were more.
    #[serde(skip)]
    is_cut_short: bool,
}

const fn unbounded() -> usize {
    usize::MAX
}

impl PackageList {
    /// An empty list for at most so many packages.
    pub fn up_to(most: usize) -> Self {
        Self { packages: Vec::new(), most, is_cut_short: false }
    }

    /// Whether there were more packages than the list took.
    pub fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// Adds a package, if there is room.
    pub fn push(&mut self, package: Package) {
        if self.packages.len() < self.most {
            self.packages.push(package);
        } else {
            self.is_cut_short = true;
        }
    }

    /// Adds packages as long as there is room, and does not ask for more.
    pub fn extend(&mut self, packages: impl IntoIterator<Item = Package>) {
        for package in packages {
            self.push(package);
            if self.is_cut_short {
                break;
            }
        }
    }

    /// Keeps the packages that `is_kept` says.
    pub fn retain(&mut self, is_kept: impl FnMut(&Package) -> bool) {
        self.packages.retain(is_kept);
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.packages.clear();
    }
}

impl Default for PackageList {
    fn default() -> Self {
        Self::up_to(unbounded())
    }
}

impl PartialEq for PackageList {
    fn eq(&self, other: &Self) -> bool {
        self.packages == other.packages
    }
}

impl From<Vec<Package>> for PackageList {
    fn from(packages: Vec<Package>) -> Self {
        Self { packages, ..Self::default() }
    }
}

impl Deref for PackageList {
    type Target = [Package];

    fn deref(&self) -> &[Package] {
        &self.packages
    }
}

impl DerefMut for PackageList {
    fn deref_mut(&mut self) -> &mut [Package] {
        &mut self.packages
    }
}

impl<'a> IntoIterator for &'a PackageList {
    type Item = &'a Package;
    type IntoIter = std::slice::Iter<'a, Package>;

    fn into_iter(self) -> Self::IntoIter {
        self.packages.iter()
    }
}
