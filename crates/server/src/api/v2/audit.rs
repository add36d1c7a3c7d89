//! The audit log: who changed what.

use axum::Json;
use jiff::Timestamp;
use killick_store::audit::{Audit, AuditFilter};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::{bad, limit, number, page};
use crate::api::error::ApiError;
use crate::api::input::Query;
use crate::api::permission::{Guarded, ListAudit, Permission};
use crate::records::instant;

/// Entries on a page, unless another number is asked for; and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The changes in the account, the newest first, page by page; for administrators with `all_accounts`, in all.
#[utoipa::path(get, path = "/v2/audit", tag = "Audit",
    params(("username" = Option<String>, Query), ("action" = Option<String>, Query), ("path" = Option<String>, Query),
        ("since" = Option<String>, Query), ("before" = Option<String>, Query), ("all_accounts" = Option<bool>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = AuditPage), (status = 400), (status = 403)))]
async fn list(require: Permission<ListAudit>, query: Query) -> Result<Json<AuditPage>, ApiError> {
    let limit = limit(&query, PAGE, MAX_PAGE)?;
    let below = number(&query)?;
    let text = |name: &str| query.text(name).map(str::to_owned);
    let mut filter = AuditFilter {
        account: None,
        username: text("username"),
        action: text("action"),
        path: text("path"),
        since: time(&query, "since")?,
        before: time(&query, "before")?,
        below,
    };
    if query.flag("all_accounts")?.unwrap_or(false) {
        if !require.caller.is_admin {
            return Err(ApiError::forbidden("system", "listAudit", "*"));
        }
    } else {
        // An earlier account of that name was somebody else's.
        let account = require.app.records().account(&require.account).await?;
        let since = account.map(|account| account.created_at.as_microsecond());
        filter.since = filter.since.max(since);
        filter.account = Some(require.account.clone());
    }
    let one_more = i64::try_from(limit + 1).unwrap_or(i64::MAX);
    let found = require.app.records().store().audit(&filter, one_more).await?;
    let (entries, next_cursor) = page(found, limit, |entry| entry.id.to_string());
    Ok(Json(AuditPage { items: entries.into_iter().map(wire).collect(), next_cursor }))
}

fn time(query: &Query, name: &str) -> Result<Option<i64>, ApiError> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let stamp: Result<Timestamp, _> = text.parse();
    let stamp = stamp.map_err(|_| bad(format!("`{name}` must be a time as in 2030-01-31T00:00:00Z")))?;
    Ok(Some(stamp.as_microsecond()))
}

fn wire(entry: Audit) -> AuditEntry {
    let document = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    AuditEntry {
        id: entry.id,
        account: entry.account,
        username: entry.username,
        user_account: entry.user_account,
        via: entry.via,
        action: entry.action,
        method: entry.method,
        path: entry.path,
        request_id: entry.request,
        client: entry.client,
        before: document(entry.before),
        after: document(entry.after),
        status: entry.status,
        created_at: instant(entry.created_at).to_string(),
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct AuditPage {
    items: Vec<AuditEntry>,
    /// For the next page; none on the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AuditEntry {
    id: i64,
    /// The account that was acted in.
    account: String,
    username: String,
    /// Whose user that is.
    user_account: String,
    /// `password`, `token` (one given for the password), `key:` with its id, or `oidc`.
    via: String,
    /// The permission it took.
    action: String,
    method: String,
    path: String,
    request_id: String,
    client: Option<String>,
    before: Option<Value>,
    /// The answer, which is the thing as it is now. Of a long one, the digest.
    after: Option<Value>,
    /// The status of the answer; none if nobody was there to take it.
    status: Option<i64>,
    created_at: String,
}
