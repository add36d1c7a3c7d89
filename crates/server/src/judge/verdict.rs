//! The verdict of a policy on an image, as it is asked for and remembered.
//!
//! Verdicts speak for whole seconds, as version 1 tells time: until the second is over, the same facts, knowledge and
//! decisions give the same verdict, and what asks for one again (replicas of a pod, jobs of a pipeline) gets that.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::evaluation::Finding;
use killick_report::evaluation::result;
use killick_store::evaluations::EvaluationRow;
use serde_json::value::{RawValue, to_raw_value};

use super::cache::ImageKey;
use super::{Decisions, bundle, excepted, exceptions_as_of, nothing, under_at};
use crate::api::error::ApiError;
use crate::app::App;
use crate::records::{Image, Policy, Remembered, Verdict, now};
use crate::{clock, cpu};

/// Memory of a finding as a value and as a row of the `result`, but for its two longest texts.
const FINDING_BYTES: usize = 1024;
/// Memory of a bundle for each byte of its document: many small values, each with a name.
pub(super) const BUNDLE_FACTOR: usize = 4;

/// Whether a verdict is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It is, where it differs from the newest of its kind and no newer advisory index says otherwise.
    Verdict,
    /// It is not.
    Nothing,
}

/// What a verdict depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct VerdictKey {
    image: ImageKey,
    /// A Dockerfile may have come later.
    updated_at: Timestamp,
    tag: String,
    policy: Digest,
    knowledge: Option<Digest>,
    exceptions: (i64, i64),
    at: Timestamp,
}

/// A verdict, with what is made of it once somebody wants it.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// When the advisory index was built; 0 without one.
    index_built_at: i64,
    result: OnceLock<Arc<RawValue>>,
    /// The document that was stored.
    kept: OnceLock<Digest>,
}

impl Judged {
    /// The `result` of version 1, written once.
    pub(crate) async fn result(self: &Arc<Self>, account: &str) -> Result<Arc<RawValue>, ApiError> {
        if let Some(result) = self.result.get() {
            return Ok(result.clone());
        }
        let (judged, account) = (self.clone(), account.to_owned());
        let result = cpu::run(move || result_document(&judged.verdict, &account)).await?;
        Ok(self.result.get_or_init(|| result).clone())
    }

    /// About how much memory it takes, with its `result`: what is kept is bounded by that.
    fn weight_bytes(&self, policy: &Policy) -> usize {
        let written = |finding: &Finding| finding.trigger_id.len() + finding.message.len();
        let findings = self.verdict.evaluation.findings.iter().map(|finding| FINDING_BYTES + 2 * written(finding));
        findings.sum::<usize>() + policy.document.get().len() * BUNDLE_FACTOR
    }

    /// Whether this is what the row says, at least as of the same instant.
    fn is(&self, row: &EvaluationRow, policy: &Policy) -> bool {
        self.kept.get() == Some(&row.result)
            && row.policy_digest == policy.digest
            && row.updated_at >= self.verdict.evaluation.evaluated_at.as_microsecond()
    }
}

/// The `result` of version 1, as it is sent.
pub(crate) fn result_document(verdict: &Verdict, account: &str) -> Result<Arc<RawValue>, ApiError> {
    let written = to_raw_value(&result(&verdict.evaluation, account, &verdict.bundle));
    Ok(written.map_err(|error| ApiError::internal(&error))?.into())
}

/// Judges an image under a tag.
pub(crate) async fn evaluate(
    app: &App,
    image: &Image,
    tag: &str,
    decisions: &Decisions,
    keep: Keep,
) -> Result<Arc<Judged>, ApiError> {
    // Others judge the same at the same time; each verdict follows exactly one, and by what is known then.
    loop {
        let judged = judged(app, image, tag, decisions).await?;
        if keep == Keep::Nothing || remember(app, image, decisions, &judged).await? {
            return Ok(judged);
        }
    }
}

/// The verdict of this second.
async fn judged(app: &App, image: &Image, tag: &str, decisions: &Decisions) -> Result<Arc<Judged>, ApiError> {
    let Decisions { policy, exceptions } = decisions;
    let now = clock::now();
    let at = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let knowledge = app.knowledge().current();
    let key = VerdictKey {
        image: (image.account.clone(), image.digest.clone(), image.analyzed_at),
        updated_at: image.updated_at,
        tag: tag.to_owned(),
        policy: policy.digest.clone(),
        knowledge: knowledge.as_ref().map(|knowledge| knowledge.digest.clone()),
        exceptions: (exceptions.number, exceptions.changed_at),
        at,
    };
    if let Some(judged) = app.cache().verdict(&key) {
        return Ok(judged);
    }
    let built_at = knowledge.as_ref().and_then(|knowledge| knowledge.index.manifest().built.timestamp());
    let (bundle, began) = (bundle(app, policy).await?, tokio::time::Instant::now());
    let evaluated = under_at(app, image, tag, &[bundle], knowledge, at).await;
    app.metrics().evaluation(evaluated.is_ok(), began.elapsed());
    let evaluation = evaluated?.pop().ok_or_else(nothing)?;
    let evaluation = excepted(exceptions_as_of(app, &image.account, exceptions).await?, evaluation).await;
    let judged = Arc::new(Judged {
        verdict: Verdict { evaluation, bundle: policy.bundle() },
        index_built_at: built_at.map_or(0, Timestamp::as_microsecond),
        result: OnceLock::new(),
        kept: OnceLock::new(),
    });
    app.cache().keep_verdict(key, judged.clone(), judged.weight_bytes(policy));
    Ok(judged)
}

/// Remembers a verdict, and tells if it is another than the one before. Whether that is settled: otherwise another verdict
/// was stored meanwhile.
async fn remember(app: &App, image: &Image, decisions: &Decisions, judged: &Judged) -> Result<bool, ApiError> {
    let (records, verdict, policy) = (app.records(), &judged.verdict, &decisions.policy);
    let tag = verdict.evaluation.reference.as_str();
    let told = |verdict: &Verdict| result(&verdict.evaluation, &image.account, &verdict.bundle);
    let before = records.last_verdict(image, tag).await?;
    if before.as_ref().is_some_and(|row| judged.is(row, policy)) {
        return Ok(true);
    }
    // What was decided anew while this was judged has its own verdict: this one must not follow that. Of the active policy,
    // that another one is.
    let asked = (!policy.active).then_some(policy.id.as_str());
    let now_decided = super::decisions(app, &image.account, asked).await;
    if !now_decided.is_ok_and(|now| now.policy.digest == policy.digest && now.exceptions == decisions.exceptions) {
        return Ok(true);
    }
    let changed = before.as_ref().filter(|row| row.action != verdict.evaluation.final_action.to_string());
    let news = match changed {
        Some(row) => records.verdict(row).await?.map(|last| {
            let about = (image.account.as_str(), tag);
            app.herald().judged(about, &image.annotations, &told(&last), &told(verdict), now())
        }),
        None => None,
    };
    let verdict = (verdict, judged.index_built_at);
    match records.keep_verdict(image, policy, verdict, before.as_ref(), news.unwrap_or_default()).await? {
        Remembered::As(kept) => {
            judged.kept.get_or_init(|| kept);
            Ok(true)
        }
        Remembered::Outdated => Ok(true),
        Remembered::Overtaken => Ok(false),
    }
}
