//! `killick verify --replay`: the verdict once more, of what was recorded, by the code of `check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use killick_model::evaluation::Evaluation;
use killick_model::reference::Reference;
use killick_policy::Compatibility;
use killick_policy::diff::{self, VerdictChange};
use killick_report::attestation::{Difference, Inputs, Verdict};
use serde::Serialize;
use serde_json::Value;

use super::{attest, inputs};
use crate::local::check::{Judge, JudgingArgs};
use crate::local::decisions::{DecisionArgs, Decisions};
use crate::local::exceptions::ExceptionArgs;
use crate::local::image::ReadingArgs;
use crate::local::inspections::InspectionArgs;
use crate::local::knowledge::KnowledgeArgs;
use crate::report_error::with_hint;

/// What was recorded by its digest alone. Settings, the name of the image and the instant are those that were recorded.
#[derive(Debug, Args)]
#[command(next_help_heading = "Replay options")]
pub(super) struct ReplayArgs {
    /// Judge the image again by what was recorded, and compare
    #[arg(long, requires = "policy", requires = "source")]
    pub(super) replay: bool,
    /// The policy bundle
    #[arg(long, value_name = "FILE", requires = "replay")]
    policy: Option<PathBuf>,
    /// The exceptions
    #[arg(long, value_name = "FILE", requires = "replay")]
    exceptions: Option<PathBuf>,
    /// A VEX document, or a folder of them; may be repeated
    #[arg(long, value_name = "FILE", requires = "replay")]
    vex: Vec<PathBuf>,
    /// A public key that VEX documents had to be signed with; may be repeated
    #[arg(long, value_name = "FILE", requires = "replay")]
    vex_key: Vec<PathBuf>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
}

/// How the verdict compares.
#[derive(Debug, Serialize)]
pub(super) struct Replay {
    /// Whether it is the same, byte for byte.
    pub(super) is_same: bool,
    /// The inputs that differ.
    pub(super) inputs: Vec<Difference>,
    /// What that changed, if it changed a finding or the outcome.
    pub(super) change: Option<VerdictChange>,
    /// Members of the evaluation that differ.
    pub(super) members: Vec<String>,
}

/// Judges again. `reading` tells where the image is.
pub(super) async fn run(
    verdict: &Verdict,
    source: &str,
    reading: ReadingArgs,
    args: ReplayArgs,
) -> anyhow::Result<Replay> {
    let (Some(recorded), Some(before)) = (&verdict.inputs, &verdict.evaluation) else {
        let hint = "only `killick attest --type verdict` records them; the signature was verified all the same";
        return Err(with_hint("the verdict does not say what it follows from, and cannot be replayed", hint));
    };
    let policy = args.policy.context("a replay needs the policy")?;
    let settings = &recorded.settings;
    let compatibility = settings.compatibility.parse::<Compatibility>();
    let compatibility = compatibility.with_context(|| {
        format!("the verdict was made with the profile `{}`, which this version does not know", settings.compatibility)
    })?;
    let exceptions = ExceptionArgs { exceptions: args.exceptions, exceptions_notice: settings.exceptions_notice_days };
    let judging = JudgingArgs { compatibility, exceptions, grant: false };
    let attachments: BTreeSet<_> = recorded.facts.attachments.iter().cloned().collect();
    let reading = reading.recorded(settings.attached_sboms, attachments);
    let documents = inputs::Documents::read(&policy, judging.exceptions.exceptions.as_deref())?;
    let judge = Judge::new(&args.inspections, &args.knowledge, Some((&policy, &judging)), recorded.evaluated_at)?;
    let decision_args = DecisionArgs::recorded(settings, args.vex, args.vex_key)?;
    let decisions = Decisions::about(&decision_args, reference(recorded), judge.now())?;
    let advisories = inputs::advisories(&judge, &args.knowledge)?;
    let readers = attest::readers(&judge, &reading).await?;
    let given = inputs::Recorded {
        reference: recorded.reference.clone(),
        from_registry: recorded.from_registry,
        given: decisions.given.clone(),
        settings: inputs::settings(&decisions, &judging, &reading),
    };
    let judgement = judge.judge_as(Some(&recorded.reference), source, &reading, decisions).await?;
    let judged = attest::one(&judgement)?;
    let found = inputs::of(&judge, judged, given, documents, advisories, readers);
    let after = judged.evaluation.as_ref().context("there is a policy")?;
    compare(recorded, before, &found, after)
}

/// The name as it was judged under, if that is one in a registry.
fn reference(recorded: &Inputs) -> Option<Reference> {
    recorded.from_registry.then(|| recorded.reference.parse().ok()).flatten()
}

fn compare(recorded: &Inputs, before: &Evaluation, found: &Inputs, after: &Evaluation) -> anyhow::Result<Replay> {
    let (old, new) = (serde_json::to_value(before)?, serde_json::to_value(after)?);
    // Byte for byte: the order of findings is part of it.
    let is_same = serde_json::to_string(before)? == serde_json::to_string(after)?;
    let names: BTreeSet<&String> =
        [&old, &new].into_iter().filter_map(Value::as_object).flat_map(|all| all.keys()).collect();
    let differs = |name: &&&String| old.get(name.as_str()) != new.get(name.as_str());
    Ok(Replay {
        is_same,
        inputs: recorded.differences(found),
        change: diff::verdicts(before, after),
        members: names.iter().filter(differs).map(|name| (*name).clone()).collect(),
    })
}
