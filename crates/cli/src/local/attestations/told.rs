//! What was verified, for people and for programs.

use std::fmt::Write as _;

use killick_model::evaluation::{Action, Evaluation};
use killick_model::printable::printable;
use killick_report::attestation::{Outcome, Verdict};
use serde_json::{Value, json};

use super::replay::Replay;
use super::trusted::Trusted;
use crate::local::bundles::verdict_text;

/// One line: what it is, and what that is here.
pub(super) fn line(text: &mut String, what: &str, value: &str) {
    let _ = writeln!(text, "{what:<12}{value}");
}

/// For people.
pub(super) fn text(found: &[Trusted], replay: Option<&Replay>) -> String {
    let mut text = String::new();
    for (at, trusted) in found.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        line(&mut text, "attested", &format!("{} ({})", trusted.kind.title(), trusted.statement.predicate_type));
        line(&mut text, "subject", &trusted.subject.to_string());
        line(&mut text, "signed by", &trusted.signers.join(", "));
        if let Some(verdict) = &trusted.verdict {
            about_verdict(&mut text, verdict);
        } else if let Some(instant) = trusted.instant() {
            line(&mut text, "made", &instant.to_string());
        }
    }
    if let Some(replay) = replay {
        about_replay(&mut text, replay);
    }
    printable(&text).into_owned()
}

fn about_verdict(text: &mut String, verdict: &Verdict) {
    line(text, "verifier", &verdict.verifier.id);
    line(text, "judged", &verdict.time_verified.to_string());
    if let Some(inputs) = &verdict.inputs {
        line(text, "as", &inputs.reference);
        line(text, "policy", &format!("{} ({})", inputs.bundle.id, inputs.bundle.digest));
        let expires = inputs.advisories.expires.map(|expires| format!(", expires {expires}")).unwrap_or_default();
        line(text, "advisories", &format!("{}{expires}", inputs.advisories.described()));
    } else {
        line(text, "policy", verdict.policy.uri.as_deref().unwrap_or("not told"));
    }
    let outcome = match verdict.verification_result {
        Outcome::Passed => "PASSED",
        Outcome::Failed => "FAILED",
    };
    let findings = verdict.evaluation.as_ref().map(|evaluation| format!(": {}", counts(evaluation)));
    line(text, "verdict", &format!("{outcome}{}", findings.unwrap_or_default()));
}

/// `stop by the policy, 3 findings (1 stop, 2 warn)`.
fn counts(evaluation: &Evaluation) -> String {
    let count = |action| evaluation.findings.iter().filter(|finding| finding.action == action).count();
    let all: Vec<String> = [Action::Stop, Action::Warn, Action::Go]
        .into_iter()
        .filter(|action| count(*action) > 0)
        .map(|action| format!("{} {action}", count(action)))
        .collect();
    let listed = if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) };
    let reason = evaluation.final_action_reason.name().replace('_', " ");
    let found = match evaluation.findings.len() {
        1 => "1 finding".to_owned(),
        many => format!("{many} findings"),
    };
    format!("{} by {reason}, {found}{listed}", evaluation.final_action)
}

fn about_replay(text: &mut String, replay: &Replay) {
    let inputs: Vec<&str> = replay.inputs.iter().map(|difference| difference.input).collect();
    let outcome = match (replay.is_same, inputs.is_empty()) {
        (true, true) => "the same verdict of the same inputs, byte for byte".to_owned(),
        (true, false) => {
            format!("the same verdict, byte for byte, although other inputs were given: {}", inputs.join(", "))
        }
        (false, true) => {
            "ANOTHER verdict of the same inputs: what is attested does not follow from what it names".to_owned()
        }
        (false, false) => format!("ANOTHER verdict, of other inputs: {}", inputs.join(", ")),
    };
    line(text, "replay", &outcome);
    for difference in &replay.inputs {
        let _ = writeln!(text, "\n{} differs", difference.input);
        let _ = writeln!(text, "  recorded  {}\n  found     {}", difference.recorded, difference.found);
    }
    if let Some(change) = &replay.change {
        let _ = write!(text, "\n{}", verdict_text(change));
    } else if !replay.is_same {
        let _ = writeln!(text, "\nthe findings are the same; other are: {}", replay.members.join(", "));
    }
}

/// For programs.
pub(super) fn json(found: &[Trusted], replay: Option<&Replay>) -> anyhow::Result<String> {
    let attestations: Vec<Value> = found
        .iter()
        .map(|trusted| {
            json!({
                "attestation": trusted.name,
                "type": trusted.kind.name(),
                "predicateType": trusted.statement.predicate_type,
                "subject": trusted.subject,
                "signers": trusted.signers,
                "instant": trusted.instant(),
                "verificationResult": trusted.verdict.as_ref().map(|verdict| verdict.verification_result),
            })
        })
        .collect();
    let mut document = json!({"attestations": attestations});
    if let Some(replay) = replay {
        document["replay"] = serde_json::to_value(replay)?;
    }
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
