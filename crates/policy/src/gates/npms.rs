//! Packages of npm.

use killick_model::package::PackageKind;

use super::published::{self, Words};
use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};

const WORDS: Words =
    Words { kind: PackageKind::Npm, not_latest: "NPMNOTLATEST ", capitals: "NPM", title: "NPM", feed: "npm" };

pub(super) const GATE: Gate = Gate {
    name: "npms",
    description: "Packages of npm: names and versions, alone and against what is published.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "newer_version_in_feed",
            description: "Fires for each installed npm package that is not the latest version in the feed.",
            params: &[],
            check: newer,
        },
        Trigger {
            name: "unknown_in_feeds",
            description: "Fires for each installed npm package whose name is not in the feed.",
            params: &[],
            check: unknown,
        },
        Trigger {
            name: "version_not_in_feeds",
            description: "Fires for each installed npm package whose version is not in the feed.",
            params: &[],
            check: version_unknown,
        },
        Trigger {
            name: "blacklisted_name_version",
            description: "Fires if an npm package with the name and, if given, the version is installed.",
            params: &[
                Parameter::required("name", Validator::Text, Some("time_diff"), "Name of the npm package."),
                Parameter::optional("version", Validator::Text, Some("0.2.9"), "The version that is refused."),
            ],
            check: listed,
        },
        Trigger {
            name: "feed_data_unavailable",
            description: "Fires if there is no npm feed, and so nothing to compare with.",
            params: &[],
            check: unavailable,
        },
    ],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn newer(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    published::newer(check, &WORDS);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn unknown(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    published::unknown(check, &WORDS);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn version_unknown(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    published::version_unknown(check, &WORDS);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn listed(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    published::listed(check, &WORDS);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn unavailable(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    published::unavailable(check, &WORDS);
    Ok(())
}
