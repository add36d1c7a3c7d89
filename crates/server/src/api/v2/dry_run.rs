//! What a bundle would change on everything an account has stored.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use killick_model::evaluation::Evaluation;
use killick_policy::diff::{VerdictChange, verdicts};
use killick_policy::{Bundle, ProblemSeverity};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{after, bad, cursor};
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject};
use crate::api::permission::{Guarded, ListPolicies, Permission};
use crate::app::App;
use crate::records::{Image, Tag};
use crate::{clock, cpu, judge};

/// Images that are judged for one answer, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;
/// Tags under which one image is judged: the newest.
const MAX_TAGS: usize = 20;
/// Findings of each kind that are told of one image.
const MAX_FINDINGS: usize = 50;
/// Time after which an answer is given with what there is.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(dry_run))
}

/// Backtests a bundle: judges stored images by the `bundle` of the body and by a stored policy (`against`; without it, the
/// active one), and tells which verdicts differ and why. Nothing is stored. Follow `next_cursor`, sent back as `cursor`, to
/// the end. With `at`, as of that instant: images that were analyzed since are left out, and ages, ends of support and
/// exceptions that end are judged as they were then. Advisories, and which exceptions there are, are today's.
#[utoipa::path(post, path = "/v2/policies/dry-run", tag = "Policies", request_body = DryRunRequest,
    responses((status = 200, body = DryRunPage), (status = 400), (status = 404)))]
async fn dry_run(require: Permission<ListPolicies>, body: JsonObject) -> Result<Json<DryRunPage>, ApiError> {
    let (app, account) = (&require.app, &require.account);
    let fields = Fields::of(&body);
    let document = fields.value("bundle").ok_or_else(|| bad("the body has no `bundle`"))?;
    let limit = match fields.value("limit") {
        None => PAGE,
        Some(limit) => limit
            .as_u64()
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (1..=MAX_PAGE).contains(limit))
            .ok_or_else(|| bad(format!("`limit` must be a number from 1 to {MAX_PAGE}")))?,
    };
    let tells_findings = fields.flag("findings")?.unwrap_or(false);
    let from = after(fields.text("cursor")?)?;
    let at = instant(&fields)?;
    let document = document.clone();
    let max_rules = app.config().policies.max_rules;
    let bundle = cpu::run(move || accepted(&document, max_rules)).await?;
    let against = fields.text("against")?;
    let stored = match against {
        Some(id) => app.records().policy(account, id).await?,
        None => app.records().active_policy(account).await?,
    };
    let stored = stored.ok_or_else(|| {
        let what = against.map_or_else(|| "no policy is active".to_owned(), |id| format!("there is no policy `{id}`"));
        ApiError::problem(StatusCode::NOT_FOUND, what)
    })?;
    let bundles = [judge::bundle(app, &stored).await?, Arc::new(bundle)];
    let images = app.records().analyzed_images(account, &from, limit).await?;
    let is_last = images.len() < limit;
    let mut page = DryRunPage {
        against: stored.id,
        items: Vec::new(),
        examined: 0,
        tags_left_out: 0,
        skipped: Vec::new(),
        next_cursor: None,
    };
    let began = Instant::now();
    let mut reached = None;
    let mut is_complete = true;
    for image in &images {
        if reached.is_some() && began.elapsed() > PATIENCE {
            is_complete = false;
            break;
        }
        if at.is_none() || image.analyzed_at <= at {
            compare(app, image, &bundles, (at.unwrap_or_else(clock::now), tells_findings), &mut page).await?;
        }
        reached = Some(image.digest.as_str());
    }
    page.next_cursor = reached.filter(|_| !(is_last && is_complete)).map(cursor);
    Ok(Json(page))
}

/// As of when images are judged, if not now: an instant in the past.
fn instant(fields: &Fields<'_>) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = fields.text("at")? else { return Ok(None) };
    let at = text.parse::<Timestamp>().ok().filter(|at| (Timestamp::UNIX_EPOCH..=clock::now()).contains(at));
    at.map(Some).ok_or_else(|| bad("`at` must be a time in the past as in 2026-01-31T00:00:00Z"))
}

/// The bundle, or why it could not be saved.
fn accepted(document: &Value, max_rules: usize) -> Result<Bundle, ApiError> {
    if let Some(reason) = judge::too_many_rules(document, max_rules) {
        return Err(bad(format!("the bundle is refused: {reason}")));
    }
    let bundle = Bundle::parse(document).map_err(|error| bad(error.to_string()))?;
    let mut problems = Bundle::check_schema(document);
    if problems.is_empty() {
        problems = bundle.validate();
    }
    problems.retain(|problem| problem.severity == ProblemSeverity::Error);
    let Some(first) = problems.first() else { return Ok(bundle) };
    let place = if first.path.is_empty() { String::new() } else { format!("`{}`: ", first.path) };
    let remedy = first.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
    let more = match problems.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more problems)"),
    };
    Err(bad(format!("the bundle is refused: {place}{}{remedy}{more}", first.reason)))
}

/// One image under each of its tags, or the newest of them.
async fn compare(
    app: &App,
    image: &Image,
    bundles: &[Arc<Bundle>; 2],
    (at, tells_findings): (Timestamp, bool),
    page: &mut DryRunPage,
) -> Result<(), ApiError> {
    // They come the oldest first.
    let left_out = image.tags.len().saturating_sub(MAX_TAGS);
    page.tags_left_out += left_out;
    let exceptions = judge::exceptions(app, &image.account).await?;
    for tag in image.tags.iter().skip(left_out).map(Tag::full) {
        page.examined += 1;
        // One image whose documents cannot be read must not hide what happens to all others.
        let Ok(evaluations) = judge::under(app, image, &tag, bundles, at).await else {
            let reason = "what is known of the image cannot be read: analyze it anew";
            page.skipped.push(Skipped { reference: tag, image_digest: image.digest.clone(), reason });
            continue;
        };
        let Ok([before, after]) = <[Evaluation; 2]>::try_from(evaluations) else { continue };
        let before = judge::excepted(Arc::clone(&exceptions), before).await;
        let after = judge::excepted(Arc::clone(&exceptions), after).await;
        let change = verdicts(&before, &after).filter(|change| tells_findings || change.is_other_verdict());
        page.items.extend(change.map(wire));
    }
    Ok(())
}

/// Not more of one image than anybody reads.
fn wire(mut change: VerdictChange) -> Value {
    let counts = [change.appeared.len(), change.disappeared.len(), change.changed.len()];
    for findings in [&mut change.appeared, &mut change.disappeared, &mut change.changed] {
        findings.truncate(MAX_FINDINGS);
    }
    let mut told = serde_json::to_value(&change).unwrap_or_default();
    if let Some(members) = told.as_object_mut() {
        for (name, count) in ["appeared_count", "disappeared_count", "changed_count"].into_iter().zip(counts) {
            members.insert(name.to_owned(), count.into());
        }
    }
    told
}

/// Part of the comparison.
#[derive(Debug, Serialize, ToSchema)]
struct DryRunPage {
    /// The stored policy that the bundle was compared with.
    against: String,
    /// Images whose verdict changes; with `findings`, those of which only the findings do too.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// Images, each under each of its tags (the newest 20), that were judged for this page.
    examined: u64,
    /// Tags of these images under which they were not judged, because they have more than 20: the oldest.
    tags_left_out: usize,
    skipped: Vec<Skipped>,
    next_cursor: Option<String>,
}

/// An image that could not be judged.
#[derive(Debug, Serialize, ToSchema)]
struct Skipped {
    reference: String,
    image_digest: String,
    reason: &'static str,
}

/// What to judge by.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct DryRunRequest {
    #[schema(value_type = Object)]
    bundle: Value,
    /// A stored policy; without it, the active one.
    against: Option<String>,
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    findings: Option<bool>,
    /// An instant in the past: as of then.
    #[schema(format = "date-time")]
    at: Option<String>,
    cursor: Option<String>,
}
