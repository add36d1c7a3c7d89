//! Policies of a bundle: rules, with their gate, trigger, action and bound parameters.

use killick_model::evaluation::Action;
use serde_json::Value;

use crate::gates::files::octal;
use crate::gates::{self, Gate, State, Trigger};
use crate::params::{self, Site, Values};
use crate::problem::BundleProblem;
use crate::python;
use crate::regexes::{PatternError, RegexCache};
use crate::written::suggestion;

/// A policy, built as far as it could be.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) id: String,
    /// Rules in evaluation order: by gate in order of first appearance, then as written.
    pub(crate) rules: Vec<Rule>,
    /// What keeps it from being evaluated, and warnings.
    pub(crate) problems: Vec<BundleProblem>,
    /// Rules of retired gates: refused on saving, reported on evaluation.
    pub(crate) retired: Vec<BundleProblem>,
    /// Regular expressions that are none: refused on saving; of stored bundles only their rules fail.
    pub(crate) bad_patterns: Vec<BundleProblem>,
}

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Option<String>,
    pub(crate) gate: &'static Gate,
    pub(crate) trigger: &'static Trigger,
    pub(crate) action: Action,
    pub(crate) values: Values,
    pub(crate) path: String,
}

impl Rule {
    /// Whether its gate is retired.
    pub(crate) fn is_retired(&self) -> bool {
        self.gate.state == State::EndOfLife
    }
}

pub(crate) const VERSION: &str = "1_0";

/// The problem of an object whose version is not supported.
pub(crate) fn version_problem(version: Option<&Value>, path: &str) -> Option<BundleProblem> {
    let found = match version {
        Some(Value::String(text)) if text == VERSION => return None,
        Some(Value::String(text)) => text.clone(),
        Some(other) => python::value(other),
        None => "None".to_owned(),
    };
    Some(
        BundleProblem::engine(
            "UnsupportedVersionError",
            if path.is_empty() { "version".to_owned() } else { format!("{path}.version") },
            format!(
                "Found version {found}, expected one of supported versions ['{VERSION}']. Detail:\"Version not \
                 supported\" (supported_versions=['{VERSION}'],found_version={found})"
            ),
        )
        .because(format!("version `{found}` is not supported"))
        .remedy(format!("write `\"version\": \"{VERSION}\"`")),
    )
}

/// The list under `key`. Its absence is an error that the original words as Python does.
pub(crate) fn list<'a>(
    object: &'a Value,
    key: &str,
    problem_type: &str,
    path: &str,
) -> Result<&'a [Value], Box<BundleProblem>> {
    match object.get(key) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(Box::new(
            BundleProblem::engine(problem_type, format!("{path}.{key}"), "'NoneType' object is not iterable")
                .because(format!("`{key}` is missing"))
                .remedy(format!("write `\"{key}\": []` for none")),
        )),
    }
}

impl Policy {
    /// Builds a policy; whatever is wrong is in its problems.
    pub(crate) fn build(document: &Value, path: &str, regexes: &RegexCache) -> Self {
        let id = document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut policy =
            Self { id, rules: Vec::new(), problems: Vec::new(), retired: Vec::new(), bad_patterns: Vec::new() };
        if let Some(problem) = version_problem(document.get("version"), path) {
            policy.problems.push(problem);
            return policy;
        }
        let rules = match list(document, "rules", "TypeError", path) {
            Ok(rules) => rules,
            Err(problem) => {
                policy.problems.push(*problem);
                return policy;
            }
        };
        for (at, rule) in rules.iter().enumerate() {
            policy.add(rule, format!("{path}.rules.{at}"), regexes);
        }
        let mut order: Vec<&str> = Vec::new();
        for rule in &policy.rules {
            if !order.contains(&rule.gate.name) {
                order.push(rule.gate.name);
            }
        }
        policy.rules.sort_by_key(|rule| order.iter().position(|name| *name == rule.gate.name));
        policy
    }

    fn add(&mut self, rule: &Value, path: String, regexes: &RegexCache) {
        let text = |key: &str| rule.get(key).and_then(Value::as_str);
        let id = text("id");
        let shown_id = id.unwrap_or("None");
        let (gate_name, trigger_name) = (text("gate").unwrap_or_default(), text("trigger").unwrap_or_default());
        let Some(gate) = gates::find(gate_name) else {
            self.problems.push(unknown_gate(gate_name, shown_id, &path));
            return;
        };
        if gate.state == State::EndOfLife {
            self.retired.push(retired(gate, gate_name, &path));
        }
        let Some(trigger) = gate.trigger(trigger_name) else {
            self.problems.push(unknown_trigger(gate, gate_name, trigger_name, shown_id, &path));
            return;
        };
        let values = if gate.state == State::EndOfLife {
            Values::default()
        } else {
            let given = match list(rule, "params", "PolicyError", &path) {
                Ok(given) => given.iter().filter_map(parameter).collect::<Vec<_>>(),
                Err(problem) => {
                    self.problems.push(*problem);
                    return;
                }
            };
            let site = Site { gate: gate.name, trigger: trigger.name, rule_id: id, path: &path };
            let (values, problems) = params::bind(trigger.params, &given, site);
            self.problems.extend(problems);
            self.check_patterns(trigger, &values, &path, regexes);
            self.check_sense(gate, &values, shown_id, &path);
            values
        };
        let action = match text("action").map(str::to_lowercase).as_deref() {
            Some("stop") => Action::Stop,
            Some("warn") => Action::Warn,
            Some("go") => Action::Go,
            other => {
                let other = other.unwrap_or("None");
                self.problems.push(
                    BundleProblem::engine("PolicyError", format!("{path}.action"), other)
                        .because(format!("`{other}` is no action"))
                        .remedy("write `STOP`, `WARN` or `GO`"),
                );
                return;
            }
        };
        self.rules.push(Rule { id: id.map(str::to_owned), gate, trigger, action, values, path });
    }

    /// Regular expressions are compiled when the bundle is read. The original does so when it judges, and fails then.
    fn check_patterns(&mut self, trigger: &Trigger, values: &Values, path: &str, regexes: &RegexCache) {
        let condition_is_pattern = matches!(values.text("check"), Some("like" | "not_like"));
        for parameter in trigger.params {
            let is_pattern = parameter.is_regex || (parameter.name == "value" && condition_is_pattern);
            if !is_pattern {
                continue;
            }
            let Some(pattern) = values.text(parameter.name) else { continue };
            if let Err(error) = regexes.get(pattern) {
                self.bad_patterns.push(
                    BundleProblem::engine(
                        "ParameterValueInvalidError",
                        format!("{path}.params.{}", parameter.name),
                        format!("Parameter validation failed: {error}"),
                    )
                    .because(format!("parameter `{}`: {error}", parameter.name))
                    .remedy(remedy_of_pattern(pattern, &error)),
                );
            }
        }
    }

    /// Combinations that each parameter allows and nothing can answer.
    fn check_sense(&mut self, gate: &Gate, values: &Values, rule_id: &str, path: &str) {
        if gate.name == "files"
            && let Some(mode) = values.text("mode").filter(|mode| !mode.is_empty() && octal(mode).is_none())
        {
            self.problems.push(
                BundleProblem::engine(
                    "ParameterWarning",
                    format!("{path}.params.mode"),
                    format!("`{mode}` is no octal number; the rule will be reported as failed where the file is"),
                )
                .remedy("write permissions like `0644`")
                .warning(),
            );
        }
        let numeric = matches!(values.text("attribute"), Some("size" | "layer_count"));
        let Some(check @ ("like" | "not_like" | "in" | "not_in")) = values.text("check") else { return };
        if gate.name == "metadata" && numeric {
            let attribute = values.text("attribute").unwrap_or_default();
            self.problems.push(
                BundleProblem::engine(
                    "ParameterValueInvalidError",
                    format!("{path}.params.check"),
                    format!(
                        "Check '{check}' cannot be applied to the number '{attribute}' \
                         (gate=metadata,trigger=attribute,rule_id={rule_id})"
                    ),
                )
                .because(format!("`{attribute}` is a number, which `{check}` cannot be asked about"))
                .remedy("compare it with =, !=, <, >, <= or >="),
            );
        }
    }
}

fn remedy_of_pattern(pattern: &str, error: &PatternError) -> &'static str {
    match error {
        PatternError::Malformed { .. } if pattern.starts_with(['*', '+', '?']) => {
            "these are regular expressions, not file name patterns: write `.*\\.pem`, not `*.pem`"
        }
        PatternError::Malformed { .. } => {
            "correct it; where one of `( ) [ ] { } . * + ? |` stands for itself, write `\\` before it"
        }
        PatternError::TooMany { .. } => "join some with `|`, or remove some",
        _ => "make it simpler, or split it",
    }
}

fn parameter(document: &Value) -> Option<(String, Value)> {
    let name = document.get("name").and_then(Value::as_str)?;
    Some((name.to_lowercase(), document.get("value").cloned().unwrap_or(Value::Null)))
}

fn unknown_gate(name: &str, rule_id: &str, path: &str) -> BundleProblem {
    let known: Vec<_> = gates::GATES.iter().filter(|gate| gate.state == State::Active).map(|gate| gate.name).collect();
    BundleProblem::engine(
        "GateNotFoundError",
        format!("{path}.gate"),
        format!(
            "The specified gate is not found in the policy engine as a valid gate name \
             (gate={name},trigger=None,rule_id={rule_id},valid_gates={})",
            python::list(gates::names_in_errors())
        ),
    )
    .because(format!("there is no gate `{name}`"))
    .remedy(suggestion(name, &known).unwrap_or_else(|| format!("the gates are: {}", known.join(", "))))
}

fn unknown_trigger(gate: &Gate, gate_name: &str, name: &str, rule_id: &str, path: &str) -> BundleProblem {
    let known: Vec<_> = gate.triggers.iter().map(|trigger| trigger.name).collect();
    BundleProblem::engine(
        "TriggerNotFoundError",
        format!("{path}.trigger"),
        format!(
            "Trigger not found for specified gate. Valid triggers are: {} \
             (gate={gate_name},trigger={name},rule_id={rule_id})",
            python::list(known.iter().copied())
        ),
    )
    .because(format!("gate `{}` has no trigger `{name}`", gate.name))
    .remedy(suggestion(name, &known).unwrap_or_else(|| format!("its triggers are: {}", known.join(", "))))
}

fn retired(gate: &Gate, name: &str, path: &str) -> BundleProblem {
    let replacement = gate.superseded_by.map(|gate| format!(" and replaced with '{gate}'")).unwrap_or_default();
    let problem = BundleProblem::engine(
        "EndOfLifedError",
        format!("{path}.gate"),
        format!(
            "Gate {name} has been End-of-Lifed. It will not be evaluated, and should be removed from \
             policies{replacement}"
        ),
    )
    .because(format!("gate `{}` was retired", gate.name));
    match gate.superseded_by {
        Some(gate) => problem.remedy(format!("use the gate `{gate}`")),
        None => problem.remedy("remove the rule"),
    }
}
