//! Files with secrets, in the form of the content search: the name of a rule, its pattern, and lines.
//!
//! What upper layers deleted is left out, as the original saw only the merged image.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Subject, wire_line};

pub(super) fn render(subject: &Subject<'_>) -> Value {
    let Some(scan) = &subject.analysis.inspection.secrets else { return json!([]) };
    let mut files: BTreeMap<_, BTreeMap<&str, Vec<u64>>> = BTreeMap::new();
    for secret in scan.findings.iter().filter(|secret| !secret.is_hidden) {
        files.entry(&secret.path).or_default().entry(&secret.rule).or_default().push(wire_line(secret.line));
    }
    let record = |(path, rules): (&killick_model::path::ImagePath, BTreeMap<&str, Vec<u64>>)| {
        let matches = rules.into_iter().map(|(name, mut lines)| {
            lines.dedup();
            let regex = scan.patterns.get(name).map_or("", String::as_str);
            json!({ "name": name, "regex": regex, "lines": lines })
        });
        json!({ "path": path.to_string(), "matches": matches.collect::<Vec<_>>() })
    };
    files.into_iter().map(record).collect()
}
