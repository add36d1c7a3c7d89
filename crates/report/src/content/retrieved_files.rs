//! Files that were kept whole.

use serde_json::{Value, json};

use super::Subject;
use crate::python_json::mime_base64;

pub(super) fn render(subject: &Subject<'_>) -> Value {
    let files = subject.analysis.inspection.retrieved_files.iter().flatten();
    files.map(|file| json!({ "path": file.path.to_string(), "b64_content": mime_base64(&file.content) })).collect()
}
