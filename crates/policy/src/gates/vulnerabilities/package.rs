//! The trigger that most bundles are about: vulnerabilities of packages, under up to twenty conditions.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use killick_model::matching::{Match, NO_DATA_FOR_CLAIMS};
use killick_model::package::{Package, PackageKind};
use killick_model::severity::Severity;

use super::scores::{Constraints, Rater};
use super::{COMPARISONS, VENDOR_ONLY, days_before};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};
use crate::v1;

const SEVERITIES: &[&str] = &["unknown", "negligible", "low", "medium", "high", "critical"];

pub(super) const PARAMETERS: &[Parameter] = &[
    Parameter::required("package_type", Validator::OneOf(&["all", "os", "non-os"]), Some("all"), "Which packages to look at: those of the distribution (`os`), all others (`non-os`), or all."),
    Parameter::optional("severity_comparison", COMPARISONS, Some(">"), "How the severity is compared. Default: >."),
    Parameter::optional("severity", Validator::OneOf(SEVERITIES), Some("high"), "The severity it is compared with. Default: unknown."),
    Parameter::optional("cvss_v3_base_score_comparison", COMPARISONS, Some(">"), "How the CVSS v3 base score of the NVD is compared. Default: >=."),
    Parameter::optional("cvss_v3_base_score", Validator::Float, None, "The CVSS v3 base score of the NVD it is compared with. A vulnerability without a score counts as -1."),
    Parameter::optional("cvss_v3_exploitability_score_comparison", COMPARISONS, Some(">"), "How the CVSS v3 exploitability score of the NVD is compared. Default: >=."),
    Parameter::optional("cvss_v3_exploitability_score", Validator::Float, None, "The CVSS v3 exploitability score of the NVD it is compared with. A vulnerability without a score counts as -1."),
    Parameter::optional("cvss_v3_impact_score_comparison", COMPARISONS, Some(">"), "How the CVSS v3 impact score of the NVD is compared. Default: >=."),
    Parameter::optional("cvss_v3_impact_score", Validator::Float, None, "The CVSS v3 impact score of the NVD it is compared with. A vulnerability without a score counts as -1."),
    Parameter::optional("fix_available", Validator::Boolean, Some("true"), "Whether a fixed version must be known, or must not."),
    VENDOR_ONLY,
    Parameter::optional("max_days_since_creation", Validator::Integer, Some("7"), "Fire only from this many days after the vulnerability was first seen on the image."),
    Parameter::optional("max_days_since_fix", Validator::Integer, Some("30"), "With `fix_available` true: fire only from this many days after the fix was first seen."),
    Parameter::optional("vendor_cvss_v3_base_score_comparison", COMPARISONS, Some(">"), "How the CVSS v3 base score of the vendor is compared. Default: >=."),
    Parameter::optional("vendor_cvss_v3_base_score", Validator::Float, None, "The CVSS v3 base score of the vendor it is compared with. A vulnerability without a score counts as -1."),
    Parameter::optional("vendor_cvss_v3_exploitability_score_comparison", COMPARISONS, Some(">"), "How the CVSS v3 exploitability score of the vendor is compared. Default: >=."),
    Parameter::optional("vendor_cvss_v3_exploitability_score", Validator::Float, None, "The CVSS v3 exploitability score of the vendor it is compared with. A vulnerability without a score counts as -1."),
    Parameter::optional("vendor_cvss_v3_impact_score_comparison", COMPARISONS, Some(">"), "How the CVSS v3 impact score of the vendor is compared. Default: >=."),
    Parameter::optional("vendor_cvss_v3_impact_score", Validator::Float, None, "The CVSS v3 impact score of the vendor it is compared with. A vulnerability without a score counts as -1."),
    Parameter::optional("package_path_exclude", Validator::Text, Some(".*test\\.jar"), "Leave out packages whose path matches this regular expression, which must match at the start. Not for packages of the distribution.").regex(),
];

/// One match with what ids and messages need of it.
struct Candidate<'a> {
    found: &'a Match,
    package: &'a Package,
    is_os: bool,
    path: String,
    first_seen: Timestamp,
    fixes: Vec<&'a str>,
}

pub(super) fn package(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    let (shared, params, evidence) = (check.shared, check.params, check.evidence);
    let mut problems: Vec<_> = evidence.matches.problems.iter().collect();
    problems.sort();
    for problem in problems {
        if problem.kind == NO_DATA_FOR_CLAIMS && !evidence.declared_packages {
            continue;
        }
        // A scan that could not be made must not look like a clean one.
        check.warn("VulnerabilityScanWarning", format!("{}: {}", problem.subject, problem.message));
    }
    let exclude = check.regex("package_path_exclude")?;
    let nvd = Constraints::of(params, "");
    let vendor = Constraints::of(params, "vendor_");
    for &at in shared.matches() {
        let Some(found) = evidence.matches.matches.get(at) else { continue };
        let Some(package) = evidence.analysis.packages.get(found.package.0 as usize) else { continue };
        let candidate = Candidate {
            found,
            package,
            is_os: class(check, package),
            path: v1::package_path(package),
            first_seen: evidence.first_seen.get(at).copied().flatten().unwrap_or(evidence.now),
            fixes: found.fix.versions.iter().map(String::as_str).filter(|version| !version.is_empty()).collect(),
        };
        if !wanted_class(params.text("package_type"), candidate.is_os) || !severe_enough(check, found.severity) {
            continue;
        }
        if !candidate.is_os
            && let Some(exclude) = &exclude
            && exclude.is_match(&candidate.path)?
        {
            continue;
        }
        let (nvd_scores, vendor_scores) = (Rater::Nvd.scores(found), Rater::Vendor.scores(found));
        if !old_enough(check, &candidate)
            || params.flag("fix_available").is_some_and(|wanted| wanted == candidate.fixes.is_empty())
            || !nvd.met_by(&nvd_scores)
            || !vendor.met_by(&vendor_scores)
            || !vendor_accepts(check, found)
        {
            continue;
        }
        let scores = (nvd.describe(&nvd_scores), vendor.describe(&vendor_scores));
        report(check, &candidate, &scores.0, &scores.1);
    }
    Ok(())
}

/// Whether the distribution answers for the package; the original counts every type it does not know as such.
fn class(check: &mut Check<'_, '_>, package: &Package) -> bool {
    package.kind.is_os() || (package.kind == PackageKind::Rust && !check.repair("Q-44"))
}

fn wanted_class(wanted: Option<&str>, is_os: bool) -> bool {
    match wanted {
        Some("os") => is_os,
        Some("non-os") => !is_os,
        _ => true,
    }
}

fn severe_enough(check: &Check<'_, '_>, severity: Severity) -> bool {
    let wanted: Severity = check.params.text("severity").and_then(|word| word.parse().ok()).unwrap_or_default();
    let order = severity.cmp(&wanted);
    match check.params.text("severity_comparison").unwrap_or(">") {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">=" => order.is_ge(),
        _ => order.is_gt(),
    }
}

/// Asked last: in the original, what the vendor will not fix never reaches the gate, whatever the parameter says.
fn vendor_accepts(check: &mut Check<'_, '_>, found: &Match) -> bool {
    if !v1::will_not_fix(found) {
        return true;
    }
    check.params.flag("vendor_only") == Some(false) && check.repair("Q-04")
}

fn old_enough(check: &Check<'_, '_>, candidate: &Candidate<'_>) -> bool {
    let now = check.evidence.now;
    if let Some(days) = check.params.integer("max_days_since_creation")
        && candidate.first_seen > days_before(now, days)
    {
        return false;
    }
    match (check.params.integer("max_days_since_fix"), fix_seen(check, candidate)) {
        (Some(days), Some(seen)) => seen <= days_before(now, days),
        _ => true,
    }
}

/// When the fix was first seen, if the rule asks for fixes at all.
fn fix_seen(check: &Check<'_, '_>, candidate: &Candidate<'_>) -> Option<Timestamp> {
    let asked = check.params.flag("fix_available") == Some(true) && !candidate.fixes.is_empty();
    candidate.found.fix.observed_at.filter(|_| asked)
}

fn report(check: &mut Check<'_, '_>, candidate: &Candidate<'_>, nvd: &str, vendor: &str) {
    let Candidate { found, package, is_os, path, first_seen, fixes } = candidate;
    let id = found.anchore_id(package);
    let mut dates = Vec::new();
    if check.params.integer("max_days_since_creation").is_some() {
        dates.push(format!("max_days_since_creation={}", date(*first_seen)));
    }
    if check.params.integer("max_days_since_fix").is_some()
        && let Some(seen) = fix_seen(check, candidate)
    {
        dates.push(format!("max_days_since_fix={}", date(seen)));
    }
    let (class, subject) = if *is_os { ("os", package.name.as_str()) } else { ("non-os", path.as_str()) };
    let message = format!(
        "{} Vulnerability found in {class} package type ({}) - {subject} {}{nvd}{}{vendor}({} - {})",
        found.severity.title().to_uppercase(),
        v1::package_type(package),
        bracketed("fixed in: ", &fixes.join(", ")),
        bracketed("", &dates.join(" ")),
        id,
        found.url.as_deref().unwrap_or("None"),
    );
    check.fire_vulnerability_as(trigger_ids(found, package, *is_os), found, package, message);
}

/// The id of a finding about the vulnerability of a package, and those by its other names.
pub(crate) fn trigger_ids(found: &Match, package: &Package, is_os: bool) -> (String, Vec<String>) {
    let part = package_part(package, is_os);
    let id = found.anchore_id(package);
    let names = std::iter::once(&found.vulnerability).chain(&found.aliases).filter(|name| *name != id);
    (format!("{id}+{part}"), names.map(|name| format!("{name}+{part}")).collect())
}

/// What ids of findings about vulnerabilities name beside the vulnerability.
pub(crate) fn package_part(package: &Package, is_os: bool) -> String {
    id_part(package, is_os, &v1::package_path(package))
}

fn bracketed(label: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("({label}{text})") }
}

fn date(instant: Timestamp) -> String {
    TimeZone::UTC.to_datetime(instant).date().to_string()
}

/// What the id names beside the vulnerability.
fn id_part(package: &Package, is_os: bool, path: &str) -> String {
    let mut segments = path.rsplit('/');
    let part = match package.kind {
        _ if is_os => Some(package.name.as_str()),
        PackageKind::Java | PackageKind::Gem => segments.next(),
        PackageKind::Npm => segments.nth(1),
        _ => None,
    };
    match part {
        Some(part) if !part.is_empty() => part.to_owned(),
        _ => format!("{}-{}", package.name, package.version),
    }
}
