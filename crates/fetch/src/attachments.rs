//! What is attached to an image: gathered where the image lies, read only when somebody wants to.
//!
//! There are four conventions: manifests with a `subject` (OCI distribution specification, "Listing Referrers"), the tag
//! `sha256-DIGEST` that lists them where a registry cannot, cosign's tags `sha256-DIGEST.sig`, `.att` and `.sbom`, and
//! entries of the image's index that `BuildKit` writes. Nothing of this is needed to read the image: what goes wrong is
//! a problem, never an error.

use std::collections::HashSet;
use std::io::{self, Read as _};
use std::sync::Arc;

use killick_model::attachment::{Attachment, Document, DocumentSource, Origin, StagedAttachment, Verification};
use killick_model::digest::Digest;
use killick_model::image::Surroundings;
use killick_model::problem::Problem;

use crate::documents::{self, DocumentError, Entry};
use crate::layer::Blob;
use crate::limits::Limits;

/// Endings of the tags that cosign makes of a digest.
pub(crate) const COSIGN_ENDINGS: [&str; 3] = [".sig", ".att", ".sbom"];

/// The tag that stands for a digest (OCI distribution specification, "Referrers Tag Schema").
pub(crate) fn tag_of(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

/// Those entries of an image's index that are about the image of this digest.
pub(crate) fn companions<'a>(entries: &'a [Entry], about: &'a Digest) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(move |entry| entry.reference_type.is_some() && entry.reference.as_ref() == Some(about))
}

/// The manifest of an artifact, and why it is believed to be attached.
pub(crate) struct FoundArtifact {
    pub(crate) origin: Origin,
    /// What it is attached to.
    pub(crate) about: Digest,
    /// Its own, which its bytes were checked against.
    pub(crate) digest: Digest,
    /// As declared where it was listed.
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// What was gathered.
pub(crate) struct Gathered {
    image: String,
    limit: usize,
    attachments: Vec<StagedAttachment>,
    problems: Vec<Problem>,
    seen: HashSet<Digest>,
}

impl Gathered {
    pub(crate) fn new(image: &str, limits: &Limits) -> Self {
        Self {
            image: image.to_owned(),
            limit: limits.attachments,
            attachments: Vec::new(),
            problems: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Whether an artifact is to be read: it was not before, and there are not too many.
    pub(crate) fn wants(&mut self, digest: &Digest) -> bool {
        if self.seen.contains(digest) {
            return false;
        }
        if self.seen.len() >= self.limit {
            self.problem("limit-attachments", format!("more than {} manifests are attached to it", self.limit));
            return false;
        }
        self.seen.insert(digest.clone())
    }

    /// Takes an artifact with documents that `source` opens.
    pub(crate) fn take(
        &mut self,
        found: FoundArtifact,
        limits: &Limits,
        source: impl Fn(&Document) -> Arc<dyn DocumentSource>,
    ) {
        let FoundArtifact { origin, about, digest, media_type, bytes } = found;
        let artifact = match documents::read_artifact(&digest.to_string(), &bytes, limits) {
            Ok(artifact) => artifact,
            Err(error) => return self.unread(&digest, &error),
        };
        // A tag says what it is about by its name; everything else must say so itself where it can.
        if artifact.subject.as_ref().is_some_and(|subject| *subject != about) {
            let message = "it is listed as attached to this image, but says that it is attached to something else";
            self.problems.push(Problem::new("attachment-subject", digest.to_string(), message));
            return;
        }
        let attachment = Attachment {
            origin,
            about,
            digest,
            media_type: if artifact.media_type.is_empty() { media_type } else { artifact.media_type },
            size: bytes.len() as u64,
            verification: Verification::Unverified,
            artifact_type: artifact.kind,
            annotations: artifact.annotations,
            documents: artifact.documents,
        };
        let sources = attachment.documents.iter().map(source).collect();
        self.attachments.push(StagedAttachment { attachment, sources });
    }

    /// That one artifact cannot be read.
    pub(crate) fn unread(&mut self, digest: &Digest, error: &dyn std::error::Error) {
        let message = format!("what is attached cannot be read: {}", told(error));
        self.problems.push(Problem::new("attachment-unread", digest.to_string(), message));
    }

    /// That something is wrong with the search.
    pub(crate) fn problem(&mut self, kind: &str, message: String) {
        let problem = Problem::new(kind, self.image.clone(), message);
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Adds what was found to what is known of an image's surroundings.
    pub(crate) fn add_to(self, surroundings: &mut Surroundings) {
        surroundings.attachments.extend(self.attachments);
        surroundings.problems.extend(self.problems);
    }
}

/// An error with its causes.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Fails if a document is too large to be read.
pub(crate) fn check_limit(size: u64, limit: u64) -> io::Result<()> {
    if size > limit {
        let message = format!("it has {size} bytes, more than the limit of {limit}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(())
}

/// A document in a layout.
pub(crate) struct StoredDocument {
    /// Nothing, if the layout does not have it.
    pub(crate) blob: Option<Arc<dyn Blob>>,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

impl DocumentSource for StoredDocument {
    fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        check_limit(self.size, limit)?;
        let Some(blob) = &self.blob else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("the blob `{}` is missing", self.digest)));
        };
        let mut bytes = Vec::new();
        blob.open()?.take(self.size.saturating_add(1)).read_to_end(&mut bytes)?;
        verified(bytes, &self.digest, self.size).map_err(io::Error::other)
    }
}

fn verified(bytes: Vec<u8>, digest: &Digest, size: u64) -> Result<Vec<u8>, DocumentError> {
    documents::verify("document", &bytes, digest, size)?;
    Ok(bytes)
}
