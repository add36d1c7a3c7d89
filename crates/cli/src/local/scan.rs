//! `killick scan`: what is in an image, what is known to be wrong with it, and the verdict.

use std::path::PathBuf;

use clap::Args;
use killick_model::reference::Reference;
use killick_model::severity::Severity;
use killick_report::formats::Needs;

use super::check::{Judge, Judged, JudgingArgs};
use super::decisions::DecisionArgs;
use super::image::ReadingArgs;
use super::inspections::InspectionArgs;
use super::knowledge::KnowledgeArgs;
use super::many::{self, ManyArgs};
use super::output::{self, OutputArgs};
use crate::exit::Exit;

/// Arguments of `scan`.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// An image reference, an archive, an OCI layout, a directory or an SBOM; also registry:REF, docker:REF, podman:REF,
    /// docker-archive:FILE, oci-archive:FILE, oci:DIR or oci:DIR:TAG, dir:PATH, sbom:FILE, - for an SBOM on standard input
    #[arg(value_name = "IMAGE", required_unless_present = "list")]
    source: Option<String>,
    #[command(flatten)]
    pub(super) many: ManyArgs,
    #[command(flatten)]
    pub(super) reading: ReadingArgs,
    #[command(flatten)]
    pub(super) inspections: Box<InspectionArgs>,
    /// Policy bundle to judge by
    #[arg(long, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
    /// Name under which the image is judged: what mappings of the bundle and its lists of images see (default: that in its
    /// registry, or the one that its archive gives it)
    #[arg(long, value_name = "NAME", requires = "policy", conflicts_with = "list")]
    reference: Option<Reference>,
    #[command(flatten)]
    pub(super) judging: JudgingArgs,
    /// Exit with 1 if a vulnerability is at least this severe
    #[arg(long, value_name = "SEVERITY")]
    pub(super) fail_on: Option<Severity>,
    #[command(flatten)]
    pub(super) knowledge: KnowledgeArgs,
    #[command(flatten)]
    pub(super) decisions: DecisionArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

pub(super) async fn run(args: Scan) -> anyhow::Result<Exit> {
    let Some(source) = &args.source else { return many::run(args).await };
    args.many.refuse_alone()?;
    args.output.check(Needs::Vulnerabilities)?;
    let reference = args.reference.as_ref();
    let judgement = args.judge()?.judge(source, reference, &args.reading, &args.decisions).await?;
    output::write(&args.output, &judgement.document(source))?;
    Ok(judgement.subject.exit(|image| args.is_refused(image)))
}

impl Scan {
    /// What images are judged by.
    pub(super) fn judge(&self) -> anyhow::Result<Judge> {
        let policy = self.policy.as_deref().map(|path| (path, &self.judging));
        Judge::new(&self.inspections, &self.knowledge, policy, crate::clock::now())
    }

    /// Whether the image is stopped by the policy, or has what `--fail-on` names.
    pub(super) fn is_refused(&self, image: &Judged) -> bool {
        let is_too_severe = |limit| image.matches.matches.iter().any(|found| found.severity >= limit);
        self.fail_on.is_some_and(is_too_severe) || image.is_stopped()
    }
}
