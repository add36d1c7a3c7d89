//! What two bundles say differently, object by object.

use serde::Serialize;
use serde_json::Value;

use crate::bundle::canonical;

/// How something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only the second bundle has it.
    Added,
    /// Only the first bundle has it.
    Removed,
    /// Both have it, with differences.
    Changed,
    /// Both have it, in another order, where the order counts.
    Moved,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// How it changed.
    pub kind: ChangeKind,
    /// Where it is: in the second bundle, or if it was removed in the first.
    pub path: String,
    /// What it is, for people.
    pub what: String,
    /// What of it is different.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

/// Members that carry no meaning for verdicts.
const PROSE: &[&str] = &["comment", "description", "name", "$schema"];

/// What the second bundle says that the first does not, and the other way round. Comments, names and the order of
/// parameters make no difference.
pub fn bundles(first: &Value, second: &Value) -> Vec<Change> {
    let (first, second) = (canonical(first), canonical(second));
    let mut changes = Vec::new();
    let text = |bundle: &Value, key: &str| bundle.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    for key in ["id", "version"] {
        let (was, is) = (text(&first, key), text(&second, key));
        if was != is {
            let details = vec![format!("`{is}`, not `{was}`")];
            changes.push(Change { kind: ChangeKind::Changed, path: key.to_owned(), what: key.to_owned(), details });
        }
    }
    let rules = Kind { name: "rule", list: "rules", title: rule_title, key: |rule| word(rule, "id"), ordered: false };
    let items =
        Kind { name: "item", list: "items", title: item_title, key: |item| Some(item_title(item)), ordered: false };
    for (list, name, inner) in [("policies", "policy", &rules), ("whitelists", "allowlist", &items)] {
        let outer = Kind {
            name,
            list,
            title: |object| format!("`{}`", word(object, "id").unwrap_or_default()),
            key: |object| word(object, "id"),
            ordered: false,
        };
        for pair in outer.pairs(&first, &second) {
            match pair {
                (Some((_, was)), Some((at, is))) => inner.compare(was, is, &format!("{list}.{at}."), &mut changes),
                lone => changes.extend(outer.lone(lone, "")),
            }
        }
    }
    for (list, name, ordered) in [
        ("mappings", "mapping", true),
        ("whitelisted_images", "allowed image", false),
        ("blacklisted_images", "denied image", false),
    ] {
        let kind = Kind {
            name,
            list,
            title: image_title,
            key: |object| word(object, "id").or_else(|| word(object, "name")),
            ordered,
        };
        kind.compare(&first, &second, "", &mut changes);
    }
    changes
}

/// Whether two objects are the same one.
type Alike<'t> = dyn Fn(&Value, &Value) -> bool + 't;
type Entry<'v> = Option<(usize, &'v Value)>;

/// A kind of object in lists.
struct Kind {
    name: &'static str,
    list: &'static str,
    title: fn(&Value) -> String,
    /// What tells which objects of two lists are the same, where they are not equal.
    key: fn(&Value) -> Option<String>,
    ordered: bool,
}

impl Kind {
    /// Objects of both lists that are the same: equal ones, then those with the same key, then the rest.
    fn pairs<'v>(&self, first: &'v Value, second: &'v Value) -> Vec<(Entry<'v>, Entry<'v>)> {
        let entries = |of: &'v Value| of.get(self.list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut left: Vec<Entry<'v>> = entries(first).iter().enumerate().map(Some).collect();
        let right = entries(second);
        let mut partners: Vec<Entry<'v>> = vec![None; right.len()];
        let is_equal = |one: &Value, other: &Value| meaning(one) == meaning(other);
        let has_key = |one: &Value, other: &Value| (self.key)(one).is_some() && (self.key)(one) == (self.key)(other);
        let is_alike = |one: &Value, other: &Value| self.name == "rule" && (self.title)(one) == (self.title)(other);
        let tests: [&Alike<'_>; 3] = [&is_equal, &has_key, &is_alike];
        for test in tests {
            for (entry, partner) in right.iter().zip(&mut partners).filter(|(_, partner)| partner.is_none()) {
                let found = left.iter_mut().find(|one| one.is_some_and(|(_, one)| test(one, entry)));
                *partner = found.and_then(Option::take);
            }
        }
        let paired = right.iter().enumerate().zip(partners).map(|(entry, partner)| (partner, Some(entry)));
        let mut pairs: Vec<(Entry<'v>, Entry<'v>)> = paired.collect();
        pairs.extend(left.into_iter().flatten().map(|entry| (Some(entry), None)));
        pairs
    }

    fn compare(&self, first: &Value, second: &Value, path: &str, changes: &mut Vec<Change>) {
        let mut highest = None;
        for pair in self.pairs(first, second) {
            let (Some((was_at, was)), Some((at, is))) = pair else {
                changes.extend(self.lone(pair, path));
                continue;
            };
            let details = differences(was, is);
            let (place, what) = (format!("{path}{}.{at}", self.list), format!("{} {}", self.name, (self.title)(is)));
            if !details.is_empty() {
                changes.push(Change { kind: ChangeKind::Changed, path: place.clone(), what: what.clone(), details });
            }
            if self.ordered && highest.is_some_and(|highest| was_at < highest) {
                let details = vec![format!("it was `{path}{}.{was_at}`", self.list)];
                changes.push(Change { kind: ChangeKind::Moved, path: place, what, details });
            }
            highest = highest.max(Some(was_at));
        }
    }

    fn lone(&self, pair: (Entry<'_>, Entry<'_>), path: &str) -> Option<Change> {
        let (kind, at, object) = match pair {
            (None, Some((at, object))) => (ChangeKind::Added, at, object),
            (Some((at, object)), None) => (ChangeKind::Removed, at, object),
            _ => return None,
        };
        let path = format!("{path}{}.{at}", self.list);
        Some(Change { kind, path, what: format!("{} {}", self.name, (self.title)(object)), details: Vec::new() })
    }
}

fn word(object: &Value, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn rule_title(rule: &Value) -> String {
    let text = |key: &str| word(rule, key).unwrap_or_default();
    format!("{} {}.{}", text("action").to_uppercase(), text("gate").to_lowercase(), text("trigger").to_lowercase())
}

fn item_title(item: &Value) -> String {
    let text = |key: &str| word(item, key).unwrap_or_default();
    format!("{} `{}`", text("gate").to_lowercase(), text("trigger_id"))
}

fn image_title(mapping: &Value) -> String {
    let text = |key: &str| word(mapping, key).unwrap_or_default();
    let image = |key: &str| mapping.get("image").and_then(|image| word(image, key)).unwrap_or_default();
    let separator = if image("type") == "tag" { ":" } else { "@" };
    format!("`{}` ({}/{}{separator}{})", text("name"), text("registry"), text("repository"), image("value"))
}

/// An object without prose, with parameters by name, and words that are read in any case in lower case.
fn meaning(object: &Value) -> Value {
    let Value::Object(members) = object else { return object.clone() };
    let mut members = members.clone();
    for key in PROSE {
        members.remove(*key);
    }
    for key in ["gate", "trigger", "action"] {
        if let Some(Value::String(text)) = members.get_mut(key) {
            *text = text.to_lowercase();
        }
    }
    if let Some(Value::Array(params)) = members.remove("params") {
        for param in params {
            let name = word(&param, "name").unwrap_or_default().to_lowercase();
            members.insert(format!("params.{name}"), param.get("value").cloned().unwrap_or_default());
        }
    }
    members.sort_keys();
    Value::Object(members)
}

/// Members that are not the same.
fn differences(was: &Value, is: &Value) -> Vec<String> {
    let (was, is) = (meaning(was), meaning(is));
    let (Some(was), Some(is)) = (was.as_object(), is.as_object()) else { return Vec::new() };
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut told = Vec::new();
    for (key, value) in is {
        let name = key.strip_prefix("params.").unwrap_or(key);
        match was.get(key) {
            None => told.push(format!("{name} `{}` added", shown(value))),
            Some(old) if old != value => told.push(format!("{name} `{}`, not `{}`", shown(value), shown(old))),
            Some(_) => {}
        }
    }
    let gone = was.iter().filter(|(key, _)| !is.contains_key(*key));
    told.extend(
        gone.map(|(key, old)| format!("{} `{}` removed", key.strip_prefix("params.").unwrap_or(key), shown(old))),
    );
    told
}
