//! Verdicts that were given.

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
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

impl Records {
    /// Remembers a verdict that follows the one `before`; one like the newest only moves that forward. `news` are told if
    /// its action is another than that one's. The document as kept; none, if that is no longer the verdict before.
    pub(crate) async fn keep_verdict(
        &self,
        image: &Image,
        policy: &Policy,
        verdict: &Verdict,
        before: Option<&EvaluationRow>,
        news: News,
    ) -> Result<Option<Digest>> {
        let bytes =
            serde_json::to_vec(&Kept::of(verdict)).map_err(|source| StoreError::Document { source: source.into() })?;
        let no_image = |_| StoreError::NotFound { entity: "image", name: image.digest.clone() };
        let digest = image.digest.parse::<Digest>().map_err(no_image)?;
        // Asked again and again, an image is mostly judged as before: then there is nothing to write.
        let written = before.filter(|before| before.result == Digest::of(&bytes)).map(|before| before.result.clone());
        let result = match written {
            Some(result) => result,
            None => self.store.blobs().put(bytes).await?,
        };
        let new = NewEvaluation {
            account: image.account.clone(),
            digest,
            tag: verdict.evaluation.reference.clone(),
            policy_id: policy.id.clone(),
            policy_digest: policy.digest.clone(),
            action: verdict.evaluation.final_action.to_string(),
            result: result.clone(),
            follows: Some(Follows { before: before.map(|row| row.id), news }),
        };
        match self.store.record_evaluation(&new, now()).await {
            Ok(_) => Ok(Some(result)),
            Err(StoreError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Number, action and blob of the newest verdict on an image under a tag, of whatever policy.
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
        let by_then = rows.into_iter().filter(|row| instant(row.created_at) <= at);
        let Some(row) = by_then.max_by_key(|row| (row.created_at, row.id)) else { return Ok(None) };
        Ok(self.verdict(&row).await?.map(|verdict| (verdict, instant(row.created_at))))
    }

    /// The verdicts on an image under a tag, newest first; of one policy or of all.
    pub(crate) async fn verdicts(&self, image: &Image, tag: &str, policy: Option<&str>) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        for row in self.store.evaluations(&image.account, &image.digest, tag, policy).await? {
            verdicts.extend(self.verdict(&row).await?);
        }
        Ok(verdicts)
    }
}

fn last_reached(row: &EvaluationRow) -> Timestamp {
    instant(row.updated_at)
}
