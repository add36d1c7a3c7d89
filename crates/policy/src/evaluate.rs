//! From bundle and evidence to verdict.

use std::fmt;
use std::str::FromStr;

use killick_model::evaluation::{Action, Evaluation, EvaluationProblem, FinalActionReason, Finding, FindingSubject};
use serde::{Deserialize, Serialize};

use crate::allowlist::Allowlist;
use crate::bundle::{Bundle, ListedImage, Mapping, is_error};
use crate::check::{Check, Found, Shared, TriggerError};
use crate::evidence::Evidence;
use crate::gates;
use crate::image_rule::{Selector, Subject};
use crate::plan::{self, Upgrade};
use crate::policy::{Policy, Rule};
use crate::problem::BundleProblem;
use crate::reference::Target;
use crate::regexes::{PatternError, Steps};

/// Which outcome is wanted where the original engine has a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Compatibility {
    /// The right one, with a warning where it differs.
    #[default]
    #[serde(rename = "repaired")]
    Repaired,
    /// The one of Anchore Engine 1.1.
    #[serde(rename = "engine-1.1")]
    Engine11,
}

/// A word that is no [`Compatibility`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write `repaired` or `engine-1.1`")]
pub struct CompatibilityError;

impl FromStr for Compatibility {
    type Err = CompatibilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "repaired" => Ok(Self::Repaired),
            "engine-1.1" => Ok(Self::Engine11),
            _ => Err(CompatibilityError),
        }
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Repaired => "repaired",
            Self::Engine11 => "engine-1.1",
        })
    }
}

/// How to evaluate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// Which outcome is wanted where the original engine has a defect.
    pub compatibility: Compatibility,
}

/// Judges an image, known under `reference`, by a bundle.
///
/// Never fails: a bundle that cannot be evaluated gives [`Action::Stop`] and the problems that say why.
pub fn evaluate(bundle: &Bundle, evidence: &Evidence<'_>, reference: &str, options: &Options) -> Evaluation {
    let analysis = evidence.analysis;
    let subject = Subject {
        target: Target::parse(reference),
        digest: analysis.manifest_digest.to_string(),
        id: analysis.config_digest.hex(),
    };
    let mut evaluation = Evaluation {
        bundle_id: bundle.id.clone(),
        reference: reference.to_owned(),
        image_id: subject.id.clone(),
        image_digest: subject.digest.clone(),
        matched_mapping: None,
        matched_allowed_image: None,
        matched_denied_image: None,
        final_action: Action::Stop,
        final_action_reason: FinalActionReason::PolicyEvaluation,
        policy_action: Action::Stop,
        findings: Vec::new(),
        exceptions: Vec::new(),
        steps: Vec::new(),
        problems: Vec::new(),
        evaluated_at: evidence.now,
    };
    // Which image it is comes first: rules that take all steps must not keep a refused image from being known as such.
    let steps = Steps::new();
    let denied = listed(&bundle.denied_images, &subject, &steps);
    let allowed = listed(&bundle.allowed_images, &subject, &steps);
    let outcome = judge(bundle, evidence, &subject, &steps, *options, &mut evaluation);
    if let Err(problems) = outcome {
        evaluation.findings.clear();
        evaluation.steps.clear();
        evaluation.problems.splice(0..0, problems.iter().map(EvaluationProblem::from));
        return evaluation;
    }
    match denied {
        Ok(found) => evaluation.matched_denied_image = found,
        Err(problem) => evaluation.problems.push(problem),
    }
    match allowed {
        Ok(found) => evaluation.matched_allowed_image = found,
        Err(problem) => evaluation.problems.push(problem),
    }
    (evaluation.final_action, evaluation.final_action_reason) =
        match (&evaluation.matched_denied_image, &evaluation.matched_allowed_image) {
            (Some(_), _) => (Action::Stop, FinalActionReason::Blacklisted),
            (None, Some(_)) => (Action::Go, FinalActionReason::Whitelisted),
            (None, None) => (evaluation.policy_action, FinalActionReason::PolicyEvaluation),
        };
    // Errors before warnings, each in order of appearance.
    evaluation.problems.sort_by_key(|problem| problem.severity != "error");
    evaluation
}

/// Selects and applies policies; the problems that make it impossible are the error.
fn judge(
    bundle: &Bundle,
    evidence: &Evidence<'_>,
    subject: &Subject,
    steps: &Steps,
    options: Options,
    evaluation: &mut Evaluation,
) -> Result<(), Vec<BundleProblem>> {
    if let Some(problem) = &bundle.version_problem {
        return Err(vec![problem.clone()]);
    }
    let mapping = select(bundle, subject, steps, options, evaluation)?;
    let Some(mapping) = mapping else {
        evaluation.policy_action = Action::Go;
        if options.compatibility == Compatibility::Repaired {
            evaluation.problems.push(warning(
                "NoMatchedMappingWarning",
                format!("no mapping of the bundle matches `{}`: no policy was applied", evaluation.reference),
            ));
        }
        return Ok(());
    };
    evaluation.matched_mapping = Some(mapping.document.clone());
    let Ok(rule) = &mapping.rule else { return Ok(()) };
    let selected = bundle.select(rule);
    // A broken pattern in an allowlist item only costs the item.
    let (fatal, rest): (Vec<_>, Vec<_>) = selected.problems.into_iter().partition(|problem| {
        let item_pattern = problem.problem_type == "error" && problem.path.ends_with(".trigger_id");
        is_error(problem) && (!item_pattern || options.compatibility == Compatibility::Engine11)
    });
    if !fatal.is_empty() {
        return Err(fatal);
    }
    evaluation.problems.extend(
        rest.iter()
            .map(|problem| EvaluationProblem { severity: "warn".to_owned(), ..EvaluationProblem::from(problem) }),
    );
    if options.compatibility == Compatibility::Repaired
        && let Some(first) = evidence.analysis.problems.iter().min()
    {
        let details = format!(
            "what could not be read of the image was not judged, {} in all, the first: {}: {}",
            evidence.analysis.problems.len(),
            first.subject,
            first.message
        );
        evaluation.problems.push(warning("AnalysisWarning", details));
    }
    let shared = Shared::new(evidence, &bundle.regexes, steps);
    evaluation.policy_action = Action::Go;
    let mut upgrades = Vec::new();
    for policy in selected.policies {
        apply(policy, &selected.allowlists, &shared, evidence, options, &mut upgrades, evaluation)?;
    }
    evaluation.steps = plan::steps(&evaluation.findings, &upgrades);
    evaluation.policy_action = evaluation.findings.iter().map(|finding| finding.action).min().unwrap_or(Action::Go);
    Ok(())
}

/// The first mapping that speaks of the image.
fn select<'b>(
    bundle: &'b Bundle,
    subject: &Subject,
    steps: &Steps,
    options: Options,
    evaluation: &mut Evaluation,
) -> Result<Option<&'b Mapping>, Vec<BundleProblem>> {
    let mut found = None;
    let mut crashes: Vec<&'static str> = Vec::new();
    for mapping in &bundle.mappings {
        let rule = mapping.rule.as_ref().map_err(|problem| vec![(**problem).clone()])?;
        let unusable =
            |error: PatternError| vec![BundleProblem::engine("error", rule.path.as_str(), error.to_string())];
        if rule.image.names_repository(&subject.target, steps).map_err(unusable)? {
            match rule.image.selector {
                Selector::Digest => crashes.push("digest"),
                Selector::Id => crashes.push("id"),
                Selector::Tag | Selector::Other => {}
            }
        }
        if found.is_none() && rule.image.matches(subject, steps).map_err(unusable)? {
            found = Some(mapping);
        }
    }
    // The original selects without knowing the image and fails on every rule that asks for its digest or id.
    if let Some(attribute) = crashes.first() {
        let details = format!("'NoneType' object has no attribute '{attribute}'");
        if options.compatibility == Compatibility::Engine11 {
            if let [only] = bundle.mappings.as_slice() {
                evaluation.matched_mapping = Some(only.document.clone());
            }
            return Err(vec![BundleProblem::engine("AttributeError", "mappings", details)]);
        }
        evaluation.problems.push(warning(
            "CompatibilityWarning",
            format!("Q-01: Anchore Engine 1.1 stops here because a mapping selects by {attribute} ({details})"),
        ));
    }
    Ok(found)
}

/// Applies one policy and excuses what the allowlists excuse; `upgrades` is parallel to the findings.
fn apply<'e>(
    policy: &Policy,
    allowlists: &[&Allowlist],
    shared: &Shared<'e>,
    evidence: &Evidence<'e>,
    options: Options,
    upgrades: &mut Vec<Option<Upgrade>>,
    evaluation: &mut Evaluation,
) -> Result<(), Vec<BundleProblem>> {
    for rule in &policy.rules {
        if rule.is_retired() {
            let retired = policy.retired.iter().find(|problem| problem.path == format!("{}.gate", rule.path));
            evaluation.problems.extend(retired.map(EvaluationProblem::from));
            continue;
        }
        let found = run(rule, shared, evidence, options, &mut evaluation.problems)?;
        for found in found {
            let mut ids = vec![found.trigger_id.as_str()];
            ids.extend(found.aliases.iter().map(String::as_str));
            let (now, steps, problems) = (evidence.now, shared.steps, &mut evaluation.problems);
            let allowlisted =
                allowlists.iter().find_map(|list| list.excuse(rule.gate.name, &ids, now, steps, problems));
            upgrades.push(found.upgrade);
            evaluation.findings.push(Finding {
                trigger_id: found.trigger_id.clone(),
                gate: rule.gate.name.to_owned(),
                trigger: rule.trigger.name.to_owned(),
                message: found.message,
                action: if allowlisted.is_some() { Action::Go } else { rule.action },
                allowlisted,
                exception: None,
                subject: found.subject,
                policy_id: policy.id.clone(),
                rule_id: rule.id.clone(),
                remedy: found.remedy,
            });
        }
    }
    Ok(())
}

/// Evaluates one rule; says so if a repair changed what it reports.
fn run<'e>(
    rule: &Rule,
    shared: &Shared<'e>,
    evidence: &Evidence<'e>,
    options: Options,
    problems: &mut Vec<EvaluationProblem>,
) -> Result<Vec<Found>, Vec<BundleProblem>> {
    let (outcome, mut check) = attempt(rule, shared, evidence, options.compatibility);
    for problem in check.problems.drain(..) {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    let place = format!("{}.{} ({})", rule.gate.name, rule.trigger.name, rule.path);
    if let Err(error) = outcome {
        let details =
            format!("Trigger evaluation failed for gate {} and trigger {}: {error}", rule.gate.name, rule.trigger.name);
        let problem = BundleProblem::engine("TriggerEvaluationError", rule.path.as_str(), details);
        if options.compatibility == Compatibility::Engine11 {
            return Err(vec![problem]);
        }
        // One rule that cannot be answered must neither pass in silence nor take the others with it.
        problems.push(EvaluationProblem::from(&problem));
        return Ok(vec![Found {
            trigger_id: "evaluation_error".to_owned(),
            aliases: Vec::new(),
            message: problem.details,
            remedy: Some(format!("correct the rule `{place}`")),
            subject: FindingSubject::default(),
            upgrade: None,
        }]);
    }
    if !check.repaired.is_empty() {
        let (original, original_check) = attempt(rule, shared, evidence, Compatibility::Engine11);
        let ids = |found: &[Found]| {
            let mut ids: Vec<_> = found.iter().map(|found| found.trigger_id.clone()).collect();
            ids.sort();
            ids
        };
        if original.is_err() || ids(&original_check.found) != ids(&check.found) {
            let quirks: Vec<_> = check.repaired.iter().copied().collect();
            let theirs = match original {
                Ok(()) => format!("{} findings", original_check.found.len()),
                Err(_) => "no evaluation".to_owned(),
            };
            problems.push(warning(
                "CompatibilityWarning",
                format!(
                    "{}: {place} reports {} findings, where Anchore Engine 1.1 gives {theirs}",
                    quirks.join(", "),
                    check.found.len()
                ),
            ));
        }
    }
    Ok(check.found)
}

fn attempt<'s, 'e>(
    rule: &'s Rule,
    shared: &'s Shared<'e>,
    evidence: &'s Evidence<'e>,
    compatibility: Compatibility,
) -> (Result<(), TriggerError>, Check<'s, 'e>) {
    let mut check = Check {
        shared,
        evidence,
        params: &rule.values,
        compatibility,
        found: Vec::new(),
        problems: Vec::new(),
        repaired: std::collections::BTreeSet::new(),
        gate: rule.gate.name,
        trigger: rule.trigger.name,
        rule_id: rule.id.as_deref(),
    };
    let is_given = rule.gate.name == "dockerfile" && evidence.dockerfile.is_some();
    if evidence.analysis.sbom.is_some() && !is_given && gates::reads_image(rule.gate.name, rule.trigger.name) {
        // Neither "there is none" nor "all is well" would be true.
        let rule = format!("{}.{}", rule.gate.name, rule.trigger.name);
        check.warn(
            "EvidenceWarning",
            format!(
                "{rule}: not analyzed: the image was read from an SBOM, which tells nothing of what the rule asks about"
            ),
        );
        return (Ok(()), check);
    }
    ((rule.trigger.check)(&mut check), check)
}

/// The first entry of an image list that speaks of the image, as written.
fn listed(
    images: &[ListedImage],
    subject: &Subject,
    steps: &Steps,
) -> Result<Option<serde_json::Value>, EvaluationProblem> {
    for image in images {
        let rule = image.rule.as_ref().map_err(|problem| EvaluationProblem::from(problem.as_ref()))?;
        let matches = rule.matches(subject, steps).map_err(|error| EvaluationProblem {
            severity: "error".to_owned(),
            problem_type: "error".to_owned(),
            details: error.to_string(),
        })?;
        if matches {
            return Ok(Some(image.document.clone()));
        }
    }
    Ok(None)
}

fn warning(problem_type: &str, details: String) -> EvaluationProblem {
    EvaluationProblem { severity: "warn".to_owned(), problem_type: problem_type.to_owned(), details }
}
