//! Rules of the archive.

use axum::Json;
use killick_store::StoreError;
use killick_store::archives::{ArchiveRule, HistoryRow, NewRule, Transition};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::encoding::seconds;
use crate::api::error::ApiError;
use crate::api::input::{Fields, JsonObject, Path, Query};
use crate::api::permission::{
    CreateArchiveRule, DeleteArchiveRule, GetArchiveRule, Guarded, ListArchiveRules, Permission,
};
use crate::api::recording;
use crate::app::{App, Identity};
use crate::records::{instant, now};

/// Rows of a history.
const HISTORY: i64 = 1000;

/// Bytes of a name in a selector.
const MAX_SELECTOR: usize = 512;

/// Days and numbers of images: what is more is a mistake.
const MAX_NUMBER: i64 = 1_000_000;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(get, delete)).routes(routes!(history))
}

#[utoipa::path(get, path = "/archives/rules", tag = "Archive", params(("system_global" = Option<bool>, Query)),
    responses((status = 200, body = [Rule])))]
async fn list(require: Permission<ListArchiveRules>, query: Query) -> Result<Json<Vec<Rule>>, ApiError> {
    let with_global = query.flag("system_global")?.unwrap_or(true);
    let rules = require.app.records().store().archive_rules(&require.account, with_global).await?;
    Ok(Json(rules.into_iter().map(Rule::of).collect()))
}

#[utoipa::path(post, path = "/archives/rules", tag = "Archive", request_body = RuleRequest,
    responses((status = 200, body = Rule), (status = 404), (status = 409)))]
async fn add(require: Permission<CreateArchiveRule>, body: JsonObject) -> Result<Json<Rule>, ApiError> {
    Ok(Json(Rule::of(create(&require.app, &require.caller, &require.account, &body).await?)))
}

/// Adds the rule that a body describes. Those for all accounts are for administrators.
pub(in crate::api) async fn create(
    app: &App,
    caller: &Identity,
    account: &str,
    body: &JsonObject,
) -> Result<ArchiveRule, ApiError> {
    let new = read(account, body)?;
    if new.system_global && !caller.is_admin {
        return Err(ApiError::forbidden("system", "createArchiveRule", "*"));
    }
    app.records().store().add_archive_rule(&new, now()).await.map_err(|error| match error {
        StoreError::AlreadyExists { .. } => {
            ApiError::conflict("there is a rule with `max_images_per_account` already: delete it first")
        }
        error => error.into(),
    })
}

#[utoipa::path(get, path = "/archives/rules/{ruleId}", tag = "Archive", params(("ruleId" = String, Path)),
    responses((status = 200, body = Rule)))]
async fn get(require: Permission<GetArchiveRule>, Path(id): Path<String>) -> Result<Json<Rule>, ApiError> {
    found(&require.app, &require.account, &id).await.map(|rule| Json(Rule::of(rule)))
}

#[utoipa::path(delete, path = "/archives/rules/{ruleId}", tag = "Archive", params(("ruleId" = String, Path)),
    responses((status = 200, body = Object)))]
async fn delete(require: Permission<DeleteArchiveRule>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let rule = found(&require.app, &require.account, &id).await?;
    recording::before(&Rule::of(rule.clone()));
    remove(&require.app, &require.caller, &require.account, &rule).await?;
    Ok(Json(json!({})))
}

/// Removes a rule; one of another account, which is for all of them, only for administrators.
pub(in crate::api) async fn remove(
    app: &App,
    caller: &Identity,
    account: &str,
    rule: &ArchiveRule,
) -> Result<(), ApiError> {
    if rule.account != account && !caller.is_admin {
        return Err(ApiError::forbidden("system", "deleteArchiveRule", &rule.id));
    }
    Ok(app.records().store().delete_archive_rule(&rule.account, &rule.id).await?)
}

/// What a rule did in this account, the last first.
#[utoipa::path(get, path = "/archives/rules/{ruleId}/history", tag = "Archive", params(("ruleId" = String, Path)),
    responses((status = 200, body = [RuleHistory])))]
async fn history(
    require: Permission<GetArchiveRule>,
    Path(id): Path<String>,
) -> Result<Json<Vec<RuleHistory>>, ApiError> {
    found(&require.app, &require.account, &id).await?;
    let rows = require.app.records().store().archive_history(&require.account, &id, HISTORY).await?;
    Ok(Json(rows.into_iter().map(RuleHistory::of).collect()))
}

pub(in crate::api) async fn found(app: &App, account: &str, id: &str) -> Result<ArchiveRule, ApiError> {
    let rule = app.records().store().archive_rule(account, id).await;
    rule.map_err(|error| match error {
        StoreError::NotFound { .. } => ApiError::not_found("Rule not found"),
        error => error.into(),
    })
}

fn read(account: &str, body: &JsonObject) -> Result<NewRule, ApiError> {
    let fields = Fields::of(body);
    let transition = fields.word("transition", &[Transition::Archive.as_str(), Transition::Delete.as_str()])?;
    let system_global = fields.flag("system_global")?.unwrap_or(false);
    let most = fields.number("max_images_per_account")?;
    let (selector, exclude) = (fields.object("selector")?, fields.object("exclude")?);
    let mut rule = NewRule {
        id: uuid::Uuid::new_v4().simple().to_string(),
        account: account.to_owned(),
        system_global,
        transition: Transition::parse(transition).unwrap_or(Transition::Archive),
        selector: ["*"; 3].map(str::to_owned),
        analysis_age_days: days(&fields, "analysis_age_days")?,
        tag_versions_newer: days(&fields, "tag_versions_newer")?,
        max_images_per_account: most,
        exclude: [""; 3].map(str::to_owned),
        exclude_expiration_days: -1,
    };
    if let Some(most) = most {
        let mistake = if !system_global {
            "`max_images_per_account` is for rules with `system_global` only"
        } else if selector.is_some() || exclude.is_some() {
            "a rule with `max_images_per_account` has no `selector` and no `exclude`"
        } else if rule.transition != Transition::Archive {
            "a rule with `max_images_per_account` archives: its `transition` is `archive`"
        } else if !(1..=MAX_NUMBER).contains(&most) {
            "`max_images_per_account` is at least 1"
        } else {
            return Ok(rule);
        };
        return Err(ApiError::bad_request(mistake));
    }
    let selector = selector.ok_or_else(|| ApiError::bad_request("a rule needs a `selector`"))?;
    rule.selector = parts(&selector)?;
    if rule.selector.iter().any(String::is_empty) {
        return Err(ApiError::bad_request(
            "`registry`, `repository` and `tag` of `selector` are all needed; `*` is any",
        ));
    }
    if let Some(exclude) = exclude {
        rule.exclude_expiration_days = days(&exclude, "expiration_days")?;
        if let Some(selector) = exclude.object("selector")? {
            rule.exclude = parts(&selector)?;
        }
    }
    Ok(rule)
}

fn days(fields: &Fields<'_>, name: &str) -> Result<i64, ApiError> {
    let number = fields.number(name)?.unwrap_or(-1);
    if (-1..=MAX_NUMBER).contains(&number) {
        return Ok(number);
    }
    Err(ApiError::bad_request(format!("`{name}` is a number from 0 to {MAX_NUMBER}, or -1 for any")))
}

fn parts(selector: &Fields<'_>) -> Result<[String; 3], ApiError> {
    let text = |name: &str| match selector.text(name)?.unwrap_or_default() {
        text if text.len() > MAX_SELECTOR => {
            Err(ApiError::bad_request(format!("`{name}` is longer than {MAX_SELECTOR} bytes, and so than any name")))
        }
        text => Ok(text.to_owned()),
    };
    Ok([text("registry")?, text("repository")?, text("tag")?])
}

#[derive(Debug, Serialize, ToSchema)]
struct Rule {
    rule_id: String,
    selector: Selector,
    exclude: Exclude,
    analysis_age_days: i64,
    tag_versions_newer: i64,
    transition: &'static str,
    system_global: bool,
    max_images_per_account: Option<i64>,
    created_at: String,
    last_updated: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Selector {
    registry: String,
    repository: String,
    tag: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct Exclude {
    expiration_days: i64,
    selector: Selector,
}

impl Rule {
    fn of(row: ArchiveRule) -> Self {
        Self {
            rule_id: row.id,
            selector: Selector { registry: row.registry, repository: row.repository, tag: row.tag },
            exclude: Exclude {
                expiration_days: row.exclude_expiration_days,
                selector: Selector {
                    registry: row.exclude_registry,
                    repository: row.exclude_repository,
                    tag: row.exclude_tag,
                },
            },
            analysis_age_days: row.analysis_age_days,
            tag_versions_newer: row.tag_versions_newer,
            transition: row.transition.as_str(),
            system_global: row.system_global,
            max_images_per_account: row.max_images_per_account,
            created_at: seconds(instant(row.created_at)),
            last_updated: seconds(instant(row.updated_at)),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct RuleHistory {
    rule_id: String,
    #[serde(rename = "imageDigest")]
    image_digest: String,
    transition: &'static str,
    created_at: String,
}

impl RuleHistory {
    fn of(row: HistoryRow) -> Self {
        Self {
            rule_id: row.rule,
            image_digest: row.digest,
            transition: row.transition.as_str(),
            created_at: seconds(instant(row.created_at)),
        }
    }
}

/// A rule to be: with `selector`, or for all accounts with `max_images_per_account`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
pub(in crate::api) struct RuleRequest {
    #[schema(pattern = "^(archive|delete)$")]
    transition: String,
    selector: Option<SelectorRequest>,
    exclude: Option<ExcludeRequest>,
    #[schema(minimum = -1, maximum = 1_000_000)]
    analysis_age_days: Option<i64>,
    #[schema(minimum = -1, maximum = 1_000_000)]
    tag_versions_newer: Option<i64>,
    system_global: Option<bool>,
    #[schema(minimum = 1, maximum = 1_000_000)]
    max_images_per_account: Option<i64>,
}

/// Images, by name: `*` is any.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct SelectorRequest {
    registry: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
}

/// Images that are left alone.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read with `Fields`, whose words clients know")]
struct ExcludeRequest {
    #[schema(minimum = -1, maximum = 1_000_000)]
    expiration_days: Option<i64>,
    selector: Option<SelectorRequest>,
}
