//! Which vulnerabilities matter now: exploited ones, likely ones, and packages that do harm on purpose. Not in the original.

use killick_model::matching::Match;
use killick_model::package::Package;

use super::vulnerabilities::trigger_ids;
use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};
use crate::python;

const FIX_AVAILABLE: Parameter = Parameter::optional(
    "fix_available",
    Validator::Boolean,
    Some("true"),
    "Whether a fixed version must be known, or must not.",
);

pub(super) const GATE: Gate = Gate {
    name: "threats",
    description: "Vulnerabilities that are exploited or likely to be, and malicious packages. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "known_exploited",
            description: "Fires for each vulnerability that is known to be exploited (CISA KEV).",
            params: &[FIX_AVAILABLE],
            check: known_exploited,
        },
        Trigger {
            name: "likely_exploited",
            description: "Fires for each vulnerability whose probability of being exploited within 30 days (EPSS) is at \
                          least this.",
            params: &[
                Parameter::required("probability", Validator::Float, Some("0.1"), "The probability, 0 to 1."),
                FIX_AVAILABLE,
            ],
            check: likely_exploited,
        },
        Trigger {
            name: "risk",
            description: "Fires for each vulnerability whose risk is at least this.",
            params: &[Parameter::required("score", Validator::Float, Some("70"), "The risk, 0 to 100."), FIX_AVAILABLE],
            check: risk,
        },
        Trigger {
            name: "malicious_package",
            description: "Fires for each package that does harm on purpose.",
            params: &[],
            check: malicious_package,
        },
    ],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn known_exploited(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    each(check, |found| found.known_exploited.then(|| "is known to be exploited".to_owned()));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn likely_exploited(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let least = check.params.float("probability").unwrap_or_default();
    each(check, |found| {
        let probability = found.epss.filter(|&probability| probability >= least)?;
        let (probability, least) = (python::float(probability), python::float(least));
        Some(format!("is exploited with a probability of {probability}, at least {least}"))
    });
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn risk(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let least = check.params.float("score").unwrap_or_default();
    each(check, |found| {
        let (risk, least) = (found.risk >= least).then(|| (python::float(found.risk), python::float(least)))?;
        Some(format!("has a risk of {risk}, at least {least}"))
    });
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn malicious_package(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    each(check, |found| found.malicious.then(|| "says that the package is malicious".to_owned()));
    Ok(())
}

/// Fires for each match of which there is something to say.
fn each(check: &mut Check<'_, '_>, says: impl Fn(&Match) -> Option<String>) {
    let (shared, evidence) = (check.shared, check.evidence);
    let fix_available = check.params.flag("fix_available");
    for &at in shared.matches() {
        let Some(found) = evidence.matches.matches.get(at) else { continue };
        let Some(package) = evidence.analysis.packages.get(found.package.0 as usize) else { continue };
        let fix = found.fix.versions.iter().find(|version| !version.is_empty());
        if fix_available.is_some_and(|wanted| wanted != fix.is_some()) {
            continue;
        }
        let Some(what) = says(found) else { continue };
        let (id, aliases) = trigger_ids(found, package, package.kind.is_os());
        let message = format!("{} of {} {} {what}", found.anchore_id(package), package.name, package.version);
        let remedy = remedy(found, package, fix.map(String::as_str));
        check.fire_as(id, aliases, message, Some(remedy));
    }
}

fn remedy(found: &Match, package: &Package, fix: Option<&str>) -> String {
    let (name, version) = (&package.name, &package.version);
    match fix {
        _ if found.malicious => format!("remove `{name}` {version}, and treat whatever ran it as compromised"),
        Some(fix) => format!("upgrade `{name}` from `{version}` to `{fix}`"),
        None => format!("no fix is known: remove `{name}`, or accept the risk in an allowlist"),
    }
}
