//! The way of an image in: image, tag, subscriptions and the task of its analysis.

use std::collections::BTreeMap;

use killick_model::digest::Digest;

use super::{AnalysisStatus, Image, ImageStatus, ImageTag, IndexPlace, Naming, TagName};
use crate::error::{During as _, StoreError};
use crate::imports::ImportStatus;
use crate::news::{Change, News};
use crate::statements as sql;
use crate::subscriptions::subscription_id;
use crate::tasks::NewTask;
use crate::{Result, Store};

/// An image to add.
#[derive(Debug, Clone)]
pub struct NewImage {
    /// Whose.
    pub account: String,
    /// The manifest digest.
    pub digest: Digest,
    /// The digest of the index it was found through.
    pub index_digest: Option<Digest>,
    /// What its tags name.
    pub naming: Naming,
    /// The image id.
    pub config_digest: Digest,
    /// The image id that somebody gave it, if it is imported.
    pub given_id: Option<String>,
    /// The import it is of, which is processed from then on, or complete if there is nothing to do.
    pub import: Option<String>,
    /// The tag it was found under.
    pub tag: TagName,
    /// Other tags it was found under.
    pub other_tags: Vec<TagName>,
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
    /// Switch on again what is on for a new tag and was switched off since.
    pub resubscribe: bool,
    /// The analysis to enqueue when the image is new or analyzed again.
    pub task: NewTask,
}

impl NewImage {
    /// The image that its tags mean, if that is another one of its index.
    fn main(&self) -> Option<&Digest> {
        self.naming.place().map(|place| &place.main).filter(|main| **main != self.digest)
    }
}

/// Notes the place of an image in an index inside a transaction that has its row already. By the digest of an index that it
/// was found through before, it is still found.
macro_rules! place_in {
    ($tx:ident, $image:expr, $place:expr) => {{
        const DOING: &str = "noting an image of an index";
        let (image, place): (&Image, &IndexPlace) = ($image, $place);
        let (account, index) = (&image.account, place.index.to_string());
        if image.index_digest.as_ref() != Some(&place.index) {
            if let Some(before) = &image.index_digest {
                sqlx::query(sql::KEEP_INDEX)
                    .bind(account)
                    .bind(before.to_string())
                    .bind(image.id)
                    .execute(&mut *$tx)
                    .await
                    .during(DOING)?;
            }
            sqlx::query(sql::SET_INDEX).bind(image.id).bind(&index).execute(&mut *$tx).await.during(DOING)?;
        }
        sqlx::query(sql::PUT_INDEX_IMAGE)
            .bind(account)
            .bind(&index)
            .bind(image.id)
            .bind(place.position)
            .bind(&place.platform)
            .execute(&mut *$tx)
            .await
            .during(DOING)?;
    }};
}

/// Where a tag pointed at an instant, and where next, inside a transaction: of two who see it at once, the one who saw it first
/// may write it last.
macro_rules! seen_around_in {
    ($tx:ident, $account:expr, $name:expr, $at:expr, $doing:expr) => {{
        let (account, TagName { registry, repository, tag }): (&str, &TagName) = ($account, $name);
        let mut seen: [Option<ImageTag>; 2] = [None, None];
        for (seen, statement) in seen.iter_mut().zip([sql::TAG_AT, sql::TAG_AFTER]) {
            let found = sqlx::query_as(statement).bind(account).bind(registry).bind(repository).bind(tag).bind($at);
            *seen = found.fetch_optional(&mut *$tx).await.during($doing)?;
        }
        seen
    }};
}

/// Gives another image of the index that a tag names that tag inside a transaction; whether it is new that it has it.
macro_rules! tag_child_in {
    ($tx:ident, $new:expr, $name:expr, $main:expr) => {{
        const DOING: &str = "adding a tag to an image of an index";
        let (new, main): (&NewImage, &Digest) = ($new, $main);
        let TagName { registry, repository, tag } = $name;
        let (account, digest) = (new.account.as_str(), new.digest.to_string());
        let index = new.naming.place().map(|place| place.index.to_string());
        // As old as the tag on that image: it is one version of it.
        let seen = seen_around_in!($tx, account, $name, new.detected_at, DOING);
        let of_main = seen.into_iter().flatten().find(|seen| seen.digest == *main);
        let at = of_main.map_or(new.detected_at, |seen| seen.detected_at);
        let mut changed = 0;
        for statement in [sql::SET_TAG_INDEX, sql::ADD_CHILD_TAG] {
            changed += sqlx::query(statement)
                .bind(account)
                .bind(&digest)
                .bind(registry)
                .bind(repository)
                .bind(tag)
                .bind(at)
                .bind(&index)
                .execute(&mut *$tx)
                .await
                .during(DOING)?
                .rows_affected();
        }
        changed > 0
    }};
}

impl Store {
    /// Adds an image or merges into it, with tag, subscriptions and task, in one transaction.
    /// Answers also the task, when there is work: asked for while one runs, it follows that one.
    ///
    /// An image of an index that is not the one its tags mean gets them without pointing there, and nothing is told of it.
    pub async fn add_image(&self, new: &NewImage, now: i64) -> Result<(Image, Option<i64>)> {
        const DOING: &str = "adding an image";
        let (account, digest) = (new.account.as_str(), new.digest.to_string());
        let index = new.index_digest.as_ref().map(Digest::to_string);
        let named = new.naming.place().map(|place| place.index.to_string());
        let manifest = new.manifest.as_ref().map(Digest::to_string);
        let mode = if new.dockerfile.is_some() { "Actual" } else { "Guessed" };
        // Without a key, two tasks could be about one image.
        let mut task = new.task.clone();
        let key = task.dedupe.take().unwrap_or_else(|| format!("{} {digest}", task.kind));
        task.dedupe = Some(key);
        let added = transaction!(self.pool, tx => {
            let before: Option<Image> = sqlx::query_as(sql::IMAGE).bind(account).bind(&digest)
                .fetch_optional(&mut *tx).await.during(DOING)?;
            let mut queued = None;
            if before.as_ref().is_none_or(|image| new.force || stopped(image)) {
                queued = Some(enqueue_in!(tx, sql::ENQUEUE_AGAIN, &task, Some(digest.as_str()), now));
            } else if before.as_ref().is_some_and(|image| image.analysis_status == AnalysisStatus::NotAnalyzed) {
                // It waits already; whoever asks now may be in a greater hurry.
                sqlx::query(sql::HASTEN_TASK).bind(account).bind(&task.dedupe).bind(task.priority).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            // One that is not inserted would take a number, and images of near numbers share rows of their packages.
            let known = sqlx::query(sql::LOCK_IMAGE).bind(account).bind(&digest).execute(&mut *tx).await.during(DOING)?.rows_affected() > 0;
            let made = !known && sqlx::query(sql::UPSERT_IMAGE).bind(account).bind(&digest).bind(&index).bind(new.config_digest.to_string())
                .bind(new.size_bytes).bind(&new.architecture).bind(new.layer_count).bind(&new.dockerfile).bind(mode)
                .bind(&manifest).bind(now).bind(&new.given_id).execute(&mut *tx).await.creating("image", &digest)?.rows_affected() > 0;
            let image: Image = sqlx::query_as(sql::LOCK_IMAGE).bind(account).bind(&digest).fetch_one(&mut *tx).await.during(DOING)?;
            if queued.is_none() && (made || stopped(&image)) {
                // It was removed, or failed, since it was looked at.
                queued = Some(enqueue_in!(tx, sql::ENQUEUE_AGAIN, &task, Some(digest.as_str()), now));
            }
            if !made && queued.is_some() {
                sqlx::query(sql::RESET_IMAGE).bind(account).bind(&digest).bind(&new.dockerfile).bind(&manifest).bind(&index).bind(now)
                    .bind(new.config_digest.to_string()).bind(&new.given_id).execute(&mut *tx).await.during(DOING)?;
            }
            if let Some(place) = new.naming.place() {
                place_in!(tx, &image, place);
            }
            if !new.annotations.is_empty() {
                let merged = merge(&image.annotations, &new.annotations);
                sqlx::query(sql::SET_ANNOTATIONS).bind(account).bind(&digest).bind(merged).bind(now)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            let image: Image = sqlx::query_as(sql::IMAGE).bind(account).bind(&digest).fetch_one(&mut *tx).await.during(DOING)?;
            let (mut news, mut is_otherwise_tagged, mut watched) = (News::default(), false, Vec::new());
            for name in std::iter::once(&new.tag).chain(&new.other_tags) {
                let TagName { registry, repository, tag } = name;
                if let Some(main) = new.main() {
                    is_otherwise_tagged |= tag_child_in!(tx, new, name, main);
                    continue;
                }
                let latest: Option<ImageTag> = sqlx::query_as(sql::LATEST_OF_TAG).bind(account).bind(registry).bind(repository).bind(tag)
                    .fetch_optional(&mut *tx).await.during(DOING)?;
                let seen = seen_around_in!(tx, account, name, new.detected_at, DOING);
                let same = seen.into_iter().flatten().find(|seen| seen.digest == new.digest);
                let is_new = same.is_none();
                if let Some(same) = same {
                    if new.naming != Naming::Unknown {
                        is_otherwise_tagged |= sqlx::query(sql::SET_TAG_INDEX).bind(account).bind(&digest).bind(registry).bind(repository)
                            .bind(tag).bind(same.detected_at).bind(&named).execute(&mut *tx).await.during(DOING)?.rows_affected() > 0;
                    }
                } else {
                    is_otherwise_tagged = true;
                    sqlx::query(sql::ADD_TAG).bind(account).bind(&digest).bind(registry).bind(repository).bind(tag).bind(new.detected_at)
                        .bind(false).bind(&named).execute(&mut *tx).await.during(DOING)?;
                }
                let key = name.full();
                for (kind, on) in [("policy_eval", false), ("vuln_update", false), ("tag_update", new.autosubscribe), ("analysis_update", true)] {
                    let id = subscription_id(account, &key, kind);
                    sqlx::query(sql::ADD_SUBSCRIPTION).bind(account).bind(&id).bind(&key).bind(kind).bind(None::<&str>).bind(on).bind(now)
                        .execute(&mut *tx).await.during(DOING)?;
                    if on && new.resubscribe {
                        sqlx::query(sql::SET_SUBSCRIPTION).bind(account).bind(&id).bind(true).bind(now).execute(&mut *tx).await.during(DOING)?;
                    }
                    // Of what is told at once, nobody watches anything.
                    if on && kind != "analysis_update" {
                        watched.push(id);
                    }
                }
                if is_new && image.analysis_status == AnalysisStatus::Analyzed {
                    news = news.and(self.news(&Change::TagAdded { image: &image, tag: name }, now));
                }
                if is_new && latest.is_some_and(|latest| latest.digest != new.digest && latest.detected_at <= new.detected_at) {
                    let before: Vec<String> = sqlx::query_scalar(sql::OTHERS_OF_TAG).bind(account).bind(registry).bind(repository)
                        .bind(tag).bind(&digest).fetch_all(&mut *tx).await.during(DOING)?;
                    news = news.and(self.news(&Change::TagMoved { image: &image, tag: name, before: &before }, now));
                }
            }
            if let Some(import) = &new.import {
                let status = if queued.is_some() { ImportStatus::Processing } else { ImportStatus::Complete };
                let used = sqlx::query(sql::USE_IMPORT).bind(account).bind(import).bind(status.as_str()).bind(queued).bind(now)
                    .execute(&mut *tx).await.during(DOING)?.rows_affected();
                if used == 0 {
                    let reason = "it is not pending: begin another";
                    return Err(StoreError::Refused { entity: "import", name: import.clone(), reason });
                }
            }
            if !watched.is_empty() {
                lock_watches_in!(self.pool, tx, DOING);
            }
            for id in &watched {
                watch_in!(tx, account, id, DOING);
            }
            if is_otherwise_tagged && image.analysis_status == AnalysisStatus::Analyzed {
                // No analysis comes that would do so.
                hasten_image_in!(self.pool, tx, account, &digest, now);
            }
            let sends = tell_in!(tx, &news, now);
            (image, queued, sends)
        });
        let (image, queued, sends) = added;
        if queued.is_some() {
            self.nudge.notify_one();
        }
        self.nudge_notices(sends);
        Ok((image, queued))
    }
}

/// Whether adding the image again must set it going.
fn stopped(image: &Image) -> bool {
    image.analysis_status == AnalysisStatus::AnalysisFailed || image.image_status != ImageStatus::Active
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
