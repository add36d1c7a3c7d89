//! An image that comes back with what was known of it.

use std::collections::BTreeMap;

use killick_model::digest::Digest;

use super::{FinishedAnalysis, Image, KeptPlace, TagName};
use crate::batch::batches;
use crate::error::During as _;
use crate::statements as sql;
use crate::subscriptions::subscription_id;
use crate::{Result, Store};

/// An image to restore.
#[derive(Debug, Clone)]
pub struct RestoredImage {
    /// Whose.
    pub account: String,
    /// The manifest digest.
    pub digest: Digest,
    /// The digest of the index it was found through.
    pub index_digest: Option<Digest>,
    /// The image id.
    pub config_digest: Digest,
    /// The image id that somebody gave it.
    pub given_id: Option<String>,
    /// A JSON object of texts.
    pub annotations: String,
    /// The Dockerfile, when given.
    pub dockerfile: Option<String>,
    /// The blob of the manifest.
    pub manifest: Option<Digest>,
    /// Since when.
    pub created_at: i64,
    /// When it was analyzed.
    pub analyzed_at: i64,
    /// Its tags.
    pub tags: Vec<RestoredTag>,
    /// Its places in indexes.
    pub places: Vec<KeptPlace>,
    /// Verdicts on it, oldest first.
    pub evaluations: Vec<KeptEvaluation>,
    /// When which vulnerability was first seen in which package.
    pub first_detected: Vec<(String, String, i64)>,
    /// What its analysis found.
    pub done: FinishedAnalysis,
}

/// A tag of an image to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredTag {
    /// Its name.
    pub name: TagName,
    /// When it began to point there.
    pub detected_at: i64,
    /// Whether it means another image of the same index.
    pub child: bool,
    /// The digest of the index that it names, if it names one.
    pub index_digest: Option<Digest>,
}

row! {
    /// A verdict that is kept with its image.
    pub struct KeptEvaluation {
        /// The full tag it was judged as.
        pub tag: String,
        /// The bundle.
        pub policy_id: String,
        /// The bundle's document.
        pub policy_digest: Digest,
        /// The final action.
        pub action: String,
        /// The blob of the evaluation.
        pub result: Digest,
        /// Whether a newer one of the same bundle followed.
        pub superseded: bool,
        /// When this outcome was first reached.
        pub created_at: i64,
        /// When it was last reached.
        pub updated_at: i64,
    }
}

impl Store {
    /// Every verdict on an image, oldest first.
    pub async fn evaluations_of_image(&self, account: &str, digest: &str) -> Result<Vec<KeptEvaluation>> {
        read!(self.pool, db => sqlx::query_as(sql::EVALUATIONS_OF_IMAGE).bind(account).bind(digest).fetch_all(db).await)
            .during("listing evaluations")
    }

    /// Writes an image with all that was known of it, in one transaction; there must be none of that digest. Its tags
    /// get the subscriptions that they lack, switched off.
    pub async fn restore_image(&self, new: &RestoredImage, now: i64) -> Result<Image> {
        const DOING: &str = "restoring an image";
        let (account, digest) = (new.account.as_str(), new.digest.to_string());
        let index = new.index_digest.as_ref().map(Digest::to_string);
        let manifest = new.manifest.as_ref().map(Digest::to_string);
        let mode = if new.dockerfile.is_some() { "Actual" } else { "Guessed" };
        let mut seen: BTreeMap<i64, Vec<(&str, &str)>> = BTreeMap::new();
        for (vulnerability, package, at) in &new.first_detected {
            seen.entry(*at).or_default().push((vulnerability, package));
        }
        Ok(transaction!(self.pool, tx => {
            let id: i64 = sqlx::query_scalar(sql::RESTORE_IMAGE).bind(account).bind(&digest).bind(&index)
                .bind(new.config_digest.to_string()).bind(&new.annotations).bind(new.done.size_bytes).bind(&new.done.architecture)
                .bind(&new.done.distro).bind(&new.done.distro_version).bind(new.done.layer_count).bind(&new.dockerfile).bind(mode)
                .bind(&manifest).bind(new.created_at).bind(now).bind(&new.given_id).bind(new.done.analysis.to_string())
                .bind(new.analyzed_at).fetch_one(&mut *tx).await.creating("image", &digest)?;
            for KeptPlace { index_digest, position, platform } in &new.places {
                sqlx::query(sql::PUT_INDEX_IMAGE).bind(account).bind(index_digest.to_string()).bind(id).bind(position).bind(platform)
                    .execute(&mut *tx).await.during(DOING)?;
            }
            link_packages_in!(self, tx, account, id, &new.done);
            for RestoredTag { name, detected_at, child, index_digest } in &new.tags {
                let TagName { registry, repository, tag } = name;
                sqlx::query(sql::ADD_TAG).bind(account).bind(&digest).bind(registry).bind(repository).bind(tag).bind(detected_at).bind(child)
                    .bind(index_digest.as_ref().map(Digest::to_string)).execute(&mut *tx).await.during(DOING)?;
                let key = name.full();
                for kind in ["policy_eval", "vuln_update", "tag_update", "analysis_update"] {
                    sqlx::query(sql::ADD_SUBSCRIPTION).bind(account).bind(subscription_id(account, &key, kind)).bind(&key).bind(kind)
                        .bind(None::<&str>).bind(false).bind(now).execute(&mut *tx).await.during(DOING)?;
                }
            }
            for kept in &new.evaluations {
                sqlx::query(sql::RESTORE_EVALUATION).bind(account).bind(&digest).bind(&kept.tag).bind(&kept.policy_id)
                    .bind(kept.policy_digest.to_string()).bind(&kept.action).bind(kept.result.to_string()).bind(kept.superseded)
                    .bind(kept.created_at).bind(kept.updated_at).execute(&mut *tx).await.during(DOING)?;
            }
            for (at, seen) in &seen {
                for batch in batches(seen) {
                    let mut add = sqlx::query(sql::PUT_FIRST_DETECTED);
                    for (vulnerability, package) in batch {
                        add = add.bind(*vulnerability).bind(*package);
                    }
                    add.bind(account).bind(&digest).bind(at).execute(&mut *tx).await.during(DOING)?;
                }
            }
            hasten_image_in!(self.pool, tx, account, &digest, now);
            sqlx::query_as(sql::IMAGE).bind(account).bind(&digest).fetch_one(&mut *tx).await.during(DOING)?
        }))
    }
}
