//! Calls and their answers, for people to read in snapshots.

use std::fmt::Write as _;

use serde_json::Value;

use crate::caller::Service;

/// Members that are other each time.
const VOLATILE: &[&str] = &[
    "analyzed_at",
    "archive_size_bytes",
    "base_url",
    "created_at",
    "detected_at",
    "expires_at",
    "generated_uuid",
    "last_update",
    "last_updated",
    "request_id",
    "rule_id",
    "tag_detected_at",
    "timestamp",
    "total_data_bytes",
    "uuid",
];

/// Every call with status and body of its answer; what is in `names` is written by its name.
pub(crate) async fn told(
    service: &Service,
    login: &str,
    names: &[(&str, &str)],
    calls: Vec<(&str, String, Value)>,
) -> String {
    let mut text = String::new();
    for (method, path, body) in calls {
        let (status, answer) = service.call(login, method, &path, body.clone()).await;
        let sent = if body.is_null() { String::new() } else { format!(" {body}") };
        let answer = serde_json::to_string_pretty(&masked(&answer)).unwrap();
        writeln!(text, "{method} {path}{sent}\n{status} {answer}\n").unwrap();
    }
    named(text, names)
}

/// A text in which what is in `names` is written by its name.
pub(crate) fn named(text: String, names: &[(&str, &str)]) -> String {
    names.iter().fold(text, |text, (value, name)| text.replace(value, name))
}

/// A value without what is other each time, its members in order.
pub(crate) fn masked(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            let mask = |name: &str, value: &Value| match value {
                Value::Null => Value::Null,
                _ if VOLATILE.contains(&name) => format!("<{name}>").into(),
                value => masked(value),
            };
            members.into_iter().map(|(name, value)| (name.clone(), mask(name, value))).collect()
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        other => other.clone(),
    }
}
