//! Attributes of the image as a whole.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Linked, Parameter, Validator};

const ATTRIBUTES: &[&str] =
    &["size", "architecture", "os_type", "distro", "distro_version", "like_distro", "layer_count"];
const CHECKS: &[&str] = &["=", "!=", ">", "<", ">=", "<=", "exists", "not_exists", "like", "not_like", "in", "not_in"];
const PRESENCE: &[&str] = &["exists", "not_exists"];

static VALUE: Linked = Linked {
    on: "attribute",
    cases: &[("size", Validator::Size), ("layer_count", Validator::Integer)],
    otherwise: Validator::Text,
    optional_if: ("check", PRESENCE),
};

pub(super) const GATE: Gate = Gate {
    name: "metadata",
    description: "Attributes of the image: size, platform, distribution, number of layers.",
    state: State::Active,
    superseded_by: None,
    triggers: &[Trigger {
        name: "attribute",
        description: "Fires if an attribute of the image meets the condition.",
        params: &[
            Parameter::required("attribute", Validator::OneOf(ATTRIBUTES), Some("size"), "The attribute."),
            Parameter::required("check", Validator::OneOf(CHECKS), Some(">"), "The condition."),
            Parameter::optional(
                "value",
                Validator::Linked(&VALUE),
                Some("1073741824"),
                "What the attribute is compared with. Sizes take the units kb, mb, gb and tb.",
            ),
        ],
        check: attribute,
    }],
};

/// An attribute of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Attribute {
    Absent,
    Number(u64),
    Text(String),
}

impl Attribute {
    /// What Python's truth test says.
    fn is_true(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Number(number) => *number != 0,
            Self::Text(text) => !text.is_empty(),
        }
    }

    fn print(&self) -> String {
        match self {
            Self::Absent => "None".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn read(check: &mut Check<'_, '_>, name: &str) -> Attribute {
    let analysis = check.evidence.analysis;
    let distribution = analysis.distribution.as_ref();
    let id = distribution.map_or("Unknown", |distribution| distribution.id.as_str());
    match name {
        "size" => check.evidence.image_size_bytes.map_or(Attribute::Absent, Attribute::Number),
        "layer_count" => Attribute::Number(analysis.layers.len() as u64),
        "architecture" if analysis.config.architecture.is_empty() => Attribute::Absent,
        "architecture" => Attribute::Text(analysis.config.architecture.clone()),
        // The original never fills it in.
        "os_type" if !analysis.config.os.is_empty() && check.repair("Q-21") => {
            Attribute::Text(analysis.config.os.clone())
        }
        "distro" => Attribute::Text(id.to_owned()),
        "distro_version" => {
            let version = distribution.and_then(|distribution| distribution.version.as_deref());
            Attribute::Text(version.unwrap_or("0").to_owned())
        }
        "like_distro" => {
            let like = distribution.map(|distribution| distribution.like.join(",")).unwrap_or_default();
            Attribute::Text(if like.is_empty() { id.to_owned() } else { like })
        }
        _ => Attribute::Absent,
    }
}

/// Whether the image was read from an SBOM that does not tell the attribute. What a document leaves out, the image may
/// have; what an image itself does not have, it lacks.
fn is_untold(check: &Check<'_, '_>, name: &str) -> bool {
    let analysis = check.evidence.analysis;
    let is_told = match name {
        "size" => check.evidence.image_size_bytes.is_some(),
        "layer_count" => !analysis.layers.is_empty(),
        "architecture" => !analysis.config.architecture.is_empty(),
        "os_type" => !analysis.config.os.is_empty(),
        _ => analysis.distribution.is_some(),
    };
    analysis.sbom.is_some() && !is_told
}

fn attribute(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let params = check.params;
    let name = params.text("attribute").unwrap_or_default();
    let condition = params.text("check").unwrap_or_default();
    let actual = read(check, name);
    let (wanted, given) = match (params.integer("value"), params.text("value")) {
        (Some(number), _) => (Attribute::Number(number), true),
        (None, Some(text)) => (Attribute::Text(text.to_owned()), !text.is_empty()),
        (None, None) => (Attribute::Absent, false),
    };
    if !PRESENCE.contains(&condition) && !given {
        return Ok(());
    }
    if is_untold(check, name) {
        let rule = format!("{}.{}", check.gate, check.trigger);
        let details = format!(
            "{rule}: not analyzed: the image was read from an SBOM, which does not tell its attribute `{name}`"
        );
        check.warn("EvidenceWarning", details);
        return Ok(());
    }
    let fires = match condition {
        "exists" => actual.is_true(),
        "not_exists" => !actual.is_true(),
        "=" => actual == wanted,
        "!=" => actual != wanted,
        ">" | "<" | ">=" | "<=" => {
            let order = match (&actual, &wanted) {
                (Attribute::Number(actual), Attribute::Number(wanted)) => actual.cmp(wanted),
                (Attribute::Text(actual), Attribute::Text(wanted)) => actual.cmp(wanted),
                _ => return Err(unanswerable(name, condition, &actual)),
            };
            match condition {
                ">" => order.is_gt(),
                "<" => order.is_lt(),
                ">=" => order.is_ge(),
                _ => order.is_le(),
            }
        }
        "in" | "not_in" => {
            let Attribute::Text(list) = &wanted else { return Err(unanswerable(name, condition, &actual)) };
            let listed = match &actual {
                Attribute::Text(actual) => list.split(',').any(|item| item.trim() == actual),
                _ => false,
            };
            listed == (condition == "in")
        }
        _ => {
            let (Attribute::Text(text), Some(regex)) = (&actual, check.regex("value")?) else {
                return Err(unanswerable(name, condition, &actual));
            };
            regex.is_match(text)? == (condition == "like")
        }
    };
    if fires {
        let (wanted, actual) = (wanted.print(), actual.print());
        check.fire(
            format!(
                "Attribute check for attribute: '{name}' check: '{condition}' check_value: '{wanted}' matched image \
                 value: '{actual}'"
            ),
            format!("build the image so that `{name}` is no longer `{actual}`"),
        );
    }
    Ok(())
}

fn unanswerable(name: &str, condition: &str, actual: &Attribute) -> TriggerError {
    TriggerError::Unanswerable(match actual {
        Attribute::Absent => format!("the image has no `{name}`, so `{condition}` cannot be answered"),
        _ => format!("`{condition}` cannot be asked about `{name}`"),
    })
}
