//! Known vulnerabilities, and whether we would know.

use jiff::{SignedDuration, Timestamp};
use killick_model::distribution::Distribution;

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::evidence::FeedGroup;
use crate::params::{Parameter, Validator};
use crate::python;
use crate::v1;

mod package;
mod scores;

pub(crate) use package::{package_part, trigger_ids};

const COMPARISONS: Validator = Validator::OneOf(&["=", "!=", "<", ">", "<=", ">="]);

const VENDOR_ONLY: Parameter = Parameter::optional(
    "vendor_only",
    Validator::Boolean,
    Some("true"),
    "Leave out what the vendor says it will not fix. Default: true.",
);

pub(super) const GATE: Gate = Gate {
    name: "vulnerabilities",
    description: "Known vulnerabilities of installed packages, and the state of the data about them.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "package",
            description: "Fires for each vulnerability of a package that meets all conditions given.",
            params: package::PARAMETERS,
            check: package::package,
        },
        Trigger {
            name: "stale_feed_data",
            description: "Fires if the vulnerability data for the distribution is older than allowed.",
            params: &[Parameter::required(
                "max_days_since_sync",
                Validator::Integer,
                Some("10"),
                "Greatest age of the data in days.",
            )],
            check: stale_feed_data,
        },
        Trigger {
            name: "vulnerability_data_unavailable",
            description: "Fires if there is no vulnerability data for the distribution. Language packages do not count.",
            params: &[],
            check: vulnerability_data_unavailable,
        },
        Trigger {
            name: "blacklist",
            description: "Fires once if any of the listed vulnerabilities is present, naming those that are.",
            params: &[
                Parameter::required(
                    "vulnerability_ids",
                    Validator::List,
                    Some("CVE-2019-1234"),
                    "Identifiers of vulnerabilities.",
                ),
                VENDOR_ONLY,
            ],
            check: blacklist,
        },
    ],
};

/// `now` minus a number of days; the earliest instant where the number is absurd.
fn days_before(now: Timestamp, days: u64) -> Timestamp {
    let hours = i64::try_from(days).unwrap_or(i64::MAX).checked_mul(24);
    hours
        .filter(|&hours| hours < 200_000_000)
        .and_then(|hours| now.checked_sub(SignedDuration::from_hours(hours)).ok())
        .unwrap_or(Timestamp::MIN)
}

/// The feeds that may speak for the distribution of the image, in the order they are asked.
fn distribution_feeds<'f>(check: &Check<'_, 'f>) -> Vec<&'f FeedGroup> {
    let feeds: &'f [FeedGroup] = check.evidence.feeds;
    v1::distribution_namespaces(check.evidence.analysis)
        .iter()
        .filter_map(|name| feeds.iter().find(|feed| feed.namespace == *name && feed.records > 0))
        .collect()
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn stale_feed_data(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let days = check.params.integer("max_days_since_sync").unwrap_or_default();
    let oldest = days_before(check.evidence.now, days);
    let synced = distribution_feeds(check).last().and_then(|feed| feed.last_sync);
    if synced.is_none_or(|synced| synced < oldest) {
        check.fire(
            format!("The vulnerability feed for this image distro is older than MAXAGE ({days}) days"),
            "judge by newer vulnerability data: `killick db update`".to_owned(),
        );
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn vulnerability_data_unavailable(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    if distribution_feeds(check).is_empty() {
        // Told by its own name, also where another distribution's data would have served.
        let distribution = check.evidence.analysis.distribution.as_ref();
        let version = |own: &Distribution| own.version.clone().filter(|version| !version.is_empty());
        let namespace = distribution.and_then(|own| Some(format!("{}:{}", own.id, version(own)?)));
        let namespace = namespace.as_deref().unwrap_or("None");
        check.fire(
            format!(
                "Distro-specific feed data not found for distro namespace: {namespace}. Cannot perform CVE scan \
                 OS/distro packages"
            ),
            "use a base image of a supported distribution, or add data for it with `killick db build`".to_owned(),
        );
    }
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn blacklist(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let params = check.params;
    let vendor_only = params.flag("vendor_only").unwrap_or(true);
    let mut present: Vec<&str> = Vec::new();
    for id in params.list("vulnerability_ids") {
        let listed = check
            .evidence
            .matches
            .matches
            .iter()
            .filter(|found| found.vulnerability == *id || found.aliases.contains(id));
        let mut dropped_only = true;
        let mut any = false;
        for found in listed {
            any = true;
            dropped_only &= v1::will_not_fix(found);
        }
        let counts = match (any, dropped_only, vendor_only) {
            (false, _, _) | (_, true, true) => false,
            (true, true, false) => check.repair("Q-04"),
            (true, false, _) => true,
        };
        if counts {
            present.push(id);
        }
    }
    if !present.is_empty() {
        check.fire(
            format!("Blacklisted vulnerabilities detected: {}", python::list(present.iter().copied())),
            format!("upgrade or remove the packages that have {}", present.join(", ")),
        );
    }
    Ok(())
}
