//! The analysis archive: analyses as documents of their own, without their images.
//!
//! Archiving writes the document and then the row that names it, so that there is never half of one; an image that is
//! archived again, after another analysis, takes the place of the former. Restoring writes all that was known back, in one
//! transaction, and keeps the archived one.

pub(crate) mod document;
mod foreign;
mod packing;
pub(crate) mod rules;

use std::io::{self, Write as _};

use axum::http::StatusCode;
use flate2::Compression;
use flate2::write::GzEncoder;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_store::archives::{ArchiveStatus, ArchivedImage};
use serde_json::Value;

use self::document::{Contents, DocumentError};
use crate::api::error::ApiError;
use crate::api::input::has_nul;
use crate::app::App;
use crate::events::{ARCHIVE_FAILED, ARCHIVED, EventType, RESTORE_FAILED, RESTORED};
use crate::herald::Service;
use crate::jobs::analysis::finished;
use crate::records::{AnalysisStatus, Image, ImageStatus, Restored};
use crate::{clock, cpu};

pub use packing::{ArchiveLabel, PackError, pack_archive};

/// What became of the wish to archive an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is archived now.
    Done,
    /// This analysis of it was archived before.
    Before,
}

/// Archives the analysis of an image, which stays as it is.
pub(crate) async fn archive(app: &App, account: &str, digest: &str) -> Result<Outcome, ApiError> {
    let outcome = try_archive(app, account, digest).await;
    match &outcome {
        Ok(Outcome::Done) => tell(app, account, &ARCHIVED, digest, None).await,
        Ok(Outcome::Before) => {}
        Err(error) => tell(app, account, &ARCHIVE_FAILED, digest, Some(error)).await,
    }
    outcome
}

/// Tells what became of an image. What the caller did wrong is told to the caller alone.
async fn tell(app: &App, account: &str, kind: &EventType, digest: &str, error: Option<&ApiError>) {
    if error.is_none_or(|error| error.status().is_server_error()) {
        let details = error.map_or(Value::Null, |error| Value::from(error.message()));
        app.tell(kind, Service::Catalog, account, Some(digest), details).await;
    }
}

async fn try_archive(app: &App, account: &str, digest: &str) -> Result<Outcome, ApiError> {
    let records = app.records();
    let image = records.image(account, digest).await?.filter(|image| image.digest == digest);
    let image = image.ok_or_else(|| ApiError::not_found("image not found in DB"))?;
    if image.analysis_status != AnalysisStatus::Analyzed || image.status != ImageStatus::Active {
        let (status, state) = (image.analysis_status.as_str(), image.status.as_str());
        return Err(ApiError::conflict(format!(
            "only analyzed images in use can be archived - analysis_status: {status}, image_status: {state}"
        )));
    }
    if let Some(before) = records.archived(account, digest).await?
        && before.status == ArchiveStatus::Archived
        && image.analyzed_at.is_some_and(|at| at.as_microsecond() == before.analyzed_at)
    {
        return Ok(Outcome::Before);
    }
    let contents = records.archive_contents(&image).await?;
    let (owner, at) = (account.to_owned(), clock::now());
    let record = contents.record.clone();
    let write = move |out: &mut dyn io::Write| document::write(&contents, &owner, at, out);
    let blobs = records.store().blobs();
    let blob = blobs.put_written(write).await?;
    let size = blobs.stored_bytes(&blob).await?;
    records.keep_archived(account, &record, blob, size).await?;
    Ok(Outcome::Done)
}

/// Brings an image back from the archive, where it stays.
pub(crate) async fn restore(app: &App, account: &str, digest: &Digest) -> Result<Image, ApiError> {
    let text = digest.to_string();
    let archived = kept(app, account, &text).await?;
    let restored = async {
        let bytes = app.records().archived_document(&archived).await?;
        let contents = cpu::run(move || document::read(&bytes)).await;
        let contents = contents.map_err(|error| ApiError::internal(&error))?;
        write_back(app, account, contents, Trust::Ours).await
    };
    told_of(app, account, &text, restored.await).await
}

/// The archived analysis, unless it is going away.
pub(crate) async fn kept(app: &App, account: &str, digest: &str) -> Result<ArchivedImage, ApiError> {
    let archived = app.records().archived(account, digest).await?;
    let archived = archived.filter(|archived| archived.status == ArchiveStatus::Archived);
    archived.ok_or_else(|| ApiError::not_found(format!("there is no archived image `{digest}`")))
}

/// What becomes of a document whose image is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfThere {
    /// It is refused.
    Refused,
    /// If it is analysed, it gets the tags and annotations of the document, as if the image were added again.
    Added,
}

/// What a document says that was made elsewhere.
pub(crate) async fn read(app: &App, bytes: Vec<u8>) -> Result<Contents, ApiError> {
    let max_packages = app.config().limits.packages;
    let limits = app.config().fetch_limits.clone();
    let read =
        cpu::run(move || document::read_packed(&bytes, &|members| foreign::read(members, &limits, max_packages)));
    read.await.map_err(|error| ApiError::conflict(document::told(&error)))
}

/// Restores an image from what a document says that was made elsewhere.
pub(crate) async fn take_in(
    app: &App,
    account: &str,
    contents: Contents,
    if_there: IfThere,
) -> Result<Image, ApiError> {
    let digest = contents.record.digest.to_string();
    if if_there == IfThere::Added
        && let Some(image) = there(app, account, &digest).await?
        && (image.status, image.analysis_status) == (ImageStatus::Active, AnalysisStatus::Analyzed)
    {
        return Ok(app.records().add_again(&image, contents.record).await?);
    }
    let restored = write_back(app, account, contents, Trust::Theirs).await;
    told_of(app, account, &digest, restored).await
}

/// Whether bytes are the document of an archived analysis that can be restored, or why not.
pub fn check_archive(bytes: &[u8]) -> Result<(), String> {
    let limits = killick_fetch::Limits::default();
    let max_packages = killick_analysis::limits::Limits::default().packages;
    let contents = document::read_packed(bytes, &|members| foreign::read(members, &limits, max_packages));
    contents.and_then(|contents| checked(&contents)).map(drop).map_err(|error| document::told(&error))
}

/// The document of an archived analysis as a gzipped tar.
pub(crate) async fn packed(app: &App, account: &str, digest: &str) -> Result<Vec<u8>, ApiError> {
    let archived = kept(app, account, digest).await?;
    let bytes = app.records().archived_document(&archived).await?;
    let packed = cpu::run(move || compressed(&bytes));
    packed.await.map_err(|error| ApiError::internal(&error))
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes)?;
    out.finish()
}

async fn told_of(app: &App, account: &str, digest: &str, restored: Result<Image, ApiError>) -> Result<Image, ApiError> {
    match &restored {
        Ok(_) => tell(app, account, &RESTORED, digest, None).await,
        Err(error) => tell(app, account, &RESTORE_FAILED, digest, Some(error)).await,
    }
    restored
}

/// Who wrote a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// This service, of an image of its own.
    Ours,
    /// Anybody. What it says of the configuration is not remembered for other images of the same.
    Theirs,
}

/// The image of this manifest, and not of an index.
async fn there(app: &App, account: &str, digest: &str) -> Result<Option<Image>, ApiError> {
    Ok(app.records().image(account, digest).await?.filter(|image| image.digest == digest))
}

async fn write_back(app: &App, account: &str, contents: Contents, trust: Trust) -> Result<Image, ApiError> {
    if app.records().account(account).await?.is_none() {
        return Err(ApiError::not_found(format!("there is no account `{account}`")));
    }
    let digest = contents.record.digest.to_string();
    if let Some(image) = there(app, account, &digest).await? {
        return Err(ApiError::conflict(match image.status {
            ImageStatus::Deleting => format!("the image `{digest}` is being deleted: try again in a moment"),
            ImageStatus::Active => format!("the image `{digest}` is there: it cannot be restored"),
        }));
    }
    if serde_json::to_value(&contents.record).is_ok_and(|record| has_nul(&record)) {
        return Err(ApiError::conflict("the record of the archive has NUL in a text: it cannot be stored"));
    }
    let wrong = |error: DocumentError| match trust {
        Trust::Ours => ApiError::internal(&error),
        Trust::Theirs => ApiError::new(StatusCode::CONFLICT, document::told(&error)),
    };
    let (contents, analysis) = cpu::run(move || {
        let analysis = checked(&contents)?;
        Ok((contents, analysis))
    })
    .await
    .map_err(wrong)?;
    let blob = app.records().store().blobs().put(contents.analysis).await?;
    let mut done = finished(&analysis, blob);
    done.size_bytes = contents.record.size_bytes;
    let guess = contents.record.guessed_dockerfile.clone().filter(|_| trust == Trust::Ours);
    let restored = Restored {
        account: account.to_owned(),
        record: contents.record,
        manifest: contents.manifest,
        verdicts: contents.verdicts,
        done,
        guess,
    };
    let image = app.records().restore(restored).await?;
    app.nudges().facts();
    Ok(image)
}

/// The analysis of a document, which must be of the image that the document says.
fn checked(contents: &Contents) -> Result<Analysis, DocumentError> {
    let analysis: Analysis = serde_json::from_slice(&contents.analysis).map_err(DocumentError::Analysis)?;
    let record = &contents.record;
    if analysis.manifest_digest != record.digest || analysis.config_digest != record.config_digest {
        return Err(DocumentError::OtherImage);
    }
    if !analysis.is_consistent() {
        return Err(DocumentError::Inconsistent);
    }
    Ok(analysis)
}
