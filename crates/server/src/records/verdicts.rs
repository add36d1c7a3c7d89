//! Verdicts that were given.

use std::collections::BTreeMap;

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::evaluation::{Evaluation, Finding};
use killick_store::evaluations::{EvaluationRow, Follows, NewEvaluation};
use killick_store::news::News;
use killick_store::{Result, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DOCUMENT_BYTES, Image, Policy, Records, instant, now};

/// An evaluation and the bundle as it was then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) evaluation: Evaluation,
    pub(crate) bundle: Value,
}

/// What became of a verdict that was to be remembered.
pub(crate) enum Remembered {
    /// It is, as this document.
    As(Digest),
    /// It is not: a newer advisory index says otherwise.
    Outdated,
    /// It is not: another verdict was stored meanwhile.
    Overtaken,
}

/// A verdict as it is stored: the row knows when it was reached, so that the same one is the same document.
#[derive(Debug, Serialize)]
struct Kept<'v> {
    evaluation: Evaluation,
    bundle: &'v Value,
}

impl<'v> Kept<'v> {
    fn of(verdict: &'v Verdict) -> Self {
        let evaluation = Evaluation { evaluated_at: Timestamp::UNIX_EPOCH, ..verdict.evaluation.clone() };
        Self { evaluation, bundle: &verdict.bundle }
    }
}

/// What was found, without the words that tell it.
fn findings(evaluation: &Evaluation) -> Result<Digest> {
    let found = evaluation.findings.iter().map(|finding| Finding { message: String::new(), ..finding.clone() });
    let told = Evaluation { findings: found.collect(), evaluated_at: Timestamp::UNIX_EPOCH, ..evaluation.clone() };
    let bytes = serde_json::to_vec(&told).map_err(|source| StoreError::Document { source: source.into() })?;
    Ok(Digest::of(&bytes))
}

impl Records {
    /// Remembers a verdict that follows the one `before`, by an advisory index that was built at that instant (0 without
    /// one); one like the newest only moves that forward. `news` are told if its action is another than that one's.
    pub(crate) async fn keep_verdict(
        &self,
        image: &Image,
        policy: &Policy,
        (verdict, index_built_at): (&Verdict, i64),
        before: Option<&EvaluationRow>,
        news: News,
    ) -> Result<Remembered> {
        let bytes =
            serde_json::to_vec(&Kept::of(verdict)).map_err(|source| StoreError::Document { source: source.into() })?;
        let no_image = |_| StoreError::NotFound { entity: "image", name: image.digest.clone() };
        let digest = image.digest.parse::<Digest>().map_err(no_image)?;
        let result = Digest::of(&bytes);
        let new = NewEvaluation {
            account: image.account.clone(),
            digest,
            tag: verdict.evaluation.reference.clone(),
            policy_id: policy.id.clone(),
            policy_digest: policy.digest.clone(),
            action: verdict.evaluation.final_action.to_string(),
            result: result.clone(),
            findings: findings(&verdict.evaluation)?,
            index_built_at,
            follows: Some(Follows { before: before.map(|row| row.id), news }),
        };
        if before.is_some_and(|before| before.outdates(&new, now())) {
            return Ok(Remembered::Outdated);
        }
        // Asked again and again, an image is mostly judged as before: then there is nothing to write.
        if before.is_none_or(|before| before.result != result) {
            self.store.blobs().put(bytes).await?;
        }
        match self.store.record_evaluation(&new, now()).await {
            Ok((row, _)) if row.result == result => Ok(Remembered::As(result)),
            Ok(_) => Ok(Remembered::Outdated),
            Err(StoreError::Refused { .. }) => Ok(Remembered::Overtaken),
            Err(error) => Err(error),
        }
    }

    /// The newest verdict on an image under a tag, of whatever policy.
    pub(crate) async fn last_verdict(&self, image: &Image, tag: &str) -> Result<Option<EvaluationRow>> {
        self.store.newest_evaluation(&image.account, &image.digest, tag).await
    }

    /// The verdict of a row.
    pub(crate) async fn verdict(&self, row: &EvaluationRow) -> Result<Option<Verdict>> {
        let bytes = self.store.blobs().get(&row.result, DOCUMENT_BYTES).await?;
        Ok(serde_json::from_slice::<Verdict>(&bytes).ok().map(|mut verdict| {
            verdict.evaluation.evaluated_at = last_reached(row);
            verdict
        }))
    }

    /// The verdict on an image under a tag that held at an instant, of one policy or of the one that judged last by then; and
    /// when it was reached.
    pub(crate) async fn verdict_at(
        &self,
        image: &Image,
        tag: &str,
        policy: Option<&str>,
        at: Timestamp,
    ) -> Result<Option<(Verdict, Timestamp)>> {
        let rows = self.store.evaluations(&image.account, &image.digest, tag, policy).await?;
        // When it was last reached by then, as far as that is known: not what lies between the first time and the last.
        let reached = |row: &EvaluationRow| match instant(row.updated_at) {
            updated_at if updated_at <= at => row.updated_at,
            _ => row.created_at,
        };
        let by_then = rows.into_iter().filter(|row| instant(row.created_at) <= at);
        let Some(row) = by_then.max_by_key(|row| (reached(row), row.id)) else { return Ok(None) };
        Ok(self.verdict(&row).await?.map(|mut verdict| {
            verdict.evaluation.evaluated_at = instant(reached(&row));
            (verdict, instant(row.created_at))
        }))
    }

    /// The verdicts on an image under a tag, newest first; of one policy or of all. As in version 1, of those of a policy
    /// that only differ in their findings the newest is told.
    pub(crate) async fn verdicts(&self, image: &Image, tag: &str, policy: Option<&str>) -> Result<Vec<Verdict>> {
        let (mut verdicts, mut newer) = (Vec::new(), BTreeMap::new());
        for row in self.store.evaluations(&image.account, &image.digest, tag, policy).await? {
            let outcome = (row.policy_digest.clone(), row.action.clone());
            if newer.insert(row.policy_id.clone(), outcome.clone()).as_ref() != Some(&outcome) {
                verdicts.extend(self.verdict(&row).await?);
            }
        }
        Ok(verdicts)
    }
}

fn last_reached(row: &EvaluationRow) -> Timestamp {
    instant(row.updated_at)
}
