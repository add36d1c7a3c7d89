//! `killick verify`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use killick_analysis::attachments::Form;
use killick_model::digest::Digest;
use killick_model::image::StagedImage;
use killick_report::attestation::{Kind, Outcome};

use super::replay::{self, Replay, ReplayArgs};
use super::trusted::{self, MAX_ENVELOPE_BYTES, TrustError, Trusted, Wanted};
use super::{KindName, told};
use crate::exit::Exit;
use crate::local::decisions;
use crate::local::image::{self, ReadingArgs};
use crate::local::output::{self, TextOrJson};
use crate::report_error::{hinted, with_hint};

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The image that is attested, wherever it is; its digest is looked at, and what is attached to it
    #[arg(value_name = "IMAGE", required_unless_present = "subject")]
    source: Option<String>,
    /// Digest of the image, where the image itself is not at hand
    #[arg(long, value_name = "DIGEST", conflicts_with = "source", requires = "attestation")]
    subject: Option<Digest>,
    /// The signed envelope (default: those that are attached to the image)
    #[arg(long, value_name = "FILE")]
    attestation: Option<PathBuf>,
    /// Public key of who must have signed it (PEM, or `ed25519:…`); of several, any
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// What must be attested
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<KindName>,
    /// Believe a verdict although the advisories it rests on expired
    #[arg(long)]
    allow_expired: bool,
    /// Do not believe what rests on advisories that are older than this
    #[arg(long, value_name = "DAYS")]
    max_age: Option<u32>,
    /// How to print it
    #[arg(short, long = "output", value_enum, default_value = "text", value_name = "FORMAT")]
    output: TextOrJson,
    #[command(flatten)]
    replay: ReplayArgs,
    #[command(flatten)]
    reading: ReadingArgs,
}

pub(crate) async fn run(args: Verify) -> anyhow::Result<Exit> {
    let keys = decisions::keys(&args.key)?;
    let kind = if args.replay.replay { Some(Kind::Verdict) } else { args.kind.map(KindName::kind) };
    if args.kind.is_some_and(|asked| Some(asked.kind()) != kind) {
        return Err(with_hint("only a verdict can be replayed", "leave out `--type`, or write `--type verdict`"));
    }
    let file = args.attestation.as_deref().map(|path| Ok::<_, anyhow::Error>((path, read(path)?))).transpose()?;
    let image = match &args.source {
        Some(source) => Some(image::stage_one(source, &args.reading).await?),
        None => None,
    };
    let index = image.as_ref().and_then(|image| image.index.as_ref()).map(|(digest, _)| digest.clone());
    let own = image.as_ref().map(|image| image.manifest_digest.clone()).or(args.subject);
    let wanted = Wanted {
        subject: own.into_iter().chain(index).collect(),
        kind,
        keys,
        now: crate::clock::now(),
        allow_expired: args.allow_expired,
        max_age_days: args.max_age,
    };
    let found = match (file, image) {
        (Some((path, bytes)), _) => {
            vec![trusted::check(&path.display().to_string(), &bytes, &wanted).map_err(hinted)?]
        }
        (None, Some(image)) => {
            tokio::task::spawn_blocking(move || attached(&image, &wanted)).await.context("interrupted")??
        }
        (None, None) => Vec::new(),
    };
    let verdict = found.iter().find_map(|trusted| trusted.verdict.as_ref());
    let replay = match (verdict, &args.source) {
        (Some(verdict), Some(source)) if args.replay.replay => {
            Some(replay::run(verdict, source, args.reading, args.replay).await?)
        }
        _ => None,
    };
    output::print(&match args.output {
        TextOrJson::Text => told::text(&found, replay.as_ref()),
        TextOrJson::Json => told::json(&found, replay.as_ref())?,
    })?;
    Ok(exit(&found, replay.as_ref()))
}

/// A verdict that is not what follows from what it names is no verdict.
fn exit(found: &[Trusted], replay: Option<&Replay>) -> Exit {
    if replay.is_some_and(|replay| !replay.is_same) {
        return Exit::Failure;
    }
    let is_stopped = |trusted: &Trusted| {
        trusted.verdict.as_ref().is_some_and(|verdict| verdict.verification_result == Outcome::Failed)
    };
    if found.iter().any(is_stopped) { Exit::Refused } else { Exit::Success }
}

/// What is attached to the image and believed: of each kind the newest, so that an older verdict does not count any more.
/// May block.
fn attached(image: &StagedImage, wanted: &Wanted) -> anyhow::Result<Vec<Trusted>> {
    let mut newest: BTreeMap<Kind, Trusted> = BTreeMap::new();
    let mut refused: Vec<TrustError> = Vec::new();
    let mut seen = 0_usize;
    for attached in &image.surroundings.attachments {
        let attachment = &attached.attachment;
        for (document, source) in attachment.documents.iter().zip(&attached.sources) {
            let form = Form::of(&document.media_type, attachment.artifact_type.as_deref(), &attachment.origin);
            if !matches!(form, Form::Envelope | Form::Bundle) {
                continue;
            }
            seen += 1;
            let name = document.digest.to_string();
            let bytes = source.read(MAX_ENVELOPE_BYTES as u64);
            let bytes = bytes.map_err(|error| TrustError::Unread(name.clone(), error.to_string()));
            match bytes.and_then(|bytes| trusted::check(&name, &bytes, wanted)) {
                Ok(trusted) => {
                    let before = newest.get(&trusted.kind).map(Trusted::instant);
                    if before.is_none_or(|before| before < trusted.instant()) {
                        newest.insert(trusted.kind, trusted);
                    }
                }
                Err(error) => refused.push(error),
            }
        }
    }
    if seen == 0 {
        let hint = "give one with `--attestation FILE`, or attach it: `oras attach` or `cosign attach attestation` do";
        return Err(with_hint(format!("nothing that is signed is attached to `{}`", image.name), hint));
    }
    if newest.is_empty() {
        let told: Vec<String> = refused.iter().map(ToString::to_string).collect();
        let hint = refused.first().and_then(killick_model::hint::Hint::hint).unwrap_or_default();
        return Err(with_hint(format!("nothing that is attached is believed: {}", told.join("; ")), hint));
    }
    Ok(newest.into_values().collect())
}

/// At most one byte more than an envelope may have: that it is too large is told where it is judged.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MAX_ENVELOPE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
