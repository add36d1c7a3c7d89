//! The shape of a bundle document: which fields there are, of which type.
//!
//! Texts are those of the validator in front of the original engine, in its order, so that the first problem is the
//! one its clients saw.

use serde_json::Value;

use crate::problem::{BundleProblem, Layer, ProblemSeverity};
use crate::python;

/// What a field must be.
enum Shape {
    Text,
    OneOf(&'static [&'static str]),
    Expiry,
    TextList,
    Object(&'static Object),
    List(&'static Object),
}

/// The fields of an object.
struct Object {
    required: &'static [&'static str],
    fields: &'static [(&'static str, Shape)],
}

static BUNDLE: Object = Object {
    required: &["id", "version", "policies", "mappings"],
    fields: &[
        ("id", Shape::Text),
        ("name", Shape::Text),
        ("comment", Shape::Text),
        ("version", Shape::Text),
        ("whitelists", Shape::List(&ALLOWLIST)),
        ("policies", Shape::List(&POLICY)),
        ("mappings", Shape::List(&MAPPING)),
        ("whitelisted_images", Shape::List(&LISTED_IMAGE)),
        ("blacklisted_images", Shape::List(&LISTED_IMAGE)),
    ],
};
static ALLOWLIST: Object = Object {
    required: &["id", "version"],
    fields: &[
        ("id", Shape::Text),
        ("name", Shape::Text),
        ("version", Shape::Text),
        ("comment", Shape::Text),
        ("items", Shape::List(&ITEM)),
    ],
};
static ITEM: Object = Object {
    required: &["gate", "trigger_id"],
    fields: &[("id", Shape::Text), ("gate", Shape::Text), ("trigger_id", Shape::Text), ("expires_on", Shape::Expiry)],
};
static POLICY: Object = Object {
    required: &["id", "version"],
    fields: &[
        ("id", Shape::Text),
        ("name", Shape::Text),
        ("comment", Shape::Text),
        ("version", Shape::Text),
        ("rules", Shape::List(&RULE)),
    ],
};
static RULE: Object = Object {
    required: &["gate", "trigger", "action"],
    fields: &[
        ("id", Shape::Text),
        ("gate", Shape::Text),
        ("trigger", Shape::Text),
        ("action", Shape::OneOf(&["GO", "STOP", "WARN"])),
        ("params", Shape::List(&PARAMETER)),
    ],
};
static PARAMETER: Object =
    Object { required: &["name", "value"], fields: &[("name", Shape::Text), ("value", Shape::Text)] };
static MAPPING: Object = Object {
    required: &["name", "registry", "repository", "image"],
    fields: &[
        ("id", Shape::Text),
        ("name", Shape::Text),
        ("whitelist_ids", Shape::TextList),
        ("policy_id", Shape::Text),
        ("policy_ids", Shape::TextList),
        ("registry", Shape::Text),
        ("repository", Shape::Text),
        ("image", Shape::Object(&IMAGE)),
    ],
};
static LISTED_IMAGE: Object = Object {
    required: &["name", "registry", "repository", "image"],
    fields: &[
        ("id", Shape::Text),
        ("name", Shape::Text),
        ("registry", Shape::Text),
        ("repository", Shape::Text),
        ("image", Shape::Object(&IMAGE)),
    ],
};
static IMAGE: Object = Object {
    required: &["type", "value"],
    fields: &[("type", Shape::OneOf(&["tag", "digest", "id"])), ("value", Shape::Text)],
};

const EXPIRY_PATTERN: &str = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:\:\d+)?[A-Z]?$";

/// Most problems that are collected; a client never needs more.
const MAX_PROBLEMS: usize = 100;

/// Everything the schema says against the document.
pub(crate) fn check(document: &Value) -> Vec<BundleProblem> {
    let mut problems = Vec::new();
    object(document, &BUNDLE, "", &mut problems);
    problems.truncate(MAX_PROBLEMS);
    problems
}

fn object(value: &Value, shape: &Object, path: &str, problems: &mut Vec<BundleProblem>) {
    let Value::Object(fields) = value else {
        report(problems, path, format!("{} is not of type 'object'", python::value(value)), "write an object");
        return;
    };
    for name in shape.required {
        if !fields.contains_key(*name) {
            report(problems, path, format!("'{name}' is a required property"), &format!("add `{name}`"));
        }
    }
    for (name, shape) in shape.fields {
        if problems.len() >= MAX_PROBLEMS {
            return;
        }
        let Some(field) = fields.get(*name) else { continue };
        let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
        self::field(field, shape, &path, problems);
    }
}

fn field(value: &Value, shape: &Shape, path: &str, problems: &mut Vec<BundleProblem>) {
    match shape {
        Shape::Object(fields) => object(value, fields, path, problems),
        Shape::List(fields) => each(value, path, problems, |item, path, problems| object(item, fields, path, problems)),
        Shape::TextList => each(value, path, problems, |item, path, problems| {
            text(item, path, problems);
        }),
        Shape::Text => {
            text(value, path, problems);
        }
        Shape::OneOf(words) => {
            if let Some(word) = text(value, path, problems)
                && !words.contains(&word)
            {
                report(
                    problems,
                    path,
                    format!("{} is not one of {}", python::repr(word), python::list(words.iter().copied())),
                    &format!("write one of {}", words.join(", ")),
                );
            }
        }
        Shape::Expiry => {
            if let Some(word) = text(value, path, problems)
                && !looks_like_instant(word)
            {
                report(
                    problems,
                    path,
                    format!("{} does not match {}", python::repr(word), python::repr(EXPIRY_PATTERN)),
                    "write UTC like `2030-12-31T00:00:00Z`, or leave `expires_on` out",
                );
            }
        }
    }
}

fn each(
    value: &Value,
    path: &str,
    problems: &mut Vec<BundleProblem>,
    check: impl Fn(&Value, &str, &mut Vec<BundleProblem>),
) {
    let Value::Array(items) = value else {
        report(problems, path, format!("{} is not of type 'array'", python::value(value)), "write a list");
        return;
    };
    for (at, item) in items.iter().enumerate() {
        if problems.len() >= MAX_PROBLEMS {
            return;
        }
        check(item, &format!("{path}.{at}"), problems);
    }
}

fn text<'v>(value: &'v Value, path: &str, problems: &mut Vec<BundleProblem>) -> Option<&'v str> {
    if let Value::String(text) = value {
        return Some(text);
    }
    report(problems, path, format!("{} is not of type 'string'", python::value(value)), "write a text in quotes");
    None
}

/// [`EXPIRY_PATTERN`], by hand.
fn looks_like_instant(text: &str) -> bool {
    let Some((fixed, rest)) = text.split_at_checked(19) else { return false };
    let shape_fits = fixed.bytes().zip("dddd-dd-ddTdd:dd:dd".bytes()).all(|(byte, want)| match want {
        b'd' => byte.is_ascii_digit(),
        want => byte == want,
    });
    let rest = rest.strip_suffix('\n').unwrap_or(rest);
    let rest = fraction(fraction(rest, '.'), ':');
    shape_fits && (rest.is_empty() || (rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_uppercase())))
}

fn fraction(text: &str, mark: char) -> &str {
    let Some(rest) = text.strip_prefix(mark) else { return text };
    let digits = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if digits.len() == rest.len() { text } else { digits }
}

fn report(problems: &mut Vec<BundleProblem>, path: &str, text: String, remedy: &str) {
    let details = if path.is_empty() { text.clone() } else { format!("{text} - '{path}'") };
    problems.push(BundleProblem {
        layer: Layer::Schema,
        severity: ProblemSeverity::Error,
        problem_type: "SchemaError".to_owned(),
        details,
        path: path.to_owned(),
        reason: text,
        remedy: Some(remedy.to_owned()),
    });
}
