//! Verdicts that were given.

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
use killick_store::evaluations::{EvaluationRow, Follows, NewEvaluation};
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

impl Records {
    /// Remembers a verdict; one like the newest only moves that forward. `news` are told if its action is another than
    /// that of the verdict they are made of. Whether it was kept: not, if that is no longer the verdict before.
    pub(crate) async fn keep_verdict(
        &self,
        image: &Image,
        policy: &Policy,
        verdict: &Verdict,
        follows: Follows,
    ) -> Result<bool> {
        let Ok(bytes) = serde_json::to_vec(verdict) else { return Ok(true) };
        let Ok(digest) = image.digest.parse::<Digest>() else { return Ok(true) };
        let new = NewEvaluation {
            account: image.account.clone(),
            digest,
            tag: verdict.evaluation.reference.clone(),
            policy_id: policy.id.clone(),
            policy_digest: policy.digest.clone(),
            action: verdict.evaluation.final_action.to_string(),
            result: self.store.blobs().put(bytes).await?,
            follows: Some(follows),
        };
        match self.store.record_evaluation(&new, now()).await {
            Ok(_) => Ok(true),
            Err(StoreError::Refused { .. }) => Ok(false),
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
