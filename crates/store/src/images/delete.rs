//! The way of an image out.

use killick_model::digest::Digest;

use super::{AnalysisStatus, Image, ImageStatus, ImageTag};
use crate::archives::Transition;
use crate::error::During as _;
use crate::statements as sql;
use crate::{Result, Store};

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

/// The rule of the archive by which an image goes, and the analysis of it that is archived.
#[derive(Debug, Clone, Copy)]
struct ByRule<'a> {
    rule: &'a str,
    analyzed_at: i64,
}

impl Store {
    /// Asks for an image to go away, by the rules of the v1 API; [`Store::purge_image`] then removes it. The others of its
    /// index that only its tags brought go with it.
    pub async fn delete_image(&self, account: &str, digest: &str, force: bool, now: i64) -> Result<Deletion> {
        self.delete_image_by(account, digest, force, None, now).await
    }

    /// Lets an image go away of which this very analysis is archived, and remembers the rule that said so. Whether this call
    /// did so: not if the image is gone, or going already, or was analyzed again meanwhile.
    pub async fn delete_image_by_rule(
        &self,
        account: &str,
        digest: &str,
        rule: &str,
        analyzed_at: i64,
        now: i64,
    ) -> Result<bool> {
        let by = ByRule { rule, analyzed_at };
        Ok(matches!(self.delete_image_by(account, digest, true, Some(by), now).await?, Deletion::Deleting(_)))
    }

    async fn delete_image_by(
        &self,
        account: &str,
        digest: &str,
        force: bool,
        by: Option<ByRule<'_>>,
        now: i64,
    ) -> Result<Deletion> {
        const DOING: &str = "deleting an image";
        // For a rule with a lock: two who follow it at once are one after the other.
        let wanted = if by.is_some() { sql::LOCK_IMAGE } else { sql::IMAGE_BY_ANY_DIGEST };
        Ok(transaction!(self.pool, tx => {
            let image: Option<Image> =
                sqlx::query_as(wanted).bind(account).bind(digest).fetch_optional(&mut *tx).await.during(DOING)?;
            let Some(image) = image else { return Ok(Deletion::NotFound) };
            if by.is_some_and(|by| !is_as_archived(&image, by.analyzed_at)) {
                return Ok(Deletion::NotFound);
            }
            if image.image_status == ImageStatus::Deleting {
                return Ok(Deletion::Deleting(image.digest));
            }
            let digest = image.digest.to_string();
            let mut children: Vec<Image> =
                sqlx::query_as(sql::ONLY_CHILDREN).bind(account).bind(&digest).fetch_all(&mut *tx).await.during(DOING)?;
            if by.is_some() {
                // Whoever archives the one archives the others by themselves, but for those of which there is nothing.
                children.retain(|child| child.analysis_status == AnalysisStatus::AnalysisFailed);
            }
            if !force && image.analysis_status == AnalysisStatus::Analyzing {
                return Ok(Deletion::Refused("the image is being analyzed"));
            }
            if !force && children.iter().any(|child| child.analysis_status == AnalysisStatus::Analyzing) {
                return Ok(Deletion::Refused("another image of its index, which goes with it, is being analyzed"));
            }
            // First the image, then its subscriptions, as adding does; a refusal rolls back.
            let id: Option<i64> = sqlx::query_scalar(sql::SET_IMAGE_STATUS).bind(account).bind(&digest)
                .bind(ImageStatus::Deleting.as_str()).bind(now).fetch_optional(&mut *tx).await.during(DOING)?;
            let Some(id) = id else { return Ok(Deletion::NotFound) };
            let mut going = vec![id];
            for child in &children {
                sqlx::query(sql::SET_IMAGE_STATUS).bind(account).bind(child.digest.to_string())
                    .bind(ImageStatus::Deleting.as_str()).bind(now).execute(&mut *tx).await.during(DOING)?;
                going.push(child.id);
            }
            // In one order for all, so that nobody waits for each other.
            going.sort_unstable();
            for id in going {
                uncarry_in!(self.pool, tx, account, id);
            }
            let tags: Vec<ImageTag> = sqlx::query_as(sql::TAGS_OF_IMAGE).bind(account).bind(&digest).fetch_all(&mut *tx).await.during(DOING)?;
            let mut off = Vec::new();
            for tag in tags {
                let latest: Option<ImageTag> = sqlx::query_as(sql::LATEST_OF_TAG).bind(account).bind(&tag.registry).bind(&tag.repository)
                    .bind(&tag.tag).fetch_optional(&mut *tx).await.during(DOING)?;
                if latest.is_none_or(|latest| latest.digest != image.digest) {
                    continue;
                }
                let key = format!("{}/{}:{}", tag.registry, tag.repository, tag.tag);
                if force {
                    sqlx::query(sql::DEACTIVATE_SUBSCRIPTIONS).bind(account).bind(&key).bind(now).execute(&mut *tx).await.during(DOING)?;
                    sqlx::query(sql::CLOSE_UNSUBSCRIBED_ALERT).bind(account).bind(&key).bind(now).execute(&mut *tx).await.during(DOING)?;
                    off.push(key);
                } else {
                    let active: i64 = sqlx::query_scalar(sql::ACTIVE_SUBSCRIPTIONS).bind(account).bind(&key).fetch_one(&mut *tx).await.during(DOING)?;
                    if active > 0 {
                        return Ok(Deletion::Refused("the image is the latest of a tag with active subscriptions"));
                    }
                }
            }
            if let Some(ByRule { rule, .. }) = by {
                sqlx::query(sql::ADD_ARCHIVE_HISTORY).bind(rule).bind(account).bind(&digest)
                    .bind(Transition::Archive.as_str()).bind(now).execute(&mut *tx).await.during(DOING)?;
            }
            if !off.is_empty() {
                lock_watches_in!(self.pool, tx, DOING);
            }
            for key in &off {
                unwatch_in!(tx, account, key, DOING);
            }
            Deletion::Deleting(image.digest)
        }))
    }

    /// Removes an image that is going away and all rows about it; its blobs become orphans. One that was added again
    /// meanwhile stays.
    pub async fn purge_image(&self, account: &str, digest: &str) -> Result<()> {
        const DOING: &str = "removing an image";
        transaction!(self.pool, tx => {
            let id: Option<i64> = sqlx::query_scalar(sql::GOING_IMAGE).bind(account).bind(digest).fetch_optional(&mut *tx).await.during(DOING)?;
            if let Some(id) = id {
                remove_image_in!(self.pool, tx, account, id);
            }
        });
        Ok(())
    }
}

fn is_as_archived(image: &Image, analyzed_at: i64) -> bool {
    image.image_status == ImageStatus::Active
        && image.analysis_status == AnalysisStatus::Analyzed
        && image.analyzed_at == Some(analyzed_at)
}
