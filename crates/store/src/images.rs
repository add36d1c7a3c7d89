//! Images, their tags through time, and the steps of their analysis.

/// Links an image to its packages inside a transaction, in place of those it had.
macro_rules! link_packages_in {
    ($store:expr, $tx:ident, $account:expr, $id:expr, $done:expr) => {{
        const LINKING: &str = "linking packages";
        let (id, done): (i64, &$crate::images::FinishedAnalysis) = ($id, $done);
        if let $crate::sql::Pool::Postgres(_) = &$store.pool {
            // None of them is pruned between its insertion and its being carried. SQLite has one writer anyway.
            sqlx::query($crate::statements::SHARE_PACKAGES_POSTGRES).execute(&mut *$tx).await.during(LINKING)?;
        }
        for batch in $crate::batch::batches(&done.packages) {
            let mut add = sqlx::query($crate::statements::ADD_PACKAGES);
            for part in batch.flat_map(|$crate::packages::PackageIdentity(parts)| parts) {
                add = add.bind(part);
            }
            add.execute(&mut *$tx).await.during(LINKING)?;
        }
        for batch in $crate::batch::batches(&done.names) {
            let mut add = sqlx::query($crate::statements::ADD_PACKAGE_NAMES);
            for $crate::packages::PackageName { package: $crate::packages::PackageIdentity(parts), ecosystem, name } in
                batch
            {
                for part in parts.iter().chain([ecosystem, name]) {
                    add = add.bind(part);
                }
            }
            add.execute(&mut *$tx).await.during(LINKING)?;
        }
        for batch in $crate::batch::batches(&done.documents) {
            let mut add = sqlx::query($crate::statements::ADD_PACKAGE_DOCUMENTS);
            for $crate::packages::PackageDocument {
                package: $crate::packages::PackageIdentity(parts),
                digest,
                document,
            } in batch
            {
                for part in parts.iter().chain([digest, document]) {
                    add = add.bind(part);
                }
            }
            add.execute(&mut *$tx).await.during(LINKING)?;
        }
        // Last: what comes before waits for others, and what carries packages keeps others waiting.
        uncarry_in!($store.pool, $tx, $account, id);
        sqlx::query($crate::statements::UNLINK_PACKAGES).bind(id).execute(&mut *$tx).await.during(LINKING)?;
        for batch in $crate::batch::batches(&done.packages) {
            let mut link = sqlx::query($crate::statements::LINK_PACKAGES);
            for part in batch.flat_map(|$crate::packages::PackageIdentity(parts)| parts) {
                link = link.bind(part);
            }
            link.bind(id).execute(&mut *$tx).await.during(LINKING)?;
        }
        carry_in!($store.pool, $tx, $account, id);
    }};
}

/// Removes an image inside a transaction that has its row already.
macro_rules! remove_image_in {
    ($pool:expr, $tx:ident, $account:expr, $id:expr) => {{
        let id: i64 = $id;
        uncarry_in!($pool, $tx, $account, id);
        sqlx::query($crate::statements::REMOVE_IMAGE).bind(id).execute(&mut *$tx).await.during("removing an image")?;
    }};
}

mod add;
mod analysis;
mod delete;
mod restore;

use std::collections::BTreeMap;

use killick_model::digest::Digest;

use sqlx::FromRow as _;

use crate::error::{During as _, StoreError, found};
use crate::statements as sql;
use crate::{Result, Store};

pub use self::add::NewImage;
pub use self::analysis::FinishedAnalysis;
pub use self::delete::Deletion;
pub use self::restore::{KeptEvaluation, RestoredImage, RestoredTag};

words! {
    /// How far the analysis is.
    pub enum AnalysisStatus {
        /// Waits.
        NotAnalyzed = "not_analyzed",
        /// A worker has it.
        Analyzing = "analyzing",
        /// There is a result.
        Analyzed = "analyzed",
        /// Given up; the cause is kept.
        AnalysisFailed = "analysis_failed",
    }
}

words! {
    /// Whether the image is in use.
    pub enum ImageStatus {
        /// In use.
        Active = "active",
        /// Going away.
        Deleting = "deleting",
    }
}

row! {
    /// An image that is going away.
    pub struct DeletingImage {
        /// Whose.
        pub account: String,
        /// Its digest.
        pub digest: Digest,
    }
}

row! {
    /// An image of an account.
    pub struct Image {
        /// Its number, unique over accounts.
        pub id: i64,
        /// Whose.
        pub account: String,
        /// The manifest digest: with the account, the identity.
        pub digest: Digest,
        /// The digest of the index it was found through.
        pub index_digest: Option<Digest>,
        /// The image id of container runtimes.
        pub config_digest: Digest,
        /// The image id that somebody gave an imported image.
        pub given_id: Option<String>,
        /// How far the analysis is.
        pub analysis_status: AnalysisStatus,
        /// Why the analysis failed.
        pub failure: Option<String>,
        /// Whether the image is in use.
        pub image_status: ImageStatus,
        /// A JSON object of texts.
        pub annotations: String,
        /// Sum of its layers.
        pub size_bytes: i64,
        /// As the config says.
        pub architecture: String,
        /// The distribution's id, or empty.
        pub distro: String,
        /// The distribution's version, or empty.
        pub distro_version: String,
        /// How many layers.
        pub layer_count: i64,
        /// The Dockerfile, when given.
        pub dockerfile: Option<String>,
        /// `Actual` or `Guessed`.
        pub dockerfile_mode: String,
        /// The blob of the manifest.
        pub manifest: Option<Digest>,
        /// The blob of the analysis.
        pub analysis: Option<Digest>,
        /// Since when.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
        /// When last analyzed.
        pub analyzed_at: Option<i64>,
    }
}

row! {
    /// A tag seen on an image.
    pub struct ImageTag {
        /// The image.
        pub digest: Digest,
        /// The registry.
        pub registry: String,
        /// The repository.
        pub repository: String,
        /// The tag.
        pub tag: String,
        /// When it began to point there.
        pub detected_at: i64,
        /// Whether it means another image of the same index.
        pub child: bool,
        /// The digest of the index that it names, if it names one.
        pub index_digest: Option<Digest>,
    }
}

row! {
    /// The tags of an image in one column.
    struct Tags {
        /// A JSON array of arrays: registry, repository, tag, when it began to point there, whether it means
        /// another, and the digest of the index.
        tags: String,
    }
}

/// The place of an image in the index that it was found through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPlace {
    /// The digest of the index.
    pub index: Digest,
    /// The digest of its image that a tag of the index means.
    pub main: Digest,
    /// Where the image stands among those that are taken of it: that one is 0.
    pub position: i64,
    /// What it is for: `os/architecture[/variant]`.
    pub platform: String,
}

/// What the tags of an image that is added name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Naming {
    /// That is not known: it was asked for by its digest, or imported.
    Unknown,
    /// The image.
    Image,
    /// An index of which it is one.
    Index(IndexPlace),
}

impl Naming {
    /// The place in the index that they name.
    pub fn place(&self) -> Option<&IndexPlace> {
        match self {
            Self::Index(place) => Some(place),
            Self::Unknown | Self::Image => None,
        }
    }
}

row! {
    /// The place of an image in an index, as it is kept.
    pub struct KeptPlace {
        /// The digest of the index.
        pub index_digest: Digest,
        /// Where it stands among those that are taken of it; the one that tags of the index mean is 0.
        pub position: i64,
        /// What it is for: `os/architecture[/variant]`, or empty.
        pub platform: String,
    }
}

/// The name of a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TagName {
    /// The registry.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
}

impl TagName {
    /// `registry/repository:tag`, the key of subscriptions.
    pub fn full(&self) -> String {
        format!("{}/{}:{}", self.registry, self.repository, self.tag)
    }
}

/// Which images to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageFilter {
    /// Only in this state.
    pub image_status: Option<ImageStatus>,
    /// Only in this state of analysis.
    pub analysis_status: Option<AnalysisStatus>,
}

impl Store {
    /// The image with that manifest digest, or else of the index with that digest: the one that its tags mean.
    pub async fn image(&self, account: &str, digest: &str) -> Result<Image> {
        let row = read!(self.pool, db => sqlx::query_as(sql::IMAGE_BY_ANY_DIGEST).bind(account).bind(digest).fetch_optional(db).await);
        found(row.during("reading an image")?, "image", digest)
    }

    /// The image with that manifest or index digest, and every tag ever seen on it, newest first. The service asks this for
    /// nearly every call about an image, and each question of the database has its price.
    pub async fn image_with_tags(&self, account: &str, digest: &str) -> Result<(Image, Vec<ImageTag>)> {
        const DOING: &str = "reading an image and its tags";
        let sql = self.pool.either(sql::IMAGE_WITH_TAGS_SQLITE, sql::IMAGE_WITH_TAGS_POSTGRES);
        let row: sqlx::Result<Option<(Image, Tags)>> = read!(self.pool, db =>
            sqlx::query(sql).bind(account).bind(digest).fetch_optional(db).await.and_then(|row| {
                row.map(|row| Ok((Image::from_row(&row)?, Tags::from_row(&row)?))).transpose()
            })
        );
        let (image, Tags { tags }) = found(row.during(DOING)?, "image", digest)?;
        let tags: Vec<(String, String, String, i64, bool, Option<Digest>)> =
            serde_json::from_str(&tags).map_err(|source| StoreError::Document { source: source.into() })?;
        let of_image = |(registry, repository, tag, detected_at, child, index_digest)| ImageTag {
            digest: image.digest.clone(),
            registry,
            repository,
            tag,
            detected_at,
            child,
            index_digest,
        };
        let tags = tags.into_iter().map(of_image).collect();
        Ok((image, tags))
    }

    /// The images of an index that are in use, that of its tags first, each with what it is for as far as that is known.
    pub async fn images_of_index(
        &self,
        account: &str,
        index: &str,
        limit: i64,
    ) -> Result<Vec<(Image, Option<String>)>> {
        const DOING: &str = "listing the images of an index";
        let images: Vec<Image> = read!(self.pool, db => sqlx::query_as(sql::IMAGES_OF_INDEX).bind(account).bind(index)
            .bind(limit).fetch_all(db).await)
        .during(DOING)?;
        let platforms: Vec<(String, String)> =
            read!(self.pool, db => sqlx::query_as(sql::PLATFORMS_OF_INDEX).bind(account).bind(index).fetch_all(db).await)
                .during(DOING)?;
        let mut platforms: BTreeMap<String, String> =
            platforms.into_iter().filter(|(_, platform)| !platform.is_empty()).collect();
        let with_platform = |image: Image| {
            let platform = platforms.remove(&image.digest.to_string());
            (image, platform)
        };
        Ok(images.into_iter().map(with_platform).collect())
    }

    /// The newest image with that config digest.
    pub async fn image_by_config(&self, account: &str, config_digest: &str) -> Result<Image> {
        let row = read!(self.pool, db => sqlx::query_as(sql::IMAGE_BY_CONFIG).bind(account).bind(config_digest).fetch_optional(db).await);
        found(row.during("reading an image")?, "image", config_digest)
    }

    /// The newest imported image that somebody gave that id.
    pub async fn image_by_given_id(&self, account: &str, id: &str) -> Result<Image> {
        let row = read!(self.pool, db => sqlx::query_as(sql::IMAGE_BY_GIVEN_ID).bind(account).bind(id).fetch_optional(db).await);
        found(row.during("reading an image")?, "image", id)
    }

    /// The account's images, newest first.
    pub async fn images(&self, account: &str, filter: ImageFilter) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::IMAGES).bind(account).bind(filter.image_status.map(ImageStatus::as_str))
            .bind(filter.analysis_status.map(AnalysisStatus::as_str)).fetch_all(db).await).during("listing images")
    }

    /// The images of all accounts that are going away.
    pub async fn deleting_images(&self) -> Result<Vec<DeletingImage>> {
        read!(self.pool, db => sqlx::query_as(sql::DELETING_IMAGES).fetch_all(db).await).during("listing images")
    }

    /// The active images of the account, by digest: those after `after`, at most so many.
    pub async fn images_after(&self, account: &str, after: &str, limit: i64) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::IMAGES_AFTER).bind(account).bind(after).bind(limit).fetch_all(db).await)
            .during("listing images")
    }

    /// The account's images that can be judged, by digest: those after `after`, at most so many.
    pub async fn analyzed_images(&self, account: &str, after: &str, limit: i64) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::ANALYZED_IMAGES).bind(account).bind(after).bind(limit).fetch_all(db).await)
            .during("listing analyzed images")
    }

    /// The images the tag has pointed to, latest first, so many at most; the first is the present one. Of an index, the
    /// one that its tags mean.
    pub async fn images_by_tag(
        &self,
        account: &str,
        tag: &TagName,
        filter: ImageFilter,
        limit: i64,
    ) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::IMAGES_BY_TAG).bind(account).bind(&tag.registry).bind(&tag.repository).bind(&tag.tag)
            .bind(filter.image_status.map(ImageStatus::as_str)).bind(filter.analysis_status.map(AnalysisStatus::as_str)).bind(limit)
            .fetch_all(db).await).during("listing images of a tag")
    }

    /// The others of the index that a tag names now, in their order, so many at most: those that are in use.
    pub async fn children_of_tag(&self, account: &str, tag: &TagName, limit: i64) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::CHILDREN_OF_TAG).bind(account).bind(&tag.registry).bind(&tag.repository)
            .bind(&tag.tag).bind(limit).fetch_all(db).await).during("listing images of a tag")
    }

    /// The places of an image in indexes, by their digests.
    pub async fn places_of_image(&self, account: &str, digest: &str) -> Result<Vec<KeptPlace>> {
        read!(self.pool, db => sqlx::query_as(sql::PLACES_OF_IMAGE).bind(account).bind(digest).fetch_all(db).await)
            .during("listing the indexes of an image")
    }

    /// Every tag ever seen in the account, newest first.
    pub async fn tags(&self, account: &str) -> Result<Vec<ImageTag>> {
        read!(self.pool, db => sqlx::query_as(sql::TAGS_OF_ACCOUNT).bind(account).fetch_all(db).await)
            .during("listing tags")
    }

    /// Every tag ever seen on an image, newest first.
    pub async fn tags_of_image(&self, account: &str, digest: &str) -> Result<Vec<ImageTag>> {
        read!(self.pool, db => sqlx::query_as(sql::TAGS_OF_IMAGE).bind(account).bind(digest).fetch_all(db).await)
            .during("listing tags")
    }

    /// Every tag ever seen on any of these images, newest first.
    pub async fn tags_of_images(&self, account: &str, digests: &[String]) -> Result<Vec<ImageTag>> {
        let statement = self.pool.either(sql::TAGS_OF_IMAGES_SQLITE, sql::TAGS_OF_IMAGES_POSTGRES);
        let digests = serde_json::Value::from(digests).to_string();
        read!(self.pool, db => sqlx::query_as(statement).bind(account).bind(digests).fetch_all(db).await)
            .during("listing tags")
    }
}
