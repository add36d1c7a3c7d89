//! The catalogue of events.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::permission::{Authenticated, Guarded, Permission};
use crate::events::{CATEGORIES, EVENTS, EventType};

pub(super) fn router() -> OpenApiRouter<Guarded> {
    OpenApiRouter::new().routes(routes!(list))
}

#[utoipa::path(get, path = "/event_types", tag = "Events", responses((status = 200, body = [EventCategory])))]
async fn list(_: Permission<Authenticated>) -> Json<Vec<EventCategory>> {
    Json(CATEGORIES.iter().filter(|(name, _)| !name.contains('.')).map(|(name, text)| category(name, text)).collect())
}

fn category(name: &'static str, description: &'static str) -> EventCategory {
    let below = CATEGORIES.iter().filter_map(|(full, description)| {
        let (above, own) = full.split_once('.')?;
        (above == name).then(|| subcategory(full, own, description))
    });
    EventCategory { name, description, subcategories: below.collect() }
}

fn subcategory(full: &'static str, name: &'static str, description: &'static str) -> EventSubcategory {
    let told = |event: &EventType| {
        let name = event.name.strip_prefix(full)?.strip_prefix('.')?;
        Some(Event { name, r#type: event.name, message: event.message, resource_type: event.resource })
    };
    let mut events: Vec<Event> = EVENTS.iter().filter_map(told).collect();
    events.sort_by_key(|event| event.name);
    EventSubcategory { name, description, events }
}

#[derive(Debug, Serialize, ToSchema)]
struct EventCategory {
    name: &'static str,
    description: &'static str,
    subcategories: Vec<EventSubcategory>,
}

#[derive(Debug, Serialize, ToSchema)]
struct EventSubcategory {
    name: &'static str,
    description: &'static str,
    events: Vec<Event>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Event {
    name: &'static str,
    r#type: &'static str,
    message: &'static str,
    resource_type: &'static str,
}
