//! Gems.

use super::{Gate, State, Trigger, published};
use crate::params::{Parameter, Validator};

pub(super) const GATE: Gate = Gate {
    name: "ruby_gems",
    description: "Gems: names and versions, alone and against what is published.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "newer_version_found_in_feed",
            description: "Fires for each installed gem that is not the latest version in the feed.",
            params: &[],
            check: published::newer,
        },
        Trigger {
            name: "not_found_in_feed",
            description: "Fires for each installed gem whose name is not in the feed.",
            params: &[],
            check: published::unknown,
        },
        Trigger {
            name: "version_not_found_in_feed",
            description: "Fires for each installed gem whose version is not in the feed.",
            params: &[],
            check: published::version_unknown,
        },
        Trigger {
            name: "blacklist",
            description: "Fires if a gem with the name and, if given, the version is installed.",
            params: &[
                Parameter::required("name", Validator::Text, Some("time_diff"), "Name of the gem."),
                Parameter::optional("version", Validator::Text, Some("0.2.9"), "The version that is refused."),
            ],
            check: published::listed,
        },
        Trigger {
            name: "feed_data_unavailable",
            description: "Fires if there is no gem feed, and so nothing to compare with.",
            params: &[],
            check: published::unavailable,
        },
    ],
};
