//! The Dockerfile the user supplied. A guessed one is not handed out.

use serde_json::{Value, json};

use super::Subject;
use crate::python_json::mime_base64;

pub(super) fn render(subject: &Subject<'_>) -> Value {
    subject.dockerfile.map_or_else(|| json!([]), |text| json!(mime_base64(text.as_bytes())))
}
