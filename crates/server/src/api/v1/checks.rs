//! The verdict of a policy on an image.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use killick_report::evaluation::status;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use super::images::{analyzed, found, found_by_id};
use super::pull_string::{Named, PullString};
use crate::api::error::ApiError;
use crate::api::input::{Path, Query};
use crate::api::permission::{GetEvaluation, Guarded, Permission};
use crate::app::{App, Identity};
use crate::auth::{Grants, Resource};
use crate::judge::{self, Keep};
use crate::records::{self, Policy, Verdict};

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
) -> Result<Json<Answer>, ApiError> {
    let wanted = Wanted::read(&query, &require.caller)?;
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
) -> Result<Json<Answer>, ApiError> {
    let wanted = Wanted::read(&query, &require.caller)?;
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
    is_interactive: bool,
    grants: Grants,
}

impl Wanted {
    /// Of who may only read what is judged, by whatever name, nothing is kept, and so nothing told to others.
    fn kept(&self, image: &records::Image) -> Keep {
        let only_reads =
            |registry: &str, repository: &str| self.grants.only_read(&Resource::repository(registry, repository));
        let mut tags = image.tags.iter().peekable();
        let only_reads_image = tags.peek().is_some() && tags.all(|tag| only_reads(&tag.registry, &tag.repository));
        if self.is_interactive || only_reads_image || only_reads(&self.reference.registry, &self.reference.repository) {
            Keep::Nothing
        } else {
            Keep::Verdict
        }
    }

    fn read(query: &Query, caller: &Identity) -> Result<Self, ApiError> {
        let PullString::Reference(reference) = PullString::parse(query.required("tag")?)? else {
            return Err(no_tag());
        };
        let interactive = query.flag("interactive")?.unwrap_or(false);
        Ok(Self {
            reference,
            policy: query.text("policyId").map(str::to_owned),
            detail: query.flag("detail")?.unwrap_or(true),
            history: query.flag("history")?.unwrap_or(false) && !interactive,
            is_interactive: interactive,
            grants: caller.grants.clone(),
        })
    }
}

fn no_tag() -> ApiError {
    ApiError::bad_request("`tag` does not name an image by tag")
}

async fn answer(app: &App, image: &records::Image, wanted: &Wanted) -> Result<Json<Answer>, ApiError> {
    analyzed(image)?;
    let keep = wanted.kept(image);
    let tag = wanted.reference.judged(image).ok_or_else(no_tag)?;
    let decisions = judge::decisions(app, &image.account, wanted.policy.as_deref()).await?;
    let judged = judge::evaluate(app, image, &tag, &decisions, keep).await?;
    let policy = &decisions.policy;
    let mut told = Vec::new();
    // What was kept is the first of the history.
    if !wanted.history || keep == Keep::Nothing {
        let result = if wanted.detail { Some(judged.result(&image.account).await?) } else { None };
        told.push(tell(app, image, policy, &judged.verdict, result).await?);
    }
    if wanted.history {
        for verdict in app.records().verdicts(image, &tag, wanted.policy.as_deref()).await? {
            let result = if wanted.detail { Some(judge::result_document(&verdict, &image.account)?) } else { None };
            told.push(tell(app, image, policy, &verdict, result).await?);
        }
    }
    Ok(Json([BTreeMap::from([(image.digest.clone(), BTreeMap::from([(tag, told)]))])]))
}

/// Objects of one member each: the digest, then the tag.
type Answer = [BTreeMap<String, BTreeMap<String, Vec<Told>>>; 1];

/// One verdict.
#[derive(Serialize)]
struct Told {
    detail: Detail,
    last_evaluation: String,
    #[serde(rename = "policyId")]
    policy_id: String,
    status: &'static str,
}

/// Empty unless details were asked for.
#[derive(Serialize)]
struct Detail {
    /// The bundle as stored now; in `result` it is as it was evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Arc<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Arc<RawValue>>,
}

async fn tell(
    app: &App,
    image: &records::Image,
    policy: &Policy,
    verdict: &Verdict,
    result: Option<Arc<RawValue>>,
) -> Result<Told, ApiError> {
    let id = &verdict.evaluation.bundle_id;
    let bundle = match &result {
        Some(_) if policy.id == *id => Some(policy.document.clone()),
        Some(_) => {
            let now = app.records().policy(&image.account, id).await?;
            Some(now.map_or_else(|| RawValue::NULL.to_owned().into(), |policy| policy.document))
        }
        None => None,
    };
    Ok(Told {
        detail: Detail { policy: bundle, result },
        last_evaluation: seconds(verdict.evaluation.evaluated_at),
        policy_id: id.clone(),
        status: status(&verdict.evaluation),
    })
}
