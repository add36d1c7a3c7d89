//! What of the image could not be read or understood. Version 1 of the API had no place for it.

use serde_json::{Value, json};

use super::Subject;

pub(super) fn render(subject: &Subject<'_>) -> Value {
    subject.analysis.problems.iter().map(|problem| json!(problem)).collect()
}
