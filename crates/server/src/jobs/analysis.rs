//! The analysis worker: claims an image under a lease, keeps the lease alive, stages, analyses, stores.
//!
//! A worker that dies leaves a lease that runs out; the next one begins anew, and known layers cost it nothing. A
//! worker that lost its lease stops, and could not write if it did not.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use killick_analysis::analyze::analyze_with_lessons;
use killick_analysis::error::AnalysisError;
use killick_analysis::imported::ImportError;
use killick_analysis::known::KnownPackage;
use killick_fetch::healing::layer_may_heal;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_model::hint::Hint;
use killick_model::reference::Reference;
use killick_policy::Needs;
use killick_store::StoreError;
use killick_store::images::FinishedAnalysis;
use killick_store::packages::{PackageDocument, PackageIdentity, PackageName};
use killick_store::tasks::{Lease, Task, back_off};
use killick_store::text::column;
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;

use super::Job;
use crate::app::App;
use crate::config::Role;
use crate::imports::{AnalyseError, ImportedFrom};
use crate::progress::Meter;
use crate::records::{StoredFacts, StoredFiles, now};
use crate::registry::{FetchError, Purpose};
use crate::{cpu, judge, progress, registry};

/// The job.
pub(super) const JOB: Job = Job {
    name: "analysis",
    roles: &[Role::Worker],
    copies: |config| config.analysis.workers.max(1),
    every: |config| Duration::from_secs(config.analysis.poll_seconds.max(1)),
    nudge: Some(|app| app.records().store().task_nudge()),
    run: |app| Box::pin(async move { while work_once(&app).await {} }),
};

/// Kind of the tasks this job does.
pub(crate) const KIND: &str = "analyze_image";

/// What a task says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// Digest of the manifest.
    pub(crate) digest: String,
    /// Where to get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<Reference>,
    /// Or what was uploaded of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) import: Option<ImportedFrom>,
}

impl Payload {
    /// As it is queued.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_value(self).unwrap_or_default().to_string()
    }
}

/// Why an image was not analysed.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error("the task cannot be read")]
    Payload(#[source] serde_json::Error),
    #[error("the task does not say where the image is")]
    Nowhere,
    #[error("what was uploaded cannot be imported")]
    Import(#[source] ImportError),
    #[error("the image cannot be fetched")]
    Fetch(#[source] FetchError),
    #[error("the image cannot be analysed")]
    Analyse(#[source] AnalysisError),
    #[error("the analysis cannot be stored")]
    Store(#[from] StoreError),
    #[error("the lease was lost")]
    LeaseLost,
    #[error("the analysis met an internal error; the log of the service tells more")]
    Panicked,
}

impl From<AnalyseError> for WorkError {
    fn from(error: AnalyseError) -> Self {
        match error {
            AnalyseError::Import(error) => Self::Import(error),
            AnalyseError::Store(error) => Self::Store(error),
        }
    }
}

/// Whether to try once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Later,
    Never,
}

impl WorkError {
    /// The same bytes are refused for the same reason, and what took too long has taken long enough. Of fetching, only
    /// what time may mend is tried again.
    fn retry(&self) -> Retry {
        let heals = match self {
            Self::Fetch(error) => error.may_heal(),
            Self::Analyse(AnalysisError::Layer { source, .. }) => layer_may_heal(source),
            Self::Analyse(_) | Self::Payload(_) | Self::Nowhere | Self::Import(_) => false,
            Self::Store(_) | Self::LeaseLost | Self::Panicked => true,
        };
        if heals { Retry::Later } else { Retry::Never }
    }
}

impl Hint for WorkError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            _ => None,
        }
    }
}

/// Does one task, if there is one. Whether there was.
pub(crate) async fn work_once(app: &App) -> bool {
    let lease_micros = micros(app.config().analysis.lease_seconds.max(3));
    match app.records().store().claim(&[KIND], lease_micros, now()).await {
        Ok(Some((task, lease))) => {
            let span = tracing::info_span!("task", task.id = task.id, account.name = %task.account);
            work(app, &task, &lease, lease_micros).instrument(span).await;
            true
        }
        Ok(None) => false,
        Err(error) => {
            tracing::error!(error = %error, "no task can be claimed: {error}");
            false
        }
    }
}

async fn work(app: &App, task: &Task, lease: &Lease, lease_micros: i64) {
    let (meter, began) = (Arc::new(Meter::default()), tokio::time::Instant::now());
    let outcome = tokio::select! {
        outcome = no_panic(Box::pin(attempt(app, task, lease, &meter))) => outcome,
        () = keep_alive(app, lease, lease_micros) => Err(WorkError::LeaseLost),
        never = progress::note(app, lease, &meter) => match never {},
    };
    let lost =
        |error: &WorkError| matches!(error, WorkError::LeaseLost | WorkError::Store(StoreError::LeaseLost { .. }));
    if !outcome.as_ref().is_err_and(lost) {
        app.metrics().analysis(outcome.is_ok(), began.elapsed());
    }
    match outcome {
        Ok(()) => {}
        Err(WorkError::LeaseLost | WorkError::Store(StoreError::LeaseLost { .. })) => {
            tracing::warn!("the lease of the task was lost: another worker has it");
        }
        Err(error) => {
            let cause = registry::told(&error);
            tracing::warn!(error = %cause, "the analysis failed: {cause}");
            if let Err(error) = fail(app, task, lease, error.retry(), &cause).await {
                tracing::error!(error = %error, "the failure cannot be recorded: {error}");
            }
        }
    }
}

/// Makes a panic a failure like any other. If it passed, the lease would run out and the next worker panic as well.
async fn no_panic(work: impl Future<Output = Result<(), WorkError>>) -> Result<(), WorkError> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or(Err(WorkError::Panicked))
}

async fn attempt(app: &App, task: &Task, lease: &Lease, meter: &Arc<Meter>) -> Result<(), WorkError> {
    let payload: Payload = serde_json::from_str(&task.payload).map_err(WorkError::Payload)?;
    let store = app.records().store();
    if !store.start_analysis(lease, &task.account, &payload.digest, now()).await? {
        return Ok(store.complete(lease, now()).await?);
    }
    let (analysis, size_bytes) = match (&payload.import, &payload.reference) {
        (Some(from), _) => {
            let digest = payload.digest.parse().map_err(|_| WorkError::Nowhere)?;
            let imported = from.analyse(app, &digest).await?;
            (Arc::new(imported.analysis), Some(imported.size_bytes))
        }
        (None, Some(reference)) => (pulled(app, task, reference, meter).await?, None),
        (None, None) => return Err(WorkError::Nowhere),
    };
    let document = Arc::clone(&analysis);
    let blob = store.blobs().put_written(move |out| Ok(serde_json::to_writer(out, &*document)?)).await?;
    let mut done = finished(&analysis, blob);
    if let Some(size) = size_bytes {
        done.size_bytes = i64::try_from(size).unwrap_or(i64::MAX);
    }
    store.finish_analysis(lease, &task.account, &payload.digest, &done, now()).await?;
    app.nudges().facts();
    tracing::info!(image.digest = %payload.digest, "analyzed image {}", payload.digest);
    Ok(())
}

/// Fetches an image and analyses it.
async fn pulled(app: &App, task: &Task, reference: &Reference, meter: &Arc<Meter>) -> Result<Arc<Analysis>, WorkError> {
    let purpose = Purpose::Analysis(Arc::clone(meter));
    let staged = registry::fetch(app, &task.account, reference, purpose).await.map_err(WorkError::Fetch)?;
    let cache = StoredFacts::new(app.records().clone());
    let max_known = app.config().retention.known_files;
    let mut options = app.analysis_options(&needs(app, &task.account).await?);
    options.progress = Some(Arc::<Meter>::clone(meter));
    if max_known > 0 {
        options.known_files = Some(Arc::new(StoredFiles::new(app.records().clone(), &task.account)));
    }
    let outcome = cpu::run_on(app.analysts(), move || analyze_with_lessons(&staged, Some(&cache), &options)).await;
    let (analysis, lessons) = outcome.map_err(WorkError::Analyse)?;
    if max_known > 0 {
        // Before the image counts as analysed, so that whoever waits for it can rely on what it teaches.
        learn(app, &task.account, &lessons, max_known).await;
    }
    Ok(Arc::new(analysis))
}

/// What the active policy of the account looks at.
async fn needs(app: &App, account: &str) -> Result<Needs, StoreError> {
    if !app.config().policies.extend_inspections {
        return Ok(Needs::default());
    }
    let Some(policy) = app.records().active_policy(account).await? else { return Ok(Needs::default()) };
    let bundle = judge::bundle(app, &policy).await.ok();
    Ok(bundle.map(|bundle| bundle.needs()).unwrap_or_default())
}

/// Remembers which files the packages of an image contain. A failure costs only that.
async fn learn(app: &App, account: &str, lessons: &[KnownPackage], max_known: u32) {
    if let Err(error) = app.records().learn(account, lessons, max_known).await {
        tracing::warn!(error = %error, "files of packages cannot be remembered: {error}");
    }
}

/// What an analysis found, for the rows.
pub(crate) fn finished(analysis: &Analysis, blob: Digest) -> FinishedAnalysis {
    let distribution = analysis.distribution.as_ref();
    let (names, documents) = matched_by(analysis);
    FinishedAnalysis {
        analysis: blob,
        size_bytes: i64::try_from(analysis.size_bytes()).unwrap_or(i64::MAX),
        architecture: column(&analysis.config.architecture),
        // The words of version 1 for an image without a distribution.
        distro: column(distribution.map_or("Unknown", |distribution| &distribution.id)),
        distro_version: column(distribution.and_then(|distribution| distribution.version.as_deref()).unwrap_or("0")),
        layer_count: i64::try_from(analysis.layers.len()).unwrap_or(i64::MAX),
        packages: PackageIdentity::all(analysis),
        names,
        documents,
    }
}

/// The names by which advisories find the packages of an image, and what matching looks at of them, each once.
fn matched_by(analysis: &Analysis) -> (Vec<PackageName>, Vec<PackageDocument>) {
    let identities = killick_vulns::fleet::PackageIdentity::all(analysis.into());
    let there = analysis.packages.iter().zip(identities).filter(|(package, _)| package.evidence.is_there());
    let (mut names, mut documents) = (BTreeSet::new(), BTreeSet::new());
    for (package, identity) in there {
        let package = PackageIdentity::of(package, analysis.distribution.as_ref());
        names.extend(identity.lookup_names().into_iter().map(|found| PackageName {
            package: package.clone(),
            ecosystem: column(&found.ecosystem),
            name: column(&found.name),
        }));
        let document = identity.to_document();
        let digest = Digest::of(&document).hex();
        // It is JSON.
        let document = String::from_utf8_lossy(&document).into_owned();
        documents.insert(PackageDocument { package, digest, document });
    }
    (names.into_iter().collect(), documents.into_iter().collect())
}

/// Renews the lease until it is lost.
async fn keep_alive(app: &App, lease: &Lease, lease_micros: i64) {
    let third = Duration::from_micros(u64::try_from(lease_micros / 3).unwrap_or(1_000_000));
    loop {
        tokio::time::sleep(third).await;
        match app.records().store().renew(lease, lease_micros, now()).await {
            Ok(true) => {}
            Ok(false) => return,
            // The lease may still hold; the next renewal, or the end of the work, will tell.
            Err(error) => tracing::warn!(error = %error, "the lease cannot be renewed: {error}"),
        }
    }
}

async fn fail(app: &App, task: &Task, lease: &Lease, retry: Retry, cause: &str) -> Result<(), StoreError> {
    let store = app.records().store();
    let wait = Some(back_off(task.attempts)).filter(|_| retry == Retry::Later);
    // It may tell of paths and names of the image.
    let cause = &cause.replace('\0', "");
    match serde_json::from_str::<Payload>(&task.payload) {
        Ok(payload) => store.fail_analysis(lease, &task.account, &payload.digest, cause, wait, now()).await?,
        Err(_) => store.fail(lease, cause, wait, now()).await?,
    };
    Ok(())
}

fn micros(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let outcome = no_panic(async { panic!("on purpose") }).await;
        assert!(matches!(outcome, Err(WorkError::Panicked)));
        assert!(no_panic(async { Ok(()) }).await.is_ok());
    }
}
