//! The image's manifest.

use serde_json::{Value, json};

use super::Subject;
use crate::python_json::{dumps, mime_base64};

/// The document, not its bytes: it is written anew, as v1 does.
pub(super) fn render(subject: &Subject<'_>) -> Value {
    match serde_json::from_slice::<Value>(subject.manifest) {
        Ok(manifest) => json!(mime_base64(dumps(&manifest).as_bytes())),
        Err(_) => json!([]),
    }
}
