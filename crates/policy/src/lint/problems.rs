//! What refuses a bundle, or its rules, with suggestions for what seems to be mistyped.

use std::collections::BTreeSet;

use killick_model::spelling::nearest;
use serde_json::Value;

use super::{Level, Remark, remark};
use crate::bundle::{Bundle, canonical};
use crate::gates::{self, GATES, State};
use crate::problem::{BundleProblem, ProblemSeverity};

/// Validation, of policies and allowlists that no mapping names too.
pub(super) fn of(bundle: &Bundle) -> Vec<Remark> {
    let document = canonical(&bundle.document);
    let mut problems = Bundle::check_schema(&bundle.document);
    problems.extend(bundle.validate());
    for policy in &bundle.policies {
        problems.extend(policy.problems.iter().chain(&policy.retired).chain(&policy.bad_patterns).cloned());
    }
    for allowlist in &bundle.allowlists {
        problems.extend(allowlist.problems.iter().cloned());
    }
    let mut seen = BTreeSet::new();
    // Both layers see a missing member; the path with its reason is told once, the engine's last.
    problems.reverse();
    problems
        .retain(|problem| seen.insert((problem.path.clone(), problem.problem_type.clone(), problem.reason.clone())));
    problems.into_iter().map(|problem| told(problem, &document)).collect()
}

fn told(problem: BundleProblem, document: &Value) -> Remark {
    let (code, level) = match (problem.problem_type.as_str(), problem.severity) {
        ("EndOfLifedError", _) => ("retired-gate", Level::Error),
        (_, ProblemSeverity::Error) => ("invalid", Level::Error),
        (_, ProblemSeverity::Warn) => ("questionable", Level::Warning),
    };
    let remedy = suggestion(&problem, document)
        .or(problem.remedy)
        .unwrap_or_else(|| "see the policy documentation for what may stand here".to_owned());
    remark(code, level, problem.path, problem.reason, remedy)
}

fn suggestion(problem: &BundleProblem, document: &Value) -> Option<String> {
    let (rule_path, last) = problem.path.rsplit_once('.')?;
    match problem.problem_type.as_str() {
        "GateNotFoundError" => {
            let given = at(document, &problem.path)?.as_str()?;
            let active = || GATES.iter().filter(|gate| gate.state == State::Active);
            if let Some(name) = nearest(given, active().map(|gate| gate.name)) {
                return Some(format!("did you mean the gate `{name}`?"));
            }
            // The name of a trigger, or of a gate and a trigger.
            let with_trigger = active().find(|gate| gate.trigger(given).is_some())?;
            Some(format!("`{given}` is a trigger of the gate `{}`", with_trigger.name))
        }
        "TriggerNotFoundError" => {
            let given = at(document, &problem.path)?.as_str()?;
            let gate = gates::find(at(document, &format!("{rule_path}.gate"))?.as_str()?)?;
            if let Some(name) = nearest(given, gate.triggers.iter().map(|trigger| trigger.name)) {
                return Some(format!("did you mean the trigger `{name}`?"));
            }
            let other = GATES.iter().find(|gate| gate.state == State::Active && gate.trigger(given).is_some())?;
            Some(format!("the gate `{}` has a trigger `{given}`", other.name))
        }
        "InvalidParameterError" => {
            let rule = at(document, rule_path.strip_suffix(".params")?)?;
            let gate = gates::find(rule.get("gate")?.as_str()?)?;
            let trigger = gate.trigger(rule.get("trigger")?.as_str()?)?;
            let name = nearest(last, trigger.params.iter().map(|parameter| parameter.name))?;
            Some(format!("did you mean the parameter `{name}`?"))
        }
        "ReferencedObjectNotFoundError" => {
            let (kind, list) = if problem.details.contains("reference_type=policy") {
                ("policy", "policies")
            } else {
                ("allowlist", "whitelists")
            };
            let given = problem.details.rsplit_once("reference_id=")?.1.trim_end_matches(')');
            let ids = document.get(list)?.as_array()?.iter().filter_map(|object| object.get("id")?.as_str());
            let id = nearest(given, ids)?;
            Some(format!("did you mean the {kind} `{id}`?"))
        }
        _ => None,
    }
}

/// The value at a path of names and numbers.
fn at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(document, |value, part| match part.parse::<usize>() {
        Ok(number) if value.is_array() => value.get(number),
        _ => value.get(part),
    })
}
