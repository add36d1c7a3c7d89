//! Which vulnerabilities matter now: exploited ones, likely ones, and packages that do harm on purpose. Not in the original.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use killick_model::matching::Match;
use killick_model::severity::Severity;

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
                Parameter::required(
                    "probability",
                    Validator::UpTo(1),
                    Some("0.1"),
                    "The probability, above 0 and up to 1.",
                ),
                FIX_AVAILABLE,
            ],
            check: likely_exploited,
        },
        Trigger {
            name: "risk",
            description: "Fires for each vulnerability whose risk is at least this.",
            params: &[
                Parameter::required("score", Validator::UpTo(100), Some("70"), "The risk, above 0 and up to 100."),
                FIX_AVAILABLE,
            ],
            check: risk,
        },
        Trigger {
            name: "malicious_package",
            description: "Fires for each package that does harm on purpose.",
            params: &[],
            check: malicious_package,
        },
        Trigger {
            name: "fix_overdue",
            description: "Fires for each vulnerability whose fix has been known for at least this long. The day counts on \
                          which the fix was first seen or the advisory published, whichever is earlier.",
            params: &[
                Parameter::required("days", Validator::Integer, Some("30"), "Days since the fix is known."),
                Parameter::optional(
                    "severity",
                    Validator::OneOf(&["unknown", "negligible", "low", "medium", "high", "critical"]),
                    Some("high"),
                    "Only vulnerabilities that are at least this severe.",
                ),
            ],
            check: fix_overdue,
        },
    ],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn known_exploited(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    each(check, |_, found| found.known_exploited.then(|| "is known to be exploited".to_owned()));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn likely_exploited(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let least = check.params.float("probability").unwrap_or_default();
    each(check, |_, found| {
        let probability = found.epss.filter(|&probability| probability >= least)?;
        let (probability, least) = (python::float(probability), python::float(least));
        Some(format!("is exploited with a probability of {probability}, at least {least}"))
    });
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn risk(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let least = check.params.float("score").unwrap_or_default();
    each(check, |_, found| {
        let (risk, least) = (found.risk >= least).then(|| (python::float(found.risk), python::float(least)))?;
        Some(format!("has a risk of {risk}, at least {least}"))
    });
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn malicious_package(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    each(check, |_, found| found.malicious.then(|| "says that the package is malicious".to_owned()));
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn fix_overdue(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let days = check.params.integer("days").unwrap_or_default();
    let least: Severity = check.params.text("severity").and_then(|word| word.parse().ok()).unwrap_or_default();
    let matches = &check.evidence.matches.matches;
    let fixed =
        |found: &&Match| found.severity >= least && found.fix.versions.iter().any(|version| !version.is_empty());
    let undated = matches.iter().filter(fixed).filter(|found| fixed_since(found).is_none()).count();
    if undated > 0 {
        check.warn(
            "EvidenceWarning",
            format!("threats.fix_overdue: nothing tells since when {undated} vulnerabilities have a fix"),
        );
    }
    let ages: Vec<Option<u64>> = matches
        .iter()
        .map(|found| Some(found).filter(fixed).and_then(fixed_since).map(|since| check.days_since(since)))
        .collect();
    each(check, |at, _| {
        let age = ages.get(at).copied().flatten().filter(|age| *age >= days)?;
        Some(format!("has had a fix for {age} days, at least {days}"))
    });
    Ok(())
}

/// Since when the fix of a match is known: since it was first seen here, or since upstream published or last changed the
/// statement that decides, whichever is earlier. An index that was built today saw everything for the first time today.
fn fixed_since(found: &Match) -> Option<Timestamp> {
    let instant = |text: &str| {
        let day = text.get(..10)?.parse::<Date>().ok()?;
        text.parse().ok().or_else(|| TimeZone::UTC.to_timestamp(day.into()).ok())
    };
    let published = found.evidence.first().and_then(|evidence| instant(evidence.published.as_deref()?));
    found.fix.observed_at.into_iter().chain(published).min()
}

/// Fires for each match of which there is something to say.
fn each(check: &mut Check<'_, '_>, says: impl Fn(usize, &Match) -> Option<String>) {
    let (shared, evidence) = (check.shared, check.evidence);
    let fix_available = check.params.flag("fix_available");
    for &at in shared.matches() {
        let Some(found) = evidence.matches.matches.get(at) else { continue };
        let Some(package) = evidence.analysis.packages.get(found.package.0 as usize) else { continue };
        let fix = found.fix.versions.iter().find(|version| !version.is_empty());
        if fix_available.is_some_and(|wanted| wanted != fix.is_some()) {
            continue;
        }
        let Some(what) = says(at, found) else { continue };
        let message = format!("{} of {} {} {what}", found.anchore_id(package), package.name, package.version);
        check.fire_vulnerability(found, package, message);
    }
}
