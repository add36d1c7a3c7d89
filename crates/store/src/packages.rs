//! Distinct package identities and the images that carry them: the inverted index.

use killick_model::analysis::Analysis;
use killick_model::distribution::Distribution;
use killick_model::package::Package;

use crate::error::During as _;
use crate::images::Image;
use crate::sql::Pool;
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A distinct package identity; absent parts are empty.
    pub struct PackageRow {
        /// Its number.
        pub id: i64,
        /// `deb`, `npm`, ….
        pub kind: String,
        /// The name.
        pub name: String,
        /// The version.
        pub version: String,
        /// The architecture.
        pub architecture: String,
        /// The source package's name, else the name.
        pub source_name: String,
        /// The source package's version, else the version.
        pub source_version: String,
        /// The distribution and release, `debian:12`, of an operating-system package.
        pub release: String,
        /// Who built it.
        pub origin: String,
    }
}

/// What makes two packages the same for matching, in the order of the statement's parameters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageIdentity(pub [String; 8]);

impl PackageIdentity {
    /// The distinct identities of an image, sorted, so that concurrent writers lock in one order.
    pub fn all(analysis: &Analysis) -> Vec<Self> {
        let release = |package: &Package| {
            let distribution = package.distribution.as_ref().or(analysis.distribution.as_ref());
            distribution.filter(|_| package.kind.is_os()).map(Distribution::label).unwrap_or_default()
        };
        let mut all: Vec<_> = analysis
            .packages
            .iter()
            .map(|package| {
                Self([
                    package.kind.name().to_owned(),
                    package.name.clone(),
                    package.version.clone(),
                    package.architecture.clone().unwrap_or_default(),
                    package.source_name().to_owned(),
                    package.source_version().to_owned(),
                    release(package),
                    package.origin.clone().unwrap_or_default(),
                ])
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Where the last pruning came to.
const PRUNED_TO: &str = "packages.pruned_to";

impl Store {
    /// Removes identities that no image carries any more, among the next so many from where the last call came to, and
    /// from the first again after the last; answers how many it removed. So a call costs the same however many there
    /// are.
    pub async fn prune_packages(&self, batch: i64) -> Result<u64> {
        const DOING: &str = "removing packages of no image";
        Ok(transaction!(self.pool, tx => {
            if let Pool::Postgres(_) = &self.pool {
                sqlx::query(sql::LOCK_PACKAGES_POSTGRES).execute(&mut *tx).await.during(DOING)?;
            }
            let from: Option<String> =
                sqlx::query_scalar(sql::SETTING).bind(PRUNED_TO).fetch_optional(&mut *tx).await.during(DOING)?;
            let from: i64 = from.and_then(|from| from.parse().ok()).unwrap_or(0);
            let to: Option<i64> =
                sqlx::query_scalar(sql::LAST_OF_PACKAGES).bind(from).bind(batch).fetch_one(&mut *tx).await.during(DOING)?;
            let pruned = match to {
                None => 0,
                Some(to) => sqlx::query(sql::PRUNE_PACKAGES).bind(from).bind(to).execute(&mut *tx).await.during(DOING)?
                    .rows_affected(),
            };
            let to = to.unwrap_or(0);
            if to != from {
                sqlx::query(sql::SET_SETTING).bind(PRUNED_TO).bind(to.to_string()).execute(&mut *tx).await.during(DOING)?;
            }
            pruned
        }))
    }

    /// The packages of an image.
    pub async fn packages_of_image(&self, account: &str, digest: &str) -> Result<Vec<PackageRow>> {
        read!(self.pool, db => sqlx::query_as(sql::PACKAGES_OF_IMAGE).bind(account).bind(digest).fetch_all(db).await)
            .during("listing packages")
    }

    /// Every identity with that name or source name, of whatever account: for matching, not for showing.
    pub async fn packages_named(&self, name: &str) -> Result<Vec<PackageRow>> {
        read!(self.pool, db => sqlx::query_as(sql::PACKAGES_NAMED).bind(name).fetch_all(db).await)
            .during("listing packages")
    }

    /// The account's active images that carry a package.
    pub async fn images_with_package(&self, account: &str, package: i64) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::IMAGES_WITH_PACKAGE).bind(account).bind(package).fetch_all(db).await)
            .during("listing images of a package")
    }
}
