//! Which images carry which packages, out of the inverted index.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use killick_model::package::PackageKind;
use killick_store::Result;
use killick_store::packages::PackageRow;

use super::{Records, Tag, instant};

/// An analysed image that carries some of the packages that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) digest: String,
    /// Hexadecimal digits of the digest of its configuration.
    pub(crate) image_id: String,
    pub(crate) analyzed_at: Option<Timestamp>,
    /// Numbers of the packages.
    pub(crate) packages: BTreeSet<i64>,
}

impl Records {
    /// The distinct packages of this name, of any version, kind and account.
    pub(crate) async fn packages_called(&self, name: &str) -> Result<BTreeMap<i64, PackageRow>> {
        let rows = self.store.packages_named(name).await?.into_iter().filter(|row| row.name == name);
        Ok(rows.map(|row| (row.id, row)).collect())
    }

    /// The images that carry any of these packages, by digest.
    pub(crate) async fn carriers(&self, account: &str, packages: &[i64]) -> Result<Vec<Carrier>> {
        let mut found: Vec<Carrier> = Vec::new();
        for row in self.store.carriers(account, packages).await? {
            let digest = row.digest.to_string();
            match found.last_mut() {
                Some(last) if last.digest == digest => {
                    last.packages.insert(row.package_id);
                }
                _ => found.push(Carrier {
                    digest,
                    image_id: row.given_id.unwrap_or_else(|| row.config_digest.hex()),
                    analyzed_at: row.analyzed_at.map(instant),
                    packages: BTreeSet::from([row.package_id]),
                }),
            }
        }
        Ok(found)
    }

    /// The images with packages that are looked up under any of these names, which go by ecosystem.
    pub(crate) async fn carriers_of_names(
        &self,
        account: &str,
        names: BTreeMap<String, BTreeSet<String>>,
    ) -> Result<Vec<Carrier>> {
        let names: Vec<(String, String)> = names
            .into_iter()
            .flat_map(|(ecosystem, names)| names.into_iter().map(move |name| (ecosystem.clone(), name)))
            .collect();
        let packages = self.store.packages_looked_up(&names).await?;
        self.carriers(account, &packages).await
    }

    /// The tags of an image, the oldest first.
    pub(crate) async fn tags_of(&self, account: &str, digest: &str) -> Result<Vec<Tag>> {
        let rows = self.store.tags_of_image(account, digest).await?;
        Ok(super::images::told(rows.into_iter().map(Tag::from).collect()))
    }
}

/// The kind of a stored package.
pub(crate) fn kind(row: &PackageRow) -> Option<PackageKind> {
    PackageKind::all().find(|kind| kind.name() == row.kind)
}
