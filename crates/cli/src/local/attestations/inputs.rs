//! What a verdict follows from, as it is recorded and compared.

use std::path::Path;

use killick_model::digest::Digest;
use killick_report::attestation::{Advisories, Facts, Inputs, Named, Settings};
use killick_server::publications::Origin;

use crate::local::check::{Judge, Judged, JudgingArgs};
use crate::local::decisions::Decisions;
use crate::local::documents;
use crate::local::image::ReadingArgs;
use crate::local::knowledge::{self, KnowledgeArgs};
use crate::report_error::hinted;

/// Decisions in files: what is recorded are the bytes of the files.
pub(super) struct Documents {
    bundle: Digest,
    exceptions: Option<Digest>,
}

impl Documents {
    pub(super) fn read(bundle: &Path, exceptions: Option<&Path>) -> anyhow::Result<Self> {
        let digest = |path: &Path| anyhow::Ok(Digest::of(documents::text(path)?.as_bytes()));
        Ok(Self { bundle: digest(bundle)?, exceptions: exceptions.map(digest).transpose()? })
    }
}

/// What else was given.
pub(super) struct Recorded {
    /// The name the image is judged under.
    pub(super) reference: String,
    /// Whether that is a name in a registry.
    pub(super) from_registry: bool,
    /// VEX documents.
    pub(super) given: Vec<Digest>,
    /// How it is judged.
    pub(super) settings: Settings,
}

/// All of it.
pub(super) fn of(
    judge: &Judge,
    judged: &Judged,
    recorded: Recorded,
    documents: Documents,
    advisories: Advisories,
    readers: String,
) -> Inputs {
    Inputs {
        killick: env!("CARGO_PKG_VERSION").to_owned(),
        evaluated_at: judge.now(),
        reference: recorded.reference,
        from_registry: recorded.from_registry,
        facts: Facts::of(&judged.analysis, readers),
        advisories,
        bundle: Named { id: judge.bundle_id().unwrap_or_default().to_owned(), digest: documents.bundle },
        exceptions: documents.exceptions,
        vex: recorded.given,
        settings: recorded.settings,
    }
}

/// The index as it is recorded.
pub(super) fn advisories(judge: &Judge, args: &KnowledgeArgs) -> anyhow::Result<Advisories> {
    let index = judge.index();
    let expires = match Origin::of(index, knowledge::path(args)?.as_deref()) {
        Origin::Publication(published) => published.expires,
        _ => None,
    };
    let status = killick_vulns::status(index, judge.now());
    let digest = index.digest().map_err(hinted)?;
    Ok(Advisories { digest, built: status.built, newest_data: status.newest_data, expires })
}

/// How it is judged.
pub(super) fn settings(decisions: &Decisions, judging: &JudgingArgs, reading: &ReadingArgs) -> Settings {
    Settings {
        compatibility: judging.compatibility.to_string(),
        exceptions_notice_days: judging.exceptions.exceptions_notice,
        attached_sboms: reading.attached_sboms(),
        ..decisions.settings.clone()
    }
}
