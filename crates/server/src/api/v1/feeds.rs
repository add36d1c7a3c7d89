//! The advisory index, told as the feed of version 1: one feed, a group for every namespace.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::StatusCode;
use jiff::Timestamp;
use killick_fetch::feeds::FeedError;
use killick_vulns::BuildError;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::encoding::seconds;
use crate::api::error::{ApiError, FEED_SYNC_ALREADY_IN_PROGRESS};
use crate::api::input::{Path, Query};
use crate::api::permission::{Authenticated, Guarded, Permission, UpdateFeeds};
use crate::api::recording;
use crate::app::App;
use crate::knowledge::{Fetch, SyncError};
use crate::publications::Origin;
use crate::syncing::{Announced, FEED};
use crate::update::UpdateError;
use crate::{clock, herald, syncing};

/// The other feed that clients know by name: of packages and their versions, which this service has no data of.
const PACKAGES: &str = "packages";

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .routes(routes!(list, sync))
        .routes(routes!(toggle, delete))
        .routes(routes!(toggle_group, delete_group))
}

#[utoipa::path(get, path = "/system/feeds", tag = "Feeds", responses((status = 200, body = [FeedMetadata])))]
async fn list(require: Permission<Authenticated>) -> Result<Json<Vec<FeedMetadata>>, ApiError> {
    let enabled = syncing::is_enabled(&require.app).await?;
    Ok(Json(vec![feed(&require.app, enabled)]))
}

/// Answers when the update is over. With `flush`, nothing that was fetched before is used. A disabled feed is not updated,
/// and not listed.
#[utoipa::path(post, path = "/system/feeds", tag = "Feeds",
    params(("flush" = Option<bool>, Query), ("sync" = Option<bool>, Query)),
    responses((status = 200, body = [FeedSyncResult]), (status = 409), (status = 502)))]
async fn sync(require: Permission<UpdateFeeds>, query: Query) -> Result<Json<Vec<FeedSyncResult>>, ApiError> {
    let fetch = if query.flag("flush")?.unwrap_or(false) { Fetch::Everything } else { Fetch::Changes };
    query.flag("sync")?;
    let started = clock::now();
    let app = require.app.clone();
    // A client that does not wait for the end does not stop it.
    let running = tokio::spawn(herald::carried(async move { syncing::sync(&app, Announced::All, fetch).await }));
    let failures = match running.await.map_err(|error| ApiError::internal(&error))? {
        Err(SyncError::Disabled) => return Ok(Json(Vec::new())),
        synced => synced.map_err(refused)?,
    };
    let seconds = clock::now().duration_since(started).as_secs_f64();
    let knowledge = require.app.knowledge();
    let failed = knowledge.failed_groups(&failures);
    let mut counts = knowledge.counts();
    // Clients show nothing but groups.
    for group in &failed {
        counts.entry(group.clone()).or_insert(0);
    }
    let groups = counts.into_iter().map(|(group, records)| GroupSyncResult {
        status: syncing::status(!failed.contains(&group)),
        group,
        total_time_seconds: seconds,
        updated_record_count: records,
        updated_image_count: 0,
    });
    let (status, groups) = (syncing::status(failures.is_empty()), groups.collect());
    Ok(Json(vec![FeedSyncResult { feed: FEED, status, total_time_seconds: seconds, groups }]))
}

/// Why there was no update. Only an administrator can mend it, and only they ask: they are told the cause.
fn refused(error: SyncError) -> ApiError {
    let status = match error {
        SyncError::Running => {
            return ApiError::conflict("the advisories are being updated already")
                .with_code(FEED_SYNC_ALREADY_IN_PROGRESS);
        }
        SyncError::Build(cause @ (BuildError::NothingFound { .. } | BuildError::NothingRead { .. })) => {
            return ApiError::conflict(format!(
                "the advisory index could not be built: {cause}; put files that lie like the upstreams into \
                 `knowledge.feeds_dir`, such as `osv/PyPI/all.zip` or `debian/tracker.json`"
            ));
        }
        SyncError::Store(error) => return error.into(),
        SyncError::Disabled | SyncError::NotConfigured => StatusCode::CONFLICT,
        SyncError::Build(_)
        | SyncError::Open(_)
        | SyncError::Update(
            UpdateError::Build(_) | UpdateError::File { .. } | UpdateError::Fetch(FeedError::File { .. }),
        ) => StatusCode::INTERNAL_SERVER_ERROR,
        SyncError::Update(_) | SyncError::Take(_) => StatusCode::BAD_GATEWAY,
    };
    if status.is_server_error() {
        tracing::error!(error = %error, "the advisories were not updated on request: {}", error.told());
    }
    ApiError::new(status, error.advised())
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
    recording::before(&feed(&require.app, syncing::is_enabled(&require.app).await?));
    syncing::enable(&require.app, enabled).await?;
    Ok(Json(feed(&require.app, enabled)))
}

/// Deletes what was fetched, so that the next update begins from nothing. The index that was built of it stays.
#[utoipa::path(delete, path = "/system/feeds/{feed}", tag = "Feeds", params(("feed" = String, Path)),
    responses((status = 200, body = FeedMetadata), (status = 400), (status = 409), (status = 502)))]
async fn delete(require: Permission<UpdateFeeds>, Path(name): Path<String>) -> Result<Json<FeedMetadata>, ApiError> {
    known(&name)?;
    if syncing::is_enabled(&require.app).await? {
        return Err(ApiError::conflict("Cannot delete an enabled feed. Disable the feed first"));
    }
    require.app.knowledge().clear().await.map_err(refused)?;
    Ok(Json(feed(&require.app, false)))
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
    params(("feed" = String, Path), ("group" = String, Path)), responses((status = 400), (status = 501)))]
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
    match name {
        FEED => Ok(()),
        PACKAGES => Err(ApiError::bad_request(format!("the feed `{name}` is not supported by this service"))),
        _ => Err(ApiError::not_found(format!("there is no feed `{name}`"))),
    }
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

fn feed(app: &App, enabled: bool) -> FeedMetadata {
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
        enabled,
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
