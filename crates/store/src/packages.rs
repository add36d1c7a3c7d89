//! Distinct package identities, and the names that they are looked up under.

use killick_model::analysis::Analysis;
use killick_model::distribution::Distribution;
use killick_model::package::Package;

use crate::batch::batches;
use crate::error::During as _;
use crate::sql::Pool;
use crate::statements as sql;
use crate::text::column;
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
    /// The identity of a package of an image with this distribution.
    pub fn of(package: &Package, distribution: Option<&Distribution>) -> Self {
        let distribution = package.distribution.as_ref().or(distribution);
        let release = distribution.filter(|_| package.kind.is_os()).map(Distribution::label).unwrap_or_default();
        let texts = [
            package.kind.name(),
            &package.name,
            &package.version,
            package.architecture.as_deref().unwrap_or_default(),
            package.source_name(),
            package.source_version(),
            &release,
            package.origin.as_deref().unwrap_or_default(),
        ];
        Self(texts.map(column))
    }

    /// The distinct identities of what is there in an image, sorted, so that concurrent writers lock in one order.
    /// What the image is only said to have is found in its analysis alone.
    pub fn all(analysis: &Analysis) -> Vec<Self> {
        let there = analysis.packages.iter().filter(|package| package.evidence.is_there());
        let mut all: Vec<_> = there.map(|package| Self::of(package, analysis.distribution.as_ref())).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// A name that a package is looked up under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageName {
    /// The package, one of those of the same image.
    pub package: PackageIdentity,
    /// The ecosystem, or the release of a distribution.
    pub ecosystem: String,
    /// The name, as it is written there.
    pub name: String,
}

/// All that matching looks at of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageDocument {
    /// The package, one of those of the same image.
    pub package: PackageIdentity,
    /// Names the text: the same for equal texts.
    pub digest: String,
    /// The text, which the store does not read.
    pub document: String,
}

row! {
    /// What matching looks at of a stored package. Few packages have several documents: those that differ in something
    /// that the row of the package does not tell.
    pub struct StoredDocument {
        /// The number of the package.
        pub package_id: i64,
        /// The text.
        pub document: String,
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

    /// Every identity with that name, of whatever account.
    pub async fn packages_named(&self, name: &str) -> Result<Vec<PackageRow>> {
        read!(self.pool, db => sqlx::query_as(sql::PACKAGES_NAMED).bind(name).fetch_all(db).await)
            .during("listing packages")
    }

    /// The numbers of all identities that are looked up under any of these names of ecosystems, of whatever account.
    pub async fn packages_looked_up(&self, names: &[(String, String)]) -> Result<Vec<i64>> {
        let mut found = Vec::new();
        for batch in batches(names) {
            let wanted: Vec<&(String, String)> = batch.collect();
            let ids: Vec<i64> = read!(self.pool, db => {
                let mut query = sqlx::query_scalar(sql::PACKAGES_LOOKED_UP);
                for (ecosystem, name) in wanted {
                    query = query.bind(ecosystem).bind(name);
                }
                query.fetch_all(db).await
            })
            .during("looking packages up")?;
            found.extend(ids);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The numbers of all identities that are looked up in an ecosystem, or in a release of a distribution.
    pub async fn packages_of_ecosystem(&self, ecosystem: &str) -> Result<Vec<i64>> {
        read!(self.pool, db => sqlx::query_scalar(sql::PACKAGES_OF_ECOSYSTEM).bind(ecosystem).fetch_all(db).await)
            .during("looking packages up")
    }

    /// What matching looks at of these packages, by their numbers. Those of images that an earlier version analysed have
    /// none.
    pub async fn package_documents(&self, packages: &[i64]) -> Result<Vec<StoredDocument>> {
        let mut found: Vec<StoredDocument> = Vec::new();
        for batch in batches(packages) {
            let wanted: Vec<String> = batch.map(i64::to_string).collect();
            let documents: Vec<StoredDocument> = read!(self.pool, db => {
                let mut query = sqlx::query_as(sql::PACKAGE_DOCUMENTS);
                for package in &wanted {
                    query = query.bind(package);
                }
                query.fetch_all(db).await
            })
            .during("reading packages")?;
            found.extend(documents);
        }
        found.sort_by_key(|found| found.package_id);
        Ok(found)
    }
}
