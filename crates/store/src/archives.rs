//! The analysis archive: analyses that are kept, each as one document, after their images went.

mod rules;

use killick_model::digest::Digest;

use crate::error::{During as _, found};
use crate::images::TagName;
use crate::statements as sql;
use crate::{Result, Store};

pub use self::rules::{ArchiveRule, HistoryRow, NewRule, Transition};

words! {
    /// Whether an archived analysis is kept.
    pub enum ArchiveStatus {
        /// It is.
        Archived = "archived",
        /// It is going away.
        Deleting = "deleting",
    }
}

row! {
    /// An archived analysis.
    pub struct ArchivedImage {
        /// Its number, unique over accounts.
        pub id: i64,
        /// Whose.
        pub account: String,
        /// The manifest digest of the image: with the account, the identity.
        pub digest: Digest,
        /// The digest of the index it was found through.
        pub index_digest: Option<Digest>,
        /// Whether it is kept.
        pub status: ArchiveStatus,
        /// A JSON object of texts.
        pub annotations: String,
        /// The blob of the document.
        pub document: Digest,
        /// Bytes of that blob as it is stored.
        pub size_bytes: i64,
        /// When the image was analyzed.
        pub analyzed_at: i64,
        /// Since when it is archived.
        pub created_at: i64,
        /// Last change.
        pub updated_at: i64,
    }
}

row! {
    /// A tag of an image that is or was there.
    pub struct ArchivedTag {
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
        /// When the image was analyzed.
        pub analyzed_at: i64,
        /// Since when the image, or its archived analysis, is there.
        pub created_at: i64,
    }
}

row! {
    /// How much is archived.
    pub struct ArchiveSummary {
        /// Images.
        pub images: i64,
        /// Their tags.
        pub tags: i64,
        /// Bytes as they are stored.
        pub size_bytes: i64,
        /// Last change.
        pub updated_at: Option<i64>,
    }
}

/// An analysis to archive.
#[derive(Debug, Clone)]
pub struct NewArchived {
    /// Whose.
    pub account: String,
    /// The manifest digest of the image.
    pub digest: Digest,
    /// The digest of the index it was found through.
    pub index_digest: Option<Digest>,
    /// A JSON object of texts.
    pub annotations: String,
    /// The blob of the document.
    pub document: Digest,
    /// Bytes of that blob as it is stored.
    pub size_bytes: i64,
    /// When the image was analyzed.
    pub analyzed_at: i64,
    /// Its tags, each once, when they began to point there, and whether they mean another image of its index.
    pub tags: Vec<(TagName, i64, bool)>,
}

impl Store {
    /// Archives an analysis, in place of the one of the same image that is archived.
    pub async fn archive_image(&self, new: &NewArchived, now: i64) -> Result<ArchivedImage> {
        const DOING: &str = "archiving an analysis";
        let digest = new.digest.to_string();
        let index = new.index_digest.as_ref().map(Digest::to_string);
        Ok(transaction!(self.pool, tx => {
            let row: ArchivedImage = sqlx::query_as(sql::PUT_ARCHIVED).bind(&new.account).bind(&digest).bind(&index)
                .bind(&new.annotations).bind(new.document.to_string()).bind(new.size_bytes).bind(new.analyzed_at).bind(now)
                .fetch_one(&mut *tx).await.creating("archived image", &digest)?;
            sqlx::query(sql::FORGET_ARCHIVED_TAGS).bind(row.id).execute(&mut *tx).await.during(DOING)?;
            for (TagName { registry, repository, tag }, detected_at, child) in &new.tags {
                sqlx::query(sql::ADD_ARCHIVED_TAG).bind(row.id).bind(registry).bind(repository).bind(tag).bind(detected_at).bind(child)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            row
        }))
    }

    /// One archived analysis.
    pub async fn archived_image(&self, account: &str, digest: &str) -> Result<ArchivedImage> {
        let row =
            read!(self.pool, db => sqlx::query_as(sql::ARCHIVED).bind(account).bind(digest).fetch_optional(db).await);
        found(row.during("reading the archive")?, "archived image", digest)
    }

    /// The account's archived analyses, newest first.
    pub async fn archived_images(&self, account: &str) -> Result<Vec<ArchivedImage>> {
        read!(self.pool, db => sqlx::query_as(sql::ARCHIVED_IMAGES).bind(account).fetch_all(db).await)
            .during("listing the archive")
    }

    /// The account's archived analyses by digest: those after `after`, at most so many.
    pub async fn archived_after(&self, account: &str, after: &str, limit: i64) -> Result<Vec<ArchivedImage>> {
        read!(self.pool, db => sqlx::query_as(sql::ARCHIVED_AFTER).bind(account).bind(after).bind(limit).fetch_all(db).await)
            .during("listing the archive")
    }

    /// The tags of archived analyses, of one image or of all, by digest and name.
    pub async fn archived_tags(&self, account: &str, digest: Option<&str>) -> Result<Vec<ArchivedTag>> {
        read!(self.pool, db => sqlx::query_as(sql::ARCHIVED_TAGS).bind(account).bind(digest).fetch_all(db).await)
            .during("listing tags of the archive")
    }

    /// The tags of analyzed images in use, each as often as it was seen there, by digest and name.
    pub async fn archivable_tags(&self, account: &str) -> Result<Vec<ArchivedTag>> {
        read!(self.pool, db => sqlx::query_as(sql::ARCHIVABLE_TAGS).bind(account).fetch_all(db).await)
            .during("listing tags of analyzed images")
    }

    /// How much the account has archived; without an account, how much all have.
    pub async fn archive_summary(&self, account: Option<&str>) -> Result<ArchiveSummary> {
        read!(self.pool, db => sqlx::query_as(sql::ARCHIVE_SUMMARY).bind(account).fetch_one(db).await)
            .during("counting the archive")
    }

    /// Marks an archived analysis as going away, for which [`Store::purge_archived`] then removes it, and remembers the rule
    /// that said so, if one did. Whether this call did so: not if it is gone, or going already.
    pub async fn delete_archived(&self, account: &str, digest: &str, rule: Option<&str>, now: i64) -> Result<bool> {
        const DOING: &str = "removing from the archive";
        transaction!(self.pool, tx => {
            let id: Option<i64> = sqlx::query_scalar(sql::DELETE_ARCHIVED).bind(account).bind(digest).bind(now)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            if id.is_none() {
                return Ok(false);
            }
            if let Some(rule) = rule {
                sqlx::query(sql::ADD_ARCHIVE_HISTORY).bind(rule).bind(account).bind(digest)
                    .bind(Transition::Delete.as_str()).bind(now).execute(&mut *tx).await.during(DOING)?;
            }
        });
        Ok(true)
    }

    /// Removes the archived analyses that are going away; their blobs become orphans. Answers how many.
    pub async fn purge_archived(&self) -> Result<u64> {
        self.delete_old(sql::PURGE_ARCHIVED, i64::MAX, "emptying the archive").await
    }
}
