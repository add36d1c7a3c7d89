//! The JSON Schema of bundles, for editors and for tools that know no gates: made of the gate list, so that it knows every
//! gate, trigger and parameter there is.
//!
//! It accepts what the engine accepts, in the historic and the current names. What depends on several members at once
//! (references between objects, conditions that contradict each other) is for validation.

use serde_json::{Map, Value, json};

use crate::gates::{GATES, Gate, State, Trigger};
use crate::params::Parameter;
use crate::policy::VERSION;

/// Where the document is published.
const ID: &str = "https://raw.githubusercontent.com/killick-project/killick/main/schemas/policy-bundle.json";
/// A name with a capital, which is accepted like the one in lower case and not looked at any further.
const HAS_CAPITAL: &str = "[A-Z]";

/// The schema, of draft 2020-12.
pub fn bundle_schema() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let list = |of: &str, description: &str| json!({"type": "array", "items": {"$ref": format!("#/$defs/{of}")}, "description": description});
    let ids = |description: &str| json!({"type": "array", "items": {"type": "string"}, "description": description});
    let either = |historic: &str, current: &str| json!({"anyOf": [{"required": [historic]}, {"required": [current]}]});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Policy bundle",
        "description": "Policies, allowlists and the mappings that choose them, in the format of Anchore Engine.",
        "type": "object",
        "required": ["id", "version", "mappings"],
        "allOf": [either("policies", "rule_sets")],
        "properties": {
            "$schema": {"type": "string"},
            "id": text("The name of the bundle on a server."),
            "version": {"const": VERSION},
            "name": text("A name for people."),
            "comment": text("A comment."),
            "description": text("What it is for."),
            "policies": list("policy", "Lists of rules."),
            "rule_sets": list("policy", "Lists of rules."),
            "whitelists": list("allowlist", "Findings that are accepted."),
            "allowlists": list("allowlist", "Findings that are accepted."),
            "mappings": list("mapping", "Which policies judge which images. The first that matches counts."),
            "whitelisted_images": list("listed_image", "Images that always pass."),
            "allowlisted_images": list("listed_image", "Images that always pass."),
            "blacklisted_images": list("listed_image", "Images that never pass."),
            "denylisted_images": list("listed_image", "Images that never pass."),
        },
        "$defs": {
            "policy": {
                "type": "object",
                "required": ["id", "version", "rules"],
                "properties": {
                    "id": text("What mappings name."),
                    "version": {"const": VERSION},
                    "name": text("A name for people."),
                    "comment": text("A comment."),
                    "rules": list("rule", "The rules. The strictest action of all that fire counts."),
                },
            },
            "rule": rule(),
            "allowlist": {
                "type": "object",
                "required": ["id", "version", "items"],
                "properties": {
                    "id": text("What mappings name."),
                    "version": {"const": VERSION},
                    "name": text("A name for people."),
                    "comment": text("A comment."),
                    "items": list("item", "The findings."),
                },
            },
            "item": {
                "type": "object",
                "required": ["gate", "trigger_id"],
                "properties": {
                    "id": text("Its name, which evaluations tell."),
                    "gate": gate_name(),
                    "trigger_id": text("The id of a finding of the gate, with `*` for any text, or `regexp:` and an expression."),
                    "expires_on": {
                        "type": "string",
                        "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}([.:]\d{1,6})?Z$",
                        "description": "From when it does not count any more, in UTC.",
                        "examples": ["2030-12-31T00:00:00Z"],
                    },
                },
            },
            "mapping": {
                "type": "object",
                "required": ["name", "registry", "repository", "image"],
                "allOf": [
                    {"oneOf": [
                        {"required": ["policy_id"]}, {"required": ["policy_ids"]}, {"required": ["rule_set_ids"]},
                    ]},
                    either("whitelist_ids", "allowlist_ids"),
                ],
                "properties": with_image(json!({
                    "policy_id": text("The policy."),
                    "policy_ids": ids("The policies."),
                    "rule_set_ids": ids("The policies."),
                    "whitelist_ids": ids("The allowlists; `[]` for none."),
                    "allowlist_ids": ids("The allowlists; `[]` for none."),
                })),
            },
            "listed_image": {
                "type": "object",
                "required": ["name", "registry", "repository", "image"],
                "properties": with_image(json!({})),
            },
            "image": {
                "type": "object",
                "required": ["type", "value"],
                "properties": {
                    "type": {"enum": ["tag", "digest", "id"]},
                    "value": text("A tag with `*` for any text, a digest with `sha256:`, or an id without it."),
                },
            },
        },
    })
}

fn with_image(more: Value) -> Value {
    let mut properties = json!({
        "id": {"type": "string"},
        "name": {"type": "string", "description": "A name for people."},
        "registry": {"type": "string", "description": "Registry, with `*` for any text.", "examples": ["*", "docker.io"]},
        "repository": {"type": "string", "description": "Repository, with `*` for any text.", "examples": ["*", "team/*"]},
        "image": {"$ref": "#/$defs/image"},
    });
    if let (Some(properties), Value::Object(more)) = (properties.as_object_mut(), more) {
        properties.extend(more);
    }
    properties
}

fn active() -> impl Iterator<Item = &'static Gate> {
    GATES.iter().copied().filter(|gate| gate.state == State::Active)
}

/// Known names, and names in capitals.
fn named(names: &[String]) -> Value {
    json!({"type": "string", "anyOf": [{"enum": names}, {"pattern": HAS_CAPITAL}]})
}

fn gate_name() -> Value {
    named(&active().map(|gate| gate.name.to_owned()).collect::<Vec<_>>())
}

/// A name and what is understood in its place.
fn spellings(name: &str) -> Vec<String> {
    let current = name.replace("blacklist", "denylist").replace("whitelist", "allowlist");
    if current == name { vec![name.to_owned()] } else { vec![name.to_owned(), current] }
}

fn rule() -> Value {
    let mut cases = Vec::new();
    for gate in active() {
        let names: Vec<String> = gate.triggers.iter().flat_map(|trigger| spellings(trigger.name)).collect();
        let mut trigger = named(&names);
        trigger["description"] = gate.description.into();
        cases.push(json!({
            "if": {"required": ["gate"], "properties": {"gate": {"const": gate.name}}},
            "then": {"properties": {"trigger": trigger}},
        }));
        cases.extend(gate.triggers.iter().map(|trigger| {
            let names = spellings(trigger.name);
            json!({
                "if": {
                    "required": ["gate", "trigger"],
                    "properties": {"gate": {"const": gate.name}, "trigger": {"enum": names}},
                },
                "then": {"properties": {"params": params(trigger)}},
            })
        }));
    }
    json!({
        "type": "object",
        "required": ["gate", "trigger", "action", "params"],
        "properties": {
            "id": {"type": "string", "description": "Its name, which evaluations tell."},
            "gate": gate_name(),
            "trigger": {"type": "string"},
            "action": {"enum": ["STOP", "WARN", "GO"], "description": "What happens if it fires; GO only reports."},
            "params": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "value"],
                    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                },
            },
        },
        "allOf": cases,
    })
}

/// The parameters of a trigger: any of them, and those that are required.
fn params(trigger: &Trigger) -> Value {
    let mut schema = Map::new();
    schema.insert("description".to_owned(), trigger.description.into());
    if trigger.params.is_empty() {
        schema.insert("maxItems".to_owned(), json!(0));
        return Value::Object(schema);
    }
    let mut kinds: Vec<Value> = trigger.params.iter().map(param).collect();
    kinds.push(json!({"properties": {"name": {"pattern": HAS_CAPITAL}}}));
    schema.insert("items".to_owned(), json!({"anyOf": kinds}));
    let required = trigger.params.iter().filter(|parameter| parameter.required).map(|parameter| {
        let mut names: Vec<Value> = names(parameter).into_iter().map(|name| json!({"const": name})).collect();
        names.push(json!({"pattern": HAS_CAPITAL}));
        json!({"contains": {"required": ["name"], "properties": {"name": {"anyOf": names}}}})
    });
    let required: Vec<Value> = required.collect();
    if !required.is_empty() {
        schema.insert("allOf".to_owned(), required.into());
    }
    Value::Object(schema)
}

fn names(parameter: &Parameter) -> Vec<&'static str> {
    std::iter::once(parameter.name).chain(parameter.aliases.iter().copied()).collect()
}

fn param(parameter: &Parameter) -> Value {
    let mut value = parameter.validator.schema();
    value["description"] = parameter.description.into();
    if let Some(example) = parameter.example {
        value["examples"] = json!([example]);
    }
    json!({
        "title": parameter.name,
        "properties": {"name": {"enum": names(parameter), "description": parameter.description}, "value": value},
    })
}
