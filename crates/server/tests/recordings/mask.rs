//! What is volatile, and what has no order.

use serde_json::{Map, Value};

/// Members whose value depends on when and where the recording was made. Their type still counts.
const VOLATILE: &[&str] = &[
    "access_token",
    "analyzed_at",
    "base_url",
    "created_at",
    "detected_at",
    "expires_at",
    "generated_uuid",
    "hostid",
    "last_evaluation",
    "last_full_sync",
    "last_modified",
    "last_sync",
    "last_update",
    "last_updated",
    "record_state_val",
    "rule_id",
    "tag_detected_at",
    "timestamp",
    "total_time_seconds",
    "updated_at",
];

/// Members whose items have no order.
const SETS: &[&str] = &[
    "affected_packages",
    "content",
    "cpes",
    "groups",
    "image_detail",
    "images",
    "nvd_data",
    "packages",
    "rows",
    "service_states",
    "vendor_data",
    "vulnerabilities",
    "vulnerable_packages",
];

/// What an item of a set is known by: the members of the first row of which it has the first.
const IDENTITIES: &[&[&str]] = &[
    &["filename"],
    &["fulltag"],
    &["subscription_id"],
    &["vuln", "feed_group", "package", "package_path"],
    &["package", "version", "location"],
    &["servicename"],
    &["group"],
    &["feed"],
    &["registry"],
    &["imageDigest"],
    &["name"],
    &["id", "namespace"],
];

/// The value with volatile members replaced by their type. A set becomes an object of its items by what they are
/// known by, so that one item more is one difference.
pub(crate) fn masked(value: &Value) -> Value {
    match mask(value) {
        Value::Array(items) if items.iter().all(Value::is_object) => Value::Object(by_identity(items)),
        other => other,
    }
}

fn mask(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let is_set = SETS.contains(&name.as_str());
                let value = if VOLATILE.contains(&name.as_str()) { kind(value) } else { mask(value) };
                let value = match value {
                    Value::Array(items) if is_set => Value::Object(by_identity(items)),
                    other => other,
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(mask).collect(),
        other => other.clone(),
    }
}

fn by_identity(items: Vec<Value>) -> Map<String, Value> {
    let mut set = Map::new();
    for (at, item) in items.into_iter().enumerate() {
        let identity = identity(&item).unwrap_or_else(|| at.to_string());
        let mut key = identity.clone();
        let mut count = 1;
        while set.contains_key(&key) {
            count += 1;
            key = format!("{identity} #{count}");
        }
        set.insert(key, item);
    }
    set
}

fn identity(item: &Value) -> Option<String> {
    let known: Vec<&str> = match item {
        // An image that was asked for, with what it was asked for.
        Value::Object(members) if members.contains_key("image") => return identity(&members["image"]),
        Value::Object(members) => {
            let names = IDENTITIES.iter().find(|names| members.contains_key(names[0]))?;
            names.iter().filter_map(|name| members.get(*name)?.as_str()).collect()
        }
        // A row of a check: what was found, by which gate and trigger.
        Value::Array(cells) => cells.iter().skip(2).take(3).filter_map(Value::as_str).collect(),
        Value::String(text) => vec![text],
        _ => return None,
    };
    Some(known.join(" "))
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
