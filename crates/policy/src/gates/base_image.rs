//! What an image is built on. Not in the original, which sees the `FROM` of a supplied Dockerfile only.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};
use crate::pattern::wildcard;

const BASES: Parameter = Parameter::required(
    "bases",
    Validator::Wildcards,
    Some("debian:12*,sha256:0123…"),
    "Names of base images, in which `*` stands for anything; digests of their manifests; digests of their layers.",
);

pub(super) const GATE: Gate = Gate {
    name: "base_image",
    description: "What the image is built on, by the last FROM of its Dockerfile, else by the labels \
                  `org.opencontainers.image.base.*`. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "not_allowed",
            description: "Fires if the base image is none of the listed ones, or if nothing tells what it is.",
            params: &[BASES],
            check: not_allowed,
        },
        Trigger {
            name: "denied",
            description: "Fires if the base image is one of the listed ones.",
            params: &[BASES],
            check: denied,
        },
        Trigger {
            name: "age",
            description: "Fires if the last step of the base image is older than this, or if nothing tells when it was.",
            params: &[Parameter::required("max_days", Validator::Integer, Some("90"), "Greatest age in days.")],
            check: age,
        },
    ],
};

/// What of the list the image is built on.
fn listed(check: &Check<'_, '_>) -> Option<String> {
    let base = check.shared.base();
    let layers = &check.evidence.analysis.layers;
    let is_it = |wanted: &&String| {
        base.names.iter().any(|name| wildcard(wanted, name))
            || base.digests.contains(wanted)
            || layers.iter().any(|layer| {
                layer.diff_id.to_string() == wanted.as_str() || layer.digest.to_string() == wanted.as_str()
            })
    };
    check.params.list("bases").iter().find(is_it).cloned()
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn not_allowed(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    if listed(check).is_some() {
        return Ok(());
    }
    let allowed = check.params.list("bases").join(", ");
    let base = check.shared.base();
    let name = base.names.first().or(base.digests.first());
    let message = match name {
        Some(name) => format!("the base image `{name}` is none of {allowed}"),
        None => format!("nothing tells what the image is built on; it has to be one of {allowed}"),
    };
    let remedy = match name {
        Some(name) => format!("change the line `FROM {name}` of the Dockerfile to one of {allowed}"),
        None => "supply the Dockerfile, or set the label `org.opencontainers.image.base.name` when building".to_owned(),
    };
    check.fire_as(name.map_or_else(|| "unknown".to_owned(), Clone::clone), Vec::new(), message, Some(remedy));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn denied(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    if check.shared.base().names.is_empty() && check.shared.base().digests.is_empty() {
        check.warn_unseen("nothing tells the name of the base image; only layers were compared");
    }
    if let Some(listed) = listed(check) {
        let base = check.shared.base();
        let name = base.names.first().or(base.digests.first()).unwrap_or(&listed).clone();
        check.fire_as(
            name.clone(),
            Vec::new(),
            format!("the base image `{name}` is refused by `{listed}`"),
            Some(format!("change the line `FROM {name}` of the Dockerfile to another image")),
        );
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn age(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let days = check.params.integer("max_days").unwrap_or_default();
    let age = check.shared.base().built.map(|built| check.days_since(built));
    let message = match age {
        Some(age) if age <= days => return Ok(()),
        Some(age) => format!("the base image is {age} days old, more than {days}"),
        None => "the history of the image does not tell how old its base image is".to_owned(),
    };
    let name = check.shared.base().names.first().map(|name| format!(" `{name}`")).unwrap_or_default();
    check.fire_as(
        if age.is_some() { "old" } else { "unknown" }.to_owned(),
        Vec::new(),
        message,
        Some(format!("pull the base image{name} anew and build on it: `docker build --pull`")),
    );
    Ok(())
}
