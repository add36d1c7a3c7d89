//! What is past the end of its support. Not in the original.

use jiff::tz::TimeZone;
use killick_model::lifecycle::{Support, Unsupported};

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};

const ALLOW_EXTENDED: Parameter = Parameter::optional(
    "allow_extended",
    Validator::Boolean,
    Some("false"),
    "Whether support that goes on for those who pay or ask for it will do. Default: true.",
);

pub(super) const GATE: Gate = Gate {
    name: "lifecycle",
    description: "Distributions and programs past the end of their support. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "distribution_ended",
            description: "Fires if the distribution of the image is not supported any more.",
            params: &[ALLOW_EXTENDED],
            check: distribution_ended,
        },
        Trigger {
            name: "program_ended",
            description: "Fires for each line of a program, such as an interpreter, that is not supported any more.",
            params: &[ALLOW_EXTENDED],
            check: program_ended,
        },
    ],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn distribution_ended(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    ended(check, true);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn program_ended(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    ended(check, false);
    Ok(())
}

fn ended(check: &mut Check<'_, '_>, is_distribution: bool) {
    let allows_extended = check.params.flag("allow_extended").unwrap_or(true);
    let is_asked = |found: &&Unsupported| {
        found.packages.is_empty() == is_distribution && !(allows_extended && found.support == Support::Extended)
    };
    let mut ended: Vec<_> = check.evidence.unsupported.iter().filter(is_asked).collect();
    ended.sort_by_key(|found| (&found.product, &found.cycle));
    for found in ended {
        let (product, cycle) = (&found.product, &found.cycle);
        let since = found.ended.map(|ended| format!(" since {}", TimeZone::UTC.to_datetime(ended).date()));
        let what =
            if found.support == Support::Extended { "only supported on request" } else { "not supported any more" };
        check.fire_as(
            format!("{product}+{cycle}"),
            Vec::new(),
            format!("{product} {cycle} is {what}{}", since.unwrap_or_default()),
            Some(if is_distribution {
                format!("build on a release of {product} that is supported")
            } else {
                format!("upgrade {product} to a line that is supported")
            }),
        );
    }
}
