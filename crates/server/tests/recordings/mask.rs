//! What is volatile, and what has no order.

use serde_json::Value;

/// Members whose value depends on when and where the recording was made. Their type still counts.
const VOLATILE: &[&str] = &[
    "analyzed_at",
    "base_url",
    "created_at",
    "hostid",
    "last_evaluation",
    "last_full_sync",
    "last_modified",
    "last_sync",
    "last_updated",
    "record_state_val",
    "tag_detected_at",
    "total_time_seconds",
    "updated_at",
];

/// Members whose items have no order.
const SETS: &[&str] = &["content", "groups", "image_detail", "rows", "service_states", "vulnerabilities"];

/// The value with volatile members replaced by their type and sets in one order.
pub(crate) fn masked(value: &Value) -> Value {
    let mut value = mask(value);
    if let Value::Array(items) = &mut value
        && items.iter().all(Value::is_object)
    {
        sort(items);
    }
    value
}

fn mask(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let mut value = if VOLATILE.contains(&name.as_str()) { kind(value) } else { mask(value) };
                if let Value::Array(items) = &mut value
                    && SETS.contains(&name.as_str())
                {
                    sort(items);
                }
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(mask).collect(),
        other => other.clone(),
    }
}

fn sort(items: &mut [Value]) {
    items.sort_by_cached_key(canonical);
}

/// The value as text with its members in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}={}", canonical(value))).collect();
            members.sort();
            members.join(",")
        }
        Value::Array(items) => items.iter().map(canonical).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

fn kind(value: &Value) -> Value {
    Value::from(match value {
        Value::Null => return Value::Null,
        Value::Bool(_) => "<boolean>",
        Value::Number(_) => "<number>",
        Value::String(_) => "<text>",
        Value::Array(_) => "<list>",
        Value::Object(_) => "<object>",
    })
}
