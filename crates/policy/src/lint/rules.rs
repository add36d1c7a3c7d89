//! Rules: those that cannot fire, ask twice, or change nothing.

use killick_model::evaluation::Action;

use super::never::{Texts, matches};
use super::{Level, Remark, remark};
use crate::bundle::Bundle;
use crate::policy::{Policy, Rule};

/// Parameters that are patterns of complete paths.
const PATH_PATTERNS: &[(&str, &str, &str)] =
    &[("files", "name_match", "regex"), ("secret_scans", "content_regex_checks", "filename_regex")];
/// Parameters that are complete paths.
const PATHS: &[(&str, &str)] = &[("files", "filename"), ("retrieved_files", "path")];
/// Numbers above which nothing is.
const HIGHEST: &[(&str, &str, f64)] = &[
    ("likely_exploited", "probability", 1.0),
    ("risk", "score", 100.0),
    ("package", "cvss_v3_base_score", 10.0),
    ("package", "cvss_v3_exploitability_score", 10.0),
    ("package", "cvss_v3_impact_score", 10.0),
    ("package", "vendor_cvss_v3_base_score", 10.0),
    ("package", "vendor_cvss_v3_exploitability_score", 10.0),
    ("package", "vendor_cvss_v3_impact_score", 10.0),
];

pub(super) fn of(bundle: &Bundle) -> Vec<Remark> {
    let mut remarks = Vec::new();
    for policy in &bundle.policies {
        policy_rules(policy, &mut remarks);
    }
    remarks
}

fn policy_rules(policy: &Policy, remarks: &mut Vec<Remark>) {
    let mut rules: Vec<&Rule> = policy.rules.iter().filter(|rule| !rule.is_retired()).collect();
    // As written: evaluation groups them by gate.
    rules.sort_by_key(|rule| rule.path.rsplit('.').next().and_then(|at| at.parse::<usize>().ok()));
    let stops_all = rules.iter().find(|rule| rule.gate.name == "always" && rule.action == Action::Stop);
    for (at, rule) in rules.iter().enumerate() {
        let same = |other: &&&Rule| {
            (other.gate.name, other.trigger.name) == (rule.gate.name, rule.trigger.name) && other.values == rule.values
        };
        if let Some(earlier) = rules.get(..at).unwrap_or_default().iter().find(same) {
            let (level, what) = if earlier.action == rule.action {
                (Level::Warning, "asks the same and does the same: each finding is reported twice".to_owned())
            } else {
                let stricter = earlier.action.min(rule.action).to_string().to_uppercase();
                (Level::Warning, format!("asks the same with another action: {stricter} counts"))
            };
            remarks.push(remark(
                "duplicate-rule",
                level,
                &rule.path,
                format!("`{}` {what}", earlier.path),
                "keep one of them",
            ));
        }
        let about_the_same = |other: &&&Rule| {
            other.action != Action::Go
                && (other.gate.name, other.trigger.name) == (rule.gate.name, rule.trigger.name)
                && other.path != rule.path
        };
        if rule.action == Action::Go
            && let Some(strict) = rules.iter().find(about_the_same)
        {
            remarks.push(remark(
                "go-rule",
                Level::Warning,
                format!("{}.action", rule.path),
                format!(
                    "GO only reports: what this rule finds is stopped or warned of by `{}` all the same",
                    strict.path
                ),
                "to let findings pass, name them in an allowlist or an exception, or narrow the strict rule",
            ));
        }
        if let Some(always) = stops_all.filter(|always| always.path != rule.path) {
            let reason = format!("`{}` stops every image whatever this rule finds", always.path);
            remarks.push(remark("moot-rule", Level::Note, &rule.path, reason, "remove one of them"));
        }
        patterns(rule, remarks);
        conditions(rule, remarks);
    }
}

fn patterns(rule: &Rule, remarks: &mut Vec<Remark>) {
    let condition_is_pattern = matches!(rule.values.text("check"), Some("like" | "not_like"));
    for parameter in rule.trigger.params {
        let Some(text) = rule.values.text(parameter.name) else { continue };
        let path = format!("{}.params.{}", rule.path, parameter.name);
        if parameter.is_regex || (parameter.name == "value" && condition_is_pattern) {
            let is_path = PATH_PATTERNS.contains(&(rule.gate.name, rule.trigger.name, parameter.name));
            if let Some(why) = matches(text, if is_path { Texts::Paths } else { Texts::Any }) {
                let remedy = "begin it with `.*` or `/`; patterns need not match to the end of the text";
                remarks.push(remark("unmatchable-pattern", Level::Warning, path, format!("`{text}`: {why}"), remedy));
            }
        } else if PATHS.contains(&(rule.gate.name, parameter.name)) && !text.starts_with('/') {
            let reason = format!("`{text}` does not begin with `/`: it is the path of no file");
            remarks.push(remark("impossible-condition", Level::Warning, path, reason, format!("write `/{text}`")));
        }
    }
}

/// Values that are accepted one by one and mean nothing together.
fn conditions(rule: &Rule, remarks: &mut Vec<Remark>) {
    let values = &rule.values;
    let path = |name: &str| format!("{}.params.{name}", rule.path);
    for (trigger, parameter, highest) in HIGHEST {
        let Some(number) = values.float(parameter).filter(|number| rule.trigger.name == *trigger && number > highest)
        else {
            continue;
        };
        let comparison = values.text(&format!("{parameter}_comparison")).unwrap_or(">=");
        if matches!(comparison, ">" | ">=" | "=") {
            let reason = format!("nothing is above {highest}: {number} is never reached");
            remarks.push(remark(
                "impossible-condition",
                Level::Warning,
                path(parameter),
                reason,
                format!("write a number up to {highest}"),
            ));
        }
    }
    if (rule.gate.name, rule.trigger.name) != ("vulnerabilities", "package") {
        return;
    }
    let severity = values.text("severity").unwrap_or("unknown");
    let comparison = values.text("severity_comparison").unwrap_or(">");
    let impossible = match (comparison, severity) {
        (">", "critical") => Some("nothing is more severe than critical"),
        ("<", "unknown") => Some("nothing is less severe than unknown"),
        _ => None,
    };
    if let Some(reason) = impossible {
        let remedy = format!("write `{comparison}=`, or another severity");
        remarks.push(remark("impossible-condition", Level::Warning, path("severity_comparison"), reason, remedy));
    }
    if values.integer("max_days_since_fix").is_some() && values.flag("fix_available") != Some(true) {
        remarks.push(remark(
            "unused-parameter",
            Level::Warning,
            path("max_days_since_fix"),
            "it has no effect unless `fix_available` is true",
            "add the parameter `fix_available` with `true`",
        ));
    }
    for parameter in rule.trigger.params {
        let Some(of) = parameter.name.strip_suffix("_comparison").filter(|of| *of != "severity") else { continue };
        if values.text(parameter.name).is_some() && values.float(of).is_none() {
            let reason = format!("it has no effect without `{of}`");
            remarks.push(remark(
                "unused-parameter",
                Level::Warning,
                path(parameter.name),
                reason,
                format!("add the parameter `{of}`, or remove it"),
            ));
        }
    }
}
