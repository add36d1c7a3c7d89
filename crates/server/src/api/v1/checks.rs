//! The verdict of a policy on an image.

use axum::Json;
use killick_report::evaluation::{result, status};
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use super::images::{analyzed, found, found_by_id};
use super::pull_string::{Named, PullString};
use crate::api::error::ApiError;
use crate::api::input::{Path, Query};
use crate::api::permission::{GetEvaluation, Guarded, Permission};
use crate::app::App;
use crate::judge::{self, Keep};
use crate::records;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(check)).routes(routes!(check_by_id))
}

#[utoipa::path(get, path = "/images/{imageDigest}/check", tag = "Policy evaluation",
    params(("imageDigest" = String, Path), ("tag" = String, Query, pattern = "^[A-Za-z0-9@:/_.-]{1,512}$"), ("policyId" = Option<String>, Query),
           ("detail" = Option<bool>, Query), ("history" = Option<bool>, Query), ("interactive" = Option<bool>, Query)),
    responses((status = 200, body = [Object])))]
async fn check(
    require: Permission<GetEvaluation>,
    Path(digest): Path<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let wanted = Wanted::read(&query)?;
    let image = found(&require.app, &require.account, &digest).await?;
    answer(&require.app, &image, &wanted).await
}

#[utoipa::path(get, path = "/images/by_id/{imageId}/check", tag = "Policy evaluation",
    params(("imageId" = String, Path), ("tag" = String, Query, pattern = "^[A-Za-z0-9@:/_.-]{1,512}$"), ("policyId" = Option<String>, Query),
           ("detail" = Option<bool>, Query), ("history" = Option<bool>, Query), ("interactive" = Option<bool>, Query)),
    responses((status = 200, body = [Object])))]
async fn check_by_id(
    require: Permission<GetEvaluation>,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let wanted = Wanted::read(&query)?;
    let image = found_by_id(&require.app, &require.account, &id).await?;
    answer(&require.app, &image, &wanted).await
}

/// What the caller wants judged and told.
struct Wanted {
    /// By tag; or, as pods are written that are pinned, by digest.
    reference: Named,
    policy: Option<String>,
    detail: bool,
    history: bool,
    keep: Keep,
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let PullString::Reference(reference) = PullString::parse(query.required("tag")?)? else {
            return Err(no_tag());
        };
        let interactive = query.flag("interactive")?.unwrap_or(false);
        Ok(Self {
            reference,
            policy: query.text("policyId").map(str::to_owned),
            detail: query.flag("detail")?.unwrap_or(true),
            history: query.flag("history")?.unwrap_or(false),
            keep: if interactive { Keep::Nothing } else { Keep::Verdict },
        })
    }
}

/// The tag under which the image is judged: what the caller named, or the newest there is in the repository.
fn tag(image: &records::Image, reference: &Named) -> Result<String, ApiError> {
    if reference.tag().is_some() {
        return Ok(reference.text());
    }
    let there = |tag: &&records::Tag| tag.registry == reference.registry && tag.repository == reference.repository;
    image.tags.iter().find(there).map(records::Tag::full).ok_or_else(no_tag)
}

fn no_tag() -> ApiError {
    ApiError::bad_request("`tag` does not name an image by tag")
}

async fn answer(app: &App, image: &records::Image, wanted: &Wanted) -> Result<Json<Value>, ApiError> {
    analyzed(image)?;
    let tag = tag(image, &wanted.reference)?;
    let policy = judge::policy(app, &image.account, wanted.policy.as_deref()).await?;
    let verdict = judge::evaluate(app, image, &tag, &policy, wanted.keep).await?;
    let verdicts = if wanted.history && matches!(wanted.keep, Keep::Verdict) {
        app.records().verdicts(image, &tag, wanted.policy.as_deref()).await?
    } else {
        vec![verdict]
    };
    let mut told = Vec::with_capacity(verdicts.len());
    for verdict in &verdicts {
        told.push(tell(app, image, verdict, wanted.detail).await?);
    }
    // Objects of one member each: the digest, then the tag.
    let by_tag: Map<String, Value> = [(tag, Value::Array(told))].into_iter().collect();
    let by_digest: Map<String, Value> = [(image.digest.clone(), Value::Object(by_tag))].into_iter().collect();
    Ok(Json(json!([by_digest])))
}

/// One verdict. `policy` is the bundle as stored now, `result.bundle` as it was evaluated.
async fn tell(app: &App, image: &records::Image, verdict: &records::Verdict, detail: bool) -> Result<Value, ApiError> {
    let detail = if detail {
        let now = app.records().policy(&image.account, &verdict.evaluation.bundle_id).await?;
        let now = now.map_or(Value::Null, |policy| policy.bundle);
        json!({"policy": now, "result": result(&verdict.evaluation, &image.account, &verdict.bundle)})
    } else {
        json!({})
    };
    Ok(json!({
        "policyId": verdict.evaluation.bundle_id,
        "status": status(&verdict.evaluation),
        "last_evaluation": seconds(verdict.evaluation.evaluated_at),
        "detail": detail,
    }))
}
