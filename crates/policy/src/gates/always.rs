//! The gate that asks nothing.

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};

pub(super) const GATE: Gate = Gate {
    name: "always",
    description: "Fires whatever the image is; for tests of mappings and allowlists, and to refuse images by mapping.",
    state: State::Active,
    superseded_by: None,
    triggers: &[Trigger {
        name: "always",
        description: "Fires once for every image the policy is applied to.",
        params: &[],
        check,
    }],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn check(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    check.fire_as(
        "always".to_owned(),
        Vec::new(),
        "Unconditional trigger match".to_owned(),
        Some("remove the rule, or map the image to another policy".to_owned()),
    );
    Ok(())
}
