//! Files in which patterns of the user's matched.

use serde_json::{Value, json};

use super::{Subject, wire_line};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    let files = subject.analysis.inspection.content_search.iter().flatten();
    let record = |file: &killick_model::inspection::SearchedFile| {
        let matches = file.matches.iter().map(|found| {
            let lines: Vec<u64> = found.lines.iter().copied().map(wire_line).collect();
            json!({ "name": found.name, "regex": found.regex, "lines": lines })
        });
        json!({ "path": file.path.to_string(), "matches": matches.collect::<Vec<_>>() })
    };
    files.map(record).collect()
}
