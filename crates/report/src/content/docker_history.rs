//! The build steps, as `docker history` shows them.

use killick_model::analysis::{Analysis, LayerSummary};
use killick_model::image::History;
use serde_json::{Value, json};

use super::Subject;
use crate::python_json::{dumps, mime_base64};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    json!(mime_base64(dumps(&steps(subject.analysis)).as_bytes()))
}

/// One entry for each step, oldest first, with the layer it made; without a history one for each layer.
fn steps(analysis: &Analysis) -> Value {
    let nothing = History::default();
    if analysis.config.history.is_empty() {
        return analysis.layers.iter().map(|layer| step(&nothing, Some(layer))).collect();
    }
    let mut layers = analysis.layers.iter();
    let history = analysis.config.history.iter();
    history.map(|entry| step(entry, if entry.empty_layer { None } else { layers.next() })).collect()
}

fn step(entry: &History, layer: Option<&LayerSummary>) -> Value {
    json!({
        "Created": entry.created.as_deref().unwrap_or_default(),
        "CreatedBy": entry.created_by.as_deref().unwrap_or_default(),
        "Comment": "",
        "Id": layer.map_or_else(|| "<missing>".to_owned(), |layer| layer.digest.to_string()),
        "Size": layer.map_or(0, |layer| layer.size),
        "Tags": [],
    })
}
