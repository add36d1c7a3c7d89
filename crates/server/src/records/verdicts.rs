//! Verdicts that were given.

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::evaluation::Evaluation;
use killick_store::Result;
use killick_store::evaluations::{EvaluationRow, NewEvaluation};
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
    /// Remembers a verdict; one like the newest only moves that forward.
    pub(crate) async fn keep_verdict(&self, image: &Image, policy: &Policy, verdict: &Verdict) -> Result<()> {
        let Ok(bytes) = serde_json::to_vec(verdict) else { return Ok(()) };
        let Ok(digest) = image.digest.parse::<Digest>() else { return Ok(()) };
        let new = NewEvaluation {
            account: image.account.clone(),
            digest,
            tag: verdict.evaluation.reference.clone(),
            policy_id: policy.id.clone(),
            policy_digest: policy.digest.clone(),
            action: verdict.evaluation.final_action.to_string(),
            result: self.store.blobs().put(bytes).await?,
        };
        self.store.record_evaluation(&new, now()).await.map(drop)
    }

    /// The verdicts on an image under a tag, newest first; of one policy or of all.
    pub(crate) async fn verdicts(&self, image: &Image, tag: &str, policy: Option<&str>) -> Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        for row in self.store.evaluations(&image.account, &image.digest, tag, policy).await? {
            let bytes = self.store.blobs().get(&row.result, DOCUMENT_BYTES).await?;
            if let Ok(mut verdict) = serde_json::from_slice::<Verdict>(&bytes) {
                verdict.evaluation.evaluated_at = last_reached(&row);
                verdicts.push(verdict);
            }
        }
        Ok(verdicts)
    }
}

fn last_reached(row: &EvaluationRow) -> Timestamp {
    instant(row.updated_at)
}
