//! Watching repositories: their tags are added as images, now and when there are others.

use axum::Json;
use killick_store::subscriptions::{self as stored, subscription_id};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::pull_string::PullString;
use super::subscriptions::Subscription;
use crate::api::error::ApiError;
use crate::api::input::Query;
use crate::api::permission::{CreateRepository, Guarded, PermissionOn};
use crate::auth::Resource;
use crate::repositories::{self, KIND};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(create))
}

/// Answers a subscription; with `dryrun`, what it would be. The tags are those of the registry now.
#[utoipa::path(post, path = "/repositories", tag = "Repositories",
    extensions(("x-narrowed-by" = json!("repository"))),
    params(("repository" = String, Query, pattern = "^[A-Za-z0-9@:/_.-]{1,512}$"), ("autosubscribe" = Option<bool>, Query), ("dryrun" = Option<bool>, Query)),
    responses((status = 200, body = [Object]), (status = 404)))]
async fn create(require: PermissionOn<CreateRepository>, query: Query) -> Result<Json<Value>, ApiError> {
    let asked = query.required("repository")?;
    let autosubscribe = query.flag("autosubscribe")?.unwrap_or(false);
    let dry_run = query.flag("dryrun")?.unwrap_or(false);
    let PullString::Reference(named) = PullString::parse(asked)? else {
        return Err(ApiError::bad_request(format!("`{asked}` is no repository")));
    };
    let require = require.on([Resource::repository(&named.registry, &named.repository)])?;
    let (app, account) = (&require.app, require.account.as_str());
    let place = (named.registry.as_str(), named.repository.as_str());
    let (subscription, found) = repositories::watch(app, account, place, asked, autosubscribe, dry_run).await?;
    let value = Some(found.to_text());
    let Some(subscription) = subscription else {
        let key = format!("{}/{}", named.registry, named.repository);
        return Ok(Json(json!([{
            "active": false,
            "subscription_id": subscription_id(account, &key, KIND),
            "subscription_key": key,
            "subscription_type": KIND,
            "subscription_value": value,
            "userId": account,
        }])));
    };
    let told = Subscription::of(stored::Subscription { value, ..subscription });
    let mut record = serde_json::to_value(told).map_err(|error| ApiError::internal(&error))?;
    record["record_state_key"] = "active".into();
    record["record_state_val"] = Value::Null;
    Ok(Json(json!([record])))
}
