//! The advisory index, told as the feed of version 1: one feed, a group for every namespace.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use killick_vulns::BuildError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use crate::api::error::{ApiError, FEED_SYNC_ALREADY_IN_PROGRESS};
use crate::api::input::{Path, Query};
use crate::api::permission::{Authenticated, Guarded, Permission, UpdateFeeds};
use crate::app::App;
use crate::knowledge::SyncError;
use crate::publications::Origin;
use crate::syncing::{Announced, FEED};
use crate::{clock, syncing};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list, sync))
        .routes(routes!(toggle, delete))
        .routes(routes!(toggle_group, delete_group))
}

#[utoipa::path(get, path = "/system/feeds", tag = "Feeds", responses((status = 200, body = [FeedMetadata])))]
async fn list(require: Permission<Authenticated>) -> Json<Vec<FeedMetadata>> {
    Json(vec![feed(&require.app)])
}

#[utoipa::path(post, path = "/system/feeds", tag = "Feeds",
    params(("flush" = Option<bool>, Query), ("sync" = Option<bool>, Query)),
    responses((status = 200, body = [FeedSyncResult]), (status = 409)))]
async fn sync(require: Permission<UpdateFeeds>, query: Query) -> Result<Json<Vec<FeedSyncResult>>, ApiError> {
    query.flag("flush")?;
    query.flag("sync")?;
    let started = clock::now();
    let app = require.app.clone();
    // A client that does not wait for the end does not stop it.
    let running = tokio::spawn(async move { syncing::sync(&app, Announced::All).await });
    let synced = running.await.map_err(|error| ApiError::internal(&error))?;
    let unreadable = synced.map_err(|error| match error {
        SyncError::Running => {
            ApiError::conflict("the advisories are being updated already").with_code(FEED_SYNC_ALREADY_IN_PROGRESS)
        }
        SyncError::NotConfigured => ApiError::conflict(error.to_string()),
        // Only an administrator can mend it, and only they ask.
        SyncError::Build(cause @ (BuildError::NothingFound { .. } | BuildError::NothingRead { .. })) => {
            ApiError::conflict(format!(
                "the advisory index could not be built: {cause}; put files that lie like the upstreams into \
                 `knowledge.feeds_dir`, such as `osv/PyPI/all.zip` or `debian/tracker.json`"
            ))
        }
        error => ApiError::internal(&error),
    })?;
    let seconds = clock::now().duration_since(started).as_secs_f64();
    let groups = require
        .app
        .knowledge()
        .counts()
        .into_iter()
        .map(|(group, records)| GroupSyncResult {
            group,
            status: "success",
            total_time_seconds: seconds,
            updated_record_count: records,
            updated_image_count: 0,
        })
        .collect();
    let status = if unreadable.is_empty() { "success" } else { "failure" };
    Ok(Json(vec![FeedSyncResult { feed: FEED, status, total_time_seconds: seconds, groups }]))
}

#[utoipa::path(put, path = "/system/feeds/{feed}", tag = "Feeds",
    params(("feed" = String, Path), ("enabled" = bool, Query)), responses((status = 200, body = FeedMetadata)))]
async fn toggle(
    require: Permission<UpdateFeeds>,
    Path(name): Path<String>,
    query: Query,
) -> Result<Json<FeedMetadata>, ApiError> {
    query.required("enabled")?;
    let enabled = query.flag("enabled")?.unwrap_or(true);
    known(&name)?;
    if !enabled {
        return Err(ApiError::bad_request(format!("the feed `{name}` cannot be disabled on this service")));
    }
    Ok(Json(feed(&require.app)))
}

#[utoipa::path(delete, path = "/system/feeds/{feed}", tag = "Feeds", params(("feed" = String, Path)),
    responses((status = 200, body = FeedMetadata), (status = 409)))]
async fn delete(_: Permission<UpdateFeeds>, Path(name): Path<String>) -> Result<Json<FeedMetadata>, ApiError> {
    known(&name)?;
    Err(ApiError::conflict(format!("the feed `{name}` is enabled: its data cannot be deleted")))
}

#[utoipa::path(put, path = "/system/feeds/{feed}/{group}", tag = "Feeds",
    params(("feed" = String, Path), ("group" = String, Path), ("enabled" = bool, Query)),
    responses((status = 501)))]
async fn toggle_group(
    require: Permission<UpdateFeeds>,
    Path((name, group)): Path<(String, String)>,
    query: Query,
) -> Result<(), ApiError> {
    query.required("enabled")?;
    query.flag("enabled")?;
    refuse_group(&require.app, &name, &group)
}

#[utoipa::path(delete, path = "/system/feeds/{feed}/{group}", tag = "Feeds",
    params(("feed" = String, Path), ("group" = String, Path)), responses((status = 501)))]
async fn delete_group(
    require: Permission<UpdateFeeds>,
    Path((name, group)): Path<(String, String)>,
) -> Result<(), ApiError> {
    refuse_group(&require.app, &name, &group)
}

fn refuse_group(app: &App, name: &str, group: &str) -> Result<(), ApiError> {
    known(name)?;
    if !app.knowledge().counts().contains_key(group) {
        return Err(ApiError::not_found(format!("the feed `{name}` has no group `{group}`")));
    }
    Err(ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        "the groups of this feed are one index: they cannot be switched or deleted one by one",
    ))
}

fn known(name: &str) -> Result<(), ApiError> {
    if name == FEED { Ok(()) } else { Err(ApiError::not_found(format!("there is no feed `{name}`"))) }
}

/// When the provider of each namespace was last found to be as it is here; of several, the latest.
fn syncs(app: &App) -> BTreeMap<String, Timestamp> {
    let health: BTreeMap<String, Timestamp> = app
        .knowledge()
        .health()
        .into_iter()
        .filter_map(|health| Some((health.provider, health.last_success?)))
        .collect();
    let mut syncs = BTreeMap::new();
    for source in app.knowledge().status().into_iter().flat_map(|status| status.sources) {
        if let Some(at) = health.get(&source.provider) {
            let last = syncs.entry(source.namespace).or_insert(*at);
            *last = (*at).max(*last);
        }
    }
    syncs
}

fn feed(app: &App) -> FeedMetadata {
    let built = app.knowledge().built().map(seconds);
    let syncs = syncs(app);
    let groups = app
        .knowledge()
        .counts()
        .into_iter()
        .map(|(name, record_count)| FeedGroupMetadata {
            enabled: true,
            created_at: built.clone(),
            updated_at: built.clone(),
            last_sync: syncs.get(&name).copied().map(seconds).or_else(|| built.clone()),
            name,
            record_count,
        })
        .collect();
    FeedMetadata {
        name: FEED,
        enabled: true,
        created_at: built.clone(),
        updated_at: built.clone(),
        last_full_sync: built,
        origin: app.knowledge().origin(),
        groups,
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct FeedMetadata {
    name: &'static str,
    enabled: bool,
    created_at: Option<String>,
    updated_at: Option<String>,
    last_full_sync: Option<String>,
    /// Where the index came from; an addition of ours.
    #[schema(value_type = Option<Object>)]
    origin: Option<Origin>,
    groups: Vec<FeedGroupMetadata>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FeedGroupMetadata {
    name: String,
    enabled: bool,
    created_at: Option<String>,
    updated_at: Option<String>,
    last_sync: Option<String>,
    record_count: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct FeedSyncResult {
    feed: &'static str,
    status: &'static str,
    total_time_seconds: f64,
    groups: Vec<GroupSyncResult>,
}

#[derive(Debug, Serialize, ToSchema)]
struct GroupSyncResult {
    group: String,
    status: &'static str,
    total_time_seconds: f64,
    updated_record_count: u64,
    updated_image_count: u64,
}
