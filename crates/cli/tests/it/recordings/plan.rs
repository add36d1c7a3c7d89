//! The order in which recordings are replayed, and the state they assume: `plan.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::here;

/// Runs on one service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    /// `own` or `original`.
    set: String,
    /// Needs the registry with the recorded images.
    #[serde(default)]
    pub(super) images: bool,
    /// Nobody answers.
    #[serde(default)]
    pub(super) stopped: bool,
    pub(super) steps: Vec<Step>,
}

/// One thing to do.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum Step {
    /// Replay the recording of this name.
    Case(String),
    /// Make state with our client; it must succeed.
    Run {
        run: Vec<String>,
        #[serde(default)]
        files: BTreeMap<String, String>,
    },
    /// Restart the service with these roles only.
    Roles { roles: Vec<String> },
}

#[derive(Deserialize)]
struct Plan {
    group: Vec<Group>,
}

/// The groups about `set`, in order.
pub(super) fn groups(set: &str) -> Vec<Group> {
    let text = fs_err::read_to_string(here().join("plan.toml")).expect("the plan is there");
    let plan: Plan = toml::from_str(&text).expect("the plan is right");
    plan.group.into_iter().filter(|group| group.set == set).collect()
}
