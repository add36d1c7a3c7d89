//! `killick image add --from`: the image is read here, and the server gets what was found in it.

use killick_server::{ArchiveLabel, Config};
use serde_json::{Map, Value};

use super::import;
use crate::client::Outcome;
use crate::client::api::{Api, Failure};
use crate::local::image::analyse_for_server;

/// Analyses `source` as a server without settings of its own does, and adds the image as `tag`.
pub(super) async fn add(
    api: &Api,
    source: &str,
    tag: &str,
    dockerfile: Option<String>,
    annotations: Map<String, Value>,
) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| Failure::local(error.to_string());
    let inspections = killick_server::compile_inspections(&Config::default().inspections);
    let inspections = inspections.map_err(|error| failed(&error))?;
    let analysis = analyse_for_server(source, inspections).await.map_err(|error| failed(&format!("{error:#}")))?;
    let label = ArchiveLabel { tag, dockerfile, annotations, at: crate::clock::now() };
    let document = killick_server::pack_archive(&analysis, label).map_err(|error| failed(&error))?;
    // Whoever adds an image twice, or under a second tag, adds it all the same.
    import::send(api, "/import/images?add_again=true", &document, source).await
}
