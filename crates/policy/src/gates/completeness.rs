//! What could not be read, and so was not judged. Not in the original.

use killick_model::matching::NO_DATA_FOR_CLAIMS;
use killick_model::problem::Problem;

use super::{Gate, State, Trigger};
use crate::check::{Check, TriggerError};
use crate::params::{Parameter, Validator};

pub(super) const GATE: Gate = Gate {
    name: "completeness",
    description: "What of the image could not be read, and so was not judged. Not in Anchore Engine.",
    state: State::Active,
    superseded_by: None,
    triggers: &[
        Trigger {
            name: "analysis_incomplete",
            description: "Fires for each problem of the analysis.",
            params: &[Parameter::optional(
                "kinds",
                Validator::List,
                Some("malformed-database,limit-file-bytes"),
                "Only problems of these kinds.",
            )],
            check: analysis_incomplete,
        },
        Trigger {
            name: "matching_incomplete",
            description: "Fires for each problem of looking for vulnerabilities, such as packages nobody has data for.",
            params: &[Parameter::optional("kinds", Validator::List, Some("no-data"), "Only problems of these kinds.")],
            check: matching_incomplete,
        },
    ],
};

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn analysis_incomplete(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    told(
        check,
        check.evidence.analysis.problems.iter().collect(),
        "read",
        "repair it, raise the limit that it met, or remove it",
    );
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "every trigger has this signature")]
fn matching_incomplete(check: &mut Check<'_, '_>) -> Result<(), TriggerError> {
    // What only a lock file asks for is not there, so nobody must know it.
    let is_there = |problem: &&Problem| check.evidence.declared_packages || problem.kind != NO_DATA_FOR_CLAIMS;
    let problems = check.evidence.matches.problems.iter().filter(is_there).collect();
    told(check, problems, "judged", "build an index with data for it: `killick db build`");
    Ok(())
}

fn told(check: &mut Check<'_, '_>, mut problems: Vec<&Problem>, done: &str, remedy: &str) {
    let kinds = check.params.list("kinds");
    problems.retain(|problem| kinds.is_empty() || kinds.contains(&problem.kind));
    problems.sort();
    problems.dedup();
    for problem in problems {
        let (kind, subject, message) = (&problem.kind, &problem.subject, &problem.message);
        check.fire(
            format!("{subject} could not be {done} completely ({kind}): {message}"),
            format!("`{subject}`: {remedy}"),
        );
    }
}
