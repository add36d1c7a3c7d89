//! What is attached to an image: SBOMs, VEX documents, attestations and signatures are read, and what they say is told as theirs.
//!
//! Forms: in-toto statements (attestation/spec/v1/statement.md), bare as `BuildKit` attaches them, in DSSE envelopes
//! (secure-systems-lab/dsse, envelope.md) as cosign does, or in Sigstore bundles (sigstore/protobuf-specs,
//! `sigstore_bundle.proto`); cosign's simple signing (containers/image, `docs/containers-signature.5.md`); Notary
//! Project's JWS (notaryproject/specifications, signature-envelope-jws.md). No signature is checked here: anybody who may write
//! to the repository can have written all of it. So a document says something about the image only if it names it.

use std::collections::HashSet;

use killick_model::attachment::{Attachment, Document, DocumentSource, StagedAttachment, Subject};
use killick_model::digest::Digest;
use killick_model::image::StagedImage;
use killick_model::package::Package;
use killick_model::path::ImagePath;
use killick_model::problem::Problem;
use killick_model::purl::purl;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::catalogers::sbom::attached;
use crate::limits::Limits;

mod kinds;
mod statement;

pub use kinds::Form;
use statement::Statement;

/// The name of this reader, as that of a cataloger.
pub(crate) const NAME: &str = "attached-sbom";

/// Bytes of all documents of an image, in documents of the greatest size.
const TOTAL: u64 = 4;

/// Package URLs that are told of one SBOM.
const TOLD: usize = 20_000;

/// Bytes of one VEX document that is told. It goes into every report of the image.
const VEX_BYTES: usize = 1 << 20;

/// VEX documents that are told of one image.
const VEX_DOCUMENTS: usize = 32;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) attachments: Vec<Attachment>,
    /// Claimed by SBOMs that name the image, or were attached to it without a word.
    pub(crate) packages: Vec<Package>,
    pub(crate) problems: Vec<Problem>,
}

/// Reads what is attached to `image`. May block.
pub(crate) fn read(image: &StagedImage, limits: &Limits) -> Read {
    let mut about = vec![image.manifest_digest.clone()];
    about.extend(image.index.iter().map(|(digest, _)| digest.clone()));
    let mut read = Read::default();
    let mut left = limits.attachment_bytes.saturating_mul(TOTAL);
    // The same document is often attached in several formats.
    let (mut seen, mut claimed) = (HashSet::new(), Vec::new());
    // One more than an image may have is enough to tell that there are too many.
    let most = limits.packages.saturating_add(1);
    for StagedAttachment { attachment, sources } in &image.surroundings.attachments {
        let mut attachment = attachment.clone();
        let artifact_type = attachment.artifact_type.clone();
        for (document, source) in attachment.documents.iter_mut().zip(sources) {
            let form = Form::of(&document.media_type, artifact_type.as_deref(), &attachment.origin);
            document.kind = form.kind();
            if form.is_read() {
                match fetch(document, source.as_ref(), limits, &mut left) {
                    Ok(bytes) => {
                        describe(document, form, &bytes, &about, limits, &mut claimed, &mut read.problems);
                        for package in claimed.drain(..) {
                            if read.packages.len() < most && seen.insert(purl(&package, None)) {
                                read.packages.push(package);
                            }
                        }
                    }
                    Err(problem) => read.problems.push(problem),
                }
            }
        }
        read.attachments.push(attachment);
    }
    let documents = read.attachments.iter_mut().flat_map(|attachment| &mut attachment.documents);
    for document in documents.filter(|document| document.vex.is_some()).skip(VEX_DOCUMENTS) {
        let message = format!("more than {VEX_DOCUMENTS} attached VEX documents: it is not told");
        read.problems.push(Problem::new("limit-vex", document.digest.to_string(), message));
        document.vex = None;
    }
    let layer = u32::try_from(image.layers.len().saturating_sub(1)).unwrap_or(u32::MAX);
    for package in &mut read.packages {
        package.layer = layer;
        NAME.clone_into(&mut package.cataloger);
    }
    read
}

fn fetch(
    document: &Document,
    source: &dyn DocumentSource,
    limits: &Limits,
    left: &mut u64,
) -> Result<Vec<u8>, Problem> {
    let limit = limits.attachment_bytes;
    let problem = |kind, message| Problem::new(kind, document.digest.to_string(), message);
    if document.size > limit {
        let message = format!("the attached document has {} bytes, more than {limit}: it was not read", document.size);
        return Err(problem("limit-attachment-bytes", message));
    }
    *left = left.checked_sub(document.size).ok_or_else(|| {
        let message = format!("all attached documents have more than {TOTAL} times {limit} bytes: it was not read");
        problem("limit-attachment-bytes", message)
    })?;
    source
        .read(limit)
        .map_err(|error| problem("attachment-unread", format!("the attached document cannot be read: {error}")))
}

/// Reads one document of an image, which is known by the digests `about`.
pub fn describe(
    document: &mut Document,
    form: Form,
    bytes: &[u8],
    about: &[Digest],
    limits: &Limits,
    packages: &mut Vec<Package>,
    problems: &mut Vec<Problem>,
) {
    let mut problem = |kind: &str, message: String| {
        problems.push(Problem::new(kind, document.digest.to_string(), message));
    };
    let statement = match Statement::read(form, bytes) {
        Ok(statement) => statement,
        Err(reason) => return problem("malformed-attachment", format!("the attached document is {reason}")),
    };
    document.kind = statement.kind;
    document.subject = match &statement.subjects {
        None => Subject::Unnamed,
        Some(named) if named.iter().any(|digest| about.contains(digest)) => Subject::Image,
        Some(_) => Subject::Other,
    };
    if document.subject == Subject::Other {
        // What it says may be true of something; it is no fact about this image.
        let message = "the attached document is about something else than the image it is attached to";
        return problem("attachment-subject", message.to_owned());
    }
    document.predicate_type = statement.predicate_type;
    let is_vex = form == Form::Vex || document.predicate_type.as_deref().is_some_and(kinds::is_vex_predicate);
    if is_vex || judges(&statement.payload) {
        // With its signatures, so that they can be checked where it is judged whether it counts.
        match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= VEX_BYTES => document.vex = Some(text.to_owned()),
            Ok(text) => {
                let what = if is_vex { "VEX document" } else { "SBOM, which judges vulnerabilities," };
                let message =
                    format!("the attached {what} has {} bytes, more than {VEX_BYTES}: it is not told", text.len());
                problem("limit-vex", message);
            }
            Err(_) => problem("malformed-attachment", "the attached VEX document is no text".to_owned()),
        }
    }
    if is_vex {
        return;
    }
    let Some(location) = ImagePath::new(format!("attached:{}", document.digest).as_bytes()) else { return };
    let sbom = match form {
        Form::Sbom => attached::read(bytes, &location, limits),
        _ if document.predicate_type.as_deref().is_some_and(kinds::is_sbom_predicate) => {
            attached::read_statement(&statement.payload, &location)
        }
        _ => return,
    };
    document.sbom = sbom.format;
    if sbom.format.is_none() {
        problem("unknown-format", "the attached SBOM is neither CycloneDX nor SPDX nor Syft's JSON".to_owned());
    }
    if sbom.nameless > 0 {
        let message = format!("{} packages have no package URL, CPE or version, skipped", sbom.nameless);
        problem("unidentified-package", message);
    }
    let untold = sbom.left_out + sbom.packages.len().saturating_sub(TOLD);
    if untold > 0 {
        problem("limit-packages", format!("{untold} packages are left out"));
    }
    document.packages = sbom.packages.iter().take(TOLD).map(|package| purl(package, None)).collect();
    document.packages.sort();
    packages.extend(sbom.packages);
}

/// A CycloneDX document, or the statement that it is the predicate of, as far as it may judge vulnerabilities.
#[derive(Deserialize)]
struct Judging {
    #[serde(default)]
    vulnerabilities: Vec<Judged>,
    #[serde(default)]
    predicate: Option<Box<Self>>,
}

#[derive(Deserialize)]
struct Judged {
    analysis: Option<IgnoredAny>,
}

/// Whether an SBOM says of vulnerabilities what they mean to its product, as CycloneDX does in `analysis`.
fn judges(payload: &[u8]) -> bool {
    let Ok(judging) = serde_json::from_slice::<Judging>(payload) else { return false };
    let all = [Some(&judging), judging.predicate.as_deref()].into_iter().flatten();
    all.flat_map(|judging| &judging.vulnerabilities).any(|judged| judged.analysis.is_some())
}

#[cfg(test)]
mod tests;
