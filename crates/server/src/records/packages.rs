//! Which images carry which packages, out of the inverted index.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use killick_model::package::PackageKind;
use killick_store::Result;
use killick_store::packages::PackageRow;

use super::{Records, Tag, instant};

/// An analysed image that carries some of the packages that were asked for.
#[derive(Debug, Clone)]
pub(crate) struct Carrier {
    pub(crate) digest: String,
    /// Hexadecimal digits of the digest of its configuration.
    pub(crate) image_id: String,
    pub(crate) analyzed_at: Option<Timestamp>,
    /// Numbers of the packages.
    pub(crate) packages: BTreeSet<i64>,
    /// The oldest first.
    pub(crate) tags: Vec<Tag>,
}

impl Records {
    /// The distinct packages of this name, of any version, kind and account.
    pub(crate) async fn packages_called(&self, name: &str) -> Result<BTreeMap<i64, PackageRow>> {
        let rows = self.store.packages_named(name).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    /// The images that carry any of these packages: so many of them, by digest, from the one of that number on, and how
    /// many there are in all.
    pub(crate) async fn carriers(
        &self,
        account: &str,
        packages: &[i64],
        limit: Option<usize>,
        offset: usize,
    ) -> Result<(Vec<Carrier>, usize)> {
        let found = self.store.carriers(account, packages, limit.unwrap_or(usize::MAX), offset).await?;
        Ok((self.with_packages(account, packages, found.images).await?, found.total))
    }

    /// The images that carry any of these packages, by digest: those after `after`, at most so many.
    pub(crate) async fn carriers_after(
        &self,
        account: &str,
        packages: &[i64],
        after: &str,
        limit: usize,
    ) -> Result<Vec<Carrier>> {
        let images = self.store.carriers_after(account, packages, after, limit).await?;
        self.with_packages(account, packages, images).await
    }

    async fn with_packages(
        &self,
        account: &str,
        packages: &[i64],
        images: Vec<killick_store::carriers::Carrier>,
    ) -> Result<Vec<Carrier>> {
        let numbers: Vec<i64> = images.iter().map(|image| image.id).collect();
        let mut carried: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        for pair in self.store.carried(&numbers, packages).await? {
            carried.entry(pair.image_id).or_default().insert(pair.package_id);
        }
        let digests: Vec<String> = images.iter().map(|image| image.digest.to_string()).collect();
        let mut tags = self.tags_of_images(account, &digests).await?;
        let carrier = |image: killick_store::carriers::Carrier| Carrier {
            tags: super::images::told(tags.remove(&image.digest).unwrap_or_default()),
            digest: image.digest.to_string(),
            image_id: image.given_id.unwrap_or_else(|| image.config_digest.hex()),
            analyzed_at: image.analyzed_at.map(instant),
            packages: carried.remove(&image.id).unwrap_or_default(),
        };
        Ok(images.into_iter().map(carrier).collect())
    }

    /// The packages that are looked up under any of these names, which go by ecosystem.
    pub(crate) async fn packages_looked_up(&self, names: BTreeMap<String, BTreeSet<String>>) -> Result<Vec<i64>> {
        let names: Vec<(String, String)> = names
            .into_iter()
            .flat_map(|(ecosystem, names)| names.into_iter().map(move |name| (ecosystem.clone(), name)))
            .collect();
        self.store.packages_looked_up(&names).await
    }
}

/// The kind of a stored package.
pub(crate) fn kind(row: &PackageRow) -> Option<PackageKind> {
    PackageKind::all().find(|kind| kind.name() == row.kind)
}
