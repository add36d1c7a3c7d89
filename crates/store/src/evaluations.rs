//! The history of verdicts: a new row only when the verdict changes.

use killick_model::digest::Digest;

use crate::error::{During as _, StoreError};
use crate::news::News;
use crate::sql::Pool;
use crate::statements as sql;
use crate::{Result, Store};

row! {
    /// A stored verdict.
    pub struct EvaluationRow {
        /// Its number.
        pub id: i64,
        /// Whose.
        pub account: String,
        /// The image's manifest digest.
        pub digest: Digest,
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
        /// Of what was found, whatever words tell it; rows of earlier releases have none.
        pub findings: Option<Digest>,
        /// When this verdict was first reached.
        pub created_at: i64,
        /// When it was last reached.
        pub updated_at: i64,
        /// When the newest advisory index was built by which it was reached; 0 without one.
        pub index_built_at: i64,
    }
}

/// Microseconds for which a verdict is not followed by another one of an older advisory index: a day. Who judges by that
/// then went back to it.
const PATIENCE: i64 = 24 * 3600 * 1_000_000;

impl EvaluationRow {
    /// Whether the other verdict says the same, be it in other words: ages grow every day.
    fn is_like(&self, other: &NewEvaluation) -> bool {
        self.policy_digest == other.policy_digest
            && self.action == other.action
            && self.findings.as_ref() == Some(&other.findings)
    }

    /// Whether this is what a newer advisory index says, where the other verdict, of the same policy, says otherwise.
    pub fn outdates(&self, other: &NewEvaluation, now: i64) -> bool {
        self.policy_id == other.policy_id
            && self.policy_digest == other.policy_digest
            && self.findings.as_ref() != Some(&other.findings)
            && self.index_built_at > other.index_built_at
            && now < self.updated_at.saturating_add(PATIENCE)
    }
}

/// A verdict to store.
#[derive(Debug, Clone)]
pub struct NewEvaluation {
    /// Whose.
    pub account: String,
    /// The image's manifest digest.
    pub digest: Digest,
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
    /// Of what was found, whatever words tell it: verdicts that differ in nothing else are one.
    pub findings: Digest,
    /// When the advisory index was built that it follows from; 0 without one.
    pub index_built_at: i64,
    /// What is told if its action is another than that of the verdict before.
    pub follows: Option<Follows>,
}

/// What is told of a verdict, which holds it against the one before.
#[derive(Debug, Clone)]
pub struct Follows {
    /// The number of the verdict before on this image and tag, of whatever policy.
    pub before: Option<i64>,
    /// What is told.
    pub news: News,
}

impl Store {
    /// Stores a verdict. One like the newest of the same policy moves that row forward, else there is a new one; nothing is
    /// stored where that row [outdates](EvaluationRow::outdates) it. Answers the row, and the one it follows, of whatever
    /// policy, when policy or action changed. Refused, when another verdict was stored since the one that the news speak
    /// of.
    pub async fn record_evaluation(
        &self,
        new: &NewEvaluation,
        now: i64,
    ) -> Result<(EvaluationRow, Option<EvaluationRow>)> {
        const DOING: &str = "storing an evaluation";
        let digest = new.digest.to_string();
        let policy_digest = new.policy_digest.to_string();
        let (result, findings) = (new.result.to_string(), new.findings.to_string());
        let (recorded, sends) = transaction!(self.pool, tx => {
            if let Pool::Postgres(_) = &self.pool {
                // Two of the same verdict at once would each see no row to move.
                let key = format!("{} {digest} {}", new.account, new.tag);
                sqlx::query(sql::LOCK_EVALUATIONS_POSTGRES).bind(key).execute(&mut *tx).await.during(DOING)?;
            }
            let before: Option<EvaluationRow> = sqlx::query_as(sql::NEWEST_EVALUATION).bind(&new.account).bind(&digest)
                .bind(&new.tag).fetch_optional(&mut *tx).await.during(DOING)?;
            let news = match &new.follows {
                Some(follows) if follows.before != before.as_ref().map(|before| before.id) => {
                    let reason = "another verdict was stored meanwhile";
                    return Err(StoreError::Refused { entity: "evaluation", name: digest, reason });
                }
                Some(follows) if before.as_ref().is_some_and(|before| before.action != new.action) => &follows.news,
                _ => &News::default(),
            };
            let same: Option<EvaluationRow> = sqlx::query_as(sql::NEWEST_EVALUATION_OF_POLICY).bind(&new.account).bind(&digest)
                .bind(&new.tag).bind(&new.policy_id).fetch_optional(&mut *tx).await.during(DOING)?;
            let row = match same {
                Some(same) if same.outdates(new, now) => return Ok((same, None)),
                Some(same) if same.is_like(new) => {
                    sqlx::query_as(sql::TOUCH_EVALUATION).bind(&new.account).bind(same.id).bind(now).bind(new.index_built_at)
                        .bind(&result).fetch_one(&mut *tx).await.during(DOING)?
                }
                _ => {
                    let added: EvaluationRow = sqlx::query_as(sql::ADD_EVALUATION).bind(&new.account).bind(&digest).bind(&new.tag)
                        .bind(&new.policy_id).bind(&policy_digest).bind(&new.action).bind(&result).bind(now)
                        .bind(new.index_built_at).bind(&findings).fetch_one(&mut *tx).await.creating("evaluation", &digest)?;
                    sqlx::query(sql::SUPERSEDE_EVALUATIONS).bind(&new.account).bind(&digest).bind(&new.tag)
                        .bind(&new.policy_id).bind(added.id).execute(&mut *tx).await.during(DOING)?;
                    added
                }
            };
            let changed = |before: &EvaluationRow| {
                before.policy_id != new.policy_id || before.policy_digest != new.policy_digest || before.action != new.action
            };
            let sends = tell_in!(tx, news, now);
            ((row, before.filter(changed)), sends)
        });
        self.nudge_notices(sends);
        Ok(recorded)
    }

    /// The newest verdict on an image under a tag, of whatever policy.
    pub async fn newest_evaluation(&self, account: &str, digest: &str, tag: &str) -> Result<Option<EvaluationRow>> {
        read!(self.pool, db => sqlx::query_as(sql::NEWEST_EVALUATION).bind(account).bind(digest).bind(tag)
            .fetch_optional(db).await)
        .during("reading an evaluation")
    }

    /// The history of an image under a tag, newest first; of one bundle or of all.
    pub async fn evaluations(
        &self,
        account: &str,
        digest: &str,
        tag: &str,
        policy_id: Option<&str>,
    ) -> Result<Vec<EvaluationRow>> {
        read!(self.pool, db => sqlx::query_as(sql::EVALUATIONS).bind(account).bind(digest).bind(tag).bind(policy_id)
            .fetch_all(db).await)
        .during("listing evaluations")
    }

    /// Removes verdicts last reached before an instant that a newer one of the same image, tag and bundle followed;
    /// answers how many.
    pub async fn delete_old_evaluations(&self, before: i64) -> Result<u64> {
        self.delete_old(sql::DELETE_OLD_EVALUATIONS, before, "removing old evaluations").await
    }
}
