//! `killick attest`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use killick_fetch::Source;
use killick_model::analysis::Analysis;
use killick_model::digest::Digest;
use killick_policy::Compatibility;
use killick_report::attestation::{Kind, PAYLOAD_TYPE, Statement, Subject, Verdict};
use killick_report::formats;
use killick_vulns::dsse::{Envelope, SigningKey};

use super::{KindName, inputs, told};
use crate::exit::Exit;
use crate::local::check::{Judge, Judgement, JudgingArgs};
use crate::local::decisions::{DecisionArgs, Decisions};
use crate::local::exceptions::ExceptionArgs;
use crate::local::image::{self, Alone, ImageArgs, ReadingArgs};
use crate::local::inspections::InspectionArgs;
use crate::local::knowledge::KnowledgeArgs;
use crate::local::{output, subject};
use crate::report_error::{hinted, with_hint};

/// Bytes of a file with a key.
const MAX_KEY_BYTES: u64 = 1 << 20;

/// Arguments of `attest`.
#[derive(Debug, Args)]
pub(crate) struct Attest {
    #[command(flatten)]
    image: ImageArgs,
    /// What to attest
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: KindName,
    /// Private key to sign with (PEM, PKCS #8: Ed25519 or ECDSA on P-256), as `killick db key generate` and `openssl genpkey`
    /// make them
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File to write the signed envelope to, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Form of an SBOM
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "cyclonedx-json")]
    format: SbomName,
    /// Policy bundle to judge by; needed for a verdict
    #[arg(long, value_name = "FILE", required_if_eq("kind", "verdict"))]
    policy: Option<PathBuf>,
    /// Where Anchore Engine 1.1 has a defect that changes a verdict: `repaired` or `engine-1.1`
    #[arg(long, value_name = "PROFILE", default_value_t)]
    compatibility: Compatibility,
    #[command(flatten)]
    exceptions: ExceptionArgs,
    /// Who judges, an address by which those who verify know it; a verdict names it
    #[arg(long, value_name = "URI")]
    verifier: Option<String>,
    #[command(flatten)]
    inspections: Box<InspectionArgs>,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
    #[command(flatten)]
    decisions: DecisionArgs,
}

/// The words of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SbomName {
    /// `CycloneDX` 1.6.
    CyclonedxJson,
    /// SPDX 2.3.
    SpdxJson,
}

impl SbomName {
    const fn format(self) -> &'static str {
        match self {
            Self::CyclonedxJson => "cyclonedx-json",
            Self::SpdxJson => "spdx-json",
        }
    }
}

pub(crate) async fn run(mut args: Attest) -> anyhow::Result<Exit> {
    // First, so that a mistake is told before an image is pulled.
    let key = read_key(&args.key)?;
    if matches!(Source::parse(&args.image.source), Ok(Source::Directory(_))) {
        let hint = "build the image and attest that: what is attested is known by the digest of its manifest";
        return Err(with_hint(format!("`{}` is a folder, not an image", args.image.source), hint));
    }
    args.image.reading.alone = Some(Alone::default());
    let judging = JudgingArgs { compatibility: args.compatibility, exceptions: args.exceptions, grant: false };
    let policy = args.policy.as_deref().filter(|_| args.kind == KindName::Verdict);
    let documents = policy.map(|bundle| inputs::Documents::read(bundle, judging.exceptions.exceptions.as_deref()));
    let documents = documents.transpose()?;
    let judge =
        Judge::new(&args.inspections, &args.knowledge, policy.map(|policy| (policy, &judging)), crate::clock::now())?;
    let ImageArgs { source, reading } = &args.image;
    let decisions = Decisions::of(&args.decisions, source, judge.now())?;
    let advisories = inputs::advisories(&judge, &args.knowledge)?;
    let readers = readers(&judge, reading).await?;
    let (given, settings) = (decisions.given.clone(), inputs::settings(&decisions, &judging, reading));
    let judgement = judge.judge_as(None, source, reading, decisions).await?;
    judgement.warn_if_unmapped();
    let recorded = inputs::Recorded {
        reference: judgement.reference.clone(),
        from_registry: crate::local::decisions::registry_reference(source).is_some(),
        given,
        settings,
    };
    let judged = one(&judgement)?;
    let about = Subject::image(&name(source), &judged.analysis.manifest_digest);
    let report = judgement.report(source, judged);
    let statement = match args.kind {
        KindName::Sbom => {
            let format = formats::find(args.format.format()).context("the format is known")?;
            // What is in it alone: what is wrong with it is another attestation.
            let report = formats::Report { matches: None, unsupported: &[], knowledge: None, ..report };
            Statement::sbom(about, format, &report).context("the format is one of SBOMs")?
        }
        KindName::Vulnerabilities => Statement::vulnerabilities(about, &advisories, &report),
        KindName::Verdict => {
            let documents = documents.context("a verdict needs a policy")?;
            let evaluation = judged.evaluation.clone().context("there is a policy")?;
            let inputs = inputs::of(&judge, judged, recorded, documents, advisories, readers);
            let verdict = Verdict::new(args.verifier.as_deref(), inputs, evaluation, &judged.matches.vex);
            Statement::verdict(about, &verdict)
        }
    };
    let payload = statement.to_json();
    let sealed = Envelope::seal(PAYLOAD_TYPE, payload.as_bytes(), std::slice::from_ref(&key)).map_err(hinted)?;
    write(args.output.as_deref(), &sealed, args.kind.kind(), &judged.analysis, &key)?;
    Ok(Exit::Success)
}

/// Who reads. Asks clamd, if it is to be asked.
pub(super) async fn readers(judge: &Judge, reading: &ReadingArgs) -> anyhow::Result<String> {
    let (limits, inspections) = (reading.analysis_limits(), Arc::clone(judge.inspections()));
    let asked = tokio::task::spawn_blocking(move || image::readers_of(limits, &inspections)).await;
    asked.context("clamd cannot be asked")
}

/// The one image that was judged.
pub(super) fn one(judgement: &Judgement) -> anyhow::Result<&crate::local::check::Judged> {
    match &judgement.subject {
        subject::Subject::Image(judged) => Ok(judged.as_ref()),
        subject::Subject::Index { .. } => Err(image::not_one()),
    }
}

/// What the image is called where it lies: without its tag, which may be given to another one, and without folders of
/// this machine.
fn name(source: &str) -> String {
    match crate::local::decisions::registry_reference(source) {
        Some(reference) => format!("{}/{}", reference.registry, reference.repository),
        None => source.trim_end_matches('/').rsplit('/').next().unwrap_or(source).to_owned(),
    }
}

fn read_key(path: &Path) -> anyhow::Result<SigningKey> {
    use std::io::Read as _;
    let mut text = String::new();
    fs_err::File::open(path)?.take(MAX_KEY_BYTES).read_to_string(&mut text)?;
    let key = SigningKey::read(&text).map_err(hinted);
    key.with_context(|| format!("the key file `{}` cannot be used", path.display()))
}

fn write(
    file: Option<&Path>,
    envelope: &Envelope,
    kind: Kind,
    analysis: &Analysis,
    key: &SigningKey,
) -> anyhow::Result<()> {
    let text = serde_json::to_string(envelope)? + "\n";
    let Some(file) = file else { return output::print(&text) };
    fs_err::write(file, &text)?;
    let mut summary = String::new();
    let digest = Digest::of(text.as_bytes());
    told::line(&mut summary, "attested", kind.title());
    told::line(&mut summary, "subject", &analysis.manifest_digest.to_string());
    told::line(&mut summary, "signed by", key.public().id());
    let _ = writeln!(summary, "{:<12}{} ({digest})", "written to", file.display());
    output::print(&summary)
}
