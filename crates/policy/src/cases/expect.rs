//! What a case expects of an evaluation.

use killick_model::evaluation::{Action, Evaluation, FinalActionReason, Finding};
use serde_json::{Map, Value, json};

use super::{CaseError, known, object};
use crate::pattern::Pattern;

/// What is expected. Whatever is not said may be anything.
#[derive(Debug)]
pub struct Expected {
    action: Option<Action>,
    reason: Option<FinalActionReason>,
    /// These findings, and no others.
    findings: Option<Vec<Wanted>>,
    contains: Vec<Wanted>,
    absent: Vec<Wanted>,
    /// Texts among the problems.
    problems: Vec<(String, Pattern)>,
}

/// A finding, by some of its parts.
#[derive(Debug)]
struct Wanted {
    shown: String,
    parts: Vec<(Part, Pattern)>,
    is_cleared: Option<bool>,
}

type Part = fn(&Finding) -> String;

/// Members of a finding that can be asked for.
const PARTS: &[(&str, Part)] = &[
    ("gate", |finding| finding.gate.clone()),
    ("trigger", |finding| finding.trigger.clone()),
    ("id", |finding| finding.trigger_id.clone()),
    ("message", |finding| finding.message.clone()),
    ("action", |finding| finding.action.to_string()),
    ("policy", |finding| finding.policy_id.clone()),
    ("rule", |finding| finding.rule_id.clone().unwrap_or_default()),
    ("exception", |finding| finding.exception.clone().unwrap_or_default()),
];

impl Expected {
    /// `None` of what expects nothing.
    pub(super) fn parse(document: &Value) -> Result<Option<Self>, CaseError> {
        if document.is_null() {
            return Ok(None);
        }
        let members = object(document, "expect")?;
        known(members, &["action", "reason", "findings", "contains", "absent", "problems"], "expect")?;
        let word = |name: &str| members.get(name).filter(|word| !word.is_null()).cloned();
        let list = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(CaseError::at(format!("expect.{name}"), "it is no list", "write a list, `[]` for none")),
        };
        let wanted = |name: &str| {
            let Some(entries) = list(name)? else { return Ok(None) };
            let read = |(at, entry)| Wanted::parse(entry, &format!("expect.{name}.{at}"));
            entries.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>().map(Some)
        };
        let mut problems = Vec::new();
        for (at, text) in list("problems")?.into_iter().flatten().enumerate() {
            let path = format!("expect.problems.{at}");
            let text = text.as_str().ok_or_else(|| CaseError::no_text(&path))?;
            problems.push((text.to_owned(), pattern(text, &path)?));
        }
        let no_word = |name: &str, remedy: &str| {
            CaseError::at(format!("expect.{name}"), "it is no word that may stand here", remedy)
        };
        let expected = Self {
            action: word("action")
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| no_word("action", "write `stop`, `warn` or `go`"))?,
            reason: word("reason")
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| no_word("reason", "write `policy_evaluation`, `whitelisted` or `blacklisted`"))?,
            findings: wanted("findings")?,
            contains: wanted("contains")?.unwrap_or_default(),
            absent: wanted("absent")?.unwrap_or_default(),
            problems,
        };
        Ok((!expected.is_idle()).then_some(expected))
    }

    /// Whether every evaluation is as expected.
    fn is_idle(&self) -> bool {
        let Self { action, reason, findings, contains, absent, problems } = self;
        (action.is_none() && reason.is_none() && findings.is_none())
            && (contains.is_empty() && absent.is_empty() && problems.is_empty())
    }
}

impl Wanted {
    /// The id of a finding, or some of its parts.
    fn parse(document: &Value, path: &str) -> Result<Self, CaseError> {
        let mut wanted = Self { shown: shown(document), parts: Vec::new(), is_cleared: None };
        if let Value::String(id) = document {
            wanted.parts.push((|finding| finding.trigger_id.clone(), pattern(id, path)?));
            return Ok(wanted);
        }
        let members = object(document, path)?;
        let mut names: Vec<&str> = PARTS.iter().map(|(name, _)| *name).collect();
        names.push("cleared");
        known(members, &names, path)?;
        for (name, part) in PARTS {
            let Some(value) = members.get(*name) else { continue };
            let path = format!("{path}.{name}");
            let text = value.as_str().ok_or_else(|| CaseError::no_text(&path))?;
            wanted.parts.push((*part, pattern(text, &path)?));
        }
        if let Some(flag) = members.get("cleared") {
            let no_flag = || CaseError::at(format!("{path}.cleared"), "it is no flag", "write `true` or `false`");
            wanted.is_cleared = Some(flag.as_bool().ok_or_else(no_flag)?);
        }
        if wanted.parts.is_empty() && wanted.is_cleared.is_none() {
            let remedy = format!("name at least one of {}; for any finding at all write \"*\"", names.join(", "));
            return Err(CaseError::at(path, "it says nothing of the finding", remedy));
        }
        Ok(wanted)
    }

    fn is_it(&self, finding: &Finding) -> bool {
        let cleared = finding.allowlisted.is_some() || finding.exception.is_some();
        self.is_cleared.is_none_or(|wanted| wanted == cleared)
            && self.parts.iter().all(|(part, pattern)| pattern.matches(&part(finding)) == Ok(true))
    }
}

fn pattern(text: &str, path: &str) -> Result<Pattern, CaseError> {
    let remedy = "correct the expression after `regexp:`, or use a pattern with `*`";
    Pattern::new(text).map_err(|error| CaseError::at(path, error.to_string(), remedy))
}

fn shown(document: &Value) -> String {
    match document {
        Value::Object(members) => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let members: Vec<_> = members.iter().map(|(name, value)| format!("{name} {}", text(value))).collect();
            members.join(", ")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn told(finding: &Finding) -> String {
    format!("{} {}.{} `{}`: {}", finding.action, finding.gate, finding.trigger, finding.trigger_id, finding.message)
}

/// What of the evaluation is not as expected, for people.
pub fn failures(expected: &Expected, evaluation: &Evaluation) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(action) = expected.action.filter(|action| *action != evaluation.final_action) {
        failures.push(format!("the action is {}, not {action}", evaluation.final_action));
    }
    if let Some(reason) = expected.reason.filter(|reason| *reason != evaluation.final_action_reason) {
        failures.push(format!("the reason is {}, not {}", evaluation.final_action_reason.name(), reason.name()));
    }
    if let Some(wanted) = &expected.findings {
        let (missing, unexpected) = pair(wanted, &evaluation.findings);
        failures.extend(missing.into_iter().map(|wanted| format!("missing: {}", wanted.shown)));
        failures.extend(unexpected.into_iter().map(|finding| format!("unexpected: {}", told(finding))));
    }
    for wanted in &expected.contains {
        if !evaluation.findings.iter().any(|finding| wanted.is_it(finding)) {
            failures.push(format!("missing: {}", wanted.shown));
        }
    }
    for wanted in &expected.absent {
        let found = evaluation.findings.iter().filter(|finding| wanted.is_it(finding));
        failures.extend(found.map(|finding| format!("should be absent: {}", told(finding))));
    }
    for (text, pattern) in &expected.problems {
        if !evaluation.problems.iter().any(|problem| pattern.matches(&problem.details) == Ok(true)) {
            failures.push(format!("no such problem: {text}"));
        }
    }
    failures
}

/// Gives each wanted finding one of its own, as many as can have one (augmenting paths); what is left of both.
fn pair<'w, 'f>(wanted: &'w [Wanted], findings: &'f [Finding]) -> (Vec<&'w Wanted>, Vec<&'f Finding>) {
    let mut taken_by: Vec<Option<usize>> = vec![None; findings.len()];
    let mut missing = Vec::new();
    for (at, one) in wanted.iter().enumerate() {
        let mut tried = vec![false; findings.len()];
        if !assign(at, wanted, findings, &mut taken_by, &mut tried) {
            missing.push(one);
        }
    }
    let free = findings.iter().zip(&taken_by).filter(|(_, taken)| taken.is_none());
    (missing, free.map(|(finding, _)| finding).collect())
}

fn assign(
    at: usize,
    wanted: &[Wanted],
    findings: &[Finding],
    taken_by: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (place, finding) in findings.iter().enumerate() {
        if tried.get(place).copied().unwrap_or(true) || !wanted.get(at).is_some_and(|one| one.is_it(finding)) {
            continue;
        }
        if let Some(mark) = tried.get_mut(place) {
            *mark = true;
        }
        let holder = taken_by.get(place).copied().flatten();
        if holder.is_none_or(|holder| assign(holder, wanted, findings, taken_by, tried)) {
            if let Some(taken) = taken_by.get_mut(place) {
                *taken = Some(at);
            }
            return true;
        }
    }
    false
}

/// What to expect of a case so that it passes: the action and all findings.
pub fn expectation(evaluation: &Evaluation) -> Value {
    let finding = |finding: &Finding| {
        let mut members = Map::new();
        for (name, text) in [("gate", &finding.gate), ("trigger", &finding.trigger), ("id", &finding.trigger_id)] {
            members.insert(name.to_owned(), text.as_str().into());
        }
        members.insert("action".to_owned(), finding.action.to_string().into());
        if let Some(exception) = &finding.exception {
            members.insert("exception".to_owned(), exception.as_str().into());
        } else if finding.allowlisted.is_some() {
            members.insert("cleared".to_owned(), true.into());
        }
        Value::Object(members)
    };
    let findings: Vec<Value> = evaluation.findings.iter().map(finding).collect();
    let mut expected = json!({"action": evaluation.final_action, "findings": findings});
    if evaluation.final_action_reason != FinalActionReason::PolicyEvaluation
        && let Some(members) = expected.as_object_mut()
    {
        members.insert("reason".to_owned(), evaluation.final_action_reason.name().into());
    }
    expected
}
