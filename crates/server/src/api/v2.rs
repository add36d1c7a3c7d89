//! Version 2 of the API, in names of our own: one module per resource.

mod accounts;
mod alerts;
mod api_keys;
mod archive;
mod audit;
mod dry_run;
mod events;
mod exceptions;
mod fleet;
mod images;
mod knowledge;
mod login;
mod notifications;
mod paging;
mod policies;
mod progress;
mod registries;
mod roles;
mod subscriptions;
mod users;

use utoipa_axum::router::OpenApiRouter;

use crate::api::permission::Guarded;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .merge(images::router())
        .merge(knowledge::router())
        .merge(exceptions::router())
        .merge(dry_run::router())
        .merge(progress::router())
        .merge(login::router())
        .merge(roles::router())
        .merge(api_keys::router())
        .merge(audit::router())
        .merge(alerts::router())
        .merge(events::router())
        .merge(notifications::router())
        .merge(policies::router())
        .merge(subscriptions::router())
        .merge(registries::router())
        .merge(fleet::router())
        .merge(accounts::router())
        .merge(users::router())
        .merge(archive::router())
}
