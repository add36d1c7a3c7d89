//! Images, their tags through time, and the steps of their analysis.

use std::collections::BTreeMap;

use killick_model::digest::Digest;

use crate::error::{During as _, StoreError, found};
use crate::packages::PackageIdentity;
use crate::statements as sql;
use crate::subscriptions::subscription_id;
use crate::tasks::{Lease, NewTask, Task, TaskState};
use crate::{Result, Store};

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

/// An image to add.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// Whose.
    pub account: String,
    /// The manifest digest.
    pub digest: Digest,
    /// The digest of the index it was found through.
    pub index_digest: Option<Digest>,
    /// The image id.
    pub config_digest: Digest,
    /// The tag it was found under.
    pub tag: TagName,
    /// When the tag pointed there.
    pub detected_at: i64,
    /// Sum of its layers.
    pub size_bytes: i64,
    /// As the config says.
    pub architecture: String,
    /// How many layers.
    pub layer_count: i64,
    /// The Dockerfile, when given.
    pub dockerfile: Option<String>,
    /// The blob of the manifest.
    pub manifest: Option<Digest>,
    /// Merged into those there are; `None` removes the key.
    pub annotations: BTreeMap<String, Option<String>>,
    /// Analyze again, whatever the state.
    pub force: bool,
    /// Switch `tag_update` on.
    pub autosubscribe: bool,
    /// The analysis to enqueue when the image is new or analyzed again.
    pub task: NewTask,
}

/// Which images to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImageFilter {
    /// Only in this state.
    pub image_status: Option<ImageStatus>,
    /// Only in this state of analysis.
    pub analysis_status: Option<AnalysisStatus>,
}

/// What became of a request to delete an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// It is going away.
    Deleting(Digest),
    /// There is none.
    NotFound,
    /// Not without force.
    Refused(&'static str),
}

/// What an analysis found, for the rows.
#[derive(Debug, Clone)]
pub struct FinishedAnalysis {
    /// The blob of the analysis.
    pub analysis: Digest,
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
    /// See [`PackageIdentity::all`].
    pub packages: Vec<PackageIdentity>,
}

impl Store {
    /// Adds an image or merges into it, with tag, subscriptions and task, in one transaction.
    /// Answers also the task, when there is work.
    pub async fn add_image(&self, new: &NewImage, now: i64) -> Result<(Image, Option<i64>)> {
        const DOING: &str = "adding an image";
        let (account, digest) = (new.account.as_str(), new.digest.to_string());
        let index = new.index_digest.as_ref().map(Digest::to_string);
        let manifest = new.manifest.as_ref().map(Digest::to_string);
        let mode = if new.dockerfile.is_some() { "Actual" } else { "Guessed" };
        let TagName { registry, repository, tag } = &new.tag;
        let key = new.tag.full();
        let added = transaction!(self.pool, tx => {
            let made = sqlx::query(sql::UPSERT_IMAGE).bind(account).bind(&digest).bind(&index).bind(new.config_digest.to_string())
                .bind(new.size_bytes).bind(&new.architecture).bind(new.layer_count).bind(&new.dockerfile).bind(mode)
                .bind(&manifest).bind(now).execute(&mut *tx).await.creating("image", &digest)?.rows_affected() > 0;
            let image: Image = sqlx::query_as(sql::IMAGE).bind(account).bind(&digest).fetch_one(&mut *tx).await.during(DOING)?;
            let again = new.force || image.analysis_status == AnalysisStatus::AnalysisFailed || image.image_status != ImageStatus::Active;
            if !made && again {
                sqlx::query(sql::RESET_IMAGE).bind(account).bind(&digest).bind(&new.dockerfile).bind(&manifest).bind(&index).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            if !new.annotations.is_empty() {
                let merged = merge(&image.annotations, &new.annotations);
                sqlx::query(sql::SET_ANNOTATIONS).bind(account).bind(&digest).bind(merged).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            let latest: Option<ImageTag> = sqlx::query_as(sql::LATEST_OF_TAG).bind(account).bind(registry).bind(repository).bind(tag)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            if latest.is_none_or(|latest| latest.digest != new.digest) {
                sqlx::query(sql::ADD_TAG).bind(account).bind(&digest).bind(registry).bind(repository).bind(tag).bind(new.detected_at)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            for (kind, on) in [("policy_eval", false), ("vuln_update", false), ("tag_update", new.autosubscribe), ("analysis_update", true)] {
                let id = subscription_id(account, &key, kind);
                sqlx::query(sql::ADD_SUBSCRIPTION).bind(account).bind(&id).bind(&key).bind(kind).bind(None::<&str>).bind(on).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
                if on {
                    sqlx::query(sql::SET_SUBSCRIPTION).bind(account).bind(&id).bind(true).bind(now).execute(&mut *tx).await.during(DOING)?;
                }
            }
            let task = if made || again { Some(enqueue_in!(tx, &new.task, now)) } else { None };
            let image = sqlx::query_as(sql::IMAGE).bind(account).bind(&digest).fetch_one(&mut *tx).await.during(DOING)?;
            (image, task)
        });
        if added.1.is_some() {
            self.nudge.notify_one();
        }
        Ok(added)
    }

    /// The image with that manifest digest, or else found through that index digest.
    pub async fn image(&self, account: &str, digest: &str) -> Result<Image> {
        let row = read!(self.pool, db => sqlx::query_as(sql::IMAGE_BY_ANY_DIGEST).bind(account).bind(digest).fetch_optional(db).await);
        found(row.during("reading an image")?, "image", digest)
    }

    /// The newest image with that config digest.
    pub async fn image_by_config(&self, account: &str, config_digest: &str) -> Result<Image> {
        let row = read!(self.pool, db => sqlx::query_as(sql::IMAGE_BY_CONFIG).bind(account).bind(config_digest).fetch_optional(db).await);
        found(row.during("reading an image")?, "image", config_digest)
    }

    /// The account's images, newest first.
    pub async fn images(&self, account: &str, filter: ImageFilter) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::IMAGES).bind(account).bind(filter.image_status.map(ImageStatus::as_str))
            .bind(filter.analysis_status.map(AnalysisStatus::as_str)).fetch_all(db).await).during("listing images")
    }

    /// Every image the tag has pointed to, latest first; the first is the present one.
    pub async fn images_by_tag(&self, account: &str, tag: &TagName, filter: ImageFilter) -> Result<Vec<Image>> {
        read!(self.pool, db => sqlx::query_as(sql::IMAGES_BY_TAG).bind(account).bind(&tag.registry).bind(&tag.repository).bind(&tag.tag)
            .bind(filter.image_status.map(ImageStatus::as_str)).bind(filter.analysis_status.map(AnalysisStatus::as_str))
            .fetch_all(db).await).during("listing images of a tag")
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

    /// Asks for an image to go away, by the rules of the v1 API; [`Store::purge_image`] then removes it.
    pub async fn delete_image(&self, account: &str, digest: &str, force: bool, now: i64) -> Result<Deletion> {
        const DOING: &str = "deleting an image";
        Ok(transaction!(self.pool, tx => {
            let image: Option<Image> = sqlx::query_as(sql::IMAGE_BY_ANY_DIGEST).bind(account).bind(digest)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            let Some(image) = image else { return Ok(Deletion::NotFound) };
            if image.image_status == ImageStatus::Deleting {
                return Ok(Deletion::Deleting(image.digest));
            }
            if !force && image.analysis_status == AnalysisStatus::Analyzing {
                return Ok(Deletion::Refused("the image is being analyzed"));
            }
            let digest = image.digest.to_string();
            let tags: Vec<ImageTag> = sqlx::query_as(sql::TAGS_OF_IMAGE).bind(account).bind(&digest).fetch_all(&mut *tx).await.during(DOING)?;
            for tag in tags {
                let latest: Option<ImageTag> = sqlx::query_as(sql::LATEST_OF_TAG).bind(account).bind(&tag.registry).bind(&tag.repository)
                    .bind(&tag.tag).fetch_optional(&mut *tx).await.during(DOING)?;
                if latest.is_none_or(|latest| latest.digest != image.digest) {
                    continue;
                }
                let key = format!("{}/{}:{}", tag.registry, tag.repository, tag.tag);
                if force {
                    sqlx::query(sql::DEACTIVATE_SUBSCRIPTIONS).bind(account).bind(&key).bind(now).execute(&mut *tx).await.during(DOING)?;
                } else {
                    let active: i64 = sqlx::query_scalar(sql::ACTIVE_SUBSCRIPTIONS).bind(account).bind(&key).fetch_one(&mut *tx).await.during(DOING)?;
                    if active > 0 {
                        return Ok(Deletion::Refused("the image is the latest of a tag with active subscriptions"));
                    }
                }
            }
            sqlx::query(sql::SET_IMAGE_STATUS).bind(account).bind(&digest).bind(ImageStatus::Deleting.as_str()).bind(now)
                .execute(&mut *tx).await.during(DOING)?;
            Deletion::Deleting(image.digest)
        }))
    }

    /// Removes an image and all rows about it; its blobs become orphans.
    pub async fn purge_image(&self, account: &str, digest: &str) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::DELETE_IMAGE).bind(account).bind(digest).execute(db).await.map(drop))
            .during("removing an image")
    }

    /// Marks an image as being analyzed; `false` when it is going away or the lease is lost.
    pub async fn start_analysis(&self, lease: &Lease, account: &str, digest: &str, now: i64) -> Result<bool> {
        let rows = write!(self.pool, db => sqlx::query(sql::START_ANALYSIS).bind(account).bind(digest).bind(now).bind(lease.task)
            .bind(&lease.token).execute(db).await.map(|done| done.rows_affected()));
        Ok(rows.during("starting an analysis")? > 0)
    }

    /// Writes image, packages and the end of the task in one transaction; nothing, when the lease is lost.
    pub async fn finish_analysis(
        &self,
        lease: &Lease,
        account: &str,
        digest: &str,
        done: &FinishedAnalysis,
        now: i64,
    ) -> Result<()> {
        const DOING: &str = "finishing an analysis";
        transaction!(self.pool, tx => {
            complete_in!(tx, lease, now);
            let id: Option<i64> = sqlx::query_scalar(sql::FINISH_IMAGE).bind(account).bind(digest).bind(done.analysis.to_string())
                .bind(done.size_bytes).bind(&done.architecture).bind(&done.distro).bind(&done.distro_version).bind(done.layer_count)
                .bind(now).fetch_optional(&mut *tx).await.during(DOING)?;
            let id = found(id, "image", digest)?;
            sqlx::query(sql::UNLINK_PACKAGES).bind(id).execute(&mut *tx).await.during(DOING)?;
            for PackageIdentity(parts) in &done.packages {
                let mut add = sqlx::query(sql::ADD_PACKAGE);
                let mut link = sqlx::query(sql::LINK_PACKAGE);
                for part in parts {
                    add = add.bind(part);
                    link = link.bind(part);
                }
                add.execute(&mut *tx).await.during(DOING)?;
                link.bind(id).execute(&mut *tx).await.during(DOING)?;
            }
            sqlx::query(sql::FORGET_MATCHES).bind(account).bind(digest).execute(&mut *tx).await.during(DOING)?;
        });
        Ok(())
    }

    /// Records a failed attempt at task and image: the image waits again, or has failed with its task.
    pub async fn fail_analysis(
        &self,
        lease: &Lease,
        account: &str,
        digest: &str,
        cause: &str,
        retry_after_micros: i64,
        now: i64,
    ) -> Result<Task> {
        const DOING: &str = "failing an analysis";
        Ok(transaction!(self.pool, tx => {
            let task: Option<Task> = sqlx::query_as(sql::FAIL).bind(lease.task).bind(&lease.token).bind(cause)
                .bind(now.saturating_add(retry_after_micros)).bind(now).fetch_optional(&mut *tx).await.during(DOING)?;
            let task = task.ok_or(StoreError::LeaseLost { task: lease.task })?;
            let status = if task.state == TaskState::Failed { AnalysisStatus::AnalysisFailed } else { AnalysisStatus::NotAnalyzed };
            sqlx::query(sql::FAIL_IMAGE).bind(account).bind(digest).bind(status.as_str()).bind(cause).bind(now)
                .execute(&mut *tx).await.during(DOING)?;
            task
        }))
    }

    /// Marks the image of a task that was given up; see [`Store::give_up_vanished`].
    pub async fn mark_analysis_failed(&self, account: &str, digest: &str, cause: &str, now: i64) -> Result<()> {
        write!(self.pool, db => sqlx::query(sql::FAIL_IMAGE).bind(account).bind(digest).bind(AnalysisStatus::AnalysisFailed.as_str())
            .bind(cause).bind(now).execute(db).await.map(drop)).during("failing an image")
    }
}

fn merge(stored: &str, changes: &BTreeMap<String, Option<String>>) -> String {
    let mut all: BTreeMap<String, String> = serde_json::from_str(stored).unwrap_or_default();
    for (key, value) in changes {
        match value {
            Some(value) => all.insert(key.clone(), value.clone()),
            None => all.remove(key),
        };
    }
    serde_json::to_value(all).map_or_else(|_| stored.to_owned(), |all| all.to_string())
}
