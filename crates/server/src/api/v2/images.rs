//! Images in the model's own words: what is in one, what is known to be wrong with it and why, what changed from one to
//! another, and the verdict, now or at any instant at which there was one.

mod adding;

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use killick_model::digest::Digest;
use killick_model::matching::Match;
use killick_model::package::Package;
use killick_model::severity::Severity;
use killick_report::comparison::{self, Side};
use killick_vulns::{MatchOptions, Question, Subject};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::knowledge::nothing;
use super::paging::{after, bad, cursor, limit, page};
use crate::api::error::ApiError;
use crate::api::input::{Path, Query};
use crate::api::permission::{GetEvaluation, GetImage, Guarded, ListImages, Permission};
use crate::api::v1::pull_string::PullString;
use crate::app::App;
use crate::judge::{self, Freshness, Keep};
use crate::records::{AnalysisStatus, Image};
use crate::{clock, cpu};

/// Images on a page, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

/// Bytes of the name of a vulnerability.
const MAX_NAME: usize = 256;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(packages))
        .routes(routes!(vulnerabilities))
        .routes(routes!(explanation))
        .routes(routes!(diff))
        .routes(routes!(verdict))
        .merge(adding::router())
}

/// The images of the account, by digest. With `parent`, the digest of an index: the images of that, all of them, the one
/// that its tags mean first.
#[utoipa::path(get, path = "/v2/images", tag = "Images",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query),
           ("parent" = Option<String>, Query, pattern = "^sha256:[0-9a-f]{64}$")),
    responses((status = 200, body = ImagePage)))]
async fn list(require: Permission<ListImages>, query: Query) -> Result<Json<ImagePage>, ApiError> {
    if let Some(parent) = query.text("parent") {
        let parent: Digest = parent.parse().map_err(|_| bad("`parent` must be the digest of an index"))?;
        let part = Part::read(&query)?;
        let found = require.app.records().images_of_index(&require.account, &parent.to_string()).await?;
        let told = |(image, platform): &(Image, Option<String>)| ImageRecord {
            platform: platform.clone(),
            ..ImageRecord::of(image)
        };
        return Ok(Json(ImagePage { items: part.of(&found).map(told).collect(), next_cursor: part.next(found.len()) }));
    }
    let limit = limit(&query, PAGE, MAX_PAGE)?;
    let from = after(query.text("cursor"))?;
    let found = require.app.records().images_after(&require.account, &from, limit + 1).await?;
    let (images, next_cursor) = page(found, limit, |image| image.digest.clone());
    Ok(Json(ImagePage { items: images.iter().map(ImageRecord::of).collect(), next_cursor }))
}

/// One image.
#[utoipa::path(get, path = "/v2/images/{image_digest}", tag = "Images", params(("image_digest" = String, Path)),
    responses((status = 200, body = ImageRecord)))]
async fn get(require: Permission<GetImage>, Path(digest): Path<String>) -> Result<Json<ImageRecord>, ApiError> {
    Ok(Json(ImageRecord::of(&found(&require.app, &require.account, &digest).await?)))
}

/// The packages of an image, in the order of its analysis.
#[utoipa::path(get, path = "/v2/images/{image_digest}/packages", tag = "Images",
    params(("image_digest" = String, Path), ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000),
           ("cursor" = Option<String>, Query)),
    responses((status = 200, body = PackagePage), (status = 409)))]
async fn packages(
    require: Permission<GetImage>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<PackagePage>, ApiError> {
    let part = Part::read(&query)?;
    let image = analyzed(&require.app, &require.account, &digest).await?;
    let analysis = judge::analysis(&require.app, &image).await?;
    let items = part.of(&analysis.packages).map(written).collect();
    Ok(Json(PackagePage { items, next_cursor: part.next(analysis.packages.len()) }))
}

/// What is known to be wrong with an image, each finding with its evidence. `severity` leaves out what is less severe.
#[utoipa::path(get, path = "/v2/images/{image_digest}/vulnerabilities", tag = "Images",
    params(("image_digest" = String, Path),
           ("severity" = Option<String>, Query, pattern = "^(unknown|negligible|low|medium|high|critical)$"),
           ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = VulnerabilityPage), (status = 409)))]
async fn vulnerabilities(
    require: Permission<GetImage>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<VulnerabilityPage>, ApiError> {
    let part = Part::read(&query)?;
    let least = query.text("severity").map(str::parse::<Severity>).transpose();
    let least = least.map_err(|error| bad(error.to_string()))?;
    let app = &require.app;
    let image = analyzed(app, &require.account, &digest).await?;
    let knowledge = app.knowledge().current().ok_or_else(nothing)?;
    let analysis = judge::analysis(app, &image).await?;
    let matches = judge::matches(app, &image, Freshness::Kept).await?;
    let found: Vec<&Match> =
        matches.matches.iter().filter(|found| least.is_none_or(|least| found.severity >= least)).collect();
    let items = part.of(&found).map(|found| finding(found, analysis.package(found.package))).collect();
    let next_cursor = part.next(found.len());
    Ok(Json(VulnerabilityPage { knowledge: knowledge.digest.to_string(), items, next_cursor }))
}

/// Why a vulnerability, or those of an advisory, do or do not apply to an image.
#[utoipa::path(get, path = "/v2/images/{image_digest}/vulnerabilities/{vulnerability}", tag = "Images",
    params(("image_digest" = String, Path), ("vulnerability" = String, Path)),
    responses((status = 200, body = Object), (status = 409)))]
async fn explanation(
    require: Permission<GetImage>,
    Path((digest, vulnerability)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    if vulnerability.len() > MAX_NAME {
        return Err(bad(format!("the name of a vulnerability has at most {MAX_NAME} bytes")));
    }
    let app = &require.app;
    let image = analyzed(app, &require.account, &digest).await?;
    let knowledge = app.knowledge().current().ok_or_else(nothing)?;
    let analysis = judge::analysis(app, &image).await?;
    let now = clock::now();
    let explained = cpu::run(move || {
        let question = Question {
            subject: Subject::from(&*analysis),
            vulnerability: &vulnerability,
            options: &MatchOptions::default(),
            vex: None,
            problems: &analysis.problems,
            now: now.into(),
        };
        killick_vulns::explain(&knowledge.index, &question)
    });
    Ok(Json(written(&explained.await.map_err(|error| ApiError::internal(&error))?)))
}

/// What changed from the image `from` to this one: settings, layers, packages, files, vulnerabilities.
#[utoipa::path(get, path = "/v2/images/{image_digest}/diff", tag = "Images",
    params(("image_digest" = String, Path), ("from" = String, Query)),
    responses((status = 200, body = Object), (status = 409)))]
async fn diff(
    require: Permission<GetImage>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let (before, after) =
        (analyzed(app, account, query.required("from")?).await?, analyzed(app, account, &digest).await?);
    let facts = (judge::analysis(app, &before).await?, judge::analysis(app, &after).await?);
    let wrong =
        (judge::matches(app, &before, Freshness::Kept).await?, judge::matches(app, &after, Freshness::Kept).await?);
    let compared = cpu::run(move || {
        let before = Side { source: &before.digest, analysis: &facts.0, matches: &wrong.0 };
        let after = Side { source: &after.digest, analysis: &facts.1, matches: &wrong.1 };
        written(&comparison::compare(&before, &after))
    });
    Ok(Json(compared.await))
}

/// The verdict on an image under a tag, by the active policy or by the one that is named; nothing is stored. With `at`, the
/// one that held at that instant, with the findings it had then.
#[utoipa::path(get, path = "/v2/images/{image_digest}/verdict", tag = "Images",
    params(("image_digest" = String, Path), ("tag" = Option<String>, Query), ("policy" = Option<String>, Query),
           ("at" = Option<String>, Query, format = "date-time")),
    responses((status = 200, body = VerdictRecord), (status = 409)))]
async fn verdict(
    require: Permission<GetEvaluation>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<VerdictRecord>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let at = query.text("at").map(str::parse::<Timestamp>).transpose();
    let at = at.map_err(|_| bad("`at` must be a time as in 2030-01-31T00:00:00Z"))?;
    let image = analyzed(app, account, &digest).await?;
    let newest = || image.tags.last().map(crate::records::Tag::full);
    let tag = match query.text("tag").map(PullString::parse).transpose()? {
        Some(PullString::Reference(named)) => named.judged(&image),
        Some(_) => None,
        None => newest(),
    };
    let tag = tag.ok_or_else(|| bad("`tag` names no tag of the image: name one under which it is to be judged"))?;
    let policy = query.text("policy");
    if let Some(at) = at {
        let held = app.records().verdict_at(&image, &tag, policy, at).await?;
        let (verdict, reached_at) = held.ok_or_else(|| {
            ApiError::problem(StatusCode::NOT_FOUND, format!("no verdict under `{tag}` was reached by {at}"))
        })?;
        return Ok(Json(VerdictRecord::of(&image, &verdict.evaluation, reached_at)));
    }
    let decisions = judge::decisions(app, account, policy).await?;
    let judged = judge::evaluate(app, &image, &tag, &decisions, Keep::Nothing).await?;
    let evaluation = &judged.verdict.evaluation;
    Ok(Json(VerdictRecord::of(&image, evaluation, evaluation.evaluated_at)))
}

async fn found(app: &App, account: &str, digest: &str) -> Result<Image, ApiError> {
    let image = app.records().image(account, digest).await?;
    image.ok_or_else(missing)
}

/// There is no image of that digest, or it is another account's.
pub(super) fn missing() -> ApiError {
    ApiError::problem(StatusCode::NOT_FOUND, "there is no such image in this account")
}

async fn analyzed(app: &App, account: &str, digest: &str) -> Result<Image, ApiError> {
    let image = found(app, account, digest).await?;
    if image.analysis_status == AnalysisStatus::Analyzed {
        return Ok(image);
    }
    let status = image.analysis_status.as_str();
    Err(ApiError::problem(StatusCode::CONFLICT, format!("the image is not analyzed: its status is `{status}`")))
}

fn written<T: Serialize>(part: &T) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}

/// A finding, with the package in place of its number.
fn finding(found: &Match, package: &Package) -> Value {
    let mut told = written(found);
    if let Some(members) = told.as_object_mut() {
        members.insert("package".to_owned(), written(package));
    }
    told
}

/// A part of a list that is in memory: so many, from one on.
pub(super) struct Part {
    start: usize,
    limit: usize,
}

impl Part {
    pub(super) fn read(query: &Query) -> Result<Self, ApiError> {
        let limit = limit(query, PAGE, MAX_PAGE)?;
        let start = match after(query.text("cursor"))?.as_str() {
            "" => 0,
            text => text.parse().map_err(|_| bad("`cursor` is not one of this list: begin without one"))?,
        };
        Ok(Self { start, limit })
    }

    pub(super) fn of<'l, T>(&self, list: &'l [T]) -> impl Iterator<Item = &'l T> {
        list.iter().skip(self.start).take(self.limit)
    }

    pub(super) fn next(&self, len: usize) -> Option<String> {
        let end = self.start.saturating_add(self.limit);
        (end < len).then(|| cursor(&end.to_string()))
    }
}

/// Some images.
#[derive(Debug, Serialize, ToSchema)]
struct ImagePage {
    items: Vec<ImageRecord>,
    next_cursor: Option<String>,
}

/// An image.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageRecord {
    image_digest: String,
    /// Of the index it was found through.
    index_digest: Option<String>,
    /// What the image is for, by the index that was asked for: `os/architecture[/variant]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The id that container engines show, without `sha256:`.
    image_id: Option<String>,
    /// `active` or `deleting`.
    status: &'static str,
    /// `not_analyzed`, `analyzing`, `analyzed` or `analysis_failed`.
    analysis_status: &'static str,
    /// Why the last attempt failed.
    cause: Option<String>,
    /// The oldest first.
    tags: Vec<TagRecord>,
    #[schema(value_type = Object)]
    annotations: Map<String, Value>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = "date-time")]
    analyzed_at: Option<Timestamp>,
    architecture: Option<String>,
    distribution: Option<String>,
    distribution_version: Option<String>,
    size_bytes: Option<u64>,
    layers: Option<u64>,
}

/// A tag, and since when it points there.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TagRecord {
    tag: String,
    #[schema(value_type = String, format = "date-time")]
    detected_at: Timestamp,
}

impl TagRecord {
    pub(super) fn of(tag: &crate::records::Tag) -> Self {
        Self { tag: tag.full(), detected_at: tag.detected_at }
    }
}

impl ImageRecord {
    pub(super) fn of(image: &Image) -> Self {
        let summary = image.summary.as_ref();
        Self {
            image_digest: image.digest.clone(),
            index_digest: Some(image.parent_digest.clone()).filter(|parent| *parent != image.digest),
            platform: None,
            image_id: image.image_id.clone(),
            status: image.status.as_str(),
            analysis_status: image.analysis_status.as_str(),
            cause: image.failure.clone(),
            tags: image.tags.iter().map(TagRecord::of).collect(),
            annotations: image.annotations.clone(),
            created_at: image.created_at,
            analyzed_at: image.analyzed_at,
            architecture: summary.map(|summary| summary.architecture.clone()),
            distribution: summary.map(|summary| summary.distribution.clone()),
            distribution_version: summary.map(|summary| summary.distribution_version.clone()),
            size_bytes: summary.map(|summary| summary.size_bytes),
            layers: summary.map(|summary| summary.layers),
        }
    }
}

/// Some packages.
#[derive(Debug, Serialize, ToSchema)]
struct PackagePage {
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    next_cursor: Option<String>,
}

/// Some findings.
#[derive(Debug, Serialize, ToSchema)]
struct VulnerabilityPage {
    /// Digest of the advisory index they were found by.
    knowledge: String,
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    next_cursor: Option<String>,
}

/// A verdict.
#[derive(Debug, Serialize, ToSchema)]
struct VerdictRecord {
    image_digest: String,
    tag: String,
    policy: String,
    /// `go`, `warn` or `stop`.
    action: String,
    /// When it was reached first.
    #[schema(value_type = String, format = "date-time")]
    reached_at: Timestamp,
    /// All that it consists of.
    #[schema(value_type = Object)]
    evaluation: Value,
}

impl VerdictRecord {
    fn of(image: &Image, evaluation: &killick_model::evaluation::Evaluation, reached_at: Timestamp) -> Self {
        Self {
            image_digest: image.digest.clone(),
            tag: evaluation.reference.clone(),
            policy: evaluation.bundle_id.clone(),
            action: evaluation.final_action.to_string(),
            reached_at,
            evaluation: written(evaluation),
        }
    }
}
