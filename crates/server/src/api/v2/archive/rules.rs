//! Rules by which images go to the archive, and out of it.

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use killick_store::archives::ArchiveRule;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::paging::{asked, created, page_of, segment};
use crate::api::error::ApiError;
use crate::api::input::{JsonObject, Path, Query};
use crate::api::permission::{
    CreateArchiveRule, DeleteArchiveRule, GetArchiveRule, Guarded, ListArchiveRules, Permission,
};
use crate::api::recording;
use crate::api::v1::archives::rules::{self, RuleRequest, found};
use crate::records::instant;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, delete))
}

/// The rules of the account, and those for all accounts, the oldest first, page by page.
#[utoipa::path(get, path = "/v2/archive/rules", tag = "Archive",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = ArchiveRulePage)))]
async fn list(require: Permission<ListArchiveRules>, query: Query) -> Result<Json<ArchiveRulePage>, ApiError> {
    let (limit, after) = asked(&query)?;
    let all = require.app.records().store().archive_rules(&require.account, true).await?;
    let place = |rule: &ArchiveRule| format!("{:020} {}", rule.created_at, rule.id);
    let (rules, next_cursor) = page_of(all, (limit, &after), place);
    Ok(Json(ArchiveRulePage { items: rules.into_iter().map(ArchiveRuleRecord::of).collect(), next_cursor }))
}

/// Adds a rule. One for all accounts (`system_global`) is for administrators.
#[utoipa::path(post, path = "/v2/archive/rules", tag = "Archive", request_body = RuleRequest,
    responses((status = 201, body = ArchiveRuleRecord), (status = 409)))]
async fn create(require: Permission<CreateArchiveRule>, body: JsonObject) -> Result<Response, ApiError> {
    let rule = rules::create(&require.app, &require.caller, &require.account, &body).await?;
    Ok(created(&format!("/v2/archive/rules/{}", segment(&rule.id)), ArchiveRuleRecord::of(rule)))
}

/// One rule.
#[utoipa::path(get, path = "/v2/archive/rules/{rule_id}", tag = "Archive", params(("rule_id" = String, Path)),
    responses((status = 200, body = ArchiveRuleRecord)))]
async fn get(require: Permission<GetArchiveRule>, Path(id): Path<String>) -> Result<Json<ArchiveRuleRecord>, ApiError> {
    found(&require.app, &require.account, &id).await.map(|rule| Json(ArchiveRuleRecord::of(rule)))
}

/// Removes a rule.
#[utoipa::path(delete, path = "/v2/archive/rules/{rule_id}", tag = "Archive", params(("rule_id" = String, Path)),
    responses((status = 204)))]
async fn delete(require: Permission<DeleteArchiveRule>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    let rule = found(&require.app, &require.account, &id).await?;
    recording::before(&ArchiveRuleRecord::of(rule.clone()));
    rules::remove(&require.app, &require.caller, &require.account, &rule).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Some rules.
#[derive(Debug, Serialize, ToSchema)]
struct ArchiveRulePage {
    items: Vec<ArchiveRuleRecord>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

/// A rule, in the form in which one is added.
#[derive(Debug, Serialize, ToSchema)]
struct ArchiveRuleRecord {
    rule_id: String,
    /// `archive` or `delete`.
    transition: &'static str,
    /// Whether it is for all accounts.
    system_global: bool,
    selector: ImageSelector,
    exclude: ExcludedImages,
    /// Older than so many days; -1 is any.
    analysis_age_days: i64,
    /// At least so many newer images of the tag; -1 is any.
    tag_versions_newer: i64,
    max_images_per_account: Option<i64>,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
}

/// Images by name, with `*` for any characters.
#[derive(Debug, Serialize, ToSchema)]
struct ImageSelector {
    registry: String,
    repository: String,
    tag: String,
}

/// Images that are left out.
#[derive(Debug, Serialize, ToSchema)]
struct ExcludedImages {
    selector: ImageSelector,
    /// For so many days; -1 is for ever.
    expiration_days: i64,
}

impl ArchiveRuleRecord {
    fn of(row: ArchiveRule) -> Self {
        Self {
            rule_id: row.id,
            transition: row.transition.as_str(),
            system_global: row.system_global,
            selector: ImageSelector { registry: row.registry, repository: row.repository, tag: row.tag },
            exclude: ExcludedImages {
                selector: ImageSelector {
                    registry: row.exclude_registry,
                    repository: row.exclude_repository,
                    tag: row.exclude_tag,
                },
                expiration_days: row.exclude_expiration_days,
            },
            analysis_age_days: row.analysis_age_days,
            tag_versions_newer: row.tag_versions_newer,
            max_images_per_account: row.max_images_per_account,
            created_at: instant(row.created_at),
            updated_at: instant(row.updated_at),
        }
    }
}
