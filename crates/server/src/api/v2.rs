//! What version 1 never had, under names of our own: one module per resource.

mod alerts;
mod api_keys;
mod audit;
mod dry_run;
mod events;
mod exceptions;
mod images;
mod knowledge;
mod notifications;
mod paging;
mod progress;
mod roles;

use utoipa_axum::router::OpenApiRouter;

use crate::api::permission::Guarded;

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new()
        .merge(images::router())
        .merge(knowledge::router())
        .merge(exceptions::router())
        .merge(dry_run::router())
        .merge(progress::router())
        .merge(roles::router())
        .merge(api_keys::router())
        .merge(audit::router())
        .merge(alerts::router())
        .merge(events::router())
        .merge(notifications::router())
}
