//! Layer facts, the advisory index in use, and what matching found with it.

use killick_model::digest::Digest;

use crate::batch::batches;
use crate::error::During as _;
use crate::images::Image;
use crate::sql::Column as _;
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// An advisory index.
    pub struct Knowledge {
        /// The digest of the index.
        pub digest: Digest,
        /// Where the file lies.
        pub path: String,
        /// The instant of its data.
        pub data_at: i64,
        /// When it was switched to.
        pub installed_at: i64,
    }
}

row! {
    /// One group of a feed, as `/system/feeds` shows it.
    pub struct FeedGroup {
        /// The feed.
        pub feed: String,
        /// The group.
        pub name: String,
        /// Whether it is wanted.
        pub enabled: bool,
        /// How many records.
        pub record_count: i64,
        /// Last success.
        pub synced_at: Option<i64>,
    }
}

row! {
    /// When a vulnerability was first seen in a package of an image.
    pub struct FirstDetected {
        /// The vulnerability.
        pub vulnerability: String,
        /// The package, in the caller's spelling.
        pub package: String,
        /// When.
        pub detected_at: i64,
    }
}

row! {
    /// Facts of a layer.
    pub struct LayerFact {
        /// The blob.
        blob: Digest,
        /// When they were last used, to a day.
        used_at: i64,
    }
}

/// What matching found for an image.
#[derive(Debug, Clone)]
pub struct NewMatches {
    /// Whose.
    pub account: String,
    /// The image's manifest digest.
    pub digest: String,
    /// The blob of the analysis that was matched.
    pub analysis: Digest,
    /// The digest of the index it was matched with.
    pub index: Digest,
    /// The blob of the matches.
    pub blob: Digest,
}

impl Store {
    /// The blob with the facts of a layer, as read by that revision of the catalogers. That they were used is noted once a
    /// day.
    pub async fn layer_fact(&self, diff_id: &Digest, revision: &str, now: i64) -> Result<Option<Digest>> {
        const DAY: i64 = 86_400_000_000;
        let found: Option<LayerFact> = read!(self.pool, db => sqlx::query_as(sql::LAYER_FACT).bind(diff_id.to_string())
            .bind(revision).fetch_optional(db).await)
        .during("reading layer facts")?;
        let Some(found) = found else { return Ok(None) };
        if found.used_at < now.saturating_sub(DAY) {
            write!(self.pool, db => sqlx::query(sql::USE_LAYER_FACT).bind(diff_id.to_string()).bind(revision).bind(now)
                .execute(db).await.map(drop))
            .during("noting the use of layer facts")?;
        }
        Ok(Some(found.blob))
    }

    /// Removes facts of layers that were not used since an instant; answers how many. What is kept under the digest of the
    /// configuration of an image stays as long as the image.
    pub async fn delete_old_layer_facts(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_LAYER_FACTS, before, "removing old layer facts").await
    }

    /// Keeps the facts of a layer.
    pub async fn put_layer_fact(&self, diff_id: &Digest, revision: &str, blob: &Digest, now: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::PUT_LAYER_FACT).bind(diff_id.to_string()).bind(revision)
            .bind(blob.to_string()).bind(now).execute(db).await.map(drop))
        .during("writing layer facts")
    }

    /// The index in use.
    pub async fn knowledge(&self) -> Result<Option<Knowledge>> {
        read!(self.pool, db => sqlx::query_as(sql::KNOWLEDGE).fetch_optional(db).await)
            .during("reading the index state")
    }

    /// Switches to an index.
    pub async fn set_knowledge(&self, new: &Knowledge) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::SET_KNOWLEDGE).bind(new.digest.to_string()).bind(&new.path).bind(new.data_at)
            .bind(new.installed_at).execute(db).await.map(drop)).during("writing the index state")
    }

    /// Every feed group.
    pub async fn feed_groups(&self) -> Result<Vec<FeedGroup>> {
        read!(self.pool, db => sqlx::query_as(sql::FEED_GROUPS).fetch_all(db).await).during("listing feed groups")
    }

    /// Adds or replaces a feed group.
    pub async fn set_feed_group(&self, group: &FeedGroup) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::SET_FEED_GROUP).bind(&group.feed).bind(&group.name).bind(group.enabled)
            .bind(group.record_count).bind(group.synced_at).execute(db).await.map(drop))
        .during("writing a feed group")
    }

    /// The blob of an image's matches under an index.
    pub async fn matches(&self, account: &str, digest: &str, index: &Digest) -> Result<Option<Digest>> {
        let key: Option<String> = read!(self.pool, db => sqlx::query_scalar(sql::MATCHES).bind(account).bind(digest)
            .bind(index.to_string()).fetch_optional(db).await)
        .during("reading matches")?;
        Ok(key.and_then(|key| Digest::from_stored(key).ok()))
    }

    /// Keeps an image's matches, replacing those of other indexes, and the instants of those new in it. Nothing is
    /// kept when the image has been analyzed again since: the matches are of what it held before.
    pub async fn put_matches(&self, new: &NewMatches, seen: &[(String, String)], now: i64) -> Result<()> {
        const DOING: &str = "writing matches";
        let (account, digest) = (new.account.as_str(), new.digest.as_str());
        transaction!(self.pool, tx => {
            let image: Option<Image> = sqlx::query_as(sql::LOCK_IMAGE).bind(account).bind(digest)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            if image.is_none_or(|image| image.analysis.as_ref() != Some(&new.analysis)) {
                return Ok(());
            }
            sqlx::query(sql::FORGET_MATCHES).bind(account).bind(digest).execute(&mut *tx).await.during(DOING)?;
            sqlx::query(sql::PUT_MATCHES).bind(account).bind(digest).bind(new.index.to_string()).bind(new.blob.to_string()).bind(now)
                .execute(&mut *tx).await.during(DOING)?;
            for batch in batches(seen) {
                let mut put = sqlx::query(sql::PUT_FIRST_DETECTED);
                for (vulnerability, package) in batch {
                    put = put.bind(vulnerability).bind(package);
                }
                put.bind(account).bind(digest).bind(now).execute(&mut *tx).await.during(DOING)?;
            }
        });
        Ok(())
    }

    /// Discards an image's kept matches; the first-seen instants stay.
    pub async fn forget_matches(&self, account: &str, digest: &str) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::FORGET_MATCHES).bind(account).bind(digest).execute(db).await.map(drop))
            .during("discarding matches")
    }

    /// Discards the matches of all images that were kept by then; the first-seen instants stay.
    pub async fn forget_all_matches(&self, by: i64) -> Result<()> {
        self.delete_old(sql::FORGET_ALL_MATCHES, by, "discarding matches").await.map(drop)
    }

    /// When each vulnerability of an image was first seen.
    pub async fn first_detected(&self, account: &str, digest: &str) -> Result<Vec<FirstDetected>> {
        read!(self.pool, db => sqlx::query_as(sql::FIRST_DETECTED).bind(account).bind(digest).fetch_all(db).await)
            .during("reading first-seen instants")
    }
}
