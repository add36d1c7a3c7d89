//! The verdict: the final action, why, and every finding with its remedy.

use std::fmt::Write as _;

use killick_model::evaluation::{Action, Evaluation, Finding};

use super::layout::{Colour, paint, plain};
use crate::formats::Style;
use crate::verdict;

/// The verdict in a word.
pub(super) fn word(evaluation: &Evaluation) -> &'static str {
    if evaluation.passes() { "pass" } else { "fail" }
}

pub(super) fn write(text: &mut String, evaluation: &Evaluation, style: Style) {
    let _ = writeln!(
        text,
        "policy {}: {} ({})",
        plain(&evaluation.bundle_id),
        paint(word(evaluation), colour(evaluation.final_action), style),
        verdict::line(evaluation)
    );
    write_steps(text, evaluation);
    let mut findings: Vec<&Finding> = evaluation.findings.iter().collect();
    findings.sort_by_key(|finding| finding.action);
    for finding in findings {
        write_finding(text, finding, style);
    }
    for problem in verdict::problems(evaluation) {
        let _ = writeln!(text, "  {}", plain(&verdict::problem(problem)));
    }
}

/// What to do first; nothing where there is only one thing to do about each finding.
fn write_steps(text: &mut String, evaluation: &Evaluation) {
    const SHOWN: usize = 5;
    if !evaluation.steps.iter().any(|step| step.clears.len() > 1) {
        return;
    }
    text.push_str("  what to do first:\n");
    for step in evaluation.steps.iter().take(SHOWN) {
        let count = step.clears.len();
        let findings = if count == 1 { "finding" } else { "findings" };
        let _ = writeln!(text, "    {} (clears {count} {findings}, {})", plain(&step.what), step.action);
    }
    let more = evaluation.steps.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(text, "    and {more} more, in `-o json`");
    }
}

fn write_finding(text: &mut String, finding: &Finding, style: Style) {
    let action = finding.action.to_string();
    let allowed = match (&finding.allowlisted, &finding.exception) {
        (Some(_), _) => " (allowlisted)".to_owned(),
        (None, Some(id)) => format!(" (exception {})", plain(id)),
        (None, None) => String::new(),
    };
    let _ = writeln!(
        text,
        "  {} {} {}: {}{allowed}",
        paint(&format!("{action:<4}"), colour(finding.action), style),
        plain(&finding.gate),
        plain(&finding.trigger),
        plain(&finding.message)
    );
    if let Some(remedy) = &finding.remedy {
        let _ = writeln!(text, "       remedy: {}", plain(remedy));
    }
}

const fn colour(action: Action) -> Colour {
    match action {
        Action::Stop => Colour::Red,
        Action::Warn => Colour::Yellow,
        Action::Go => Colour::Green,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn steps(steps: &Value) -> String {
        let evaluation: Evaluation = serde_json::from_value(json!({
            "bundle_id": "b", "reference": "r", "image_id": "i", "image_digest": "d", "matched_mapping": {}, "final_action": "warn",
            "final_action_reason": "policy_evaluation", "policy_action": "warn", "findings": [], "steps": steps, "problems": [],
            "evaluated_at": "2026-01-01T00:00:00Z",
        }))
        .unwrap();
        let mut text = String::new();
        write(&mut text, &evaluation, Style::default());
        text
    }

    #[test]
    fn steps_come_first_where_one_clears_many() {
        let step = |what: &str, clears: &[u32]| json!({"what": what, "action": "stop", "clears": clears});
        let alone = json!([step("upgrade `a` to `2`", &[0]), step("name a user", &[1])]);
        assert_eq!(steps(&alone), "policy b: pass (warn)\n", "each finding says as much");
        let many: Vec<_> =
            (1..=6).map(|at| step(&format!("step {at}"), &[at, at + 10][..if at == 1 { 2 } else { 1 }])).collect();
        assert_eq!(
            steps(&json!(many)),
            "policy b: pass (warn)\n  what to do first:\n    step 1 (clears 2 findings, stop)\n    step 2 (clears 1 finding, \
             stop)\n    step 3 (clears 1 finding, stop)\n    step 4 (clears 1 finding, stop)\n    step 5 (clears 1 finding, \
             stop)\n    and 1 more, in `-o json`\n"
        );
    }
}
